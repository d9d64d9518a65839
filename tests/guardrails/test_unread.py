"""What no delta accounts for goes out only after it was looked at, in every dialect, streamed or whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headgate.core.chat import Batch, Frame, TextDelta, ToolStart
from headgate.core.record import CallRecord
from headgate.core.stages import Screened
from headgate.dialects import DIALECTS
from headgate.guardrails import RulePolicy
from headgate.guardrails.unread import UNREADABLE_RULE, Unread
from headgate.guardrails.verdicts import Verdicts
from tests.guardrails.build import grounded, policy, record
from tests.guardrails.test_dialects import read, through
from tests.support.world import run

SECRET = "bob@example.com"
REDACT = policy({"check": "email", "action": "redact"}, {"check": "card", "action": "redact"})
BLOCK = policy({"check": "email", "action": "block"})
FLAG = policy({"check": "email", "action": "flag"})


def sse(*units: dict[str, Any]) -> bytes:
    """Events, named by their type where they have one."""
    out = b""
    for unit in units:
        name = f"event: {unit['type']}\n" if "type" in unit else ""
        out += f"{name}data: {json.dumps(unit)}\n\n".encode()
    return out


def openai(*deltas: dict[str, Any], **more: Any) -> bytes:
    """A stream of these deltas; `more` are fields of every choice."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None, **more}]} for delta in deltas]
    return sse(*chunks, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + b"data: [DONE]\n\n"


def anthropic(start: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    """A stream of one text block and one block of the kind given."""
    return sse(
        {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "c"}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Well bob"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": start},
        *[{"type": "content_block_delta", "index": 1, "delta": delta} for delta in deltas],
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}},
        {"type": "message_stop"},
    )


def google(part: dict[str, Any], **more: Any) -> bytes:
    """A stream of a text and one part; `more` are fields of the candidate."""
    said = {"content": {"role": "model", "parts": [{"text": "Well bob"}]}, "index": 0}
    last = {"content": {"role": "model", "parts": [part]}, "index": 0, "finishReason": "STOP", **more}
    return sse({"candidates": [said]}, {"candidates": [last]})


CITED = {"type": "url_citation", "url_citation": {"url": "https://x.example/", "title": f"by {SECRET}"}}
SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_result", "url": "https://x.example/", "title": f"by {SECRET}", "encrypted_content": "Eo8="}
CITATION = {"type": "citations_delta", "citation": {"type": "page_location", "cited_text": f"ask {SECRET}"}}
TEXT = {"type": "text", "text": ""}


def json_pieces(text: str) -> list[dict[str, Any]]:
    return [{"type": "input_json_delta", "partial_json": piece} for piece in text]


STREAMS: dict[str, tuple[str, bytes]] = {
    "annotation": ("openai", openai({"content": "a"}, {"annotations": [CITED]})),
    "transcript": ("openai", openai(*[{"audio": {"id": "a", "transcript": piece}} for piece in f"ask {SECRET} now"])),
    "tool name": ("openai", openai({"tool_calls": [{"index": 0, "id": "t", "function": {"name": SECRET}}]})),
    "search results": ("openai", openai({"content": "a"}, search_results=[{"title": SECRET}])),
    "other reasoning": ("openai", openai(*[{"reasoning_details": [{"text": piece}]} for piece in f"ask {SECRET}. "])),
    "escaped": ("openai", openai({"content": "a", "note": f"é {SECRET}"}).replace(b"bob@", b"bob\\u0040")),
    "repeated": ("openai", openai({"content": "a", "note": "hi"}, {"content": "b", "note": SECRET})),
    "citation": ("anthropic", anthropic(TEXT, CITATION)),
    "search input": ("anthropic", anthropic(SEARCH, *json_pieces(json.dumps({"query": f"who is {SECRET}"})))),
    "search result": (
        "anthropic",
        anthropic({"type": "web_search_tool_result", "tool_use_id": "s", "content": [FOUND]}),
    ),
    "code result": (
        "anthropic",
        anthropic({"type": "code_execution_tool_result", "tool_use_id": "s", "content": {"stdout": f"{SECRET}\n"}}),
    ),
    "new delta": (
        "anthropic",
        anthropic(TEXT, *[{"type": "song_delta", "text": piece} for piece in f"la {SECRET} la"]),
    ),
    "new block": ("anthropic", anthropic({"type": "poem", "lines": [SECRET]})),
    "code": ("google", google({"executableCode": {"language": "PYTHON", "code": f"send('{SECRET}')"}})),
    "output": ("google", google({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": f"to {SECRET}"}})),
    "grounding": ("google", google({"text": "x"}, groundingMetadata={"webSearchQueries": [SECRET]})),
    "citations": ("google", google({"text": "x"}, citationMetadata={"citationSources": [{"title": SECRET}]})),
    "call name": ("google", google({"functionCall": {"name": SECRET, "args": {"a": 1}}})),
}


def said_in(wire: bytes) -> str:
    """All strings of a stream in a row, to find what is spread over frames."""
    found: list[str] = []

    def strings(node: Any) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key not in ("id", "object", "model", "type"):
                    strings(value)
        elif isinstance(node, list):
            for item in node:
                strings(item)
        elif isinstance(node, str):
            found.append(node)

    for line in wire.decode().splitlines():
        if line.startswith("data: {"):
            strings(json.loads(line[6:]))
    return "".join(found)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("size", [4096, 7])
def test_it_is_redacted_or_blocked(name: str, size: int) -> None:
    dialect, wire = STREAMS[name]
    got, passed, verdicts = through(REDACT, dialect, read(dialect, wire, size))
    assert passed[-1].blocked is None
    assert SECRET not in said_in(got)
    assert "bob@" not in said_in(got)
    assert [(v.rule, v.action) for v in verdicts] == [("email", "redact")]
    assert said_in(got) == said_in(wire).replace(SECRET, "[email]")
    got, passed, verdicts = through(BLOCK, dialect, read(dialect, wire, size))
    assert passed[-1].blocked == "email"
    assert "bob@" not in said_in(got)
    assert [(v.rule, v.action) for v in verdicts] == [("email", "block")]


@pytest.mark.parametrize("name", STREAMS)
def test_without_a_hit_it_goes_out_byte_for_byte(name: str) -> None:
    dialect, wire = STREAMS[name]
    clean = wire.replace(b"@", b" at ")
    got, passed, verdicts = through(REDACT, dialect, read(dialect, clean, 64))
    assert got == clean or name == "escaped"
    assert passed[-1].blocked is None
    flagged, _, verdicts = through(FLAG, dialect, read(dialect, wire, 64))
    assert flagged == wire
    assert [v.action for v in verdicts] == ["flag"]


WHOLE: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": (
        "openai",
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Well", "annotations": [CITED]},
                    "finish_reason": "stop",
                }
            ],
        },
    ),
    "anthropic": (
        "anthropic",
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "c",
            "content": [{**SEARCH, "input": {"query": SECRET}}, {"type": "text", "text": "Well"}],
            "stop_reason": "end_turn",
        },
    ),
    "google": (
        "google",
        {
            "candidates": [
                {
                    "content": {
                        "role": "model",
                        "parts": [{"executableCode": {"code": f"'{SECRET}'\n"}}, {"text": "a"}],
                    },
                    "finishReason": "STOP",
                }
            ]
        },
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_is_looked_at_alike(name: str) -> None:
    dialect, body = WHOLE[name]
    reader = DIALECTS[dialect].reader(False, True)
    frames = [*reader.feed(json.dumps(body).encode()), *reader.end()]
    got, _, verdicts = through(REDACT, dialect, [frames])
    assert json.loads(got) == json.loads(json.dumps(body).replace(SECRET, "[email]"))
    assert [(v.rule, v.action) for v in verdicts] == [("email", "redact")]


# -- token probabilities


def tokens(*said: str) -> dict[str, Any]:
    return {"content": [{"token": token, "logprob": -0.1, "top_logprobs": []} for token in said]}


def test_probabilities_pass_where_they_spell_the_text() -> None:
    wire = openai({"content": "Well"}, logprobs=tokens("We", "ll"))
    assert through(REDACT, "openai", read("openai", wire, 4096))[0] == wire


@pytest.mark.parametrize("said", [(SECRET,), ("Wel",), ("Well", "bob")])
def test_probabilities_of_another_text_do_not_pass(said: tuple[str, ...]) -> None:
    wire = openai({"content": "Well"}, logprobs=tokens(*said))
    got = through(REDACT, "openai", read("openai", wire, 4096))[0]
    first = json.loads(got.split(b"\n\n")[0].removeprefix(b"data: "))
    assert first["choices"][0]["logprobs"] is None
    assert first["choices"][0]["delta"] == {"content": "Well"}
    assert through(FLAG, "openai", read("openai", wire, 4096))[0] == wire


def test_probabilities_of_text_that_was_taken_out_do_not_pass() -> None:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    pieces = ["ask ", "bob", "@example", ".com", " now"]
    wire = sse(
        *[
            {**head, "choices": [{"index": 0, "delta": {"content": piece}, "logprobs": tokens(piece)}]}
            for piece in pieces
        ],
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )
    got = through(REDACT, "openai", read("openai", wire + b"data: [DONE]\n\n", 4096))[0]
    assert b"@example" not in got
    assert b'"token":"bob"' not in got.replace(b": ", b":")
    assert b"ask " in got


def test_google_probabilities_are_held_to_the_text() -> None:
    chosen = {"chosenCandidates": [{"token": SECRET, "logProbability": -0.1}]}
    got = through(REDACT, "google", read("google", google({"text": "x"}, logprobsResult=chosen), 4096))[0]
    assert SECRET.encode() not in got


# -- the cheap way


class Looks(Unread):
    """Counts the frames that had to be decoded."""

    looks = 0

    def _judge(self, strings: Any) -> bool:
        self.looks += 1
        return super()._judge(strings)


@pytest.mark.parametrize("more", [(), ("usage",), ("obfuscation",)])
def test_a_frame_like_the_last_is_not_decoded(more: tuple[str, ...]) -> None:
    rules = REDACT._output
    assert rules is not None
    unread = Looks(rules, Verdicts(CallRecord("c", 0, "openai"), "output", "p"))
    for number, text in enumerate(["Hello", " there", '"', "\n", 'a "b"', "4111", "é"]):
        varied = {key: {"n": number} if key == "usage" else "aB" * number for key in more}
        chunk = {"id": "c-1", "tier": "x", "choices": [{"index": 0, "delta": {"content": text}}], **varied}
        wire = b"data: " + json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
        if not unread.is_like_the_last(wire, text):
            unread.look(Frame(wire, [TextDelta(text)]), [text])
    assert unread.looks == 1


@pytest.mark.parametrize(
    "other",
    [
        {"choices": [{"index": 0, "delta": {"content": "b", "note": SECRET}}], "n": "1"},
        {"choices": [{"index": 0, "delta": {"content": "b"}}], "n": "4111111111111111"},
        {"choices": [{"index": 0, "delta": {"content": "b"}}], "n": "1", "obfuscation": SECRET},
        {"choices": [{"index": 0, "delta": {"content": "b"}, "n": SECRET}], "n": "1"},
        {"note": SECRET, "choices": [{"index": 0, "delta": {"content": "b"}}], "n": "1"},
    ],
)
def test_a_frame_that_differs_is_looked_at(other: dict[str, Any]) -> None:
    wire = sse({"choices": [{"index": 0, "delta": {"content": "a"}}], "n": "1"}, other)
    units = wire.split(b"\n\n")[:2]
    frames = [Frame(unit + b"\n\n", [TextDelta(text)]) for unit, text in zip(units, "ab", strict=True)]
    got, _, verdicts = through(REDACT, "openai", [frames])
    assert SECRET.encode() not in got
    assert b"4111" not in got
    assert len(verdicts) == 1


# -- translated, and broken


def test_a_translated_answer_is_judged_by_what_its_deltas_say() -> None:
    def screened(under: RulePolicy) -> tuple[list[Frame], list[str]]:
        at = grounded(b"{}", "anthropic")
        screen = under.output(Screened(at, b"{}"))
        frames = [Frame(sse({"note": SECRET}), []), Frame(b"data: {}\n\n", [ToolStart(0, "1", f"mail {SECRET}")])]
        passed = run(screen.feed(Batch(frames, 1, "openai")))
        return passed.frames, [v.channel for v in record(at).verdicts]

    frames, channels = screened(REDACT)
    assert [delta.name for frame in frames for delta in frame.deltas if isinstance(delta, ToolStart)] == [
        "mail [email]"
    ]
    assert channels == ["choice[0].tool_calls[0].name"]
    assert screened(BLOCK)[0] == []


@pytest.mark.parametrize(
    "wire", [b"data: {\n\n", b"data: " + b"[" * 5000 + b"]" * 5000 + b"\n\n", b'data: {"a":"\xff"}\n\n']
)
def test_a_frame_that_cannot_be_read_counts_as_an_error(wire: bytes) -> None:
    for on_error, blocked in (("block", UNREADABLE_RULE), ("allow", None)):
        under = policy({"check": "email", "action": "redact"}, on_error=on_error)
        got, passed, verdicts = through(under, "openai", [[Frame(wire, [])]])
        assert passed[0].blocked == blocked
        assert got == (b"" if blocked else wire)
        assert [v.rule for v in verdicts] == [UNREADABLE_RULE]


def test_a_comment_passes_unless_it_says_something() -> None:
    fine, bad = Frame(b": keep-alive\n\n", []), Frame(f": {SECRET}\n\n".encode(), [])
    _, passed, _ = through(REDACT, "openai", [[fine, bad]])
    assert [frame.drop for frame in passed[0].frames] == [False, True]
