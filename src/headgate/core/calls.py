"""What telemetry and the stores of calls say to each other. Times are integer nanoseconds or microseconds, as named.

A scope is a tenant's name, or `core.keys.EVERY_TENANT` said out loud.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from headgate.core.discovery import PromptSample
from headgate.core.events import StoredEvent
from headgate.core.record import CallLead, CallRecord, GapRecord


class Kept(msgspec.Struct, gc=False):
    """A record to keep, sealed or in flight. `end` is the offset in its segment right behind it.

    `packed` is the whole CallRecord as MessagePack without bodies: what the store keeps and reads back.
    """

    end: int
    record: CallLead
    packed: bytes


class CallBatch(msgspec.Struct):
    """What one reading of a journal segment brought. `end`: everything before it is in this batch or an earlier one.

    `forgotten` are ids of calls that went in flight and whose record was lost: a gap counts them.
    """

    segment: str
    owner: str
    end: int
    records: list[Kept] = []
    gaps: list[GapRecord] = []
    forgotten: list[str] = []
    events: list[StoredEvent] = []
    samples: list[PromptSample] = []


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls. None: any. `since_ns` is included, `until_ns` is not.

    `model` matches the model asked for or the target's. `prompt` is `prompt/name@1.2.3`, or `prompt/name` for every
    version. `error` is a part of the error code. Of calls whose cost or latency is unknown, none passes a minimum.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    app: str | None = None
    release: str | None = None
    provider: str | None = None
    model: str | None = None
    outcome: str | None = None
    key_id: str | None = None
    prompt: str | None = None
    error: str | None = None
    min_cost_usd: float | None = None
    min_latency_us: int | None = None


class CallPage(NamedTuple):
    """Calls, newest first; `cursor` asks for what follows, None at the end."""

    records: list[CallRecord]
    cursor: str | None


class RollupKey(NamedTuple):
    """Whom a rollup is about. `at_ns` is where its five minutes start; provider and model are "" for calls no
    provider was asked for, `app` "" for models addressed directly."""

    at_ns: int
    tenant: str
    app: str
    provider: str
    model: str


class Rollup(msgspec.Struct):
    """Sums over attempts at one target, and counts of the calls it was the last to be asked for.

    Attempts that were neither ok nor failed were cancelled or cut by us. Tokens and money are those of attempts;
    `unpriced` and `uncounted` are calls of which they are unknown, missing from the sums. Histograms map a log bucket
    (`telemetry.rollups`) to a number of attempts: latency of those that were ok, time to first token of all that
    had one. `outcomes` count calls, `errors` attempts (or calls nobody was asked for), by word; `stand_ins` calls by
    what stood in for providers, `saved_usd` what that had cost the first time.
    """

    key: RollupKey
    attempts: int = 0
    attempts_ok: int = 0
    attempts_failed: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    uncounted: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    latency: dict[int, int] = {}
    ttft: dict[int, int] = {}
    outcomes: dict[str, int] = {}
    errors: dict[str, int] = {}
    stand_ins: dict[str, int] = {}
    saved_usd: float = 0.0

    def add(self, more: Rollup) -> None:
        """Add another rollup to this one; the key stays."""
        self.attempts += more.attempts
        self.attempts_ok += more.attempts_ok
        self.attempts_failed += more.attempts_failed
        self.calls += more.calls
        self.input_tokens += more.input_tokens
        self.output_tokens += more.output_tokens
        self.uncounted += more.uncounted
        self.cost_usd += more.cost_usd
        self.unpriced += more.unpriced
        self.saved_usd += more.saved_usd
        for buckets, others in ((self.latency, more.latency), (self.ttft, more.ttft)):
            for index, number in others.items():
                buckets[index] = buckets.get(index, 0) + number
        for words, others in (
            (self.outcomes, more.outcomes), (self.errors, more.errors), (self.stand_ins, more.stand_ins),
        ):  # fmt: skip
            for word, number in others.items():
                words[word] = words.get(word, 0) + number


class Retention(NamedTuple):
    """How many whole UTC days before today are kept: records, and (never longer) their bodies."""

    calls_days: int = 30
    bodies_days: int = 3


Offsets = Mapping[str, int]
