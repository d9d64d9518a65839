"""What an earlier version wrote is read, and what a later one adds does not get in the way.

The bytes here are written out by hand, and stay as they are: they are what lies on the disks of people who upgrade.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headgate.core.keys import EVERY_TENANT
from headgate.core.record import CallRecord
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.telemetry import Keeper, explain, fold
from tests.support.world import ManualClock
from tests.telemetry.builders import NOON, call_id

NONCE = 0x1122334455667788
OPENED, SEALED, UNKNOWN, CLOSED = 1, 2, 7, 5
# a record of format 1 as it first was: before tries told of characters and fingerprints, before seams
ATTEMPT = [
    "openai", "gpt-4o", 10, "first in the route", 900, 300, 200, "ok", None, None, "gpt-4o-2", 7, 9, 0.5, "req_1",
]  # fmt: skip
VERDICT = ["email", "input", "redact", "user", 3, 9]
RECORD = [
    call_id(1), NOON, "openai", True, "acme", "key_1", "support", "support#17", "production", "prompt/support@1.4.2",
    "route/main@1.0.0", "guardrail/strict@1.0.0", "support", "openai", "gpt-4o", "ok", None, 7, 9, 0.5, 1000, 400, True,
    [ATTEMPT], [VERDICT], None, None, None, None, "abc", "fp_1", "gpt-4o-2", "openai", 200, "stop", None, 1, 2, 3,
    False, [["google", "gemini", "its breaker is open"]], ["seed"], ["wiki"], "d" * 64, "10.0.0.9",
]  # fmt: skip
IN_FLIGHT = [
    call_id(2), NOON, "anthropic", False, "acme", "key_2", None, None, None, None, None, None, "claude",
]  # fmt: skip


def segment(frames: list[tuple[int, object]], version: int = 1) -> bytes:
    """A journal segment, byte by byte."""
    size = 64 << 10
    head = struct.pack("<8sIIqQ", b"HEADGJNL", version, size, NOON, NONCE).ljust(60, b"\0")
    data = bytearray(head + struct.pack("<I", zlib.crc32(head)))
    for kind, content in frames:
        payload = content if isinstance(content, bytes) else msgspec.msgpack.encode(content)
        check = zlib.crc32(payload, (NONCE ^ (len(data) | kind)) & 0xFFFFFFFF)
        data += struct.pack("<III", len(payload), check, 0xA7C35E00 | kind) + payload
        data += bytes(-len(data) % 8)
    return bytes(data.ljust(size, b"\0"))


class Bench:
    """A keeper and a store over a journal folder in which one segment lies, its writer long dead."""

    def __init__(self, folder: Path) -> None:
        self.journals = folder / "journal"
        self.journals.mkdir()
        self.store = SqliteCalls(folder / "calls", fold)
        self.keeper = Keeper(str(self.journals), self.store, ManualClock())

    def drain(self, data: bytes) -> None:
        (self.journals / "worker.1-00000001.hgj").write_bytes(data)
        while self.keeper.step():
            pass

    def call(self, number: int) -> CallRecord:
        found = self.store.call(EVERY_TENANT, call_id(number))
        assert found is not None
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


def check_old(found: CallRecord) -> None:
    """Every field of RECORD is where it was, and what came later is as if it had not happened."""
    named: dict[str, Any] = dict(zip(CallRecord.__struct_fields__, RECORD, strict=False))
    for name, value in named.items():
        if name not in ("attempts", "verdicts", "skipped"):
            assert getattr(found, name) == value, name
    (attempt,) = found.attempts
    assert msgspec.to_builtins(attempt)[: len(ATTEMPT)] == ATTEMPT
    assert (attempt.chars, attempt.fingerprint) == (0, None)
    (verdict,) = found.verdicts
    assert msgspec.to_builtins(verdict)[: len(VERDICT)] == VERDICT
    assert (verdict.policy, verdict.attempt) == ("", 0)
    assert [skip.why for skip in found.skipped] == ["its breaker is open"]
    assert (found.seams, found.answer_of, found.routed) == ([], None, None)


def test_fields_are_where_they_were() -> None:
    names = CallRecord.__struct_fields__[: len(RECORD)]
    assert (names[0], names[12], names[15], names[23], names[26]) == (
        "id", "model_asked", "outcome", "attempts", "response_body",
    )  # fmt: skip
    assert names[29:] == (
        "prompt_digest", "fingerprint", "model_answered", "target_dialect", "status", "finish", "message",
        "cached_tokens", "cache_write_tokens", "reasoning_tokens", "tokens_estimated", "skipped", "dropped", "sources",
        "snapshot", "peer",
    )  # fmt: skip


def test_a_journal_of_the_first_format_is_drained_and_its_calls_explained(bench: Bench) -> None:
    bench.drain(segment([(OPENED, RECORD[:13]), (OPENED, IN_FLIGHT), (SEALED, RECORD), (CLOSED, b"\0")]))
    check_old(bench.call(1))
    assert any("gpt-4o" in line for line in explain(bench.call(1)))
    assert (bench.call(2).outcome, bench.call(2).model_asked) == ("aborted", "claude")
    assert list(bench.journals.iterdir()) == []
    assert bench.keeper.state.lost == bench.keeper.state.damaged == 0


def test_what_a_later_version_adds_is_passed_over(bench: Bench) -> None:
    whole = msgspec.to_builtins(msgspec.convert(RECORD, CallRecord))
    later = [*whole, {"new": [1, 2]}, "more", None]
    later[23] = [[*whole[23][0], 5, ["x"]]]
    bench.drain(segment([(OPENED, [*IN_FLIGHT, "not yet"]), (UNKNOWN, {"a": 1}), (SEALED, later), (CLOSED, b"\0")]))
    found = bench.call(1)
    check_old(found)
    assert bench.call(2).outcome == "aborted"
    assert bench.keeper.state.lost == bench.keeper.state.damaged == 0


def test_a_later_segment_format_is_left_alone_and_named(bench: Bench) -> None:
    bench.drain(segment([(SEALED, RECORD)], version=2))
    assert bench.store.call(EVERY_TENANT, call_id(1)) is None
    assert [path.name for path in bench.journals.iterdir()] == ["worker.1-00000001.hgj"]
    assert "newer Headgate" in (bench.keeper.state.trouble or "")
