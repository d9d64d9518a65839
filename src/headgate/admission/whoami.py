"""Who asks, as the management API sees them."""

from __future__ import annotations

import msgspec

from headgate.core.handlers import Ask, Handler
from headgate.core.roles import Role, allow, in_order, included


class WhoView(msgspec.Struct):
    """`id` is what goes on record. `roles` are those given, `includes` all that these are good for; `scope` is the
    tenant whose data may be seen, `*` for every tenant."""

    id: str
    name: str
    roles: list[Role]
    includes: list[Role]
    scope: str


def whoami_handlers() -> list[Handler]:
    """Who am I."""

    def whoami(ask: Ask) -> WhoView:
        actor = ask.actor
        return WhoView(actor.id, actor.name, in_order(actor.roles), in_order(included(actor.roles)), actor.scope)

    return [Handler("GET", "/api/whoami", "Who asks, and what they may do", whoami, WhoView, allow("viewer"))]
