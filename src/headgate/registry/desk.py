"""What the registry's operations do with a request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from headgate.core.apps import AppSource, channel_releases
from headgate.core.errors import InvalidRequest, NotFound
from headgate.core.faults import told
from headgate.core.handlers import Ask
from headgate.core.registry import AppRow, Entry, Reading, Version
from headgate.registry import views
from headgate.registry.diff import Difference, difference
from headgate.registry.offered import artifacts
from headgate.registry.pins import default_channel
from headgate.registry.plan import told as pointed
from headgate.registry.resolve import exact, of_channel, parse
from headgate.registry.reviews import standing
from headgate.registry.service import Moved, Outcome, Registry

T = TypeVar("T")

RELEASES_SHOWN = 20


class Desk:
    """One method for each operation; `now_ns` is wall time. Each raises what the registry's method raises."""

    def __init__(self, registry: Registry, now_ns: Callable[[], int]) -> None:
        self._registry = registry
        self._now_ns = now_ns

    def plan(self, ask: Ask) -> views.OutcomeView:
        """What documents would change."""
        body = _body(ask, views.ApplyRequest)
        offered, faults = artifacts(body.documents)
        outcome = self._registry.plan(offered, ask.actor)
        return _outcome(msgspec.structs.replace(outcome, faults=[*faults, *outcome.faults]))

    def apply(self, ask: Ask) -> views.OutcomeView:
        """Take documents over."""
        body = _body(ask, views.ApplyRequest)
        offered, faults = artifacts(body.documents)
        if faults:
            return self.plan(ask)
        return _outcome(self._registry.apply(offered, ask.actor, body.base, body.reason))

    def export(self, _ask: Ask) -> views.Documents:
        """Everything as documents."""
        return views.Documents(self._registry.export())

    def versions(self, ask: Ask) -> views.Versions:
        """Versions without content."""
        query = _query(ask, views.VersionsQuery)
        with self._registry.store.reading() as reading:
            found = reading.versions(query.kind, None if query.name is None else [query.name])
        return views.Versions([_version(one) for one in found])

    def version(self, ask: Ask) -> views.VersionView:
        """One version with its content."""
        query = _query(ask, views.AddressQuery)
        with self._registry.store.reading() as reading:
            version = _found(reading, query)
            artifact = reading.artifact(version.ref.kind, version.ref.name, version.ref.version)
        assert artifact is not None
        view = _version(version)
        view.content = artifact.content
        return view

    def diff(self, ask: Ask) -> Difference:
        """What differs between two versions."""
        query = _query(ask, views.DiffQuery)
        with self._registry.store.reading() as reading:
            pair = [exact(reading, *parse(address)) for address in (query.a, query.b)]
            a, b = (reading.artifact(one.ref.kind, one.ref.name, one.ref.version) for one in pair)
        assert a is not None
        assert b is not None
        if a.ref.kind != b.ref.kind:
            raise InvalidRequest(f"{a.ref} and {b.ref} are of different kinds", param="b")
        return difference(a, b)

    def fate(self, ask: Ask) -> views.VersionView:
        """Retire, revoke, restore."""
        body = _body(ask, views.FateRequest)
        return _version(self._registry.set_fate(parse(body.address), body.fate, ask.actor, body.reason))

    def history(self, ask: Ask) -> views.History:
        """Every change."""
        query = _query(ask, views.HistoryQuery)
        with self._registry.store.reading() as reading:
            found = reading.entries(query.app, query.subject, min(max(query.limit, 1), views.ROWS_MAX))
        return views.History([_entry(one) for one in found])

    def owners(self, _ask: Ask) -> views.Owners:
        """Who answers for what."""
        with self._registry.store.reading() as reading:
            return views.Owners([_owners(reading, row) for row in reading.apps()])

    def apps(self, _ask: Ask) -> views.Apps:
        """Every app."""
        with self._registry.store.reading() as reading:
            return views.Apps([self._app(reading, row) for row in reading.apps()])

    def app(self, ask: Ask) -> views.AppView:
        """One app."""
        with self._registry.store.reading() as reading:
            row = reading.app(ask.path["app"])
            if row is None:
                raise NotFound(f"there is no app `{ask.path['app']}`")
            return self._app(reading, row)

    def release(self, ask: Ask) -> views.ReleaseView:
        """Make a release."""
        body = _body(ask, views.ReleaseRequest)
        made = self._registry.release(ask.path["app"], body.pins, ask.actor, body.message)
        with self._registry.store.reading() as reading:
            row = reading.app(made.app)
            assert row is not None
            return next(one for one in self._releases(reading, row) if one.number == made.source.number)

    def promote(self, ask: Ask) -> views.MovedView:
        """Point a channel at a release."""
        body = _body(ask, views.PromoteRequest)
        return _moved(self._registry.promote(ask.path["app"], body.channel, body.release, ask.actor, body.reason))

    def rollback(self, ask: Ask) -> views.MovedView:
        """Point a channel back."""
        body = _body(ask, views.RollbackRequest)
        return _moved(self._registry.rollback(ask.path["app"], body.channel, body.release, ask.actor, body.reason))

    def decide(self, ask: Ask) -> views.DecisionView:
        """What a reviewer says."""
        body = _body(ask, views.DecisionRequest)
        app, number = ask.path["app"], _number(ask.path["number"])
        made = self._registry.decide(app, number, body.verdict, ask.actor, body.reason)
        with self._registry.store.reading() as reading:
            row = reading.app(app)
            assert row is not None
            line = next(one for one in self._releases(reading, row) if one.number == number)
        return views.DecisionView(_time(made.at_ns), made.actor_name, made.verdict, made.reason, line.missing)

    def _app(self, reading: Reading, row: AppRow) -> views.AppView:
        channels = [
            views.ChannelView(one.channel, one.target, pointed(one.target), _time(one.set_ns), one.set_by)
            for one in reading.channels(row.name)
        ]
        releases = self._releases(reading, row)[:RELEASES_SHOWN]
        return views.AppView(row.name, _source(row).owned, channels, releases)

    def _releases(self, reading: Reading, row: AppRow) -> list[views.ReleaseView]:
        live: dict[int, list[str]] = {}
        for channel in reading.channels(row.name):
            for number in channel_releases(channel.target):
                live.setdefault(number, []).append(channel.channel)
        found: list[views.ReleaseView] = []
        for one in reversed(reading.releases(row.name)):
            source = one.source
            now = standing(reading, row, one, default_channel(row), self._now_ns())
            found.append(
                views.ReleaseView(
                    str(one), source.number, source.named_prompts, source.route, source.guardrail, source.message,
                    _time(one.created_ns), one.created_by, live.get(source.number, []), now.approved_by, now.missing,
                )
            )  # fmt: skip
        return found


def _found(reading: Reading, query: views.AddressQuery) -> Version:
    if query.app is not None and query.channel is not None:
        return of_channel(reading, query.app, query.channel, query.prompt)
    if query.address is None:
        raise InvalidRequest("say `address`, or `app` and `channel`", param="address")
    return exact(reading, *parse(query.address))


def _source(row: AppRow) -> AppSource:
    return msgspec.convert({**row.settings, "releases": [], "channels": {}}, AppSource)


def _owners(reading: Reading, row: AppRow) -> views.OwnersLine:
    owned = _source(row).owned
    guarded = any(one.source.guardrail for one in reading.releases(row.name))
    gaps = [] if owned.prompt else ["prompt"]
    gaps += [] if owned.retrieval else ["retrieval"]
    gaps += [] if owned.policy or not guarded else ["policy"]
    return views.OwnersLine(row.name, owned.prompt, owned.retrieval, owned.policy, gaps)


def _outcome(outcome: Outcome) -> views.OutcomeView:
    return views.OutcomeView(
        outcome.changes, told(outcome.faults), outcome.held, outcome.serial, outcome.applied, outcome.swapped
    )


def _moved(moved: Moved) -> views.MovedView:
    row = moved.channel
    return views.MovedView(row.app, row.channel, pointed(moved.before), pointed(row.target), moved.swapped)


def _version(one: Version) -> views.VersionView:
    ref = one.ref
    return views.VersionView(
        str(ref), ref.kind, ref.name, ref.version, ref.digest, one.owner, one.author, one.message,
        _time(one.created_ns), one.created_by, one.fate, one.why,
    )  # fmt: skip


def _entry(one: Entry) -> views.EntryView:
    return views.EntryView(
        _time(one.at_ns), one.actor, one.actor_name, one.action, one.subject, one.app, one.reason, one.detail
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest(f"`{text}` is no release number", param="number")
    return int(text)


def _time(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC)


def _body(ask: Ask, kind: type[T]) -> T:
    assert isinstance(ask.body, kind)
    return ask.body


def _query(ask: Ask, kind: type[T]) -> T:
    assert isinstance(ask.query, kind)
    return ask.query
