"""The registry's operations for the management API."""

from __future__ import annotations

from collections.abc import Callable

from headgate.core.handlers import Handler
from headgate.core.roles import allow
from headgate.registry.desk import Desk
from headgate.registry.diff import Difference
from headgate.registry.service import Registry
from headgate.registry.views import (
    AddressQuery,
    ApplyRequest,
    Apps,
    AppView,
    DecisionRequest,
    DecisionView,
    DiffQuery,
    Documents,
    FateRequest,
    History,
    HistoryQuery,
    MovedView,
    OutcomeView,
    Owners,
    PromoteRequest,
    ReleaseRequest,
    ReleaseView,
    RollbackRequest,
    Versions,
    VersionsQuery,
    VersionView,
)

DOCUMENTS_BYTES_MAX = 64 * 1024 * 1024


def handlers(registry: Registry, now_ns: Callable[[], int]) -> list[Handler]:
    """All of them; `now_ns` is wall time."""
    desk = Desk(registry, now_ns)
    reads, writes, moves = allow("viewer"), allow("author"), allow("operator")
    says = allow("reviewer")
    most = DOCUMENTS_BYTES_MAX
    return [
        Handler("POST", "/api/registry/plan", "What documents would change", desk.plan, OutcomeView, writes,
                body=ApplyRequest, body_bytes_max=most),
        Handler("POST", "/api/registry/apply", "Take documents over, all or nothing", desk.apply, OutcomeView, writes,
                body=ApplyRequest, body_bytes_max=most),
        Handler("GET", "/api/registry/export", "Everything as documents", desk.export, Documents, reads),
        Handler("GET", "/api/registry/versions", "Versions of artifacts", desk.versions, Versions, reads,
                query=VersionsQuery),
        Handler("GET", "/api/registry/version", "One version with its content", desk.version, VersionView, reads,
                query=AddressQuery),
        Handler("GET", "/api/registry/diff", "What differs between two versions", desk.diff, Difference, reads,
                query=DiffQuery),
        Handler("POST", "/api/registry/fate", "Retire or revoke a version", desk.fate, VersionView, moves,
                body=FateRequest),
        Handler("GET", "/api/registry/history", "Every change, newest first", desk.history, History, reads,
                query=HistoryQuery),
        Handler("GET", "/api/owners", "Who owns prompts, retrieval and policy of each app", desk.owners, Owners, reads),
        Handler("GET", "/api/apps", "Apps, channels, releases", desk.apps, Apps, reads),
        Handler("GET", "/api/apps/{app}", "One app", desk.app, AppView, reads),
        Handler("POST", "/api/apps/{app}/releases", "Make a release", desk.release, ReleaseView, writes,
                body=ReleaseRequest, status=201),
        Handler("POST", "/api/apps/{app}/promote", "Point a channel at a release", desk.promote, MovedView, moves,
                body=PromoteRequest),
        Handler("POST", "/api/apps/{app}/rollback", "Point a channel back", desk.rollback, MovedView, moves,
                body=RollbackRequest),
        Handler("POST", "/api/apps/{app}/releases/{number}/decisions", "Approve, reject, ask for changes, comment",
                desk.decide, DecisionView, says, body=DecisionRequest, status=201),
    ]  # fmt: skip
