"""`headgate up`: one supervisor, one control process, data-plane workers that share the listening socket.

The supervisor loads and checks everything first, then forks: a mistake stops it before anything listens, and a worker
that dies is replaced without loading again. SIGHUP has the configuration read again; SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
from collections.abc import Callable

import msgspec

from headgate.app.children import Child, Lifeline, Trouble, fork, reap
from headgate.app.folder import hold_lock, mark_layout
from headgate.app.generation import OUTCOME_FILE, Generation, tell_outcome
from headgate.app.published import PUBLISHED_FILE
from headgate.app.roster import make_roster
from headgate.core.errors import ConfigError
from headgate.core.ports import Clock
from headgate.wire.listener import bind

START_S = 20.0
STOP_S = 35.0
RESTART_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)  # a child that keeps dying is started for ever, ever more slowly
SETTLED_NS = 60_000_000_000  # one that lived this long begins again at the first
BACKLOG = 4096
DESCRIPTORS_MAX = 1 << 20
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


log = logging.getLogger(__name__)


class Address(msgspec.Struct, frozen=True):
    """What `up` tells when everything runs. `secret` is the first admin key, on the first start only. `trouble` is why
    there is no management API yet: calls are served from what was published last."""

    data: str
    management: str
    secret: str | None
    trouble: Trouble | None = None


Work = Callable[[socket.socket, Lifeline, int], None]
CONTROL = 0  # the slot of the control process; workers have 1, 2, ...


class Supervisor:
    """Owns the sockets, the lock and the children."""

    def __init__(self, generation: Generation, worker: Work, control: Work, clock: Clock) -> None:
        self._generation = generation
        self._work = {"worker": worker, "control": control}
        self._clock = clock
        self._sockets: dict[str, socket.socket] = {}
        self._children: dict[int, Child] = {}
        self._slots: dict[int, int] = {}  # pid -> slot
        self._started_ns: dict[int, int] = {}
        self._deaths: dict[int, int] = {}
        self._due: dict[int, int] = {}  # slot -> when a child that died is started again, monotonic ns
        self._lock = -1
        self._terminal = os.isatty(0)

    def run(self, started: Callable[[Address], None]) -> int:
        """Serve until SIGTERM or SIGINT; the exit status. Calls `started` once all children answer.

        Raises ConfigError for what keeps it from starting.
        """
        config = self._generation.config
        self._lock = hold_lock(config.state, self._clock)
        mark_layout(config.state)
        make_roster(config.state)
        (config.state / OUTCOME_FILE).unlink(missing_ok=True)
        raise_descriptors()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._sockets["worker"] = listen(config.listen)
            self._sockets["control"] = listen(config.management)
            started(self._start())
            return self._watch()
        finally:
            self._stop()
            for sock in self._sockets.values():
                sock.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(self._lock)

    def _start(self) -> Address:
        children = [self._fork(slot) for slot in (*self._workers(), CONTROL)]
        secret = trouble = None
        for child in children:
            report = child.wait_ready(START_S, self._clock)
            if report.trouble is not None:
                if not self._does_without(child):
                    raise ConfigError(report.trouble.where, report.trouble.wrong, report.trouble.right)
                trouble = report.trouble
            secret = secret or report.secret
        return Address(self._url("worker"), self._url("control"), secret, trouble)

    def _does_without(self, child: Child) -> bool:
        """Whether calls can be served without this child for now: control, where something was published before."""
        return self._slots[child.pid] == CONTROL and (self._generation.config.state / PUBLISHED_FILE).exists()

    def _url(self, name: str) -> str:
        return url_of(self._sockets[name])

    def _workers(self) -> range:
        """The slots of as many workers as are wanted."""
        return range(1, self._generation.config.workers + 1)

    def _fork(self, slot: int) -> Child:
        name = "control" if slot == CONTROL else f"worker {slot}"
        child = fork(name, lambda lifeline: self._become(slot, lifeline), _SIGNALS, self._children.values())
        self._children[child.pid] = child
        self._slots[child.pid] = slot
        self._started_ns[slot] = self._clock.monotonic_ns()
        return child

    def _become(self, slot: int, lifeline: Lifeline) -> None:
        """In the child: keep its own socket, so that a socket nobody serves any more refuses at once.

        Control keeps the lock as well: two keepers must not drain the same journals. A worker that outlives its
        supervisor, to finish its calls, must not keep the next instance from starting.
        """
        name = "control" if slot == CONTROL else "worker"
        for other, sock in self._sockets.items():
            if other != name:
                sock.close()
        if name == "worker":
            os.close(self._lock)
        self._work[name](self._sockets[name], lifeline, slot)

    def _watch(self) -> int:
        """Replace children that die, until told to stop. A child that cannot live never takes the others with it."""
        while True:
            received = signal.sigtimedwait(_SIGNALS, self._until_due_s())
            if received is not None and received.si_signo == signal.SIGHUP and not self._hung_up():
                self._reload()
            elif received is not None and received.si_signo != signal.SIGCHLD:
                return 0
            while (ended := reap()) is not None:
                self._note_death(*ended)
            now = self._clock.monotonic_ns()
            for slot in [slot for slot, due in self._due.items() if due <= now]:
                del self._due[slot]
                self._fork(slot)

    def _hung_up(self) -> bool:
        """Whether it was started in a terminal that is closed now: nobody would see it run on."""
        return self._terminal and not os.isatty(0)

    def _reload(self) -> None:
        """The files as they are now, where they are sound; every child is told, and reads them itself."""
        outcome = self._generation.renew()
        for fault in outcome.faults:
            log.error("reload: %s: %s (%s)", fault.where, fault.wrong, fault.right)
        if not outcome.faults:
            log.info("reload: configuration %s", outcome.digest[:12])
            wanted = self._workers()
            self._due = {slot: due for slot, due in self._due.items() if slot == CONTROL or slot in wanted}
            for pid, child in self._children.items():
                surplus = self._slots[pid] != CONTROL and self._slots[pid] not in wanted
                child.signal(signal.SIGTERM if surplus else signal.SIGHUP)
            for slot in wanted:
                if slot not in self._slots.values() and slot not in self._due:
                    self._fork(slot)
        try:
            tell_outcome(self._generation.config.state, outcome)
        except OSError as error:
            log.error("reload: its outcome could not be written: %s", error.strerror)

    def _until_due_s(self) -> float:
        now = self._clock.monotonic_ns()
        return min((max(due - now, 0) / 1e9 for due in self._due.values()), default=60.0)

    def _note_death(self, pid: int, how: str) -> None:
        child = self._children.pop(pid, None)
        if child is None:
            return
        trouble = child.last_words()
        child.close()
        slot = self._slots.pop(pid)
        if slot != CONTROL and slot not in self._workers():
            log.info("%s (process %d) ended; it is wanted no longer", child.name, pid)
            return
        now = self._clock.monotonic_ns()
        if now - self._started_ns[slot] > SETTLED_NS:
            self._deaths[slot] = 0
        deaths = self._deaths[slot] = self._deaths.get(slot, 0) + 1
        wait_s = RESTART_S[min(deaths, len(RESTART_S)) - 1]
        why = "" if trouble is None else f" ({trouble.where}: {trouble.wrong}; right would be: {trouble.right})"
        log.error("%s (process %d) ended with %s%s; the next one starts in %g s", child.name, pid, how, why, wait_s)
        self._due[slot] = now + round(wait_s * 1e9)

    def _stop(self) -> None:
        """New connections are refused, workers finish their calls, then control drains what they wrote."""
        if "worker" in self._sockets:
            self._sockets["worker"].close()
        self._stop_all([child for pid, child in self._children.items() if self._slots[pid] != CONTROL])
        self._stop_all(list(self._children.values()))

    def _stop_all(self, waiting: list[Child]) -> None:
        """Ask children to end, wait, then kill what is left."""
        for child in waiting:
            child.signal(signal.SIGTERM)
        deadline = self._clock.monotonic_ns() + round(STOP_S * 1e9)
        while any(c.pid in self._children for c in waiting) and self._clock.monotonic_ns() < deadline:
            signal.sigtimedwait((signal.SIGCHLD,), 0.2)
            while (ended := reap()) is not None:
                self._forget(ended[0])
        for child in waiting:
            if child.pid in self._children:
                child.signal(signal.SIGKILL)
                os.waitpid(child.pid, 0)
                self._forget(child.pid)

    def _forget(self, pid: int) -> None:
        child = self._children.pop(pid, None)
        self._slots.pop(pid, None)
        if child is not None:
            child.close()


def url_of(sock: socket.socket) -> str:
    """The HTTP address of a listening socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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
