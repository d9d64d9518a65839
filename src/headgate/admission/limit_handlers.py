"""The limit desk's operations for the management API."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import UNSET, UnsetType

from headgate.admission.account import NANO
from headgate.admission.limitdesk import LimitDesk, LimitLine
from headgate.core.handlers import Ask, Handler
from headgate.core.keys import ScopeLimits
from headgate.core.roles import allow


class LimitRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Limits of a scope to change: `tenant/NAME`, `team/TENANT/TEAM` or `app/NAME`.

    A field that is left out stays as it is, null takes the limit away. Money in US dollars per `budget_period` (day,
    month, total). `unpriced`: whether calls whose price is not known may be made under the budget, `allow` or `deny`.
    """

    scope: str
    rpm: int | UnsetType | None = UNSET
    tpm: int | UnsetType | None = UNSET
    concurrency: int | UnsetType | None = UNSET
    budget_usd: float | UnsetType | None = UNSET
    budget_period: str | UnsetType = UNSET
    unpriced: str | UnsetType = UNSET


class SetView(msgspec.Struct):
    """Limits of a scope as they are in force from now on."""

    scope: str
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    budget_usd: float | None
    budget_period: str
    unpriced: str
    set: datetime
    set_by: str


class LimitView(msgspec.Struct):
    """A limited scope and how it stands now. Each limit stands beside what is used of it; None where not limited.

    `requests` and `tokens` are those of the last minute, `in_flight` calls at once. `held_usd` is held for calls in
    flight, `left_usd` is what new ones may cost. `resets`: when the budget is whole again.
    """

    scope: str
    name: str
    tenant: str
    rpm: int | None
    requests: int | None
    tpm: int | None
    tokens: int | None
    concurrency: int | None
    in_flight: int | None
    budget_usd: float | None
    budget_period: str | None
    unpriced: str | None
    spent_usd: float | None
    held_usd: float | None
    left_usd: float | None
    resets: datetime | None


class LimitList(msgspec.Struct):
    """Every limited scope that the actor may see: apps, teams, tenants, then keys."""

    limits: list[LimitView]


def limit_handlers(desk: LimitDesk) -> list[Handler]:
    """List, set."""

    def list_limits(ask: Ask) -> LimitList:
        return LimitList([limit_view(line) for line in desk.lines(ask.actor.scope)])

    def set_limits(ask: Ask) -> SetView:
        body = ask.body
        assert isinstance(body, LimitRequest)
        change = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
        del change["scope"]
        return _set_view(desk.set(body.scope, change, ask.actor.scope, ask.actor.id))

    return [
        Handler(
            "GET", "/api/limits", "List limits with what is used, held and left", list_limits, LimitList,
            allow("viewer"),
        ),
        Handler(
            "POST", "/api/limits", "Change the limits of a tenant, a team or an app", set_limits, SetView,
            allow("operator"), body=LimitRequest,
        ),
    ]  # fmt: skip


def limit_view(line: LimitLine) -> LimitView:
    """A line as it is shown."""
    limits, standing = line.limits, line.standing
    budget = limits.budget_usd
    spent, held = standing.spent_nano / NANO, standing.held_nano / NANO
    return LimitView(
        scope=line.address, name=line.label, tenant=line.tenant,
        rpm=limits.rpm, requests=None if limits.rpm is None else standing.requests,
        tpm=limits.tpm, tokens=None if limits.tpm is None else standing.tokens,
        concurrency=limits.concurrency, in_flight=None if limits.concurrency is None else standing.calls,
        budget_usd=budget, budget_period=None if budget is None else limits.budget_period,
        unpriced=None if budget is None else limits.unpriced, spent_usd=None if budget is None else spent,
        held_usd=None if budget is None else held,
        left_usd=None if budget is None else max(budget - spent - held, 0.0),
        resets=None if line.resets_ns is None else _time(line.resets_ns),
    )  # fmt: skip


def _set_view(made: ScopeLimits) -> SetView:
    return SetView(
        made.address, made.limits.rpm, made.limits.tpm, made.limits.concurrency, made.limits.budget_usd,
        made.limits.budget_period, made.limits.unpriced, _time(made.set_ns), made.set_by,
    )  # fmt: skip


def _time(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // NANO, UTC)
