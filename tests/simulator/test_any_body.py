"""Whatever the body, a vendor answers or refuses in its own form: no body makes the simulator itself fail."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.simulator.anthropic import Anthropic
from headgate.simulator.brain import text_of
from headgate.simulator.google import Google
from headgate.simulator.messages import ApiError, Desk, Request, Vendor
from headgate.simulator.openai import OpenAi
from headgate.simulator.schema_values import Maker
from headgate.simulator.signing import Signer
from tests.simulator import test_rules_anthropic, test_rules_google, test_rules_openai
from tests.simulator.client import Client, headers_of, path_of, simulate

VENDORS: dict[str, Vendor] = {"openai": OpenAi(), "anthropic": Anthropic(), "google": Google()}
DESK = Desk(1, frozenset(), Signer(1), 1, frozenset())
BODIES: dict[str, list[Any]] = {
    "openai": list(test_rules_openai.ACCEPTED.values()),
    "anthropic": [row[0] for row in test_rules_anthropic.ACCEPTED.values()],
    "google": [row[0] for row in test_rules_google.ACCEPTED.values()],
}
WORDS = ["content", "type", "text", "role", "tools", "parts", "model", "name", "properties", "user", "object", ""]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(WORDS),
)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)),
    max_leaves=8,
)


def handled(vendor: str, body: Any) -> int:
    """The status of the answer, its body proven to be JSON."""
    headers = headers_of(vendor)
    request = Request("POST", path_of(vendor, "gemini-3.8-flash", False), {}, headers, b"", body)
    try:
        reply = VENDORS[vendor].handle(request, DESK, lambda answer: answer)
    except ApiError as error:
        reply = VENDORS[vendor].refuse(error, request)
    for data in [frame.data for frame in reply.frames] if reply.frames else [reply.body]:
        assert data == b"[DONE]" or json.loads(data)
    return reply.status


def places(body: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [body]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        for key in keys:
            found.append((one, key))
            waiting.append(one[key])
    return found


@pytest.mark.parametrize("vendor", VENDORS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(body=trees)
def test_any_json(vendor: str, body: Any) -> None:
    assert handled(vendor, body) in (200, 400, 404)


@pytest.mark.parametrize("vendor", VENDORS)
@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_one_thing_changed_in_a_good_body(vendor: str, data: st.DataObject) -> None:
    body = copy.deepcopy(data.draw(st.sampled_from(BODIES[vendor])))
    container, key = data.draw(st.sampled_from(places(body)))
    container[key] = data.draw(trees)
    assert handled(vendor, body) in (200, 400, 404)


@pytest.mark.parametrize("vendor", VENDORS)
def test_depth_bombs_are_refused(vendor: str) -> None:
    async def work(client: Client) -> None:
        for bomb in (b"[" * 5000, b'{"a":' * 500 + b"1" + b"}" * 500, b"[" * 500 + b"]" * 500):
            got = await client.ask(vendor, bomb)
            assert got.status == 400
            assert got.json()["error"]["message"]

    simulate(work)


def test_a_schema_may_ask_for_integers_over_64_bits() -> None:
    wanted: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 2**64 + 7}},
        "required": ["a"],
    }
    said = Maker(wanted, "m", []).make()
    assert json.loads(text_of(said))["a"] >= 2**64 + 7
