"""The key desk: durable, then published, then answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.admission import KeyDesk, KeySource, NewKey, load_pepper
from headgate.admission.files import KEYS_FILE, read_keys
from headgate.admission.periods import period_bounds
from headgate.core.errors import InvalidRequest, NotFound, Unauthenticated
from headgate.core.keys import EVERY_TENANT, Spend
from headgate.core.roles import allow
from tests.admission.world import MemoryKeys, Spendings
from tests.support.world import ManualClock, SeededEntropy


class Office:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.store = MemoryKeys()
        self.spending = Spendings()
        self.peppered = load_pepper(folder, SeededEntropy(5))
        self.desk = KeyDesk(self.store, folder, self.peppered, self.clock, SeededEntropy(6), self.spending)
        self.source = KeySource(folder, self.peppered)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_the_first_start_makes_one_admin_key_and_shows_it_once(office: Office) -> None:
    secret = office.desk.open()
    assert secret is not None
    info, roles = office.desk.identify(secret)
    assert (info.admin, roles) == (True, allow("admin"))
    assert office.desk.open() is None
    assert len(office.store.stored) == 1


def test_a_key_is_known_with_its_roles_and_workers_are_not_told_of_them(office: Office) -> None:
    made = office.desk.create(NewKey(name="ci", roles=allow("author", "reviewer")), "root")
    calls = office.desk.create(NewKey(name="shop"), "root")
    assert office.desk.identify(made.secret) == (made.key.info, allow("author", "reviewer"))
    assert office.desk.identify(calls.secret) == (calls.key.info, allow())
    assert not made.key.info.admin
    assert b"author" not in (office.folder / KEYS_FILE).read_bytes()
    office.desk.revoke(made.key.info.id, EVERY_TENANT)
    with pytest.raises(Unauthenticated, match="revoked"):
        office.desk.identify(made.secret)


def test_a_desk_opened_again_knows_the_roles(office: Office) -> None:
    made = office.desk.create(NewKey(name="ci", roles=allow("operator")), "root")
    later = KeyDesk(office.store, office.folder, office.peppered, office.clock, SeededEntropy(7))
    assert later.open() is None
    assert later.identify(made.secret)[1] == allow("operator")


def test_a_new_key_is_known_to_workers_when_it_is_answered(office: Office) -> None:
    made = office.desk.create(NewKey(name="ci", tenant="acme", rpm=5, models=["gpt"]), "root")
    assert office.source.poll()
    info = office.source.ring.find(made.secret, office.clock.now_ns())
    assert (info.name, info.tenant, info.rpm, info.models, info.admin) == ("ci", "acme", 5, frozenset({"gpt"}), False)
    assert made.secret.startswith(made.key.shown)
    assert made.key.created_by == "root"
    assert made.secret not in repr(made.key)


def test_a_revoked_key_is_out_for_workers_when_it_is_answered(office: Office) -> None:
    made = office.desk.create(NewKey(name="ci"), "root")
    office.desk.revoke(made.key.info.id, EVERY_TENANT)
    office.source.poll()
    for ring in (office.source.ring, office.desk.ring):
        with pytest.raises(Unauthenticated, match="revoked"):
            ring.find(made.secret, 0)
    assert office.desk.revoke(made.key.info.id, EVERY_TENANT).info.revoked, "twice is no error"


def test_a_tenant_cannot_revoke_or_list_anothers_keys(office: Office) -> None:
    made = office.desk.create(NewKey(name="ci", tenant="acme"), "root")
    with pytest.raises(NotFound):
        office.desk.revoke(made.key.info.id, "globex")
    with pytest.raises(NotFound):
        office.desk.revoke("key_unknown", EVERY_TENANT)
    assert office.desk.list("globex") == []
    assert [line.key.info.id for line in office.desk.list("acme")] == [made.key.info.id]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"tenant": ""}, "tenant"),
        ({"tenant": EVERY_TENANT}, "tenant"),
        ({"rpm": 0}, "rpm"),
        ({"tpm": -1}, "tpm"),
        ({"concurrency": 10**10}, "concurrency"),
        ({"budget_usd": 0.0}, "budget_usd"),
        ({"budget_usd": float("nan")}, "budget_usd"),
        ({"budget_usd": float("inf")}, "budget_usd"),
        ({"budget_period": "week"}, "budget_period"),
        ({"expires_ns": 1}, "expires"),
        ({"models": [""]}, "models"),
        ({"roles": allow("viewer"), "tenant": "acme"}, "tenant"),
        ({"roles": allow("admin"), "team": "shop"}, "tenant"),
        ({"models": ["m"] * 201}, "models"),
    ],
)
def test_what_a_key_cannot_stand_for_is_refused_by_field(office: Office, fields: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        office.desk.create(NewKey(**{"name": "ok", **fields}), "root")
    assert refusal.value.param == param
    assert office.store.stored == {}


def test_the_number_of_keys_is_bounded(office: Office, monkeypatch) -> None:
    monkeypatch.setattr("headgate.admission.desk.KEYS_MAX", 2)
    office.desk.create(NewKey(name="a"), "root")
    office.desk.create(NewKey(name="b"), "root")
    with pytest.raises(InvalidRequest, match="2 keys already"):
        office.desk.create(NewKey(name="c"), "root")


def test_spend_is_published_where_a_key_has_a_budget(office: Office) -> None:
    made = office.desk.create(NewKey(name="a", budget_usd=5.0, budget_period="day"), "root")
    office.desk.create(NewKey(name="b"), "root")
    start = period_bounds("day", office.clock.now_ns())[0]
    office.spending.spent = {made.key.info.id: Spend(0, 1.25, 3, 0, 90)}
    assert office.desk.publish()
    by_id = {key.info.id: key.spend for key in read_keys(office.folder).keys}
    assert by_id[made.key.info.id] == Spend(start, 1.25, 3, 0, 90)
    assert sum(spend != Spend() for spend in by_id.values()) == 1
    assert not office.desk.publish(), "nothing new, nothing written"


def test_a_key_that_spent_nothing_has_a_spend_of_nothing(office: Office) -> None:
    office.desk.create(NewKey(name="a", budget_usd=5.0), "root")
    (line,) = office.desk.list(EVERY_TENANT)
    assert line.spend is not None
    assert line.spend.usd == 0
    office.desk._spending = None
    assert office.desk.list(EVERY_TENANT)[0].spend is None, "nobody keeps count: unknown"


def test_a_publication_that_failed_is_repaired(office: Office, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr("headgate.admission.desk.write_keys", broken)
        with pytest.raises(OSError, match="disk full"):
            office.desk.create(NewKey(name="a"), "root")
    assert office.desk.publish()
    assert len(read_keys(office.folder).keys) == 1
