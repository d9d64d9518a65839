"""The roster of workers, and what becomes of a reload."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path

import pytest

from headgate.app.config import load_config
from headgate.app.generation import Generation, Outcome, last_outcome, tell_outcome
from headgate.app.operations import Reloaded, Reloader, handlers, worker_gauges
from headgate.app.roster import DRAINING, ROSTER_FILE, SERVING, WORKERS_MAX, Load, Seat, make_roster, read_roster
from headgate.app.up import check
from headgate.core.errors import ConfigError
from headgate.core.handlers import Ask
from headgate.telemetry import Metrics
from headgate.wire.refusals import Refused
from tests.support.actors import actor
from tests.support.world import ManualClock

DIGEST = "ab" * 32
YAML = "providers: {openai: {type: openai, key_env: KEY}}\n"


def test_a_row_is_read_as_it_was_written_and_the_dead_have_none(tmp_path: Path) -> None:
    make_roster(tmp_path)
    assert read_roster(tmp_path) == []
    for slot in (1, WORKERS_MAX):
        Seat(tmp_path, slot, 7).tell(SERVING, DIGEST, Load(3, 1 << 40, 4096, 5, Refused(1, 2, 3, 1 << 40)), 9)
    first, last = read_roster(tmp_path)
    assert (first.slot, first.pid, first.state, first.digest) == (1, os.getpid(), "serving", DIGEST)
    assert (first.started_ns, first.told_ns, first.in_flight, first.connections) == (7, 9, 3, 0xFFFFFFFF)
    assert (first.unsynced_bytes, first.pending_lost) == (4096, 5)
    assert first.refused == Refused(1, 2, 3, 0xFFFFFFFF)
    assert last.slot == WORKERS_MAX
    child = os.fork()
    if not child:
        Seat(tmp_path, 2, 7).tell(SERVING, DIGEST, Load(0, 0, 0, 0), 9)
        os._exit(0)
    os.waitpid(child, 0)
    assert [line.slot for line in read_roster(tmp_path)] == [1, WORKERS_MAX]


def test_workers_are_told_as_metrics(tmp_path: Path) -> None:
    make_roster(tmp_path)
    Seat(tmp_path, 1, 1_500_000_000).tell(SERVING, DIGEST, Load(3, 4, 4096, 0), 9)
    Seat(tmp_path, 3, 2_000_000_000).tell(DRAINING, DIGEST, Load(1, 1, 0, 7, Refused(timeout=6)), 9)
    text = Metrics(lambda: worker_gauges(tmp_path)).render()
    for line in (
        'headgate_workers{state="serving"} 1',
        'headgate_workers{state="draining"} 1',
        'headgate_worker_start_time_seconds{worker="1"} 1.5',
        'headgate_worker_calls_in_flight{worker="1"} 3',
        'headgate_worker_connections{worker="1"} 4',
        "# TYPE headgate_journal_unsynced_bytes gauge",
        'headgate_journal_unsynced_bytes{worker="1"} 4096',
        'headgate_journal_untold_lost{worker="3"} 7',
        "# TYPE headgate_requests_refused_total counter",
        'headgate_requests_refused_total{worker="3",reason="timeout"} 6',
    ):
        assert line in text.splitlines()


def test_a_newer_roster_is_refused(tmp_path: Path) -> None:
    make_roster(tmp_path)
    data = bytearray((tmp_path / ROSTER_FILE).read_bytes())
    struct.pack_into("<I", data, 8, 2)
    (tmp_path / ROSTER_FILE).write_bytes(data)
    with pytest.raises(ConfigError, match="format 2"):
        read_roster(tmp_path)


def generation(folder: Path) -> Generation:
    file = folder / "headgate.yaml"
    file.write_text(YAML)

    def read() -> object:
        return load_config(file, {"KEY": "k"}, folder)

    config = load_config(file, {"KEY": "k"}, folder)
    snapshot = check(config).snapshot
    assert snapshot is not None
    return Generation(config, snapshot, read, ManualClock())  # type: ignore[arg-type]


def test_a_mistake_leaves_what_is_in_force(tmp_path: Path) -> None:
    here = generation(tmp_path)
    before = here.snapshot.digest
    (tmp_path / "headgate.yaml").write_text(YAML + "bogus: 1\n")
    outcome = here.renew()
    assert outcome.digest == here.snapshot.digest == before
    assert "headgate.yaml:2" in outcome.faults[0].where
    tell_outcome(tmp_path, outcome)
    assert last_outcome(tmp_path) == outcome


def test_what_a_running_gateway_cannot_change_is_named_and_kept(tmp_path: Path) -> None:
    here = generation(tmp_path)
    before = here.config
    (tmp_path / "headgate.yaml").write_text(YAML + "listen: 127.0.0.1:9\nbodies: full\nworkers: 3\n")
    outcome = here.renew()
    assert (outcome.faults, outcome.restart, outcome.serial) == ([], ["listen"], 1)
    assert here.config.listen == before.listen
    assert here.config.workers == 3
    assert here.snapshot.bodies == "full"
    assert last_outcome(tmp_path) is None


def test_bounds_and_the_webhook_hold_after_a_restart_and_are_told_until_then(tmp_path: Path) -> None:
    here = generation(tmp_path)
    hook = "events: {webhook: {url: 'https://example.com/hook'}}\n"
    (tmp_path / "headgate.yaml").write_text(YAML + "max_in_flight: 7\n" + hook)
    for _ in range(2):
        outcome = here.renew()
        assert (outcome.faults, outcome.restart) == ([], ["max_in_flight", "events"])
    assert here.config.source.max_in_flight is None
    assert here.config.webhook is None


class Hurried(ManualClock):
    """A second later each time one looks."""

    def monotonic_ns(self) -> int:
        self.advance(1.0)
        return super().monotonic_ns()


def test_a_reload_does_not_wait_for_workers_that_drain(tmp_path: Path) -> None:
    make_roster(tmp_path)
    Seat(tmp_path, 1, 7).tell(SERVING, DIGEST, Load(0, 0, 0, 0), 9)
    Seat(tmp_path, 2, 7).tell(DRAINING, "cd" * 32, Load(1, 1, 0, 0), 9)
    clock = Hurried()
    serials = iter(range(1, 9))

    def told(*_: object) -> None:
        tell_outcome(tmp_path, Outcome(next(serials), 0, DIGEST, [], []))

    before = signal.signal(signal.SIGHUP, told)
    try:
        reloader = Reloader(tmp_path, os.getpid(), clock)
        reload = next(one for one in handlers(tmp_path, reloader.reload) if one.path == "/api/reload")
        answer = reload.handle(Ask(actor("operator")))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert isinstance(answer, Reloaded)
    assert (answer.workers, answer.behind) == (1, [])
