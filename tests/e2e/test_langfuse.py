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

from tests.e2e.gateway import Gateway

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
