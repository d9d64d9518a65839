"""The key desk's operations for the management API."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from headgate.admission.desk import KeyDesk, KeyLine, NewKey
from headgate.core.errors import InvalidRequest
from headgate.core.handlers import Ask, Handler
from headgate.core.keys import EVERY_TENANT
from headgate.core.roles import Role, allow, in_order, read_roles

EXPIRES_NS_MAX = (1 << 63) - 1


class KeyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a new key is to stand for. `roles`: what it may do on the management API (admin, operator, author, reviewer,
    viewer); none: it is for calls. `admin` is the same as the role. `expires`: RFC 3339 time with a zone. Money in US
    dollars."""

    name: str
    tenant: str = "default"
    admin: bool = False
    models: list[str] = []
    expires: datetime | None = None
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    budget_usd: float | None = None
    budget_period: str = "month"
    team: str | None = None
    unpriced: str = "deny"
    criticality: str = "default"
    roles: list[str] = []


class KeyView(msgspec.Struct):
    """A key as lists show it; never the key itself. `spent_usd` is of the current budget period, None where unknown."""

    id: str
    name: str
    shown: str
    tenant: str
    admin: bool
    state: str
    created: datetime
    created_by: str
    expires: datetime | None
    models: list[str]
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    budget_usd: float | None
    budget_period: str
    spent_usd: float | None
    team: str | None = None
    unpriced: str = "deny"
    criticality: str = "default"
    roles: list[Role] = []


class KeyList(msgspec.Struct):
    """All keys of the actor's scope, oldest first."""

    keys: list[KeyView]


class NewKeyView(msgspec.Struct):
    """A key just made. `secret` is shown this once."""

    secret: str
    key: KeyView


def handlers(desk: KeyDesk) -> list[Handler]:
    """Create, list, revoke."""

    def create(ask: Ask) -> NewKeyView:
        body = ask.body
        assert isinstance(body, KeyRequest)
        made = desk.create(_new(body, ask.actor.scope), ask.actor.id)
        return NewKeyView(made.secret, desk_view(KeyLine(made.key, None), desk.now_ns()))

    def list_keys(ask: Ask) -> KeyList:
        return KeyList([desk_view(line, desk.now_ns()) for line in desk.list(ask.actor.scope)])

    def revoke(ask: Ask) -> KeyView:
        return desk_view(KeyLine(desk.revoke(ask.path["id"], ask.actor.scope), None), desk.now_ns())

    return [
        Handler(
            "POST",
            "/api/keys",
            "Make an API key; the answer shows it once",
            create,
            NewKeyView,
            allow("admin"),
            body=KeyRequest,
            status=201,
        ),
        Handler("GET", "/api/keys", "List API keys", list_keys, KeyList, allow("admin")),
        Handler("POST", "/api/keys/{id}/revoke", "Revoke an API key", revoke, KeyView, allow("admin")),
    ]


def _new(body: KeyRequest, scope: str) -> NewKey:
    if scope not in (EVERY_TENANT, body.tenant):
        raise InvalidRequest("you can make keys for your own tenant only", param="tenant")
    expires_ns = None
    if body.expires is not None:
        if body.expires.tzinfo is None:
            raise InvalidRequest("`expires` needs a time zone, such as 2027-01-31T00:00:00Z", param="expires")
        expires_ns = int(body.expires.timestamp()) * 1_000_000_000
        if expires_ns > EXPIRES_NS_MAX:
            raise InvalidRequest("`expires` lies before the year 2262; leave it out for never", param="expires")
    roles = read_roles(["admin", *body.roles] if body.admin else body.roles)
    return NewKey(
        name=body.name, tenant=body.tenant, roles=roles, models=body.models, expires_ns=expires_ns, rpm=body.rpm,
        tpm=body.tpm, concurrency=body.concurrency, budget_usd=body.budget_usd, budget_period=body.budget_period,
        team=body.team, unpriced=body.unpriced, criticality=body.criticality,
    )  # fmt: skip


def desk_view(line: KeyLine, now_ns: int) -> KeyView:
    """A key's line as it is shown at wall time `now_ns`."""
    key, info = line.key, line.key.info
    expired = info.expires_ns is not None and now_ns >= info.expires_ns
    return KeyView(
        id=info.id, name=info.name, shown=key.shown + "...", tenant=info.tenant, admin=info.admin,
        state="revoked" if info.revoked else "expired" if expired else "active", created=_time(key.created_ns),
        created_by=key.created_by, expires=None if info.expires_ns is None else _time(info.expires_ns),
        models=sorted(info.models), rpm=info.rpm, tpm=info.tpm, concurrency=info.concurrency,
        budget_usd=info.budget_usd, budget_period=info.budget_period,
        spent_usd=None if line.spend is None else line.spend.usd, team=info.team, unpriced=info.unpriced,
        criticality=info.criticality, roles=in_order(key.roles),
    )  # fmt: skip


def _time(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC)
