"""Policies, calls and answers for the tests of guardrails."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

from headgate.core.artifact import Artifact
from headgate.core.chat import Batch, Finish, Frame, ReasoningDelta, RefusalDelta, TextDelta, ToolArgs
from headgate.core.record import CallRecord, VerdictRecord
from headgate.core.snapshot import Route, Snapshot
from headgate.core.stages import Admitted, Asked, Call, Grounded, KeyInfo, Passed, Prompted, Screened, Selected
from headgate.core.types import ArtifactRef
from headgate.guardrails import OPEN_POLICY, RulePolicy, compile_guardrail
from tests.support.world import run

CARD = "4111 1111 1111 1111"
KEY = "AKIAABCDEFGHIJKLMNOP"


class NoRoutes:
    """No model is known by its own name."""

    def route(self, model: str) -> Route | None:
        return None

    def models(self) -> list[tuple[str, str]]:
        return []


def artifact(content: dict[str, Any], **extra: Any) -> Artifact:
    return Artifact(ArtifactRef("guardrail", "test", "1.0.0", "0" * 64), content, **extra)


def policy(*rules: dict[str, Any], on_error: str = "block") -> RulePolicy:
    return compile_guardrail(artifact({"rules": list(rules), "on_error": on_error}))


def grounded(body: bytes | dict[str, Any], dialect: str = "openai") -> Grounded:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    snapshot = Snapshot("", 0, {}, NoRoutes(), OPEN_POLICY, {})
    call = Call("call_1", dialect, snapshot, CallRecord("call_1", 0, dialect), 0)
    admitted = Admitted(call, KeyInfo("key_1", "test", "acme"))
    selected = Selected(admitted, Asked("m", False, raw, None), Route(()))
    return Grounded(Prompted(selected, raw), raw)


def record(at: Grounded) -> CallRecord:
    return at.prompted.selected.admitted.call.record


def chat(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


class Answered:
    """What a client got of an answer, and what is on record."""

    def __init__(self, passed: Sequence[Passed], verdicts: list[VerdictRecord]) -> None:
        self.passed = list(passed)
        self.frames = [frame for part in passed for frame in part.frames]
        self.blocked = passed[-1].blocked
        self.verdicts = verdicts

    def said(self, kind: type = TextDelta, choice: int = 0, index: int = 0) -> str:
        """The text of one channel."""
        out = ""
        for frame in self.frames:
            for delta in frame.deltas:
                if type(delta) is not kind or delta.choice != choice:
                    continue
                if getattr(delta, "block", getattr(delta, "index", 0)) == index:
                    out += delta.text
        return out

    def found(self) -> list[tuple[str, str, str, int, int]]:
        return [(v.rule, v.action, v.channel, v.start, v.end) for v in self.verdicts]


def answer(under: RulePolicy, batches: Iterable[Sequence[Frame]], attempts: Sequence[int] = ()) -> Answered:
    """Sends frames through a fresh screen, one batch after another."""
    at = grounded(b"{}")
    screen = under.output(Screened(at, b"{}"))
    passed: list[Passed] = []

    async def drive() -> None:
        for number, frames in enumerate(batches):
            attempt = attempts[number] if attempts else 1
            passed.append(await screen.feed(Batch(list(frames), attempt, "openai")))
        passed.append(await screen.finish())

    run(drive())
    return Answered(passed, record(at).verdicts)


def frame(*deltas: Any, content: bool = True) -> Frame:
    return Frame(b"data: {}\n\n", list(deltas), content=content)


def delta(kind: type, text: str, choice: int = 0) -> Any:
    """A piece of a channel."""
    return kind(0, text, choice) if kind is ToolArgs else kind(text, choice)


def cut(text: str, at: Iterable[int]) -> list[str]:
    """The text cut at places."""
    places = [0, *sorted({place for place in at if 0 < place < len(text)}), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(places)]


def streamed(under: RulePolicy, kind: type, pieces: Iterable[str]) -> Answered:
    """Each piece a batch of its own, then the finish."""
    batches = [[frame(delta(kind, piece))] for piece in pieces]
    return answer(under, [*batches, [frame(Finish("stop"), content=False)]])


def whole(under: RulePolicy, kind: type, text: str) -> Answered:
    """A batch of one."""
    return answer(under, [[frame(delta(kind, text), Finish("stop"))]])


CHANNELS = (TextDelta, RefusalDelta, ReasoningDelta, ToolArgs)
