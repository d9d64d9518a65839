"""Langfuse's prompt API over HTTP: who is let in, which paths there are, what errors look like."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headgate.admission import NewKey
from headgate.app.control import authenticator
from headgate.core.roles import allow
from headgate.edge.management import management_app
from tests.registry.world import ADMIN, prompt
from tests.support.management import control_in

PATH = "/api/public/v2/prompts"


class Front:
    """A management API with one prompt, and a key that may read."""

    def __init__(self, folder: Path) -> None:
        self.control = control_in(folder)
        self.control.desk.open()
        assert not self.control.host.registry.apply([prompt("1.0.0")], ADMIN, quiet=True).faults
        self.viewer = self.control.desk.create(NewKey("reads", roles=allow("viewer")), "test").secret
        self.calls = self.control.desk.create(NewKey("calls"), "test").secret
        app = management_app(self.control.handlers(), authenticator(self.control.desk, "token"), ["localhost"], "0")
        self.client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)

    def ask(self, path: str, key: str | None = None, name: str = "pk", **headers: str) -> Any:
        pair = base64.b64encode(f"{name}:{self.viewer if key is None else key}".encode()).decode()
        return self.client.get(path, headers={"authorization": f"Basic {pair}"} | headers)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    here = Front(tmp_path)
    with here.client:
        yield here
    here.control.close()


def test_a_key_that_may_read_fetches_whatever_its_public_key(front: Front) -> None:
    for name in ("pk-lf-1", ""):
        answer = front.ask(PATH + "/support?label=latest", name=name)
        assert answer.status_code == 200
        assert answer.json()["prompt"] == "Be kind."
    # kept by nobody on the way: SDKs cache by themselves, and a rollback is to be seen by the next fetch
    assert answer.headers["cache-control"] == "private, no-store"
    assert sorted(answer.json()) == [
        "commitMessage", "config", "createdAt", "labels", "name", "prompt", "resolutionGraph", "tags", "type",
        "version",
    ]  # fmt: skip
    listed = front.ask(PATH)
    assert listed.json()["meta"] == {"page": 1, "limit": 50, "totalItems": 1, "totalPages": 1}
    bearer = front.client.get(PATH, headers={"authorization": f"Bearer {front.viewer}"})
    assert bearer.json() == listed.json()


@pytest.mark.parametrize(
    ("header", "status"),
    [("Basic " + base64.b64encode(b"pk:nonsense").decode(), 401), ("Basic " + base64.b64encode(b"pk:").decode(), 401),
     ("Basic ???", 400), ("Basic " + base64.b64encode(b"no colon").decode(), 400),
     ("Basic " + base64.b64encode(b"pk:" + b"k" * 600).decode(), 400), ("Digest x", 400)],
)  # fmt: skip
def test_other_credentials_are_refused(front: Front, header: str, status: int) -> None:
    assert front.client.get(PATH, headers={"authorization": header}).status_code == status


def test_keys_without_the_role_and_nobody_are_refused(front: Front) -> None:
    assert front.ask(PATH, key=front.calls).status_code == 403
    assert front.client.get(PATH).status_code == 401
    pair = ("authorization", front.ask(PATH).request.headers["authorization"])
    assert front.client.get(PATH, headers=[pair, pair]).status_code == 400


def test_basic_authentication_opens_nothing_else(front: Front) -> None:
    for handler in front.control.handlers():
        if not handler.basic and handler.method == "GET":
            assert front.ask(handler.path).status_code == 400, handler.path


def test_names_may_hold_slashes_however_they_are_written(front: Front) -> None:
    for name in ("folder/prompt", "folder%2Fprompt", "a%20b"):
        answer = front.ask(f"{PATH}/{name}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
        assert f"`{name.replace('%2F', '/').replace('%20', ' ')}`" in answer.json()["error"]["message"]


def test_wrong_queries_are_told(front: Front) -> None:
    for query in ("version=x", "version=1&label=latest", "resolve=false", "nonsense=1"):
        assert front.ask(f"{PATH}/support?{query}").status_code == 400
    assert front.ask(f"{PATH}/support?label=latest&resolve=true").status_code == 200
