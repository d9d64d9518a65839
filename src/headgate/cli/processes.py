"""Headgate's own commands as processes of their own, for the demo and for live drills."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from headgate.core.errors import ConfigError

START_S = 20.0
_TICK_S = 0.05

Running: TypeAlias = "subprocess.Popen[bytes]"


def start(arguments: Sequence[str], environment: Mapping[str, str], log: Path | None = None) -> Running:
    """Starts `headgate ARGUMENTS`; what it prints goes to `log`, or to this terminal."""
    program = [sys.executable, "-m", "headgate.cli", *arguments]
    with contextlib.ExitStack() as stack:
        out = None if log is None else stack.enter_context(log.open("ab"))
        return subprocess.Popen(program, env=dict(environment), stdin=subprocess.DEVNULL, stdout=out, stderr=out)  # noqa: S603 - ourselves


def stop(process: Running, name: str) -> None:
    """Ends it, waits for it, and kills it where it does not end."""
    process.terminate()
    try:
        process.wait(START_S * 2)
    except subprocess.TimeoutExpired:
        print(f"the {name} did not stop in time and was killed", file=sys.stderr)
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(
    name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path | None = None
) -> Generator[Running, None, None]:
    """A process for as long as the block lasts."""
    process = start(arguments, environment, log)
    try:
        yield process
    finally:
        stop(process, name)


def await_ready(process: Running, name: str, ready: Callable[[], bool]) -> None:
    """Waits until it is ready. Raises ConfigError where it ends first, or takes too long."""
    deadline = time.monotonic() + START_S
    while not ready():
        if process.poll() is not None:
            raise ConfigError(f"the {name}", f"ended with status {process.returncode}", "see what it printed above")
        if time.monotonic() > deadline:
            raise ConfigError(f"the {name}", f"is not ready after {START_S:g} s", "see what it printed above")
        time.sleep(_TICK_S)


def answers(port: int) -> bool:
    """Whether an HTTP server answers on that port of this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
        return True
    except OSError:
        return False
    finally:
        connection.close()
