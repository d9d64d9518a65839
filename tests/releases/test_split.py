"""A channel between releases: by weight, sticky by unit, with the exposure on record."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from headgate.core.errors import ConfigError, InvalidRequest
from headgate.core.record import CallRecord
from headgate.core.snapshot import Snapshot
from headgate.core.stages import Admitted, Call, KeyInfo
from headgate.releases import Releases
from tests.releases.test_releases import APP, Direct, NoPolicy, app

ARMS = "arms: [{release: 1, share: 7500}, {release: 2, share: 2500}]"
SPLIT = APP.replace("production: 1", f"production: {{experiment: tone, salt: s1, unit: user, {ARMS}}}")


def ask(text: str, body: dict[str, Any], dialect: str = "openai", tenant: str = "acme", number: int = 0) -> CallRecord:
    """The record of a call to the app."""
    snapshot = Snapshot("d", 0, {"support": app(text)}, Direct(), NoPolicy(), {})  # type: ignore[arg-type]
    record = CallRecord(f"call_{number}", 0, dialect)
    call = Call(f"call_{number}", dialect, snapshot, record, 0)
    call.body = msgspec.json.encode({"model": "support/answer" if "answer" in body else "support", **body})
    call.path_model = "support" if dialect == "google" else None
    Releases().select(Admitted(call, KeyInfo("k", "key", tenant)))
    return record


def chat(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}], **fields}


ONE_PROMPT = SPLIT.replace("prompts: {answer: support@1.0.0, summarise: support@1.0.0}", "prompt: support@1.0.0")


def test_units_stay_on_their_side_and_sides_have_their_share() -> None:
    arms = Counter[int | None]()
    for number in range(400):
        body = chat(headgate={"user": f"u{number}"})
        first, again = ask(ONE_PROMPT, body), ask(ONE_PROMPT, body, number=1)
        assert (first.arm, first.unit) == (again.arm, again.unit)
        assert first.release == f"support#{first.arm}"
        assert first.experiment == "tone"
        assert first.unit is not None
        assert f"u{number}" not in first.unit
        arms[first.arm] += 1
    assert set(arms) == {1, 2}
    assert 60 <= arms[2] <= 140, "a quarter of 400, give or take four standard deviations"


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai", chat(user="ann")),
        ("openai", chat(safety_identifier="ann", user="somebody else")),
        ("anthropic", chat(max_tokens=5, metadata={"user_id": "ann"})),
        ("google", {"contents": [{"parts": [{"text": "hi"}]}], "headgate": {"user": "ann"}}),
        ("openai", chat(user="somebody else", headgate={"user": "ann"})),
    ],
)
def test_a_user_is_the_same_in_every_dialect(dialect: str, body: dict[str, Any]) -> None:
    expected = ask(ONE_PROMPT, chat(headgate={"user": "ann"}))
    found = ask(ONE_PROMPT, body, dialect)
    assert (found.unit, found.arm) == (expected.unit, expected.arm)


@pytest.mark.parametrize("user", [None, 7, "", {"a": 1}])
def test_who_is_not_told_gets_the_control_and_is_not_exposed(user: Any) -> None:
    record = ask(ONE_PROMPT, chat(user=user))
    assert (record.experiment, record.arm, record.unit, record.release) == ("tone", None, None, "support#1")


@pytest.mark.parametrize(
    ("dialect", "said"),
    [("openai", b'"user": 1e400'), ("anthropic", b'"max_tokens": 5, "metadata": {"user_id": 1e400}')],
)
def test_a_user_that_cannot_be_read_is_the_callers_mistake(dialect: str, said: bytes) -> None:
    snapshot = Snapshot("d", 0, {"support": app(ONE_PROMPT)}, Direct(), NoPolicy(), {})  # type: ignore[arg-type]
    call = Call("call_0", dialect, snapshot, CallRecord("call_0", 0, dialect), 0)
    call.body = b'{"model": "support", "messages": [{"role": "user", "content": "hi"}], ' + said + b"}"
    with pytest.raises(InvalidRequest):
        Releases().select(Admitted(call, KeyInfo("k", "key", "acme")))


def test_users_of_two_tenants_are_two_units() -> None:
    body = chat(headgate={"user": "ann"})
    assert ask(ONE_PROMPT, body, tenant="acme").unit != ask(ONE_PROMPT, body, tenant="globex").unit


def test_a_name_that_is_no_text_elsewhere_breaks_nothing() -> None:
    assert ask(ONE_PROMPT, chat(user="\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"))).arm


@pytest.mark.parametrize("unit", ["session", "tenant", "call"])
def test_other_units(unit: str) -> None:
    text = ONE_PROMPT.replace("unit: user", f"unit: {unit}")
    body = chat(headgate={"session": "s", "user": "u"})
    first = ask(text, body)
    assert first.unit is not None
    assert ask(text, body).unit == first.unit
    session = chat(headgate={"session": "t"})
    other: dict[str, dict[str, Any]] = {
        "session": {"body": session}, "tenant": {"tenant": "globex"}, "call": {"number": 5}
    }  # fmt: skip
    assert ask(text, **{"body": body, **other[unit]}).unit != first.unit


def test_a_split_that_does_not_add_up_is_refused() -> None:
    for wrong, said in (
        (ONE_PROMPT.replace("7500", "7000"), "2 arms, 9500 in all"),
        (ONE_PROMPT.replace("release: 2", "release: 1"), "a release is on two arms"),
        (ONE_PROMPT.replace("release: 2", "release: 9"), "there is no release 9"),
    ):
        with pytest.raises(ConfigError, match=said):
            app(wrong)
