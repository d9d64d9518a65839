"""What the management API offers on unregistered prompts: coverage, and drafts of prompt files."""

from __future__ import annotations

from datetime import datetime

import msgspec

from headgate.core.errors import InvalidRequest
from headgate.core.handlers import Ask, Handler
from headgate.core.moments import moment_ns
from headgate.core.ports import Clock
from headgate.core.roles import BODY_ROLES, allow
from headgate.prompts.adoption import Adopted, Adoption
from headgate.prompts.coverage import Coverage, Coverages

LIMIT_MAX = 1_000
HOUR_NS = 3_600 * 10**9
SINCE_NS = 7 * 24 * HOUR_NS
OWNER_CHARS_MAX = 200


class CoverageQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which calls: of the last 7 days where nothing is said. `limit` is of the offenders that are listed."""

    since: datetime | None = None
    until: datetime | None = None
    app: str | None = None
    limit: int = 50


class AdoptQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What the drafted prompt is called, and who is to own it."""

    name: str | None = None
    owner: str | None = None


def discovery_handlers(coverages: Coverages, adoption: Adoption, clock: Clock) -> list[Handler]:
    """Coverage for whoever reads; the text of prompts for those who may read what users and models wrote."""

    def coverage(ask: Ask) -> Coverage:
        query = ask.query
        assert isinstance(query, CoverageQuery)
        if not 1 <= query.limit <= LIMIT_MAX:
            raise InvalidRequest(f"`limit` lies between 1 and {LIMIT_MAX}", param="limit")
        until = clock.now_ns() if query.until is None else moment_ns(query.until, "until")
        since = max(until - SINCE_NS, 0) if query.since is None else moment_ns(query.since, "since")
        since = since // HOUR_NS * HOUR_NS
        found = coverages.report(ask.actor.scope, since, until, query.app, query.limit)
        return found if ask.actor.has(*BODY_ROLES) else _without_texts(found)

    def adopt(ask: Ask) -> Adopted:
        query = ask.query
        assert isinstance(query, AdoptQuery)
        if query.owner is not None and not 0 < len(query.owner) <= OWNER_CHARS_MAX:
            raise InvalidRequest(f"`owner` has 1 to {OWNER_CHARS_MAX} characters", param="owner")
        return adoption.draft(ask.actor.scope, ask.path["fingerprint"], query.name, query.owner)

    return [
        Handler(
            "GET", "/api/coverage", "Share of calls with a registered prompt, and who had none", coverage, Coverage,
            allow("viewer"), query=CoverageQuery,
        ),
        Handler(
            "GET", "/api/adopt/{fingerprint}", "A prompt file drafted from what was observed", adopt, Adopted,
            allow(*BODY_ROLES), query=AdoptQuery,
        ),
    ]  # fmt: skip


def _without_texts(found: Coverage) -> Coverage:
    hidden = [msgspec.structs.replace(one, text=None) for one in found.offenders]
    return msgspec.structs.replace(found, offenders=hidden)
