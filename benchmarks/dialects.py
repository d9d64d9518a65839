"""What the dialects cost on the hot path, in CPU microseconds per call of one thread.

    python benchmarks/dialects.py [--json]

`ask` reads a client's body, `splice` puts the model's name in (the same body, and one with another name), `feed` reads
one streamed content chunk. The bare shallow re-encoding is timed beside: a splice is little more. (Looking for the key
in the bytes instead was measured and given up: 3.3 against 1.3 us at 1 KB, 31 against 9 us at 30 KB, and it cannot be
exact where a nested object or a text says "model" too.)
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from headgate.core.stages import Asked
from headgate.dialects import DIALECTS
from headgate.dialects.base import Dialect, splice

ROUNDS = 7
PROMPT_1K = "The quick brown fox jumps over the lazy dog. " * 23
PROMPT_30K = PROMPT_1K * 29


def body(dialect: str, prompt: str) -> bytes:
    """A streamed chat request with a system prompt and one user turn."""
    if dialect == "google":
        tree: dict[str, object] = {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [{"role": "user", "parts": [{"text": prompt}]}],
            "generationConfig": {"maxOutputTokens": 256},
        }
    elif dialect == "anthropic":
        tree = {
            "max_tokens": 256,
            "system": "Be brief.",
            "messages": [{"role": "user", "content": prompt}],
            "model": "model-a",
            "stream": True,
        }
    else:
        tree = {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": prompt}],
            "model": "model-a",
            "max_completion_tokens": 256,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    return json.dumps(tree).encode()


CHUNKS: dict[str, tuple[bytes, bytes]] = {
    "openai": (
        b"",
        b'data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,'
        b'"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_dbaca60df0","choices":[{'
        b'"index":0,"delta":{"content":" fox"},"logprobs":null,"finish_reason":null}],"usage":null,'
        b'"obfuscation":"qv1nNmSLc"}\n\n',
    ),
    "anthropic": (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        b'"role":"assistant","model":"claude-x","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,'
        b'"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":" fox"}}\n\n',
    ),
    "google": (
        b"",
        b'data: {"candidates": [{"content": {"parts": [{"text": " fox"}],"role": "model"},"index": 0}],"usageMetadata":'
        b' {"promptTokenCount": 11,"candidatesTokenCount": 7,"totalTokenCount": 18},"modelVersion": "gemini-2.5-flash",'
        b'"responseId": "Jk5qaJ3tNN"}\r\n\r\n',
    ),
}


def cost_us(work: Callable[[], object], count: int) -> float:
    """The best of several rounds, in CPU microseconds per call."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time_ns()
        for _ in range(count):
            work()
        best = min(best, (time.process_time_ns() - started) / count / 1000)
    return best


def rows(name: str, dialect: Dialect) -> list[tuple[str, float]]:
    """(what, microseconds) of one dialect."""
    out: list[tuple[str, float]] = []
    path_model = "model-a" if name == "google" else None
    for size, prompt in (("1KB", PROMPT_1K), ("30KB", PROMPT_30K)):
        told = body(name, prompt)
        asked = dialect.ask(told, path_model, path_model is not None)
        out += [
            (f"ask {size}", cost_us(lambda told=told: dialect.ask(told, path_model, path_model is not None), 3000)),
            (
                f"splice same model {size}",
                cost_us(lambda told=told, asked=asked: dialect.splice_request(told, asked, "model-a"), 3000),
            ),
            (
                f"splice other model {size}",
                cost_us(lambda told=told, asked=asked: dialect.splice_request(told, asked, "model-b"), 3000),
            ),
            (
                f"splice by re-encoding {size}",
                cost_us(lambda told=told: splice(told, Asked("", False, told, None), {"model": b'"model-b"'}), 3000),
            ),
        ]
    first, chunk = CHUNKS[name]
    reader = dialect.reader(True, True)
    reader.feed(first)
    out.append(("feed one chunk", cost_us(lambda: reader.feed(chunk), 10000)))
    batch = chunk * 8
    out.append(("feed, per chunk of 8", cost_us(lambda: reader.feed(batch), 2000) / 8))
    return out


def main() -> None:
    """Prints a table, or JSON lines with --json."""
    for name, dialect in DIALECTS.items():
        for what, cost in rows(name, dialect):
            if "--json" in sys.argv:
                print(json.dumps({"dialect": name, "what": what, "cpu_us": round(cost, 3)}))
            else:
                print(f"{name:10} {what:28} {cost:8.2f} us")


if __name__ == "__main__":
    main()
