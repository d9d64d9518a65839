"""Coverage and drafts over the management API: what each role sees, what wrong questions are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headgate.admission import NewKey
from headgate.app.control import authenticator
from headgate.core.discovery import PromptSample
from headgate.core.roles import Role, allow
from headgate.edge.management import management_app
from tests.support.management import control_in
from tests.telemetry.builders import batch, record

HOUR = 3600 * 10**9
TEXTS = ["You help Ann with questions about tax.", "You help Bob with questions about rent."]


class Place:
    """The control process's parts, with three calls on record."""

    def __init__(self, folder: Path) -> None:
        self.control = control_in(folder)
        self.desk = self.control.desk
        self.desk.open()
        self.now = self.control._clock.now_ns()
        self.control.discovery.take([
            PromptSample(f"f{number}", text, len(text), self.now, "call_1", "acme") for number, text in enumerate(TEXTS)
        ])  # fmt: skip
        unregistered = [
            record(number + 1, self.now + number, prompt=None, fingerprint=f"f{number}") for number in range(2)
        ]
        self.control.calls.write(batch([*unregistered, record(3, self.now)]))
        app = management_app(self.control.handlers(), authenticator(self.desk, "token"), ["localhost"], "0.0")
        self.client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
        self.keys = {role: self.desk.create(NewKey("x", roles=allow(role)), "test").secret for role in ROLES}

    def ask(self, path: str, role: Role = "admin") -> Any:
        return self.client.get(path, headers={"authorization": f"Bearer {self.keys[role]}"})


ROLES: tuple[Role, ...] = ("admin", "operator", "author", "reviewer", "viewer")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    with made.client:
        yield made
    made.control.close()


@pytest.mark.parametrize("role", ROLES)
def test_everyone_sees_the_counts_and_who_may_read_bodies_the_texts(place: Place, role: Role) -> None:
    found = place.ask("/api/coverage", role).json()
    assert (found["calls"], found["registered"], found["share"]) == (3, 1, 1 / 3)
    assert found["since_ns"] == (place.now - 7 * 24 * HOUR) // HOUR * HOUR
    (group,) = found["offenders"]
    sees = role in ("admin", "operator", "author")
    assert (group["calls"], group["text"]) == (2, "You help… with questions about…." if sees else None)
    draft = place.ask(f"/api/adopt/{group['fingerprint']}?name=helper&owner=me", role)
    assert draft.status_code == (200 if sees else 403)
    if sees:
        assert draft.json()["texts"] == 2
        assert "owner: me\n" in draft.json()["file"]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/coverage?limit=0", 400, "`limit` lies between 1 and 1000"),
        ("/api/coverage?since=2026-01-01T00:00:00", 400, "`since` needs a time zone, such as 2026-11-25T12:00:00Z"),
        ("/api/coverage?app=none&nonsense=1", 400, "Object contains unknown field `nonsense`"),
        ("/api/adopt/f0?owner=", 400, "`owner` has 1 to 200 characters"),
        ("/api/adopt/none", 404, "no unregistered prompt with the fingerprint `none` was told of"),
    ],
)
def test_what_cannot_be_asked_is_told(place: Place, path: str, status: int, said: str) -> None:
    answer = place.ask(path)
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, said)


def test_only_the_asked_app_and_time_count(place: Place) -> None:
    assert place.ask("/api/coverage?app=other").json()["share"] is None
    assert place.ask("/api/coverage?until=2001-01-01T00:00:00Z").json()["calls"] == 0
    few = place.ask("/api/coverage?app=support&limit=1").json()
    assert [one["app"] for one in few["apps"]] == ["support"]
