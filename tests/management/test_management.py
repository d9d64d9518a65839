"""The management API: described by its own types, closed to whoever has no role, clear about mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate
from starlette.testclient import TestClient

from headgate import admission, telemetry
from headgate.admission import KeyDesk, NewKey, load_pepper
from headgate.app.control import authenticator
from headgate.core.handlers import Ask, Handler, Text
from headgate.core.ids import CallIds
from headgate.core.keys import EVERY_TENANT
from headgate.core.roles import ROLES, allow
from headgate.edge.management import describe, management_app
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.stores.control import ControlStore
from headgate.stores.scores_sqlite import SqliteScores
from headgate.telemetry import Keeper, Metrics, Queries, ScoreDesk, fold
from tests.support.actors import actor
from tests.support.world import ManualClock, SeededEntropy
from tests.telemetry.builders import batch, call_id, record

TOKEN = "local-token"


class Place:
    """A management API on real stores."""

    def __init__(self, folder: Path) -> None:
        clock, entropy = ManualClock(), SeededEntropy()
        self.keys = ControlStore(folder)
        self.calls = SqliteCalls(folder / "calls", fold)
        self.desk = KeyDesk(self.keys, folder, load_pepper(folder, entropy), clock, entropy, self.calls)
        self.admin = self.desk.open()
        self.scores = SqliteScores(folder / "calls")
        scoring = ScoreDesk(self.scores, self.calls, clock, entropy, lambda: 30)
        self.ids = CallIds(clock, entropy)
        metrics = Metrics()
        (folder / "journal").mkdir()
        keeper = Keeper(str(folder / "journal"), self.calls, clock, [metrics.count])
        self.handlers = [
            *admission.whoami_handlers(),
            *admission.handlers(self.desk),
            *telemetry.score_handlers(scoring, self.scores, clock),
            *telemetry.handlers(Queries(self.calls, self.scores), metrics, lambda: keeper.state, clock),
        ]
        app = management_app(self.handlers, authenticator(self.desk, TOKEN), ["localhost"], "0.0")
        self.client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)

    def ask(self, method: str, path: str, key: str | None = TOKEN, **rest: Any) -> Any:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return self.client.request(method, path, headers=headers, **rest)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    here = Place(tmp_path)
    with here.client:
        yield here
    here.calls.close()
    here.scores.close()
    here.keys.close()


def test_the_description_is_valid_openapi_and_names_every_operation(place: Place) -> None:
    document = place.client.get("/openapi.json").json()
    validate(document)
    said = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert said == {(handler.method, handler.address) for handler in place.handlers}
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(set(ids)) == len(ids)


def test_every_operation_is_closed_to_strangers_and_to_keys_for_calls(place: Place) -> None:
    caller = place.desk.create(NewKey("caller"), "test").secret
    for handler in place.handlers:
        path = handler.path.replace("{id}", "x")
        assert place.ask(handler.method, path, None).status_code == 401
        assert place.ask(handler.method, path, "hg_nonsense").status_code == 401
        assert (place.ask(handler.method, path, caller).status_code == 403) is not handler.callers
        assert place.ask(handler.method, path, place.admin).status_code not in (401, 403)


def test_a_key_for_calls_scores_calls_as_a_user_of_its_tenant_and_reads_nothing(place: Place) -> None:
    caller = place.desk.create(NewKey("caller", tenant="acme"), "test").secret
    call = place.ids.mint()
    taken = place.ask("POST", "/api/scores", caller, json={"call": call, "name": "thumbs", "value": True})
    assert (taken.status_code, taken.json()["fate"], taken.json()["waits"]) == (200, "new", True)
    assert place.ask("GET", "/api/scores", caller).status_code == 403
    (line,) = place.ask("GET", "/api/scores").json()["scores"]
    assert (line["call"], line["value"], line["kind"]) == (call, True, "boolean")
    judged = {"call": call, "name": "quality", "value": 1, "source": "evaluator"}
    assert place.ask("POST", "/api/scores", caller, json=judged).status_code == 403
    assert place.ask("POST", "/api/scores", json=judged).status_code == 200


def test_keys_are_made_listed_and_revoked(place: Place) -> None:
    made = place.ask("POST", "/api/keys", json={"name": "checkout", "rpm": 5, "budget_usd": 2.5, "models": ["support"]})
    assert made.status_code == 201
    secret, key = made.json()["secret"], made.json()["key"]
    assert secret.startswith(key["shown"].removesuffix("..."))
    listed = place.ask("GET", "/api/keys").json()["keys"]
    assert [(k["name"], k["state"], k["created_by"]) for k in listed] == [
        ("first admin key", "active", "first start"),
        ("checkout", "active", "local"),
    ]
    assert secret not in place.ask("GET", "/api/keys").text
    gone = place.ask("POST", f"/api/keys/{key['id']}/revoke")
    assert (gone.status_code, gone.json()["state"]) == (200, "revoked")
    assert place.ask("POST", "/api/keys/key_none/revoke").status_code == 404


def test_a_key_has_the_roles_it_was_given_and_is_told_who_it_is(place: Place) -> None:
    made = place.ask("POST", "/api/keys", json={"name": "ci", "roles": ["reviewer", "author"]}).json()
    assert (made["key"]["roles"], made["key"]["admin"]) == (["author", "reviewer"], False)
    who = place.ask("GET", "/api/whoami", made["secret"]).json()
    assert who == {
        "id": made["key"]["id"], "name": "ci", "roles": ["author", "reviewer"],
        "includes": ["author", "reviewer", "viewer"], "scope": EVERY_TENANT,
    }  # fmt: skip
    local = place.ask("GET", "/api/whoami").json()
    assert (local["id"], local["name"], local["roles"], local["includes"]) == ("local", "local", ["admin"], [*ROLES])
    for given in ({"admin": True}, {"roles": ["admin"]}, {"admin": True, "roles": ["admin", "author", "author"]}):
        key = place.ask("POST", "/api/keys", json={"name": "root", **given}).json()["key"]
        assert key["admin"]
        assert key["roles"] == ["admin", *(["author"] if "author" in given.get("roles", []) else [])]
    listed = {key["name"]: key["roles"] for key in place.ask("GET", "/api/keys").json()["keys"]}
    assert listed["ci"] == ["author", "reviewer"]
    who_made = place.ask("POST", "/api/keys", place.admin, json={"name": "by a key"}).json()["key"]["created_by"]
    assert who_made.startswith("key_"), "an id, not a name that others can have too"


def test_a_role_that_is_none_is_told_with_those_there_are(place: Place) -> None:
    error = place.ask("POST", "/api/keys", json={"name": "x", "roles": ["owner"]}).json()["error"]
    assert error["message"] == "there is no role `owner`: the roles are admin, operator, author, reviewer, viewer"


@pytest.mark.parametrize(
    ("role", "sees"), [("admin", True), ("operator", True), ("author", True), ("reviewer", False), ("viewer", False)]
)
def test_what_users_and_models_wrote_is_not_for_everyone(place: Place, role: str, sees: bool) -> None:
    place.calls.write(batch([record(1, request_body=b"a penguin?", response_body=b"no penguin"), record(2)]))
    key = place.ask("POST", "/api/keys", json={"name": "x", "roles": [role]}).json()["secret"]
    full = place.ask("GET", f"/api/calls/{call_id(1)}", key).json()
    assert (full["request_body"], full["response_body"]) == (("a penguin?", "no penguin") if sees else (None, None))
    assert full["bodies_withheld"] is not sees
    bare = place.ask("GET", f"/api/calls/{call_id(2)}", key).json()
    assert (bare["request_body"], bare["bodies_withheld"]) == (None, False), "there is nothing to withhold"
    assert "penguin" not in str(full["explanation"]) + place.ask("GET", "/api/calls", key).text


@pytest.mark.parametrize(
    ("method", "path", "rest", "param"),
    [
        ("POST", "/api/keys", {"content": b"{"}, None),
        ("POST", "/api/keys", {"content": b"\xff"}, None),
        ("POST", "/api/keys", {"json": {}}, None),
        ("POST", "/api/keys", {"json": {"name": "x", "rpm": "many"}}, "rpm"),
        ("POST", "/api/keys", {"json": {"name": "x", "rpm": 0}}, "rpm"),
        ("POST", "/api/keys", {"json": {"name": "x", "expires": "2027-01-01T00:00:00"}}, "expires"),
        ("POST", "/api/keys", {"json": {"name": "x", "expires": "2001-01-01T00:00:00Z"}}, "expires"),
        ("POST", "/api/keys", {"json": {"name": "x", "colour": 1}}, None),
        ("POST", "/api/keys", {"json": {"name": "x", "admin": True, "tenant": "acme"}}, "tenant"),
        ("POST", "/api/keys", {"json": {"name": "x", "roles": ["viewer"], "team": "shop"}}, "tenant"),
        ("POST", "/api/keys", {"json": {"name": "x", "roles": ["viewer", "root"]}}, "roles"),
        ("GET", "/api/calls?limit=many", {}, "limit"),
        ("GET", "/api/calls?limit=100000", {}, "limit"),
        ("GET", "/api/calls?since=yesterday", {}, "since"),
        ("GET", "/api/calls?since=2026-01-01T00:00:00", {}, "since"),
        ("GET", "/api/calls?colour=1", {}, None),
        ("GET", "/api/calls?cursor=nonsense", {}, None),
        ("GET", "/api/calls?cursor=9999999999999999999.call_x", {}, "cursor"),
        ("GET", "/api/calls?since=0001-01-01T00:00:00Z", {}, "since"),
        ("GET", "/api/calls?until=9999-12-31T23:59:59Z", {}, "until"),
        ("GET", "/api/providers?since=0001-01-01T00:00:00Z", {}, "since"),
        ("GET", "/api/providers?until=9999-12-31T23:59:59Z", {}, "until"),
        *[
            ("GET", f"/api/calls?{name}={value}", {}, name)
            for name in ("min_latency_ms", "min_cost_usd")
            for value in ("1e400", "1e300", "nan", "-1", "-inf")
        ],
        ("POST", "/api/keys", {"json": {"name": "x", "expires": "9999-12-31T00:00:00Z"}}, "expires"),
        ("POST", "/api/keys", {"json": {"name": "x", "expires": "0001-01-01T00:00:00Z"}}, "expires"),
        ("POST", "/api/keys", {"json": {"name": "x", "budget_usd": 1e300}}, "budget_usd"),
        ("POST", "/api/keys", {"content": b'{"name": "x", "budget_usd": 1e400}'}, "budget_usd"),
        ("POST", "/api/keys", {"json": {"name": "x", "tpm": 10**30}}, "tpm"),
    ],
)
def test_mistakes_are_told(place: Place, method: str, path: str, rest: dict[str, Any], param: str | None) -> None:
    answer = place.ask(method, path, **rest)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "invalid_request")
    assert param is None or error["param"] == param


def test_bounds_hosts_and_paths(place: Place) -> None:
    assert place.ask("POST", "/api/keys", content=b" " * (1 << 20) + b"{}").status_code == 413
    assert place.client.get("/healthz").json() == {"status": "ok"}
    assert place.client.get("/healthz", headers={"host": "evil.example"}).status_code == 400
    assert place.ask("GET", "/api/nothing").json()["error"]["code"] == "not_found"
    assert place.ask("DELETE", "/api/keys").status_code == 405
    assert place.ask("GET", "/api/calls/call_none").status_code == 404
    metrics = place.ask("GET", "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "headgate_journal_segments" in metrics.text


class Odd(msgspec.Struct):
    """An answer."""

    number: int


def test_an_unexpected_error_tells_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_ask: Ask) -> Odd:
        raise RuntimeError("the secret is 42")

    def text(ask: Ask) -> Text:
        return Text(ask.actor.scope)

    handlers = [
        Handler("GET", "/broken", "Breaks", broken, Odd, allow("viewer")),
        Handler("GET", "/text", "Says", text, Text, allow("viewer")),
    ]
    validate(describe(handlers, "0.0"))

    class Anyone:
        ring = None

    app = management_app(handlers, authenticator(Anyone(), TOKEN), ["localhost"], "0.0")  # type: ignore[arg-type]
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = client.get("/broken", headers=headers)
    assert answer.status_code == 500
    assert "42" not in answer.text
    assert "RuntimeError" in caplog.text
    assert client.get("/text", headers=headers).text == EVERY_TENANT


def test_a_path_cannot_write_lines_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_ask: Ask) -> Odd:
        raise RuntimeError("broken")

    handlers = [Handler("GET", "/broken/{id}", "Breaks", broken, Odd, allow("viewer"))]
    app = management_app(handlers, lambda _: actor("viewer"), ["localhost"], "0.0")
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    assert client.get("/broken/a%0d%0aforged%1b[2J").status_code == 500
    said = caplog.records[-1].getMessage()
    assert "broken" in said
    assert said.isprintable()
