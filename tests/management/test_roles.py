"""Who may do what: every operation of the management API against every role and every credential that is none."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from headgate.admission import NewKey
from headgate.app.control import Control, authenticator
from headgate.core.handlers import Ask, Handler, Text
from headgate.core.roles import ROLES, Role, allow, in_order, included, may, read_roles, who_may
from headgate.edge.management import management_app
from tests.support.management import control_in

TOKEN = "local-token"
PUBLIC = {"/healthz", "/openapi.json"}
STRANGERS = ("none", "mistyped", "calls", "revoked", "expired")


class Front:
    """The real operations behind the real front: their roles are asked for, what they do is only counted."""

    def __init__(self, control: Control) -> None:
        desk = control.desk
        desk.open()
        self.handlers = control.handlers()
        self.reached: list[str] = []
        counting = [msgspec.structs.replace(one, handle=self._counts(one), answer=Text) for one in self.handlers]
        self.app = management_app(counting, authenticator(desk, TOKEN), ["localhost"], "0.0")
        self.client = TestClient(self.app, base_url="http://localhost", raise_server_exceptions=False)
        self.keys: dict[str, str | None] = {role: self._key(control, allow(role)) for role in ROLES}
        self.keys |= {"local": TOKEN, "none": None, "mistyped": "hg_nonsense", "calls": self._key(control)}
        gone = desk.create(NewKey("gone", roles=allow("admin")), "test")
        desk.revoke(gone.key.info.id, "*")
        late = desk.create(NewKey("late", roles=allow("admin"), expires_ns=desk.now_ns() + 1), "test")
        self.keys |= {"revoked": gone.secret, "expired": late.secret}
        control._clock.advance(1.0)  # type: ignore[attr-defined]  # the tests' own clock

    def _key(self, control: Control, roles: frozenset[Role] = frozenset()) -> str:
        return control.desk.create(NewKey("a key", roles=roles), "test").secret

    def _counts(self, handler: Handler) -> object:
        def handle(_ask: Ask) -> Text:
            self.reached.append(handler.path)
            return Text("done")

        return handle

    def ask(self, handler: Handler, who: str) -> tuple[int, str]:
        """Status and, where refused, the code; the body is nonsense, the query unknown where there is one."""
        key = self.keys[who]
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        path = handler.path.replace("{", "").replace("}", "")
        query = "" if handler.query is None else "?no_such_field=1"
        answer = self.client.request(handler.method, path + query, headers=headers, content=b"{{")
        return answer.status_code, answer.json()["error"]["code"] if answer.status_code >= 400 else ""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    control = control_in(tmp_path_factory.mktemp("control"))
    made = Front(control)
    with made.client:
        yield made
    control.close()


def through(handler: Handler) -> tuple[int, str]:
    """What nonsense gets from an operation that may be called."""
    return (handler.status, "") if handler.body is None and handler.query is None else (400, "invalid_request")


@pytest.mark.parametrize("who", [*ROLES, "local"])
def test_every_operation_is_open_to_its_roles_and_closed_to_the_others(front: Front, who: str) -> None:
    held: list[Role] = [role for role in ROLES if role == who] or ["admin"]
    for handler in front.handlers:
        front.reached.clear()
        answer = front.ask(handler, who)
        if may(held, handler.roles):
            assert answer == through(handler), f"{handler.method} {handler.path}"
        else:
            # before body and query are looked at: these would be 400
            assert answer == (403, "forbidden"), f"{handler.method} {handler.path}"
            assert front.reached == []


@pytest.mark.parametrize("who", STRANGERS)
def test_every_operation_is_closed_to_whoever_has_no_role(front: Front, who: str) -> None:
    expected = (403, "forbidden") if who == "calls" else (401, "unauthenticated")
    closed = [one for one in front.handlers if who != "calls" or not one.callers]
    front.reached.clear()
    assert {f"{one.method} {one.path}": front.ask(one, who) for one in closed} == {
        f"{one.method} {one.path}": expected for one in closed
    }
    assert front.reached == []


def test_a_key_for_calls_opens_what_is_declared_for_it_and_nothing_else(front: Front) -> None:
    opened = [one for one in front.handlers if one.callers]
    assert [(one.method, one.path) for one in opened] == [("POST", "/api/scores"), ("POST", "/api/scores/batch")]
    assert [front.ask(one, "calls") for one in opened] == [through(one) for one in opened]


def test_nothing_is_mounted_beside_the_operations(front: Front) -> None:
    """So a route without a role cannot come in by another way."""
    mounted = [(path, method) for path, method in _mounted(front) if path not in PUBLIC]
    assert sorted(mounted) == sorted((one.path, one.method) for one in front.handlers)
    assert len(set(mounted)) == len(mounted)


def _mounted(front: Front) -> Iterator[tuple[str, str]]:
    for route in front.app.routes:
        methods = getattr(route, "methods", None)
        assert methods, f"{route} is mounted, and no operation"
        yield from ((getattr(route, "path", ""), method) for method in methods if method != "HEAD")


def test_the_description_says_who_may(front: Front) -> None:
    paths = front.client.get("/openapi.json").json()["paths"]
    for one in front.handlers:
        assert paths[one.address][one.method.lower()]["x-headgate-roles"] == who_may(one.roles)


def test_a_refusal_names_who_may_and_what_the_key_has(front: Front) -> None:
    headers = {"authorization": f"Bearer {front.keys['author']}"}
    error = front.client.post("/api/reload", headers=headers).json()["error"]
    assert error["code"] == "forbidden"
    assert error["message"].startswith("POST /api/reload takes the role admin or operator; key_")
    assert error["message"].endswith(" has author")


@given(st.frozensets(st.sampled_from(ROLES)), st.frozensets(st.sampled_from(ROLES), min_size=1))
def test_what_roles_include(held: frozenset[Role], allowed: frozenset[Role]) -> None:
    had = included(held)
    assert held <= had
    assert included(had) == had, "including twice adds nothing"
    assert had - held <= (allow(*ROLES) if "admin" in held else allow("viewer")), "one role includes no other"
    assert ("viewer" in had) == bool(held)
    assert may(held, allowed) == any(role in who_may(allowed) for role in held)
    assert "admin" in who_may(allowed)
    assert read_roles(held) == read_roles(in_order(held)) == held


def test_an_operation_that_nobody_may_call_cannot_be_made() -> None:
    def handle(_ask: Ask) -> Text:
        return Text("")

    with pytest.raises(TypeError, match="roles"):
        Handler("GET", "/x", "X", handle, Text)  # type: ignore[call-arg]  # that is the point
    for nobody in (frozenset(), frozenset({"root"}), frozenset({"viewer", "root"})):
        with pytest.raises(ValueError, match="GET /x: `roles` names one or more of admin"):
            Handler("GET", "/x", "X", handle, Text, nobody)  # type: ignore[arg-type]  # that is the point
