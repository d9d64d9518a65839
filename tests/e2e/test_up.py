"""`headgate up` as a new user meets it: keys in the environment alone, a first key, metrics, mistakes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import termios
from pathlib import Path

import pytest

from tests.e2e.gateway import HEADGATE, Gateway, Process, cli, fetch, until

VENDOR_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY")
ALONE = (
    "listen: 127.0.0.1:0\nmanagement: 127.0.0.1:0\nstate: state\n"
    "providers:\n  own: {type: openai_compatible, base_url: 'https://x.example/v1'}\n"
)


def bare() -> dict[str, str]:
    """An environment without anything of ours or the vendors'."""
    return {name: value for name, value in os.environ.items() if not name.startswith((*VENDOR_KEYS, "HEADGATE_"))}


def test_a_vendors_key_is_all_it_takes(tmp_path: Path) -> None:
    environment = {**bare(), "OPENAI_API_KEY": "sk-one", "GOOGLE_API_KEY": "two"}
    for start in (1, 2):
        process = Process([*HEADGATE, "up", "--port", "0"], tmp_path, f"up-{start}", environment)
        try:
            process.await_ready(lambda process=process: "Ctrl-C stops." in process.said())
            said = process.said()
            assert "serves openai, google" in said or "serves google, openai" in said
            assert ("admin key" in said) == (start == 1)  # shown once
            assert "sk-one" not in said
            made = cli("keys", "create", f"app {start}", cwd=tmp_path)
            assert made.returncode == 0, made.stderr
            url = re.findall(r"calls\s+(http://\S+)", said)[0]
            key = made.stdout.splitlines()[0]
            listed = fetch(url + "/v1/models", headers={"authorization": f"Bearer {key}"}).json()["data"]
            owners = {model["owned_by"] for model in listed}
            assert owners == {"openai", "google"}
            assert fetch(url + "/healthz").status == fetch(url + "/readyz").status == 200
        finally:
            assert process.stop() == 0
    assert len(json.loads(cli_keys(tmp_path, environment))["keys"]) == 3
    assert "sk-one" not in "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())


def cli_keys(folder: Path, environment: dict[str, str]) -> str:
    """The keys after another start: they outlive the process."""
    process = Process([*HEADGATE, "up", "--port", "0"], folder, "up-again", environment)
    try:
        process.await_ready(lambda: "Ctrl-C stops." in process.said())
        return cli("keys", "list", "--json", cwd=folder).stdout
    finally:
        process.stop()


@pytest.mark.parametrize("wrong", [["--workers", "0"], ["--workers", "65"], ["--port", "99999"]])
def test_a_wrong_option_is_told_as_one(tmp_path: Path, wrong: list[str]) -> None:
    done = cli("up", *wrong, cwd=tmp_path)
    assert done.returncode == 2
    assert f"argument {wrong[0]}: `{wrong[1]}` is not a whole number from" in done.stderr


def test_without_any_key_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VENDOR_KEYS:
        monkeypatch.delenv(name, raising=False)
    done = cli("up", cwd=tmp_path)
    assert done.returncode == 2
    for name in VENDOR_KEYS:
        assert name in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (
            "listen: 127.0.0.1:0\nproviders:\n  openai: {type: openai, key_env: NOT_SET_ANYWHERE}\n",
            3,
            "NOT_SET_ANYWHERE",
        ),
        ("providers:\n  openai:\n    type: nonsense\n", 2, "nonsense"),
        (
            "listen: 0.0.0.0:0\nproviders:\n  own: {type: openai_compatible, base_url: 'https://x.example/v1'}\n",
            1,
            "exposed",
        ),
        ("lisen: 127.0.0.1:0\n", 1, "lisen"),
        ("providers: [\n", 1, ""),
        ("providers:\n  openai: {type: openai}\n  openai: {type: openai}\n", 3, "openai"),
    ],
    ids=["unset-variable", "unknown-type", "exposed", "unknown-field", "broken-yaml", "twice"],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int, word: str) -> None:
    (tmp_path / "headgate.yaml").write_text(text)
    done = cli("up", cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(r"headgate\.yaml:\d+", done.stderr)
    if word:
        assert f"headgate.yaml:{line}" in done.stderr
        assert word in done.stderr
    assert "would be right" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        (tmp_path / "headgate.yaml").write_text(
            f"listen: 127.0.0.1:{port}\nproviders:\n  own: {{type: openai_compatible, base_url: 'https://x.example/v1'}}\n"
        )
        done = cli("up", cwd=tmp_path)
    assert done.returncode == 2
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_newer_versions_folder_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    (tmp_path / "headgate.yaml").write_text(ALONE)
    layout = tmp_path / "state" / "format.json"
    layout.parent.mkdir()
    layout.write_text('{"format": 99, "version": "9.9.9"}')
    done = cli("up", cwd=tmp_path)
    assert done.returncode == 2
    assert str(layout) in done.stderr
    assert "written by Headgate 9.9.9" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(layout.parent.iterdir()) == [layout]


def test_a_newer_file_is_refused_in_one_line_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "headgate.yaml").write_text(ALONE)
    database = tmp_path / "state" / "calls" / "events.db"
    database.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version=99")
    done = cli("up", cwd=tmp_path)
    assert done.returncode == 2
    assert f"{database}: written by a newer Headgate" in done.stderr
    assert "run that version" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_that_closes_ends_what_was_started_in_it(tmp_path: Path) -> None:
    (tmp_path / "headgate.yaml").write_text(ALONE)
    terminal, line = os.openpty()
    log = tmp_path / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*HEADGATE, "up"], cwd=tmp_path, stdin=line, stdout=out, stderr=out, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
    try:
        os.close(line)
        until(lambda: "Ctrl-C stops." in log.read_text(), 30, "it runs")
        process.send_signal(signal.SIGHUP)
        until(lambda: "reload: configuration" in log.read_text(), 10, "asked for by SIGHUP, the files are read again")
        os.close(terminal)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_metrics_and_the_description_of_the_api(gateway: Gateway) -> None:
    body = {"model": "to-openai", "messages": [{"role": "user", "content": "hi"}]}
    assert gateway.ask(body).status == 200

    def counted() -> str:
        answer = gateway.api_answer("GET", "/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        text = answer.body.decode()
        return text if re.search(r"^headgate_\w+\{[^}]*openai[^}]*\} [1-9]", text, re.MULTILINE) else ""

    text = until(counted, 15, "the call is counted")
    assert "# TYPE headgate_" in text
    assert fetch(gateway.management + "/metrics").status == 401
    document = fetch(gateway.management + "/openapi.json").json()
    assert {"/api/calls", "/api/calls/{id}", "/api/providers", "/api/keys", "/metrics"} <= set(document["paths"])
