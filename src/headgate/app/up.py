"""From a configuration to a running gateway, whole: check, fork, serve."""

from __future__ import annotations

import socket
from collections.abc import Callable
from importlib import import_module

from headgate.app.children import Lifeline
from headgate.app.config import Config
from headgate.app.generation import Generation
from headgate.app.published import compile_served
from headgate.app.snapshot import Compiled, compile_snapshot
from headgate.app.supervisor import Address, Supervisor
from headgate.app.worker import run_worker
from headgate.core.errors import ConfigError
from headgate.core.snapshot import Snapshot
from headgate.wire.clock import SystemClock


def check(config: Config) -> Compiled:
    """Everything that can be wrong with a configuration and its workspace, without serving."""
    return compile_snapshot(config, SystemClock())


def up(config: Config, started: Callable[[Address], None], reread: Callable[[], Config]) -> int:
    """Serve until told to stop; the exit status. `reread` reads the configuration again where that is asked for.

    Raises ConfigError before anything listens.
    """
    clock = SystemClock()
    generation = Generation(config, _sound(compile_served(config, clock)), reread, clock)
    supervisor = Supervisor(
        generation,
        lambda sock, lifeline, slot: run_worker(generation, sock, lifeline, slot),
        lambda sock, lifeline, _slot: _control(generation, sock, lifeline),
        clock,
    )
    return supervisor.run(started)


def _control(generation: Generation, sock: socket.socket, lifeline: Lifeline) -> None:
    # loaded in the control process only: database and web framework are 17 MB and half a second that no worker needs
    import_module("headgate.app.control").run_control(generation, sock, lifeline)


def _sound(compiled: Compiled) -> Snapshot:
    if compiled.snapshot is not None:
        return compiled.snapshot
    first, *more = compiled.faults
    if more:
        raise ConfigError(first.where, first.wrong, f"{first.right}; {len(more)} more: `headgate check` lists all")
    raise first
