"""Langfuse's own SDK fetches prompts from a gateway, and the official SDKs send what it compiled."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from langfuse import Langfuse
from langfuse.api.commons.errors.error import Error
from langfuse.api.commons.errors.not_found_error import NotFoundError
from langfuse.api.commons.errors.unauthorized_error import UnauthorizedError

from tests.e2e.clients import TALKS, Asks, openai_sdk
from tests.e2e.gateway import Gateway, until

KETTLE = "kettle-openai:production"


@pytest.fixture(scope="module")
def langfuse(gateway: Gateway) -> Iterator[Langfuse]:
    made = sdk(gateway, gateway.make_key(name="langfuse", roles=["viewer"]))
    yield made
    made.shutdown()


def sdk(gateway: Gateway, key: str) -> Langfuse:
    logging.getLogger("langfuse").setLevel(logging.CRITICAL)
    return Langfuse(public_key=f"pk-{key[-6:]}", secret_key=key, host=gateway.management, tracing_enabled=False)


def fetch(langfuse: Langfuse, name: str, **more: Any) -> Any:
    return langfuse.get_prompt(name, max_retries=0, cache_ttl_seconds=0, **more)


def test_a_prompt_is_fetched_by_label_and_version(langfuse: Langfuse) -> None:
    prompt = fetch(langfuse, "kettle", label=KETTLE)
    assert (prompt.name, prompt.version, prompt.variables) == ("kettle", 1001002000, ["product"])
    assert prompt.compile(product="the kettle") == "You answer questions about the kettle. Be brief."
    assert prompt.config["max_tokens"] == 300
    assert prompt.config["headgate"]["version"] == "1.2.0"
    assert "1.2.0" in prompt.labels
    assert fetch(langfuse, "kettle", version=prompt.version) == prompt
    assert fetch(langfuse, "kettle-openai/default").prompt == prompt.prompt
    listed = langfuse.api.prompts.list(name="kettle")
    assert [(one.name, one.versions, one.type) for one in listed.data] == [("kettle", [1001002000], "text")]


def test_what_is_not_there_is_not_found_and_a_fallback_is_taken(langfuse: Langfuse) -> None:
    with pytest.raises(NotFoundError):
        fetch(langfuse, "no/such prompt")
    with pytest.raises(NotFoundError, match="apps use the prompt"):
        fetch(langfuse, "kettle")
    assert fetch(langfuse, "none", fallback="Hello {{name}}").compile(name="you") == "Hello you"


def test_what_the_sdk_could_not_compile_is_refused_with_the_reason(gateway: Gateway, langfuse: Langfuse) -> None:
    content = {
        "inputs": {"type": "object", "properties": {"x": {"type": "boolean"}}},
        "messages": [{"role": "system", "content": "{% if x %}Yes{% endif %}"}],
    }
    offer = {"kind": "prompt", "name": "logic", "version": "1.0.0", "owner": "tests", "content": content}
    assert gateway.api("POST", "/api/registry/apply", {"documents": [offer]})["applied"]
    with pytest.raises(Error, match="conditions or loops"):
        fetch(langfuse, "logic", label="latest")


def test_a_key_for_calls_is_not_enough(gateway: Gateway) -> None:
    stranger = sdk(gateway, "hg_nonsense")
    with pytest.raises(UnauthorizedError):
        fetch(stranger, "kettle", label=KETTLE)
    stranger.shutdown()


@pytest.mark.parametrize("sdk", sorted(TALKS))
def test_text_that_was_fetched_and_sent_is_on_record_with_its_version(
    gateway: Gateway, langfuse: Langfuse, sdk: str
) -> None:
    text = fetch(langfuse, "kettle", label=KETTLE).compile(product=f"the kettle of {sdk}")
    for model, release in (("to-google", "to-google#1"), ("kettle-openai", "kettle-openai#1")):
        got = TALKS[sdk](gateway, model, Asks("[[system]]", system=text)).ask(False)
        assert got.text == text  # once: the app's own prompt was not put before it
        record = gateway.record(got.call_id)
        assert record["call"]["prompt"] == got.headers["x-headgate-prompt"] == "prompt/kettle@1.2.0"
        assert (record["call"]["release"], record["recognised"], record["fingerprint"]) == (release, "template", None)
    other = TALKS[sdk](gateway, "to-google", Asks("hi", system=text + " And kind.")).ask(False)
    record = gateway.record(other.call_id)
    assert (record["call"]["prompt"], record["recognised"]) == (None, None)
    assert "x-headgate-prompt" not in other.headers


def test_a_version_that_was_just_kept_is_recognised_too(gateway: Gateway, langfuse: Langfuse) -> None:
    content = {
        "inputs": {"type": "object", "properties": {"city": {"type": "string"}}},
        "messages": [
            {"role": "system", "content": "You speak of one city."},
            {"role": "user", "content": "Tell me of {{ city }} please."},
        ],
    }
    offer = {"kind": "prompt", "name": "city", "version": "1.0.0", "owner": "tests", "content": content}
    assert gateway.api("POST", "/api/registry/apply", {"documents": [offer]})["applied"]
    messages = fetch(langfuse, "city", label="latest").compile(city="Oslo")
    call = until(lambda: recognised(gateway, messages, "prompt/city@1.0.0"), 5, "recognised by the worker")
    gateway.record(call)
    assert "recognised in the messages that the caller sent" in gateway.cli("explain", call).stdout


def test_an_old_version_is_recognised_once_it_was_fetched(gateway: Gateway, langfuse: Langfuse) -> None:
    offers = [
        {
            "kind": "prompt", "name": "tower", "version": f"{number}.0.0", "owner": "tests",
            "content": {"messages": [{"role": "system", "content": f"You speak of tower {number}."}]},
        }
        for number in range(1, 26)
    ]  # fmt: skip
    assert gateway.api("POST", "/api/registry/apply", {"documents": offers[:1]})["applied"]
    assert gateway.api("POST", "/api/registry/apply", {"documents": offers[1:]})["applied"]
    messages = [{"role": "system", "content": "You speak of tower 1."}, {"role": "user", "content": "hi"}]
    assert recognised(gateway, messages, "prompt/tower@1.0.0") is None
    assert fetch(langfuse, "tower", version=1).compile() == "You speak of tower 1."
    until(lambda: recognised(gateway, messages, "prompt/tower@1.0.0"), 15, "an old version recognised")


def recognised(gateway: Gateway, messages: Any, prompt: str) -> str | None:
    """The id of a call with these messages, where it used that prompt."""
    create = openai_sdk(gateway.url, gateway.key).chat.completions.with_raw_response.create
    answer = create(model="to-openai", messages=messages)
    return answer.headers["x-headgate-call-id"] if answer.headers.get("x-headgate-prompt") == prompt else None
