"""Grouping as texts come, counting by group, and drafts of what is kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from headgate.app.drafts import load_draft
from headgate.core.discovery import OTHERS, PromptSample, PromptUse
from headgate.core.errors import InvalidRequest, NotFound, StoreUnavailable
from headgate.core.keys import EVERY_TENANT
from headgate.prompts import Adoption, Coverages, Discovery, groups
from headgate.prompts import discovery as discovery_module
from headgate.prompts.render import fingerprint
from headgate.prompts.skeleton import Skeleton
from headgate.stores import prompts_sqlite
from headgate.stores.prompts_sqlite import SqlitePrompts
from tests.support.world import ManualClock

DAY_S = 86_400
HELP = "You help {} with questions about {}. Be brief."


class Place:
    """Discovery on a real store; what calls used is said by the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.store = SqlitePrompts(folder)
        self.uses: list[PromptUse] = []
        self.discovery = Discovery(self.store, self, self.clock, lambda: 30)
        self.coverages = Coverages(self.store, self, lambda: {"key_1": "checkout"})
        self.adoption = Adoption(self.store, load_draft)

    def prompt_use(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> list[PromptUse]:
        return [use for use in self.uses if scope in (EVERY_TENANT, use.tenant) and app in (None, use.app)]

    def sample(self, text: str, tenant: str = "acme", most: int = 1 << 20) -> PromptSample:
        mark = fingerprint(text)
        assert mark is not None
        return PromptSample(mark, text[:most], len(text), self.clock.now_ns(), "call_1", tenant)

    def takes(self, *texts: str, tenant: str = "acme") -> list[str | None]:
        """The groups of the texts, after they were told of."""
        self.discovery.take([self.sample(text, tenant) for text in texts])
        members = self.store.members(EVERY_TENANT)
        return [members.get((tenant, fingerprint(text) or "")) for text in texts]

    def used(self, text: str | None, calls: int = 1, **fields) -> None:
        plain = {
            "tenant": "acme", "app": None, "key_id": "key_1", "model": "gpt-5", "prompt": None,
            "fingerprint": fingerprint(text), "calls": calls, "last_ns": self.clock.now_ns(), "call": "call_1",
        }  # fmt: skip
        self.uses.append(PromptUse(**{**plain, **fields}))


@pytest.fixture
def place(tmp_path: Path):
    made = Place(tmp_path)
    yield made
    made.store.close()


def test_texts_of_one_template_are_one_group_also_after_a_restart(place: Place) -> None:
    first = place.takes(HELP.format("Ann", "tax"), "Translate the text to French, word by word.")
    assert len(set(first)) == 2
    again = Discovery(place.store, place, place.clock, lambda: 30)
    again.take([place.sample(HELP.format("Bob", "rent and heating"))])
    assert place.takes(HELP.format("Bob", "rent and heating")) == [first[0]]


def test_the_same_texts_again_change_nothing(place: Place) -> None:
    texts = [HELP.format(name, "tax") for name in ("Ann", "Bob", "Zoe")]
    place.takes(*texts)
    before = place.store.groups(), place.store.texts("acme", place.takes(texts[0])[0] or "")
    place.takes(*texts, *texts)
    assert (place.store.groups(), place.store.texts("acme", place.takes(texts[0])[0] or "")) == before


def test_tenants_share_no_group(place: Place) -> None:
    place.takes(HELP.format("Ann", "tax"))
    place.takes(HELP.format("Bob", "tax"), tenant="globex")
    assert len(place.store.groups()) == 2
    assert {tenant for tenant, _ in place.store.members("globex")} == {"globex"}


def test_a_store_that_fails_holds_up_nobody_and_is_whole_afterwards(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place.takes(HELP.format("Ann", "tax"))
    with monkeypatch.context() as patch:
        patch.setattr(SqlitePrompts, "put", lambda *_: (_ for _ in ()).throw(StoreUnavailable("prompts.db: full")))
        place.discovery.take([place.sample(HELP.format("Bob", "rent"))])
    assert "1 texts of unregistered prompts could not be kept: prompts.db: full" in caplog.text
    assert [one.gaps for one in place.store.groups()] == [[False] * len(place.store.groups()[0].gaps)]
    assert len(set(place.takes(HELP.format("Zoe", "rent"), HELP.format("Ann", "tax")))) == 1


def test_bounds_of_groups_and_of_texts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "GROUPS_MAX", 2)
    monkeypatch.setattr(discovery_module, "TEXTS_PER_GROUP", 3)
    place.takes(*[HELP.format(name, "tax") for name in ("Ann", "Bob", "Zoe", "Max", "Eve")])
    assert place.takes("Translate the text to French.", "Write a poem about the sea and the gulls.")[1] is None
    (group,) = {id for id in place.takes(HELP.format("Ann", "tax")) if id}
    texts = place.store.texts("acme", group)
    assert [one.text is not None for one in texts] == [True, True, True, False, False]
    made = place.adoption.draft("acme", group, None, None)
    assert (made.texts, made.others) == (3, 2)


def test_texts_give_way_to_a_bound_in_characters(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts_sqlite, "TEXT_CHARS_MAX", 60)
    (first, second) = place.takes(HELP.format("Ann", "tax"), "Translate the text to French, word by word.")
    assert place.store.texts("acme", first or "")[0].text is not None
    assert place.store.texts("acme", second or "")[0].text is None
    with pytest.raises(InvalidRequest, match="no text of this group is kept"):
        place.adoption.draft("acme", second or "", None, None)


def test_what_nobody_uses_any_more_is_dropped_and_what_is_in_use_stays(place: Place) -> None:
    used, unused = HELP.format("Ann", "tax"), "Translate the text to French, word by word."
    place.takes(used, unused)
    place.clock.advance(31 * DAY_S)
    place.used(used)
    place.discovery.tend()
    assert [one.id for one in place.store.groups()] == [fingerprint(used)]
    assert place.takes(unused) == [fingerprint(unused)], "told of again, it is there again"


def test_coverage_counts_every_call_that_reached_a_model(place: Place) -> None:
    ann, bob, untold = HELP.format("Ann", "tax"), HELP.format("Bob", "rent"), "Never told of."
    place.takes(ann, bob)
    place.used(None, 90, app="support", model="support", prompt="prompt/support@1.0.0", fingerprint=None)
    place.used(ann, 3, last_ns=5, call="call_a")
    place.used(bob, 4, last_ns=9, call="call_b")
    place.used(untold, 2)
    place.used(None, 1, fingerprint=OTHERS)
    place.used(None, 1, app="support", model="support", key_id="key_2")
    found = place.coverages.report(EVERY_TENANT, 0, 10, None, 10)
    assert (found.calls, found.registered, found.share) == (101, 90, 90 / 101)
    assert [(one.app, one.calls, one.registered) for one in found.apps] == [("support", 91, 90), (None, 10, 0)]
    assert [(one.kind, one.calls, one.fingerprints, one.key, one.call) for one in found.offenders] == [
        ("grouped", 7, 2, "checkout", "call_b"),
        ("not grouped", 3, 1, "checkout", "call_1"),
        ("no system prompt", 1, 0, None, "call_1"),
    ]
    assert found.offenders[0].text == "You help… with questions about…. Be brief."
    assert sum(one.calls for one in found.offenders) == found.calls - found.registered
    few = place.coverages.report(EVERY_TENANT, 0, 10, None, 1)
    assert (few.more, few.more_calls) == (2, 4)


def test_no_calls_are_no_share(place: Place) -> None:
    assert place.coverages.report(EVERY_TENANT, 0, 10, None, 10).share is None


def test_any_fingerprint_of_a_group_adopts_it(place: Place) -> None:
    texts = [HELP.format(name, topic) for name, topic in [("Ann", "7"), ("Bob", "12"), ("Zoe Smith", "0")]]
    place.takes(*texts)
    made = [place.adoption.draft(EVERY_TENANT, fingerprint(text) or "", "helper", "team-a") for text in texts]
    assert made[0] == made[1] == made[2]
    assert [(one.type, one.values) for one in made[0].inputs] == [("string", 3), ("integer", 3)]
    artifact = load_draft(made[0].file)
    assert (artifact.ref.name, artifact.owner) == ("helper", "team-a")


def test_what_cannot_be_adopted_says_why(place: Place) -> None:
    text = "You are an archive. " + " ".join(f"fact{n}" for n in range(500))
    place.discovery.take([place.sample(text, most=100)])
    with pytest.raises(InvalidRequest, match="longer than the 100 characters"):
        place.adoption.draft("acme", fingerprint(text) or "", None, None)
    place.takes(HELP.format("Ann", "tax"))
    with pytest.raises(InvalidRequest, match="is no name"):
        place.adoption.draft("acme", fingerprint(HELP.format("Ann", "tax")) or "", "No Name", None)
    for scope, mark in (("globex", fingerprint(text) or ""), (EVERY_TENANT, "f" * 16)):
        with pytest.raises(NotFound):
            place.adoption.draft(scope, mark, None, None)


def test_a_cut_text_joins_its_group(place: Place) -> None:
    rules = " ".join(f"Rule {n} is that of page{n}." for n in range(40))
    whole = f"You help Ann. {rules} The end."
    place.takes(whole)
    cut = place.sample(f"You help Bob. {rules} Another end.", most=600)
    place.discovery.take([cut])
    assert set(place.store.members("acme").values()) == {fingerprint(whole)}


def test_a_sample_survives_the_journals_format() -> None:
    sample = PromptSample("f" * 16, "téxt", 9, 7, "call_1", "acme")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(sample), type=PromptSample) == sample
    assert sample.cut


def test_groups_that_come_to_the_same_template_become_one(place: Place) -> None:
    frame = "Translate the question into SQL. Tables: {} Return only SQL, no comments, and never change any data."
    long = "- orders(id, price, item, page, stock) - people(id, name, town, street, country) - items(id, size)"
    other = "- days(month, day, hour, second, zone) - shops(place, owner, phone, since, until) - cats(age, colour)"
    place.takes(frame.format(long + " " + other + " " + long), frame.format("- t(a)"), frame.format("- days(b)"))
    place.takes(frame.format(other), frame.format(long), frame.format("- cats(age) - shops(place)"))
    place.takes(frame.format(other + " " + other + " - u(v)"))
    members = place.store.members("acme")
    assert len(members) == 7
    assert len(set(members.values())) == len(place.store.groups()) == 1
    assert {one.group for one in place.store.texts("acme", place.store.groups()[0].id)} == set(members.values())
    again = Discovery(place.store, place, place.clock, lambda: 30)
    again.take([place.sample(frame.format("- w(x)"))])
    assert len(place.store.groups()) == 1


def test_two_groups_of_one_skeleton_are_one_from_then_on(place: Place) -> None:
    place.takes("alpha beta gamma delta one", "alpha beta gamma delta two")
    (old,) = place.store.groups()
    made = groups.Groups([old])
    made._changed("acme", "f" * 16, Skeleton.of("other words"))
    merging = made._changed("acme", "f" * 16, Skeleton(tuple(old.words), tuple(old.gaps)))
    assert (merging.id, merging.merged) == ("f" * 16, old.id)
    assert merging.group is not None
    place.store.put([], [merging.group], [("acme", old.id, merging.id)])
    assert [one.id for one in place.store.groups()] == ["f" * 16]
    assert set(place.store.members("acme").values()) == {"f" * 16}
    found = made.place("acme", "e" * 16, "alpha beta gamma delta three", False)
    assert found is not None
    assert found.id == "f" * 16
