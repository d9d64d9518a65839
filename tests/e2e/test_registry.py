"""The registry of a running gateway of two workers: release, review, roll back, and do without it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.callers import Callers
from tests.e2e.gateway import CALL_S, HEADGATE, Gateway, Vendors, until
from tests.e2e.workspace import app, providers, route

REACH_S = 5.0
TEXTS = {"1.0.0": "You are kind.", "1.1.0": "You are brief."}


def prompt(version: str, text: str) -> dict[str, Any]:
    return {
        "kind": "prompt", "name": "tone", "version": version, "owner": "tests", "message": "-",
        "messages": [{"role": "system", "content": text}],
    }  # fmt: skip


def documents() -> list[dict[str, Any]]:
    one = app("to-openai", "to-openai", prompt="tone@1.0.0")
    one["releases"].append({"number": 2, "route": "to-openai@1.0.0", "prompt": "tone@1.1.0"})
    return [*(prompt(*version) for version in TEXTS.items()), route("to-openai", "openai/gpt-6-luna"), one]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Gateway]:
    vendors = Vendors(tmp_path)
    gateway = Gateway(tmp_path, {"providers": providers(vendors.url), "workers": 2}, documents()).start()
    yield gateway
    gateway.process.kill()
    vendors.process.kill()


BODY = {"model": "to-openai", "messages": [{"role": "user", "content": "hello"}]}


def answered_by(own: Gateway) -> set[str]:
    """The releases that answer, on both workers."""
    return {own.ask(BODY).headers["x-headgate-release"] for _ in range(12)}


def as_key(own: Gateway, secret: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command by somebody elsewhere, who has a key and nothing else."""
    said = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE_")}
    environment = {**said, "HEADGATE_URL": own.management, "HEADGATE_KEY": secret}
    return subprocess.run(
        [*HEADGATE, *arguments], cwd=own.folder, env=environment, capture_output=True, text=True, timeout=CALL_S
    )


def test_from_a_file_to_a_release_and_back(own: Gateway) -> None:
    file = own.folder / "workspace" / "next.yaml"
    file.write_text(yaml.safe_dump({**prompt("1.1.1", "You are brief and kind."), "owner": ""}))
    refused = own.cli("plan")
    assert refused.returncode == 2
    assert "workspace/next.yaml" in refused.stderr
    assert "nobody owns prompt/tone@1.1.1" in refused.stderr
    file.write_text(yaml.safe_dump(prompt("1.1.1", "You are brief and kind.")))
    planned = own.cli("plan")
    assert (planned.returncode, "prompt/tone@1.1.1" in planned.stdout) == (1, True)
    assert own.cli("apply").returncode == 0
    assert own.cli("plan").returncode == 0, "applying twice changes nothing"
    made = own.cli("release", "to-openai", "--prompt", "tone@1.1", "--message", "both")
    assert "to-openai#3 pins tone@1.1.1" in made.stdout
    assert answered_by(own) == {"to-openai#1"}
    moved = own.cli("promote", "to-openai", "production", "3")
    assert (moved.returncode, moved.stderr) == (0, "")
    assert "in force on 2 workers" in moved.stdout
    answer = own.ask(BODY)
    assert own.record(answer.headers["x-headgate-call-id"])["call"]["prompt"] == "prompt/tone@1.1.1"
    assert answered_by(own) == {"to-openai#3"}
    back = own.cli("rollback", "to-openai", "--reason", "too brief")
    assert "to-openai:production #3 -> #1" in back.stdout
    assert answered_by(own) == {"to-openai#1"}
    history = own.cli("history", "to-openai")
    assert "too brief" in history.stdout
    assert own.cli("reload").returncode == 0
    assert answered_by(own) == {"to-openai#1"}, "the folder's old line undoes nothing"


def test_rollbacks_reach_every_worker_under_load_and_fail_no_call(own: Gateway) -> None:
    took: list[float] = []
    with Callers(own, 8) as callers:
        for _ in range(4):
            for path, said in (("promote", {"release": 2}), ("rollback", {})):
                done = own.api("POST", f"/api/apps/to-openai/{path}", {"channel": "production", **said})
                assert (done["swapped"]["workers"], done["swapped"]["behind"]) == (2, [])
                assert answered_by(own) == {"to-openai#2" if path == "promote" else "to-openai#1"}
                took.append(done["swapped"]["seconds"])
    assert (callers.failed, callers.raced) == ([], [])
    assert max(took) < REACH_S


def test_each_role_does_its_part_through_the_api_alone(own: Gateway) -> None:
    keys = {name: own.make_key(name=name, roles=[role]) for name, role in
            (("ann", "author"), ("rob", "reviewer"), ("olga", "operator"))}  # fmt: skip
    held = own.folder / "workspace" / "all.yaml"
    protected = documents()
    protected[-1]["review"] = {"approvals": 1}
    held.write_text(yaml.safe_dump_all(protected))
    assert own.cli("apply").returncode == 0, "the first policy of an app may come from whoever applies it"
    ann = as_key(own, keys["ann"], "release", "to-openai", "--prompt", "tone@1.0.0")
    assert ann.returncode == 2
    assert "pins just that already" in ann.stderr
    blocked = as_key(own, keys["olga"], "promote", "to-openai", "production", "2")
    assert blocked.returncode == 2
    assert "it misses 1 more approval" in blocked.stderr
    assert "takes the role admin or reviewer" in as_key(own, keys["ann"], "review", "approve", "to-openai#2").stderr
    waiting = as_key(own, keys["rob"], "review")
    assert "to-openai#2" in waiting.stdout
    approved = as_key(own, keys["rob"], "review", "approve", "to-openai#2")
    assert "nothing is missing for it to go live" in approved.stdout
    assert "takes the role" in as_key(own, keys["rob"], "promote", "to-openai", "production", "2").stderr
    assert as_key(own, keys["olga"], "promote", "to-openai", "production", "2").returncode == 0
    assert answered_by(own) == {"to-openai#2"}


def test_what_was_good_last_serves_without_the_registry(own: Gateway) -> None:
    own.api("POST", "/api/apps/to-openai/promote", {"channel": "production", "release": 2})
    assert own.stop() == 0
    database = own.folder / "state" / "control.db"
    kept = database.read_bytes()
    for name in ("control.db-wal", "control.db-shm"):
        (own.folder / "state" / name).unlink(missing_ok=True)
    database.write_bytes(b"no database at all" * 100)
    own.launch()
    own.process.await_ready(lambda: "Ctrl-C stops." in own.process.said())
    assert "no management API" in own.process.said()
    own.url = next(line.split()[1] for line in own.process.said().splitlines() if line.startswith("  calls"))
    assert answered_by(own) == {"to-openai#2"}
    database.write_bytes(kept)
    own.management = next(
        line.split()[1] for line in own.process.said().splitlines() if line.startswith("  management")
    )
    until(own.manageable, 60.0, "control is back")
    assert "#2" in own.cli("apps").stdout
    assert answered_by(own) == {"to-openai#2"}
