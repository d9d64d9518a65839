"""A finish reason that nobody knows is the vendor's to explain: it passes, and no other word takes its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.core.chat import Begin, Delta, Finish, TextDelta
from headgate.dialects import DIALECTS
from tests.dialects.wires import deltas, meta

WORD = "brand_new"
WHOLE: dict[str, dict[str, Any]] = {
    "openai": {"model": "m", "choices": [{"message": {"content": "hi"}, "finish_reason": WORD}]},
    "anthropic": {"type": "message", "content": [{"type": "text", "text": "hi"}], "stop_reason": WORD},
    "google": {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": WORD}]},
}
SAID: list[Delta] = [Begin("a", "m"), TextDelta("hi"), Finish("other", WORD)]


@pytest.mark.parametrize("dialect", sorted(WHOLE))
def test_an_unknown_word_is_kept_and_is_no_error(dialect: str) -> None:
    assert Finish("other", WORD) in deltas(dialect, json.dumps(WHOLE[dialect]).encode(), False)


@pytest.mark.parametrize("raw", ["OTHER", "NO_IMAGE"])
def test_google_says_other_of_good_answers_too(raw: str) -> None:
    told = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": raw}]}
    assert Finish("other", raw) in deltas("google", json.dumps(told).encode(), False)


def test_a_word_known_to_mean_broken_stays_an_error() -> None:
    told = {"model": "m", "choices": [{"message": {"content": "hi"}, "finish_reason": "error"}]}
    assert Finish("error", "error") in deltas("openai", json.dumps(told).encode(), False)


def test_another_dialect_claims_as_little_as_it_can() -> None:
    found: dict[str, Any] = {}
    for dialect in WHOLE:
        writer = DIALECTS[dialect].writer(False, meta())
        found[dialect] = json.loads(writer.write(SAID) + writer.end())
    assert found["openai"]["choices"][0]["finish_reason"] is None
    assert found["anthropic"]["stop_reason"] is None
    assert found["google"]["candidates"][0]["finishReason"] == "OTHER"


def test_a_stream_for_openai_ends_without_a_reason() -> None:
    writer = DIALECTS["openai"].writer(True, meta())
    wire = writer.write(SAID) + writer.end()
    assert b'"finish_reason":"' not in wire
    assert wire.endswith(b"data: [DONE]\n\n")
