"""What the registry's operations take and answer."""

from __future__ import annotations

from datetime import datetime

import msgspec

from headgate.core.apps import ChannelTarget, OwnersSource
from headgate.core.faults import Fault
from headgate.core.registry import Fate, Swapped, Verdict
from headgate.core.types import JsonObject
from headgate.registry.offered import Offer
from headgate.registry.pins import Pins
from headgate.registry.plan import Planned
from headgate.registry.published import Document

ROWS_MAX = 1000


class ApplyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Documents to take over. `base`: the serial of the plan that was looked at; another one in between refuses it."""

    documents: list[Offer]
    base: int | None = None
    reason: str = ""


class OutcomeView(msgspec.Struct):
    """What would change, or did. `held` are channel moves that wait, by what they miss."""

    changes: list[Planned]
    faults: list[Fault]
    held: dict[str, list[str]]
    serial: int
    applied: bool
    swapped: Swapped | None = None


class Documents(msgspec.Struct):
    """Everything that is kept."""

    documents: list[Document]


class VersionView(msgspec.Struct):
    """One version. `fate`: active, retired (in no new release), revoked (never served). `content` where it was asked
    for alone."""

    address: str
    kind: str
    name: str
    version: str
    digest: str
    owner: str
    author: str
    message: str
    created: datetime
    created_by: str
    fate: str
    why: str
    content: JsonObject | None = None


class Versions(msgspec.Struct):
    """Versions, by kind, name and age."""

    versions: list[VersionView]


class VersionsQuery(msgspec.Struct, forbid_unknown_fields=True):
    """None: any."""

    kind: str | None = None
    name: str | None = None


class AddressQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`address`: `kind/name@1.4.2`; or `app` and `channel`, and `prompt` where it holds several."""

    address: str | None = None
    app: str | None = None
    channel: str | None = None
    prompt: str | None = None


class DiffQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Two versions of one artifact, `a` the earlier."""

    a: str
    b: str


class FateRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`fate`: retired, revoked, or active to take it back."""

    address: str
    fate: Fate
    reason: str = ""


class ReleaseRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What the next release pins that the present one does not."""

    pins: Pins
    message: str = ""


class ReleaseView(msgspec.Struct):
    """A release: what it pins, on which channels it is live, and what a review says of it."""

    release: str
    number: int
    prompts: dict[str, str]
    route: str
    guardrail: str | None
    message: str
    created: datetime
    created_by: str
    live: list[str]
    approved_by: list[str]
    missing: list[str]


class ChannelView(msgspec.Struct):
    """Where a channel points: a release, or shares of several."""

    channel: str
    target: ChannelTarget
    told: str
    since: datetime
    by: str


class AppView(msgspec.Struct):
    """An app, its channels, and its newest releases first."""

    app: str
    owners: OwnersSource
    channels: list[ChannelView]
    releases: list[ReleaseView]


class Apps(msgspec.Struct):
    """Every app."""

    apps: list[AppView]


class PromoteRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which release goes live on which channel, and why."""

    channel: str
    release: int
    reason: str = ""


class RollbackRequest(msgspec.Struct, forbid_unknown_fields=True):
    """`release` None: the one that was live before."""

    channel: str
    release: int | None = None
    reason: str = ""


class MovedView(msgspec.Struct):
    """A channel that points somewhere else now, and how that came into force."""

    app: str
    channel: str
    before: str
    after: str
    swapped: Swapped


class EntryView(msgspec.Struct):
    """One change on record."""

    at: datetime
    actor: str
    name: str
    action: str
    subject: str
    app: str | None
    reason: str
    detail: JsonObject


class History(msgspec.Struct):
    """Changes, newest first."""

    entries: list[EntryView]


class HistoryQuery(msgspec.Struct, forbid_unknown_fields=True):
    """`subject`: `support:production`, `support#3`, `prompt/support@1.0.0`."""

    app: str | None = None
    subject: str | None = None
    limit: int = 100


class DecisionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a reviewer says of a release."""

    verdict: Verdict
    reason: str = ""


class DecisionView(msgspec.Struct):
    """One decision, and what the release misses after it."""

    at: datetime
    actor: str
    verdict: str
    reason: str
    missing: list[str]


class OwnersLine(msgspec.Struct):
    """Who answers for what of an app; `gaps` are what nobody answers for."""

    app: str
    prompt: list[str]
    retrieval: list[str]
    policy: list[str]
    gaps: list[str]


class Owners(msgspec.Struct):
    """Every app's owners."""

    apps: list[OwnersLine]
