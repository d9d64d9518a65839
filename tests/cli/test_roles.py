"""Roles as commands give and tell them, against the management API as it is made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headgate.app.control import authenticator
from headgate.cli.client import Client, Refused
from headgate.cli.main import main
from headgate.edge.management import management_app
from tests.support.management import control_in

TOKEN = "local-token"
REACH = ["--url", "http://localhost:1", "--admin-key"]


@pytest.fixture(autouse=True)
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    control = control_in(tmp_path)
    control.desk.open()
    app = management_app(control.handlers(), authenticator(control.desk, TOKEN), ["localhost"], "0.0")
    with TestClient(app, base_url="http://localhost") as http:

        def call(self: Client, method: str, path: str, body: bytes | None, _wait_s: float = 0.0) -> Any:
            answer = http.request(method, path, headers={"authorization": f"Bearer {self._key}"}, content=body or b"")
            if answer.status_code >= 400:
                raise Refused(self._url, answer.json()["error"]["message"], "")
            return answer.json()

        monkeypatch.setattr(Client, "_call", call)
        yield
    control.close()


def made(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["keys", "create", "ci", *options, *REACH, TOKEN]) == 0
    return capsys.readouterr().out.splitlines()[0]


def test_a_key_is_made_with_roles_and_listed_with_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "create", "ci", "--role", "reviewer", "--role", "author", *REACH, TOKEN]) == 0
    assert " for ci, with author, reviewer on the management API. " in capsys.readouterr().out
    made(capsys, "--admin")
    made(capsys)
    assert main(["keys", "list", *REACH, TOKEN]) == 0
    lines = capsys.readouterr().out.splitlines()
    column = lines[0].index("FOR")
    told = sorted(line[column:].split("  ")[0] for line in lines[1:])
    assert told == ["admin", "admin", "author, reviewer", "calls"]


def test_whoami_tells_who_and_what_is_included(capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys, "--role", "author")
    assert main(["whoami", *REACH, key]) == 0
    first, roles, sees = capsys.readouterr().out.splitlines()
    assert first.startswith("key_")
    assert first.endswith(" (ci)")
    assert (roles, sees) == ("roles   author (including viewer)", "sees    every tenant")
    assert main(["whoami", *REACH, TOKEN]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "local",
        "roles   admin (including operator, author, reviewer, viewer)",
    ]
    assert main(["whoami", "--json", *REACH, key]) == 0
    assert json.loads(capsys.readouterr().out)["includes"] == ["author", "viewer"]


def test_whoami_says_no_where_a_role_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys, "--role", "author")
    assert main(["whoami", "--role", "viewer", "--role", "author", *REACH, key]) == 0
    assert main(["whoami", "--role", "viewer", "--role", "reviewer", "--role", "admin", *REACH, key]) == 1
    assert capsys.readouterr().err.endswith(" does not have the roles reviewer, admin\n")


def test_a_wrong_role_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["keys", "create", "x", "--role", "owner"], ["whoami", "--role", "owner"]):
        with pytest.raises(SystemExit) as caught:
            main([*command, *REACH, TOKEN])
        assert caught.value.code == 2
        told = capsys.readouterr().err
        assert "owner" in told
        assert "operator" in told


def test_a_refusal_for_want_of_a_role_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys, "--role", "viewer")
    calls = made(capsys)
    assert main(["keys", "list", *REACH, key]) == 2
    assert "GET /api/keys takes the role admin; key_" in capsys.readouterr().err
    assert main(["whoami", *REACH, calls]) == 2
    assert "this API key is for calls" in capsys.readouterr().err
