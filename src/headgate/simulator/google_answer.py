"""An answer as Google writes it: one GenerateContentResponse, or a run of them."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from headgate.simulator.brain import pieces, token_of
from headgate.simulator.google_rules import SIGNED_TEXT
from headgate.simulator.messages import Answer, Call, Count, Frame, FrameKind
from headgate.simulator.models import generation
from headgate.simulator.openai_answer import HUGE
from headgate.simulator.signing import Signer
from headgate.simulator.trees import Tree, dump, tree

_FINISH = {
    "stop": "STOP",
    "sequence": "STOP",
    "length": "MAX_TOKENS",
    "tool": "STOP",
    "refusal": "SAFETY",
    "filter": "SAFETY",
    "blocked": "SAFETY",
    "pause": "OTHER",
    "malformed": "MALFORMED_FUNCTION_CALL",
}


class Response:
    """Renders the candidates of one request. `body` is the request's own."""

    def __init__(self, body: Tree, choices: list[Answer], signer: Signer, words_per_chunk: int) -> None:
        self._choices = choices
        self._ask = choices[0].ask
        self._signer = signer
        self._words = words_per_chunk
        config = tree(body.get("generationConfig"))
        self._shows = tree(config.get("thinkingConfig")).get("includeThoughts") is True
        self._logprobs = config.get("responseLogprobs") is True
        self._signs = generation(self._ask.model) >= 3
        self._tail: Tree = {
            "modelVersion": choices[0].model or self._ask.model,
            "responseId": token_of(22, "response", self._ask.digest),
        }

    def whole(self) -> bytes:
        """The body of an answer that is not streamed."""
        if self._choices[0].finish == "blocked":
            return self._blocked()
        if self._choices[0].empty:
            return self._wrapped([], self._usage(1.0))
        found = [self._candidate(at, one) for at, one in enumerate(self._choices)]
        return self._wrapped(found, self._usage(1.0))

    def frames(self) -> list[Frame]:
        """The objects of a streamed answer; the last one of each candidate says why it finished."""
        if self._choices[0].finish == "blocked" or self._choices[0].empty:
            return [Frame("finish", self.whole())]
        return [frame for at, one in enumerate(self._choices) for frame in self._candidate_frames(at, one)]

    def _wrapped(self, candidates: list[Tree], usage: Tree | None) -> bytes:
        body: Tree = {"candidates": candidates} if candidates else {}
        if usage is not None:
            body["usageMetadata"] = usage
        return dump({**body, **self._tail})

    def _blocked(self) -> bytes:
        body: Tree = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        count = self._choices[0].count.input
        return dump({**body, "usageMetadata": {"promptTokenCount": count, "totalTokenCount": count}, **self._tail})

    def _candidate(self, at: int, one: Answer) -> Tree:
        made = self._parts(one)
        candidate: Tree = {"finishReason": one.raw_finish or _FINISH[one.finish], "index": at}
        if made:
            candidate = {"content": {"parts": made, "role": "model"}, **candidate}
        self._explain(candidate, one)
        if self._logprobs and one.text:
            chosen = [{"token": piece, "logProbability": -0.125} for piece in pieces(one.text, 1)]
            candidate["avgLogprobs"] = -0.125
            candidate["logprobsResult"] = {"chosenCandidates": chosen}
        return candidate

    def _explain(self, candidate: Tree, one: Answer) -> None:
        if one.finish in ("refusal", "filter"):
            rating: Tree = {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}
            candidate["safetyRatings"] = [rating]
        if one.finish == "malformed":
            candidate["finishMessage"] = "Malformed function call: print(default_api."

    def _parts(self, one: Answer) -> list[Tree]:
        made: list[Tree] = []
        if one.finish in ("refusal", "malformed"):
            return made
        if one.thought and self._shows:
            made.append({"text": one.thought, "thought": True})
        if one.text:
            made.append({"text": one.text})
            if self._signs and one.thought and not one.calls:
                made[-1]["thoughtSignature"] = self._signer.sign("google", self._ask.digest, SIGNED_TEXT)
        return [*made, *(self._call(at, call, one) for at, call in enumerate(one.calls))]

    def _call(self, at: int, call: Call, one: Answer) -> Tree:
        """A functionCall part. From Gemini 3 on it has an id, and the first one of a step is signed."""
        called: Tree = {"name": call.name, "args": orjson.loads(call.arguments)}
        if self._signs and one.tool_fault != "no-id":
            called["id"] = one.calls[0].id if one.tool_fault == "duplicate-index" else call.id
        part: Tree = {"functionCall": called}
        if at == 0 and self._signs:
            part["thoughtSignature"] = self._signer.sign("google", self._ask.digest, call.name)
        return part

    def _candidate_frames(self, at: int, one: Answer) -> Iterator[Frame]:
        shown = self._parts(one)
        steps: list[tuple[FrameKind, Tree]] = []
        for part in shown:
            if "functionCall" in part:
                steps.append(("tool", part))
                continue
            said, rest = str(part["text"]), {k: v for k, v in part.items() if k not in ("text", "thoughtSignature")}
            steps.extend(("content", {"text": piece, **rest}) for piece in pieces(said, self._words))
            if "thoughtSignature" in part:
                steps.append(("content", {"text": "", "thoughtSignature": part["thoughtSignature"]}))
        for done, (kind, part) in enumerate(steps, 1):
            candidate: Tree = {"content": {"parts": [part], "role": "model"}, "index": at}
            if done == len(steps):
                candidate["finishReason"] = one.raw_finish or _FINISH[one.finish]
                self._explain(candidate, one)
                kind = "finish"
            yield Frame(kind, self._wrapped([candidate], self._usage(done / len(steps))))
        if not steps:
            yield Frame("finish", self._wrapped([self._candidate(at, one)], self._usage(1.0)))

    def _usage(self, share: float) -> Tree | None:
        """Counts so far: `share` of the visible output. candidatesTokenCount leaves out the thoughts."""
        faults = {one.usage_fault for one in self._choices}
        if "absent" in faults:
            return None
        count = self._choices[0].count
        output = sum(one.count.output for one in self._choices)
        thinking = sum(one.count.thinking for one in self._choices)
        if "zero" in faults:
            count, output, thinking = Count(0, 0), 0, 0
        elif "huge" in faults:
            count, output, thinking = Count(HUGE, HUGE), HUGE, 0
        visible = round((output - thinking) * share)
        usage: Tree = {
            "promptTokenCount": count.input,
            "candidatesTokenCount": visible,
            "totalTokenCount": count.input + visible + thinking,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": count.input}],
        }
        if count.cached:
            usage["cachedContentTokenCount"] = count.cached
            usage["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": count.cached}]
        if thinking:
            usage["thoughtsTokenCount"] = thinking
        return usage
