"""Forked child processes and the two pipes each has: one to report, one to notice that the parent is gone."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterable

import msgspec

from headgate.core.errors import ConfigError, GatewayError
from headgate.core.ports import Clock

REPORT_BYTES_MAX = 64 * 1024


class Trouble(msgspec.Struct, frozen=True):
    """Why a child cannot start; the fields are those of `core.errors.ConfigError`."""

    where: str
    wrong: str
    right: str


class Report(msgspec.Struct):
    """What a child says once, when it is ready or cannot start. `secret` is the first admin key, shown once."""

    ready: bool
    secret: str | None = None
    trouble: Trouble | None = None


class Lifeline:
    """The child's ends. `parent_gone` becomes readable (end of file) when the parent dies, however it dies."""

    def __init__(self, parent_gone: int, report: int) -> None:
        self.parent_gone = parent_gone
        self._report = report

    def report(self, report: Report) -> None:
        """Tell the parent; the first time only."""
        if self._report >= 0:
            os.write(self._report, msgspec.json.encode(report))
            os.close(self._report)
            self._report = -1


class Child:
    """A running child process."""

    def __init__(self, name: str, pid: int, report: int, hold: int) -> None:
        self.name = name
        self.pid = pid
        self._report = report
        self._hold = hold

    def wait_ready(self, seconds: float, clock: Clock) -> Report:
        """The child's report. A child that dies, or says nothing in time, is reported as trouble."""
        data = b""
        deadline = clock.monotonic_ns() + round(seconds * 1e9)
        while len(data) < REPORT_BYTES_MAX:
            left = (deadline - clock.monotonic_ns()) / 1e9
            if left <= 0 or not select.select([self._report], [], [], left)[0]:
                return _unsaid(f"{self.name} did not start within {seconds:g} s")
            chunk = os.read(self._report, REPORT_BYTES_MAX)
            if not chunk:
                break
            data += chunk
        if not data:
            return _unsaid(f"{self.name} ended before it was ready")
        return msgspec.json.decode(data, type=Report)

    def last_words(self) -> Trouble | None:
        """Why a child that was reaped could not start, where it said so and nobody has read it."""
        data = os.read(self._report, REPORT_BYTES_MAX)
        return msgspec.json.decode(data, type=Report).trouble if data else None

    def signal(self, number: int) -> None:
        """Send a signal; a child that is gone already is no error, since only `reap` frees its number."""
        os.kill(self.pid, number)

    def close(self) -> None:
        """Let go of the pipes of a child that was reaped."""
        os.close(self._report)
        os.close(self._hold)


def fork(
    name: str, work: Callable[[Lifeline], None], signals: Iterable[signal.Signals], siblings: Iterable[Child]
) -> Child:
    """Run `work` in a forked child, which exits when it returns. `signals` were blocked here and are not there.

    Ctrl-C reaches a whole terminal group: a child ignores SIGINT and is told to stop by the parent. SIGHUP stays
    blocked until the child calls `on_hangup`: one that comes while it starts waits, and is not lost.

    The caller has one thread and no event loop: what was loaded before the fork is shared, and starts are fast.
    """
    report_read, report_write = os.pipe()
    gone_read, hold_write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(report_write)
        os.close(gone_read)
        return Child(name, pid, report_read, hold_write)
    status = 1
    try:
        os.close(report_read)
        os.close(hold_write)
        for sibling in siblings:
            sibling.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, set(signals) - {signal.SIGHUP})
        _work(name, work, Lifeline(gone_read, report_write))
        status = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # a fork must not run the parent's exit handlers


def on_hangup(call: Callable[[], object]) -> None:
    """Have the running loop call it on SIGHUP from now on, at once where one came while this child started."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, call)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def _unsaid(wrong: str) -> Report:
    return Report(False, trouble=Trouble("headgate up", wrong, "see what is printed above"))


def _work(name: str, work: Callable[[Lifeline], None], lifeline: Lifeline) -> None:
    try:
        work(lifeline)
    except (ConfigError, GatewayError, OSError) as error:
        lifeline.report(Report(False, trouble=_trouble(name, error)))
        raise SystemExit(1) from error
    except BaseException:
        traceback.print_exc()
        raise


def _trouble(name: str, error: ConfigError | GatewayError | OSError) -> Trouble:
    if isinstance(error, ConfigError):
        return Trouble(error.where, error.wrong, error.right)
    right = "files this user may use, and room on the disk"
    if isinstance(error, GatewayError):  # the store cannot be used, or the journal is full
        return Trouble(name, error.message, right)
    return Trouble(name if error.filename is None else str(error.filename), error.strerror or str(error), right)


def reap() -> tuple[int, str] | None:
    """The pid of a child that ended, and how it ended; None where none did."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    if not pid:
        return None
    code = os.waitstatus_to_exitcode(status)
    return pid, f"signal {-code}" if code < 0 else f"status {code}"
