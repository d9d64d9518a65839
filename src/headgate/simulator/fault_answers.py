"""Faults of the answer itself: refusals, missing content, broken tool calls, wrong usage, another model's voice."""

from __future__ import annotations

from dataclasses import replace

from headgate.simulator.fault import Knobs
from headgate.simulator.fault_errors import outage
from headgate.simulator.messages import Answer, Bend, Frame, Vendor

_OLDER = {"openai": "gpt-3.5-turbo-0125", "anthropic": "claude-haiku-4-5-20251001", "google": "gemini-2.5-flash-lite"}
DECLINED = "I cannot help with that request."
_SPOKEN = ("content", "tool")
_BROKEN_JSON = b'{"id":"broken","choices":[{"delta":'


def refused(answer: Answer) -> Answer:
    """The model declines."""
    return replace(answer, finish="refusal", text=DECLINED, calls=(), raw_finish=None)


def filtered(answer: Answer) -> Answer:
    """A filter ends the answer after a third of it."""
    return replace(answer, finish="filter", text=answer.text[: len(answer.text) // 3], calls=())


def blocked(answer: Answer) -> Answer:
    """The prompt is refused."""
    return replace(answer, finish="blocked", text="", calls=())


def recited(answer: Answer) -> Answer:
    """Google finishes with RECITATION and no content; the others refuse."""
    word = "RECITATION" if answer.ask.vendor == "google" else None
    return replace(refused(answer), raw_finish=word)


def emptied(answer: Answer) -> Answer:
    """No choice, no content block, no candidate."""
    return replace(answer, empty=True)


def tool_fault(kind: str) -> Bend:
    """A deliberate defect of the tool calls; answers without calls stay as they are."""

    def bend(answer: Answer) -> Answer:
        if kind == "cut" and answer.ask.vendor == "google" and answer.calls:
            return malformed(answer)  # arguments arrive whole there: Google says itself that they are broken
        return replace(answer, tool_fault=kind)

    return bend


def malformed(answer: Answer) -> Answer:
    """Google's MALFORMED_FUNCTION_CALL; arguments that break off from the others."""
    if answer.ask.vendor != "google":
        return replace(answer, tool_fault="cut")
    return replace(answer, finish="malformed", text="", calls=())


def usage_fault(kind: str) -> Bend:
    """Usage that is absent, zero or huge."""

    def bend(answer: Answer) -> Answer:
        return replace(answer, usage_fault=kind)

    return bend


def other_model(answer: Answer) -> Answer:
    """An older model answers than was asked."""
    return replace(answer, model=_OLDER[answer.ask.vendor])


def other_language(answer: Answer) -> Answer:
    """The answer switches to German."""
    return replace(answer, text="Das kann ich Ihnen leider nur auf Deutsch beantworten, und zwar so.", calls=())


def worse(answer: Answer) -> Answer:
    """A useless answer that is formally fine."""
    return replace(answer, text="As mentioned, it depends. It depends. It depends.", calls=())


# -- events of a stream -------------------------------------------------------------------------------------------


def _until(frames: list[Frame], after: int) -> int:
    """The index right behind so many content events; the end of the content where there are fewer."""
    spoken = [at for at, frame in enumerate(frames) if frame.kind in _SPOKEN]
    if not spoken:
        return 0
    return spoken[min(after, len(spoken)) - 1] + 1 if after > 0 else spoken[0]


def error_first(frames: list[Frame], vendor: Vendor, knobs: Knobs) -> list[Frame]:
    """An error is the first event."""
    return [vendor.stream_error(outage(503)(vendor))]


def error_opened(frames: list[Frame], vendor: Vendor, knobs: Knobs) -> list[Frame]:
    """An error after the events that only open the answer."""
    return [*frames[: _until(frames, 0)], vendor.stream_error(outage(503)(vendor))]


def error_later(frames: list[Frame], vendor: Vendor, knobs: Knobs) -> list[Frame]:
    """An error after some content."""
    return [*frames[: _until(frames, knobs.after)], vendor.stream_error(outage(500)(vendor))]


def ended_early(frames: list[Frame], vendor: Vendor, knobs: Knobs) -> list[Frame]:
    """A clean end after some content."""
    return frames[: _until(frames, knobs.after)]


def unfinished(frames: list[Frame], vendor: Vendor, knobs: Knobs) -> list[Frame]:
    """All the content and a clean end, but nothing that says it is finished."""
    return [frame for frame in frames if frame.kind not in ("finish", "usage", "end")]


def one_broken(frames: list[Frame], vendor: Vendor, knobs: Knobs) -> list[Frame]:
    """One event whose JSON breaks off, the rest as it should be."""
    at = _until(frames, knobs.after)
    event = frames[at - 1].event if at else ""
    return [*frames[:at], Frame("content", _BROKEN_JSON, event), *frames[at:]]


def undone(frames: list[Frame], vendor: Vendor, knobs: Knobs) -> list[Frame]:
    """Finished, but without the last event: `[DONE]`, `message_stop`."""
    return [frame for frame in frames if frame.kind != "end"]


def silenced(frames: list[Frame], vendor: Vendor, knobs: Knobs) -> list[Frame]:
    """No event at all."""
    return []
