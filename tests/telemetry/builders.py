"""Calls, plans and journals for the tests of telemetry and of the stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headgate.core.calls import CallBatch, Kept
from headgate.core.chat import Frame
from headgate.core.ports import Deadlines
from headgate.core.record import AttemptRecord, CallRecord
from headgate.core.snapshot import App, Release, Route, Snapshot, Target
from headgate.core.stages import (
    Admitted,
    Asked,
    Call,
    Candidate,
    Funded,
    Grounded,
    KeyInfo,
    Passed,
    Planned,
    Prompted,
    Screened,
    Selected,
)  # fmt: skip
from headgate.core.types import Origin, Price
from headgate.telemetry.journal import JournalSettings, LocalJournal
from headgate.telemetry.keeper import _pack
from tests.support.world import ManualClock, SeededEntropy

DAY_NS = 86_400 * 10**9
NOON = 1_763_985_600 * 10**9  # 2025-11-24 12:00 UTC
SECOND = 10**9


class Endpoint:
    """As much of an endpoint as a target needs."""

    def __init__(self, name: str, dialect: str = "openai") -> None:
        self.name = name
        self.dialect = dialect

    def request(self, model, stream, body, extra, within: Deadlines):
        raise AssertionError("telemetry sends nothing")

    def failure(self, status, headers, body):
        raise AssertionError("telemetry reads no answers")


class NoRoutes:
    def route(self, model: str):
        return None

    def models(self):
        return []


class NoPolicy:
    ref = None

    async def screen_input(self, grounded):
        raise AssertionError("telemetry screens nothing")

    def output(self, screened):
        raise AssertionError("telemetry screens nothing")


def snapshot(bodies: str = "none", apps: dict[str, App] | None = None) -> Snapshot:
    return Snapshot("d" * 64, 0, apps or {}, NoRoutes(), NoPolicy(), {}, bodies)


def target(provider: str = "openai", model: str = "gpt-4o-mini", price: Price | None = None) -> Target:
    return Target(provider, model, Endpoint(provider), price)


def call(clock: ManualClock, number: int = 1, bodies: str = "none") -> Call:
    record = CallRecord(call_id(number), clock.now_ns(), "openai")
    made = Call(record.id, "openai", snapshot(bodies), record, clock.monotonic_ns())
    made.body = b'{"model":"gpt-4o-mini"}'
    made.peer = "10.0.0.9"
    return made


def call_id(number: int) -> str:
    return f"call_{number:026d}"


def funded(
    made: Call, *targets: Target, app: App | None = None, release: Release | None = None, stream: bool = False,
    input_tokens: int = 40,
) -> Funded:  # fmt: skip
    chosen = targets or (target(price=Price(1.0, 4.0)),)
    asked = Asked("gpt-4o-mini", stream, made.body, None, input_chars=160)
    route = Route(tuple(chosen))
    selected = Selected(Admitted(made, KeyInfo("key_1", "k", "acme")), asked, route, app, release)
    screened = Screened(Grounded(Prompted(selected, made.body), made.body), b'{"screened":true}')
    candidates = tuple(Candidate(item, "first in the route") for item in chosen)
    return Funded(Planned(screened, candidates, route, input_tokens, 100, None))


def passed(*deltas, commits: bool = True, attempt: int = 1, blocked: str | None = None, wire: bytes = b"") -> Passed:
    return Passed([Frame(wire, list(deltas))], "openai", attempt, commits, blocked)


def record(number: int = 1, at_ns: int = NOON, **fields) -> CallRecord:
    """A finished call."""
    values = {
        "tenant": "acme", "key_id": "key_1", "app": "support", "release": "support#17", "channel": "production",
        "prompt": "prompt/support@1.4.2", "model_asked": "support", "provider": "openai",
        "target_model": "gpt-4o-mini", "outcome": "ok", "status": 200, "input_tokens": 300, "output_tokens": 80,
        "cost_usd": 0.25, "latency_us": 400_000, "ttft_us": 90_000, "committed": True,
        "attempts": [AttemptRecord("openai", "gpt-4o-mini", 100, "first in the route", 400_000, 90_000, 200, "ok")],
    }  # fmt: skip
    return CallRecord(call_id(number), at_ns, "openai", **{**values, **fields})


def refused(number: int = 1, at_ns: int = NOON, **fields) -> CallRecord:
    """A call that was turned away before any provider."""
    empty = {
        "provider": None, "target_model": None, "outcome": "refused", "status": 429, "error": "rate_limited",
        "input_tokens": None, "output_tokens": None, "cost_usd": None, "ttft_us": None, "committed": False,
        "attempts": [],
    }  # fmt: skip
    return record(number, at_ns, **{**empty, **fields})


def batch(
    records: Sequence[CallRecord], segment: str = "w.1-00000001.hgj", end: int = 0, owner: str = "w.1", **more
) -> CallBatch:
    """A batch whose records lie 100 bytes apart and end at `end` (by default right behind the last)."""
    end = end or 64 + 100 * len(records)
    start = end - 100 * len(records)
    kept = []
    for index, item in enumerate(records):
        bodies = item.request_body, item.response_body
        item.request_body = item.response_body = None
        packed = _pack(item)
        item.request_body, item.response_body = bodies
        kept.append(Kept(start + 100 * (index + 1), item, packed))
    return CallBatch(segment, owner, end, kept, **more)


def journal(folder: Path, clock: ManualClock, worker: str = "w", seed: int = 1, **settings) -> LocalJournal:
    chosen = JournalSettings(**{"segment_bytes": 64 << 10, **settings})
    return LocalJournal(str(folder), worker, clock, SeededEntropy(seed), lambda job: job(), chosen)


ORIGIN = Origin("https", "api.example.test", 443)
