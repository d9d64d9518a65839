"""What is kept of every call. Field order is the journal's format: from the first release on, append at the
end of CallRecord, never reorder, and never add to CallBrief."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

FORMAT_VERSION = 1


class AttemptRecord(msgspec.Struct, array_like=True, gc=False):
    """One try at one target. Times are microseconds since the call was received."""

    provider: str
    model: str
    started_us: int
    why: str
    ended_us: int | None = None
    first_token_us: int | None = None
    status: int | None = None
    outcome: str = "in_flight"
    error: str | None = None
    message: str | None = None
    model_answered: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    request_id: str | None = None
    chars: int = 0  # of answer that came, whether it went out or not
    fingerprint: str | None = None  # of the build that answered, where the provider tells it


def answering(attempts: Sequence[AttemptRecord]) -> AttemptRecord | None:
    """The try whose answer is the call's: the last that answers or did, or whose client left; else the last of all.
    (One that was asked beside it, and was slower, may have begun later.)"""
    for outcomes in (("ok", "in_flight"), ("cancelled",)):
        for attempt in reversed(attempts):
            if attempt.outcome in outcomes:
                return attempt
    return attempts[-1] if attempts else None


class SkipRecord(msgspec.Struct, array_like=True, gc=False):
    """A target that was considered and not asked."""

    provider: str
    model: str
    why: str


class VerdictRecord(msgspec.Struct, array_like=True, gc=False):
    """What a check found and what was done. direction: input, output. action: allow, flag, redact, block.

    `start` and `end` are character offsets in the channel named; the matched text itself is never kept. `attempt` is
    the try whose answer was judged (0: the request); verdicts on the answer of an abandoned try stay.
    """

    rule: str
    direction: str
    action: str
    channel: str
    start: int
    end: int
    policy: str = ""
    attempt: int = 0


class SeamRecord(msgspec.Struct, array_like=True, gc=False):
    """Where an answer went on at another target: after how many characters, from which try (counted from 1) to which,
    and why."""

    chars: int
    from_attempt: int
    to_attempt: int
    why: str


class RoutedRecord(msgspec.Struct, array_like=True, gc=False):
    """What a learned route decided: the class whose targets were asked, the class found likeliest and how likely it
    is (0 to 1; None where the request could not be read), the classifier asked (`model/router@1.0.0`)."""

    strategy: str
    chosen: str
    found: str | None = None
    confidence: float | None = None
    model: str | None = None


class CallBrief(msgspec.Struct, array_like=True, gc=False):
    """The leading fields of a CallRecord: what sums, metrics and the columns of a store are made of.

    Read from a whole record, the rest of it is skipped without being decoded.
    """

    id: str
    received_ns: int
    dialect: str
    stream: bool = False
    tenant: str = ""
    key_id: str = ""
    app: str | None = None
    release: str | None = None
    channel: str | None = None
    prompt: str | None = None
    route: str | None = None
    policy: str | None = None
    model_asked: str = ""  # the last that is known when a call is opened
    provider: str | None = None
    target_model: str | None = None
    outcome: str = "in_flight"
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    latency_us: int | None = None
    ttft_us: int | None = None
    committed: bool = False
    attempts: list[AttemptRecord] = []
    verdicts: list[VerdictRecord] = []
    request_body: bytes | None = None
    response_body: bytes | None = None
    stand_in: str | None = None  # hit, miss; stale, fixed: everyone had failed; None: nothing may stand in
    saved_usd: float | None = None  # what the answer that was given again had cost


class CallLead(CallBrief):
    """The brief, and what tells which prompt was used: the version's digest, or the fingerprint of one that is not
    registered."""

    prompt_digest: str | None = None
    fingerprint: str | None = None


class CallRecord(CallLead):
    """Everything known of one client call. Stages write what they learn into it; the witness journals it.

    outcome: in_flight, ok, refused (by us before any provider), blocked (policy), failed (providers), cancelled
    (the client left), aborted (we were killed). Money in US dollars, times in microseconds, None is unknown.
    """

    model_answered: str | None = None
    target_dialect: str | None = None
    status: int | None = None
    finish: str | None = None
    message: str | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    tokens_estimated: bool = False
    skipped: list[SkipRecord] = []
    dropped: list[str] = []
    sources: list[str] = []
    snapshot: str = ""
    peer: str = ""
    answer_of: str | None = None  # the call whose answer was given again
    seams: list[SeamRecord] = []
    routed: RoutedRecord | None = None
    recognised: str | None = None  # the caller sent the prompt's own text: `text`, or `template` where it has variables
    experiment: str | None = None  # whose side it was on; None: its channel was not split
    arm: int | None = None  # the release of that side; None: nobody knows the unit, the control answered
    unit: str | None = None  # who stays on that side: the first hex digits of a hash, never the name


class GapRecord(msgspec.Struct, array_like=True, gc=False):
    """Records that could not be kept: how many, why, between which wall times (ns)."""

    since_ns: int
    until_ns: int
    lost: int
    why: str
