"""An answer breaks off in front of its client: somebody else goes on with it, through a real gateway and the SDKs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.clients import ERRORS, TALKS, Asks
from tests.e2e.gateway import Gateway, Vendors
from tests.e2e.workspace import MODELS, VENDORS, app, providers, route

TEXT = "The kettle switches itself off when the water boils, which takes three minutes; its lid stays shut."
GOES_ON = {"google": "google/gemini-3.1-flash-lite", "anthropic": "anthropic/claude-haiku-4-5"}
FAULTS = {"f24-eof": "truncated", "f23-error-later": "server_error", "f25-abort": "connection_reset"}
FAULTS |= {"f16-stall": "idle_timeout"}
CELLS = list(itertools.product(VENDORS, VENDORS, FAULTS))
BRIEF = {"connect_s": 3, "first_token_s": 10, "idle_s": 0.6, "total_s": 30}


def model_of(number: int, vendor: str) -> str:
    return f"{MODELS[vendor]}-{7000 + number}"


def second_of(first: str) -> str:
    return "google" if first != "google" else "anthropic"


def documents() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "kind": "guardrail", "name": "strict", "version": "1.0.0", "owner": "tests", "message": "-",
            "rules": [{"name": "word", "check": "pattern", "pattern": "boils", "action": "block", "on": ["output"]}],
        },
    ]  # fmt: skip
    for number, (_, first, _) in enumerate(CELLS):
        name, on = f"goes-on-{number}", {"continue_with": [GOES_ON[second_of(first)]]}
        found += [
            route(name, f"{first}/{model_of(number, first)}", deadlines=BRIEF, on_break=on),
            app(name, name),
        ]
    for number, first in enumerate(VENDORS, 500):
        on = {"continue_with": [GOES_ON[second_of(first)]]}
        found += [
            route(f"more-{first}", f"{first}/{model_of(number, first)}", deadlines=BRIEF, on_break=on),
            app(f"screened-{first}", f"more-{first}", guardrail="strict@1.0.0"),
            app(f"more-{first}", f"more-{first}"),
        ]
    return found


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    made = Vendors(tmp_path_factory.mktemp("vendors"), "--interval-ms", "10")
    yield made
    made.process.stop()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, vendors: Vendors) -> Iterator[Gateway]:
    made = Gateway(tmp_path_factory.mktemp("gateway"), {"providers": providers(vendors.url)}, documents()).start()
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("number", "sdk", "first", "fault"),
    [(number, *cell) for number, cell in enumerate(CELLS)],
    ids=["-".join(cell) for cell in CELLS],
)
def test_the_client_reads_one_whole_answer(
    gateway: Gateway, vendors: Vendors, number: int, sdk: str, first: str, fault: str
) -> None:
    with vendors.failing(fault, first, model=model_of(number, first), after=3):
        got = TALKS[sdk](gateway, f"goes-on-{number}", Asks(f"[[say]] {TEXT}")).ask(True)
    assert got.text == TEXT
    record = gateway.record(got.call_id)
    assert record["call"]["outcome"] == "ok"
    assert record["finish"] == "stop"
    broken, rest = record["attempts"]
    assert (broken["provider"], broken["error"]) in {(first, FAULTS[fault]), (first, "overloaded")}
    assert (rest["provider"], rest["outcome"]) == (second_of(first), "ok")
    assert "goes on after" in rest["why"]
    assert any("broke off" in line for line in record["explanation"])
    assert record["call"]["tokens_estimated"]
    costs = [broken["cost_usd"], rest["cost_usd"]]
    assert record["call"]["cost_usd"] == (None if None in costs else pytest.approx(sum(costs)))
    assert broken["output_tokens"] > 0


@pytest.mark.parametrize("sdk", VENDORS)
def test_a_policy_holds_across_the_seam(gateway: Gateway, vendors: Vendors, sdk: str) -> None:
    """The pattern comes in the second part; the first part is out by then."""
    with vendors.failing("f24-eof", sdk, model=model_of(500 + VENDORS.index(sdk), sdk), after=3):
        got = TALKS[sdk](gateway, f"screened-{sdk}", Asks(f"[[say]] {TEXT}")).ask(True)
    assert "boils" not in got.text
    assert got.text
    assert TEXT.startswith(got.text.rstrip())
    record = gateway.record(got.call_id)
    assert record["call"]["outcome"] == "blocked"
    assert len(record["attempts"]) == 2


@pytest.mark.parametrize("sdk", VENDORS)
def test_a_tool_call_that_broke_off_is_told(gateway: Gateway, vendors: Vendors, sdk: str) -> None:
    model = model_of(500 + VENDORS.index(sdk), sdk)
    asks = Asks("[[talk]] [[call]] what is the weather?", tools=("get_weather",))
    with vendors.failing("f29-cut-arguments", sdk, model=model), pytest.raises(ERRORS[sdk]):
        TALKS[sdk](gateway, f"more-{sdk}", asks).ask(True)
    record = gateway.only_call(f"&app=more-{sdk}")
    assert len(record["attempts"]) == 1
