"""Numbers that a client made up: out of every range they are its mistake, never ours."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from headgate.core.errors import CallerError, InvalidRequest
from headgate.dialects import DIALECTS
from headgate.dialects.base import COUNT_MAX

HUGE = 10**400
ODD = "1e400"  # valid JSON that no decoder can hold

LIMITS: dict[str, list[dict[str, Any]]] = {
    "openai": [{"max_completion_tokens": "?"}, {"max_tokens": "?"}, {"n": "?"}],
    "anthropic": [{"max_tokens": "?"}],
    "google": [
        {"generationConfig": {"maxOutputTokens": "?"}},
        {"generation_config": {"max_output_tokens": "?"}},
        {"generationConfig": {"candidateCount": "?"}},
    ],
}
PLAIN: dict[str, dict[str, Any]] = {
    "openai": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "anthropic": {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]},
    "google": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
# places that the first reading of a body skips, and a later one looks into
SKIPPED: dict[str, list[dict[str, Any]]] = {
    "openai": [
        {"messages": [{"role": "user", "content": "hi", "odd": "?"}]},
        {"tools": [{"type": "function", "function": {"name": "f", "odd": "?"}}]},
        {"modalities": ["?"]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": "?"}}}},
    ],
    "anthropic": [
        {"messages": [{"role": "user", "content": "hi", "odd": "?"}]},
        {"tools": [{"name": "f", "input_schema": {"type": "object"}, "odd": "?"}]},
        {"thinking": {"type": "enabled", "budget_tokens": 1024, "odd": "?"}},
        {"output_config": {"effort": "low", "odd": "?"}},
    ],
    "google": [
        {"contents": [{"role": "user", "parts": [{"text": "hi", "odd": "?"}]}]},
        {"systemInstruction": {"parts": [{"text": "s", "odd": "?"}]}},
        {"generationConfig": {"odd": "?"}},
    ],
}


def body(dialect: str, fields: dict[str, Any], number: str) -> bytes:
    return json.dumps({**PLAIN[dialect], **fields}).replace('"?"', number).encode()


@pytest.mark.parametrize(
    ("dialect", "fields"), [(name, fields) for name, rows in LIMITS.items() for fields in rows], ids=str
)
def test_a_count_out_of_all_bounds_is_the_callers_mistake(dialect: str, fields: dict[str, Any]) -> None:
    path = "m" if dialect == "google" else None
    for number in (HUGE, COUNT_MAX + 1, -1):
        with pytest.raises(InvalidRequest) as caught:
            DIALECTS[dialect].ask(body(dialect, fields, str(number)), path, False)
        assert caught.value.param


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "google"])
def test_the_largest_count_still_passes(dialect: str) -> None:
    path = "m" if dialect == "google" else None
    asked = DIALECTS[dialect].ask(body(dialect, LIMITS[dialect][0], str(COUNT_MAX)), path, False)
    assert asked.max_tokens == COUNT_MAX


@pytest.mark.parametrize(
    ("dialect", "fields"), [(name, fields) for name, rows in SKIPPED.items() for fields in rows], ids=str
)
def test_a_number_no_decoder_holds_is_nothing_worse_than_a_400(dialect: str, fields: dict[str, Any]) -> None:
    """In a short flat body nobody looks at what is skipped until it is translated or spliced."""
    speaks = DIALECTS[dialect]
    odd = body(dialect, fields, ODD)
    asked = speaks.ask(odd, "m" if dialect == "google" else None, False)
    settings: dict[str, Any] = {"temperature": 0.5, "reasoning": {"effort": "low"}}
    with contextlib.suppress(CallerError):
        speaks.read_request(odd, False)
    with contextlib.suppress(CallerError):
        speaks.add_prompt(asked, [("system", "be kind"), ("user", "hello")], settings)
    with contextlib.suppress(CallerError):
        speaks.splice_request(asked.body, asked, "claude-opus-4-8")


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "google"])
def test_translation_names_such_a_number(dialect: str) -> None:
    odd = body(dialect, SKIPPED[dialect][0], ODD)
    with pytest.raises(InvalidRequest, match="out of range"):
        DIALECTS[dialect].read_request(odd, False)
