"""`headgate up`: one supervisor, one control process, data-plane workers that share the listening socket.

The supervisor loads and checks everything first, then forks: a mistake stops it before anything listens, and a worker
that dies is replaced without loading again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from headgate.app.children import Child, Lifeline, fork, reap
from headgate.app.config import Config
from headgate.core.errors import ConfigError
from headgate.core.ports import Clock
from headgate.wire.listener import bind

START_S = 20.0
STOP_S = 35.0
RESTARTS_MAX = 5  # within RESTART_WINDOW_NS: a child that cannot live is told of, not started for ever
RESTART_WINDOW_NS = 60_000_000_000
BACKLOG = 4096
LOCK_FILE = "lock"
DESCRIPTORS_MAX = 1 << 20
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


log = logging.getLogger(__name__)


class Address(msgspec.Struct, frozen=True):
    """What `up` tells when everything runs. `secret` is the first admin key, on the first start only."""

    data: str
    management: str
    secret: str | None


Work = Callable[[socket.socket, Lifeline], None]


class Supervisor:
    """Owns the sockets, the lock and the children."""

    def __init__(self, config: Config, worker: Work, control: Work, clock: Clock) -> None:
        self._config = config
        self._work = {"worker": worker, "control": control}
        self._clock = clock
        self._sockets: dict[str, socket.socket] = {}
        self._children: dict[int, Child] = {}
        self._starts: list[int] = []

    def run(self, started: Callable[[Address], None]) -> int:
        """Serve until SIGTERM or SIGINT; the exit status. Calls `started` once both children answer.

        Raises ConfigError for what keeps it from starting.
        """
        lock = hold_lock(self._config.state)
        raise_descriptors()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._sockets["worker"] = listen(self._config.listen)
            self._sockets["control"] = listen(self._config.management)
            started(self._start())
            return self._watch()
        finally:
            self._stop()
            for sock in self._sockets.values():
                sock.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(lock)

    def _start(self) -> Address:
        children = [self._fork("worker"), self._fork("control")]
        secret = None
        for child in children:
            report = child.wait_ready(START_S, self._clock)
            if not report.ready:
                raise ConfigError("headgate up", report.trouble or "a process failed", "see what is printed above")
            secret = secret or report.secret
        return Address(self._url("worker"), self._url("control"), secret)

    def _url(self, name: str) -> str:
        host, port = self._sockets[name].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def _fork(self, name: str) -> Child:
        sock = self._sockets[name]
        child = fork(name, lambda lifeline: self._work[name](sock, lifeline), _SIGNALS, self._children.values())
        self._children[child.pid] = child
        return child

    def _watch(self) -> int:
        """Replace children that die, until told to stop."""
        while True:
            number = signal.sigwait(_SIGNALS)
            if number != signal.SIGCHLD:
                return 0
            while (pid := reap()) is not None:
                child = self._children.pop(pid, None)
                if child is None:
                    continue
                child.close()
                if not self._may_restart():
                    return 1
                self._fork(child.name)

    def _may_restart(self) -> bool:
        now = self._clock.monotonic_ns()
        self._starts = [at for at in self._starts if now - at < RESTART_WINDOW_NS]
        self._starts.append(now)
        return len(self._starts) <= RESTARTS_MAX

    def _stop(self) -> None:
        """Workers finish their calls first, then control drains what they wrote."""
        for name in ("worker", "control"):
            self._stop_all(name)

    def _stop_all(self, name: str) -> None:
        """Ask the children of a name to end, wait, then kill what is left."""
        waiting = [child for child in self._children.values() if child.name == name]
        for child in waiting:
            child.signal(signal.SIGTERM)
        deadline = self._clock.monotonic_ns() + round(STOP_S * 1e9)
        while any(c.pid in self._children for c in waiting) and self._clock.monotonic_ns() < deadline:
            signal.sigtimedwait((signal.SIGCHLD,), 0.2)
            while (pid := reap()) is not None:
                self._forget(pid)
        for child in waiting:
            if child.pid in self._children:
                child.signal(signal.SIGKILL)
                os.waitpid(child.pid, 0)
                self._forget(child.pid)

    def _forget(self, pid: int) -> None:
        child = self._children.pop(pid, None)
        if child is not None:
            child.close()


def hold_lock(state: Path) -> int:
    """Make the state folder and hold its lock for life. Raises ConfigError where another instance has it."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(state / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            str(state), f"cannot be used: {error.strerror}", "a folder that this user may write"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise ConfigError(
            str(state), f"another Headgate (process {owner}) uses this state folder", "stop it, or set another `state:`"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def raise_descriptors() -> None:
    """Let this process and its children open as many files as the system allows: each stream takes two sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (ValueError, OSError) as error:
        log.warning("at most %d files can be open at once: %s", soft, error)


def listen(address: tuple[str, int]) -> socket.socket:
    """A listening socket. Raises ConfigError where the address is taken or not ours."""
    host, port = address
    try:
        return bind(host, port, BACKLOG)
    except OSError as error:
        right = "stop what listens there, or set another port with `listen:` or `--port`"
        raise ConfigError(f"{host}:{port}", f"cannot listen: {error.strerror}", right) from error
