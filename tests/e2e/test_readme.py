"""What the README tells a reader to do is done here, word for word."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from tests.e2e.gateway import HEADGATE, Process, until

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PORTS = (8484, 8485, 8486)
LOCK = Path("/tmp/headgate-demo-ports.lock")
COMMAND_S = 60
INSTALL_S = 240
NO_INDEX = ("Temporary failure in name resolution", "Max retries exceeded", "Network is unreachable", "ConnectionError")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
SHELL = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines() if line]


@contextlib.contextmanager
def demo_ports() -> Iterator[None]:
    """The demo's ports for one test alone; another program that has one is no fault of ours."""
    with LOCK.open("a") as lock:
        until(lambda: taken(lock), 2 * INSTALL_S, "the other tests are done with the demo's ports")
        for port in PORTS:
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    sock.bind(("127.0.0.1", port))
                except OSError:
                    pytest.skip(f"another program listens on port {port}, which the demo needs")
        yield


def taken(lock: TextIO) -> bool:
    """Whether the lock is ours now."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def environment(**more: str) -> dict[str, str]:
    """A reader's environment: nothing of ours in it."""
    ours = ("HEADGATE_", "PYTEST_", "PYTHONPATH", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


def done(folder: Path, *program: str, seconds: float = COMMAND_S, **more: str) -> str:
    """What a program prints that ends well."""
    ended = subprocess.run(
        program, env=environment(**more), cwd=folder, capture_output=True, text=True, timeout=seconds,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 0, f"{program}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
    return ended.stdout


def check_three_answers(said: str) -> None:
    for dialect in ("OpenAI", "Anthropic", "Google"):
        assert f"{dialect:9}  POST" in said
    assert said.count("Does the kettle switch itself off? Write to me at [email].") == 3
    assert said.count(" call_") == 3


def test_the_readme_holds_what_is_executed_here() -> None:
    sdks = [found[1] for text in PYTHON if (found := re.search(r"from (\w+)", text))]
    assert sdks == ["openai", "anthropic", "google"]
    assert SHELL == ["make run", "make test", ".venv/bin/headgate calls", ".venv/bin/headgate providers"]


def test_a_reader_with_a_running_demo(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    with demo_ports():
        follow(tmp_path)
    for port in PORTS:
        with socket.socket() as sock:
            assert sock.connect_ex(("127.0.0.1", port)) != 0, f"something still listens on {port}"


def follow(tmp_path: Path) -> None:
    """Everything between starting the demo and stopping it."""
    process = Process([".venv/bin/headgate", "demo"], tmp_path, "demo", environment())
    try:
        process.await_ready(lambda: "Ctrl-C stops." in process.said().partition("HEADGATE_KEY=")[2])
        said = process.said()
        check_three_answers(said)
        found = re.search(r"export HEADGATE_KEY=(\S+)", said)
        assert found
        printed = said.partition("pip install openai):")[2].partition("In another terminal")[0]
        for snippet in (*PYTHON, textwrap.dedent(printed)):
            answer = done(tmp_path, sys.executable, "-c", snippet, HEADGATE_KEY=found[1])
            assert "Does the kettle switch itself off?" in answer
        for command in SHELL[2:]:
            shown = until(lambda command=command: listing(tmp_path, command), COMMAND_S, f"`{command}` shows calls")
            for name in ("openai/gpt-6-luna", "anthropic/claude-haiku-5-5", "google/gemini-3.5-flash-lite"):
                assert name in shown
    finally:
        assert process.stop() in (0, 130)  # as a shell knows Ctrl-C


def listing(folder: Path, command: str) -> str:
    """What a command shows, once the demo's calls are there."""
    shown = done(folder, "sh", "-c", command)
    return shown if "gpt-6-luna" in shown else ""


def test_once_ends_by_itself(tmp_path: Path) -> None:
    with demo_ports():
        check_three_answers(done(tmp_path, *HEADGATE, "demo", "--once"))


@pytest.mark.slow
def test_a_fresh_clone_runs_with_one_command(tmp_path: Path) -> None:
    """`make run ARGS=--once` as a stranger types it: a virtual environment of its own, everything installed."""
    if not (ROOT / ".git").exists() or shutil.which("make") is None or shutil.which("git") is None:
        pytest.skip("needs git, make and the repository's history")
    done(tmp_path, "git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", "clone")
    clone = tmp_path / "clone"
    installed = subprocess.run(
        ["make", ".venv/installed"], env=environment(), cwd=clone, capture_output=True, text=True, timeout=INSTALL_S
    )
    if installed.returncode and any(word in installed.stderr for word in NO_INDEX):
        pytest.skip("no package index can be reached")
    assert installed.returncode == 0, installed.stderr[-2000:]
    with demo_ports():
        check_three_answers(done(clone, "make", "run", "ARGS=--once"))
