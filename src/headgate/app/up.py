"""From a configuration to a running gateway, whole: check, fork, serve."""

from __future__ import annotations

from collections.abc import Callable

from headgate.app.config import Config
from headgate.app.control import run_control
from headgate.app.snapshot import Compiled, compile_snapshot
from headgate.app.supervisor import Address, Supervisor
from headgate.app.worker import run_worker
from headgate.core.errors import ConfigError
from headgate.core.snapshot import Snapshot
from headgate.wire.clock import SystemClock


def check(config: Config) -> Compiled:
    """Everything that can be wrong with a configuration and its workspace, without serving."""
    return compile_snapshot(config, SystemClock())


def up(config: Config, started: Callable[[Address], None]) -> int:
    """Serve until told to stop; the exit status. Raises ConfigError before anything listens."""
    clock = SystemClock()
    snapshot = _sound(compile_snapshot(config, clock))
    supervisor = Supervisor(
        config,
        lambda sock, lifeline: run_worker(config, snapshot, sock, lifeline),
        lambda sock, lifeline: run_control(config, sock, lifeline),
        clock,
    )
    return supervisor.run(started)


def _sound(compiled: Compiled) -> Snapshot:
    if compiled.snapshot is not None:
        return compiled.snapshot
    first, *more = compiled.faults
    if more:
        raise ConfigError(first.where, first.wrong, f"{first.right}; {len(more)} more: `headgate check` lists all")
    raise first
