"""An answer as OpenAI writes it: one `chat.completion`, or the run of `chat.completion.chunk` objects."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.simulator.brain import mark, pieces, token_of
from headgate.simulator.messages import Answer, Call, Count, Frame
from headgate.simulator.trees import Tree, dump, tree, whole

EPOCH_S = 1_760_000_000  # answers are the same at every run, their dates too
HUGE = 10**12
_ARGUMENT_CHARS = 12
_FINISH = {
    "stop": "stop",
    "sequence": "stop",
    "length": "length",
    "tool": "tool_calls",
    "refusal": "stop",
    "filter": "content_filter",
    "blocked": "content_filter",
    "pause": "stop",
    "malformed": "stop",
}


class Completion:
    """Renders the choices of one request. `body` is the request's own."""

    def __init__(self, body: Tree, choices: list[Answer], words_per_chunk: int) -> None:
        self._choices = choices
        self._ask = choices[0].ask
        self._words = words_per_chunk
        self._options = tree(body.get("stream_options"))
        self._logprobs = body.get("logprobs") is True
        self._top = whole(body.get("top_logprobs")) or 0
        digest = self._ask.digest
        self._head: Tree = {
            "id": f"chatcmpl-{token_of(29, 'completion', digest)}",
            "object": "chat.completion",
            "created": EPOCH_S + int(digest[:6], 16),
            "model": choices[0].model or self._ask.model,
        }
        self._tail: Tree = {"service_tier": "default", "system_fingerprint": f"fp_{mark(self._ask.model)[:10]}"}

    def whole(self) -> bytes:
        """The body of an answer that is not streamed."""
        empty = self._choices[0].empty
        choices = [] if empty else [self._choice(at, one) for at, one in enumerate(self._choices)]
        body = {**self._head, "choices": choices}
        if (usage := self._usage()) is not None:
            body["usage"] = usage
        return dump({**body, **self._tail})

    def frames(self) -> list[Frame]:
        """The events of a streamed answer, the choices one after the other, `[DONE]` last."""
        frames: list[Frame] = []
        if self._choices[0].empty:
            frames.append(Frame("finish", self._chunk([])))
        else:
            for at, one in enumerate(self._choices):
                frames.extend(self._choice_frames(at, one))
        if self._options.get("include_usage") is True and (usage := self._usage()) is not None:
            frames.append(Frame("usage", self._chunk([], usage)))
        return [*frames, Frame("end", b"[DONE]")]

    def _chunk(self, choices: list[Tree], usage: Tree | None = None) -> bytes:
        body = {**self._head, "object": "chat.completion.chunk", **self._tail, "choices": choices}
        if self._options.get("include_usage") is True:
            body["usage"] = usage
        if self._options.get("include_obfuscation") is True:
            body["obfuscation"] = token_of(8, "obfuscation", self._ask.digest, len(choices))
        return dump(body)

    def _choice(self, at: int, one: Answer) -> Tree:
        refused = one.finish == "refusal"
        message: Tree = {
            "role": "assistant",
            "content": None if refused or (one.calls and not one.text) else one.text,
            "refusal": one.text if refused else None,
            "annotations": [],
        }
        if one.calls:
            message["tool_calls"] = [_call(call, one.tool_fault) for call in one.calls]
        logprobs: Tree | None = {"content": self._tokens(one.text), "refusal": None} if self._logprobs else None
        return {"index": at, "message": message, "logprobs": logprobs, "finish_reason": _finish(one)}

    def _choice_frames(self, at: int, one: Answer) -> Iterator[Frame]:
        refused = one.finish == "refusal"
        silent = bool(one.calls) and not one.text
        head: Tree = {"role": "assistant", "content": None if silent or refused else "", "refusal": None}
        if not silent:
            yield Frame("open", self._piece(at, head))
        for piece in pieces(one.text, self._words):
            logprobs = self._tokens(piece) if self._logprobs else None
            yield Frame("content", self._piece(at, {"refusal" if refused else "content": piece}, logprobs))
        for index, call in enumerate(one.calls):
            for fragment in _fragments(index, call, one.tool_fault):
                yield Frame("tool", self._piece(at, {**(head if silent else {}), "tool_calls": [fragment]}))
                silent = False
        yield Frame("finish", self._piece(at, {}, finish=_finish(one)))

    def _piece(self, at: int, delta: Tree, logprobs: list[Tree] | None = None, finish: str | None = None) -> bytes:
        told: Tree | None = None if logprobs is None else {"content": logprobs, "refusal": None}
        return self._chunk([{"index": at, "delta": delta, "logprobs": told, "finish_reason": finish}])

    def _tokens(self, said: str) -> list[Tree]:
        """Each word as a token with made-up probabilities that fall with its rank."""
        return [
            {
                **_token(one, 0),
                "top_logprobs": [_token(one if not rank else f"{one}{rank}", rank) for rank in range(self._top)],
            }
            for one in pieces(said, 1)
        ]

    def _usage(self) -> Tree | None:
        faults = {one.usage_fault for one in self._choices}
        if "absent" in faults:
            return None
        count = self._choices[0].count
        output = sum(one.count.output for one in self._choices)
        thinking = sum(one.count.thinking for one in self._choices)
        if "zero" in faults:
            count, output, thinking = Count(0, 0), 0, 0
        elif "huge" in faults:
            count, output = Count(HUGE, HUGE), HUGE
        return {
            "prompt_tokens": count.input,
            "completion_tokens": output,
            "total_tokens": count.input + output,
            "prompt_tokens_details": {"cached_tokens": count.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": thinking,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def _finish(one: Answer) -> str:
    return _FINISH[one.finish]


def _token(said: str, rank: int) -> Tree:
    return {"token": said, "logprob": -0.125 * (rank + 1), "bytes": list(said.encode())}


def _call(call: Call, fault: str) -> Tree:
    arguments = cut_json(call.arguments) if fault == "cut" else call.arguments
    made: Tree = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
    if fault == "no-id":
        del made["id"]
    return made


def cut_json(arguments: str) -> str:
    """Arguments that end too early to be JSON."""
    return arguments[: max(len(arguments) * 2 // 3, 1)] if len(arguments) > 2 else "{"


def _fragments(index: int, call: Call, fault: str) -> Iterator[Tree]:
    """A call's opening fragment, then its arguments in short pieces."""
    place = 0 if fault == "duplicate-index" else index
    opened: Tree = {"index": place, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
    if fault == "no-id":
        del opened["id"]
    yield opened
    arguments = cut_json(call.arguments) if fault == "cut" else call.arguments
    for start in range(0, len(arguments), _ARGUMENT_CHARS):
        yield {"index": place, "function": {"arguments": arguments[start : start + _ARGUMENT_CHARS]}}
