"""What guardrails cost: CPU microseconds of input, output and streamed chunks. `python -m benchmarks.guardrails`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

from headgate.core.artifact import Artifact
from headgate.core.chat import Batch, Finish, Frame, TextDelta, ToolArgs
from headgate.core.record import CallRecord
from headgate.core.types import ArtifactRef
from headgate.guardrails import compile_guardrail
from headgate.guardrails.body import screen_body
from headgate.guardrails.screen import RuleScreen
from headgate.guardrails.verdicts import Verdicts

RULES = [
    {"check": "email", "action": "redact"},
    {"check": "card", "action": "block"},
    {"check": "provider_keys", "action": "block"},
    {"check": "injection", "action": "flag"},
]
PROSE = (
    "The quick brown fox jumps over the lazy dog, and on the way home it buys 12 eggs for 3.40 at the corner shop. "
    "Nobody asked it to; the invoice of 2026-11-25 says so, and the weather was fine.\n"
)


WORDS = (
    "Dear colleague, the meeting of Tuesday moves to room 4.12; bring the figures for Q3, the list of open questions "
    "(Anna has it) and, if you can, the printed contract. Lunch is at 12:30 - vegetarian, as you asked. Best regards, "
    "M. PS: the new build runs 3.5x faster than v1.8.2, see https://example.com/build?id=81 for logs. "
)


def chunk(delta: dict[str, Any]) -> bytes:
    """An event as OpenAI sends them."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    head = {"id": "chatcmpl-Abc123", "object": "chat.completion.chunk", "created": 1764000000, "model": "gpt-4o-mini"}
    return b"data: " + json.dumps({**head, "choices": [choice]}, separators=(",", ":")).encode() + b"\n\n"


def cpu_us(work: Callable[[int], None], rounds: int) -> float:
    """The best of five runs, CPU microseconds a round."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time_ns()
        work(rounds)
        best = min(best, (time.process_time_ns() - start) / rounds / 1000)
    return best


def drive(step: Coroutine[Any, Any, Any]) -> None:
    """Runs a coroutine that never waits."""
    try:
        step.send(None)
    except StopIteration:
        return
    raise RuntimeError("a screen waited")


def text(size: int, lines: bool) -> str:
    """Prose of about `size` characters."""
    prose = PROSE if lines else PROSE.replace("\n", " ")
    return (prose * (size // len(prose) + 1))[:size]


def main() -> None:
    """Prints one JSON line a figure."""
    ref = ArtifactRef("guardrail", "bench", "1.0.0", "")
    policy = compile_guardrail(Artifact(ref, {"rules": list(RULES)}))
    inputs, outputs = policy._input, policy._output
    assert inputs is not None
    assert outputs is not None
    record = CallRecord("call", 0, "openai")

    def request(size: int, lines: bool, hit: str = "") -> Callable[[int], None]:
        body = json.dumps(
            {"model": "m", "messages": [{"role": "user", "content": text(size, lines) + hit}], "stream": False}
        ).encode()

        def work(rounds: int) -> None:
            for _ in range(rounds):
                record.verdicts.clear()
                screen_body(body, inputs, Verdicts(record, "input", "p"))

        return work

    def answer(size: int, lines: bool) -> Callable[[int], None]:
        said = text(size, lines)
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        wire = json.dumps({"id": "chatcmpl-Abc123", "model": "gpt-4o-mini", "choices": [choice]}).encode()

        def work(rounds: int) -> None:
            for _ in range(rounds):
                frame = Frame(wire, [TextDelta(said), Finish("stop")], last=True, content=True)
                screen = RuleScreen(outputs, Verdicts(record, "output", "p"), "openai")
                drive(screen.feed(Batch([frame], 1, "openai")))
                drive(screen.finish())

        return work

    def stream(pieces: list[str], arguments: bool) -> Callable[[int], None]:
        wires = [
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} if arguments else {"content": piece})
            for piece in pieces
        ]

        def work(rounds: int) -> None:
            screen = RuleScreen(outputs, Verdicts(record, "output", "p"), "openai")
            for at in range(rounds):
                place = at % len(pieces)
                if place == 0:
                    screen = RuleScreen(outputs, Verdicts(record, "output", "p"), "openai")
                piece = pieces[place]
                delta = ToolArgs(0, piece) if arguments else TextDelta(piece)
                drive(screen.feed(Batch([Frame(wires[place], [delta], content=True)], 1, "openai")))

        return work

    words = (WORDS + PROSE) * 4
    arguments = json.dumps({"to": "Anna", "notes": [{"n": n, "text": WORDS[n * 20 :][:90]} for n in range(12)]})
    figures = {
        "input_1k": (request(1024, False), 4000),
        "input_1k_escapes": (request(1024, True), 4000),
        "input_1k_one_email": (request(1024, True, " bob@example.com"), 2000),
        "input_30k": (request(30 * 1024, False), 300),
        "input_30k_escapes": (request(30 * 1024, True), 300),
        "output_1k_whole": (answer(1024, False), 4000),
        "output_1k_whole_escapes": (answer(1024, True), 4000),
        "output_30k_whole": (answer(30 * 1024, False), 300),
        "output_30k_whole_escapes": (answer(30 * 1024, True), 300),
        "stream_chunk": (stream([words[at : at + 5] for at in range(0, len(words), 5)], False), 20000),
        "stream_chunk_arguments": (
            stream([arguments[at : at + 5] for at in range(0, len(arguments), 5)], True),
            20000,
        ),
    }
    for name, (work, rounds) in figures.items():
        print(json.dumps({"figure": f"guardrails.{name}", "cpu_us": round(cpu_us(work, rounds), 2)}))


if __name__ == "__main__":
    asyncio.set_event_loop(None)
    main()
