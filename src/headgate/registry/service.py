"""The registry: every change to artifacts, apps, releases and channels, whoever asks and by whatever way.

Each change is one transaction: it is planned, held against the rules, written with its line in the log, and published,
or nothing of it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from headgate.core.apps import ChannelTarget, ReleaseSource, channel_releases
from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError, Forbidden, InvalidRequest, NotFound
from headgate.core.handlers import Actor
from headgate.core.ports import Clock
from headgate.core.registry import (
    AppRow,
    Change,
    ChannelRow,
    Decision,
    Entry,
    Fate,
    Reading,
    RegistryStore,
    ReleaseRow,
    Swapped,
    Verdict,
    Version,
)
from headgate.core.types import JsonObject
from headgate.registry.needs import completed, needed, users
from headgate.registry.pins import Pins, base_of, before, default_channel, with_pins
from headgate.registry.plan import Draft, Planned, Planner, release_digest, told
from headgate.registry.published import Document, app_document, document_of
from headgate.registry.resolve import exact
from headgate.registry.reviews import check_reviewer, served_before, standing

REASON_CHARS_MAX = 2_000

Check = Callable[[Sequence[Artifact]], list[ConfigError]]
Publish = Callable[[], Swapped]


class Outcome(msgspec.Struct):
    """What became of documents. `faults` keep everything from happening; `held` are channel moves that wait for a
    review or an operator, by what is missing. `serial` is the registry's afterwards."""

    changes: list[Planned]
    faults: list[ConfigError]
    held: dict[str, list[str]]
    serial: int
    applied: bool = False
    swapped: Swapped | None = None


class Moved(msgspec.Struct, frozen=True):
    """A channel that points somewhere else now, where it pointed before, and how that came into force."""

    channel: ChannelRow
    before: ChannelTarget | None
    swapped: Swapped


class Registry:
    """`check` compiles artifacts and apps and tells what is wrong; `publish` puts what is kept in force, after the
    change is durable: what could not be published then is on the next occasion. Methods raise StoreUnavailable, and
    what each of them names."""

    def __init__(self, store: RegistryStore, check: Check, publish: Publish, clock: Clock) -> None:
        self.store = store
        self._check = check
        self._publish = publish
        self._clock = clock

    # -- documents -----------------------------------------------------------------------------------------------

    def plan(self, documents: Sequence[Artifact], actor: Actor) -> Outcome:
        """What `apply` would do."""
        with self.store.reading() as reading:
            draft = self._draft(reading, documents, actor)
            return Outcome(draft.changes, draft.faults, self._held(reading, draft, actor), reading.serial())

    def apply(
        self,
        documents: Sequence[Artifact],
        actor: Actor,
        base: int | None = None,
        reason: str = "",
        quiet: bool = False,
    ) -> Outcome:
        """Take documents over. `base` is the serial that a plan was made on; `quiet` leaves publishing to the caller.

        Raises InvalidRequest where somebody changed the registry since.
        """
        with self.store.changing() as change:
            if base is not None and change.serial() != base:
                raise InvalidRequest(
                    f"the registry changed since the plan was made (serial {base}, now {change.serial()}): plan again"
                )
            draft = self._draft(change, documents, actor)
            if draft.faults:
                return Outcome(draft.changes, draft.faults, {}, change.serial())
            self._write(change, draft, actor, reason)
            held = self._held(change, draft, actor)
            for move in draft.moves:
                if f"{move.app}:{move.channel}" not in held:
                    made = ChannelRow(move.app, move.channel, move.target, self._clock.now_ns(), actor.id)
                    self._move(change, actor, "declare", made, reason)
            outcome = Outcome(draft.changes, [], held, change.serial(), True)
        if draft.changes and not quiet:
            outcome.swapped = self._publish()
        return outcome

    def export(self) -> list[Document]:
        """Everything that is kept, as documents: artifacts, then apps with all their releases."""
        with self.store.reading() as reading:
            out: list[Document] = []
            for version in reading.versions():
                artifact = reading.artifact(version.ref.kind, version.ref.name, version.ref.version)
                assert artifact is not None
                out.append(document_of(artifact))
            for app in reading.apps():
                document = app_document(app, reading.releases(app.name), reading.channels(app.name), all=True)
                out.append(document_of(document))
            return out

    # -- versions ------------------------------------------------------------------------------------------------

    def set_fate(self, ref: tuple[str, str, str], fate: Fate, actor: Actor, reason: str) -> Version:
        """Retire or revoke a version, or take it back. Raises NotFound, InvalidRequest where it is in use."""
        kind, name, wanted = ref
        if fate != "active" and not reason.strip():
            raise InvalidRequest(f"say why: --reason is kept with the {fate} version", param="reason")
        with self.store.changing() as change:
            version = exact(change, kind, name, wanted)
            used = users(change, version)
            if fate != "active" and used:
                raise InvalidRequest(f"{version.ref} is in use by {', '.join(used)}; point them elsewhere first")
            change.set_fate(version.ref, fate, reason)
            action = {"active": "restore", "retired": "retire", "revoked": "revoke"}[fate]
            change.record(
                self._entry(actor, action, str(version.ref), None, reason, {"before": version.fate, "after": fate})
            )
            return msgspec.structs.replace(version, fate=fate, why=reason)

    # -- releases and channels -----------------------------------------------------------------------------------

    def release(self, app: str, pins: Pins, actor: Actor, message: str) -> ReleaseRow:
        """A new release: the one that the default channel serves, with some pins others.

        Raises NotFound, InvalidRequest.
        """
        with self.store.changing() as change:
            row = _app(change, app)
            kept = change.releases(app)
            base = base_of(change, row, kept)
            source = with_pins(change, base, pins, max((one.source.number for one in kept), default=0) + 1, message)
            made = ReleaseRow(app, source, self._clock.now_ns(), actor.id)
            self._check_pins(change, source)
            same = next((one for one in kept if release_digest(one.source) == release_digest(source)), None)
            if same is not None:
                raise InvalidRequest(f"{same} pins just that already")
            change.put_release(made)
            faults = self._check([*needed(change, source.pins), _alone(row, made)])
            if faults:
                raise InvalidRequest(f"{faults[0].wrong} ({faults[0].right})")
            change.record(self._entry(actor, "release", str(made), app, message, {"pins": msgspec.to_builtins(source)}))
            return made

    def promote(self, app: str, channel: str, number: int, actor: Actor, reason: str) -> Moved:
        """Point a channel at a release. Raises NotFound, Forbidden naming what a review still misses."""
        with self.store.changing() as change:
            row = _app(change, app)
            release = _release(change, app, number)
            self._check_live(change, release, ("retired", "revoked"))
            now = standing(change, row, release, channel, self._clock.now_ns())
            if now.missing:
                raise Forbidden(f"{release} may not go live on `{channel}` yet: it misses " + "; ".join(now.missing))
            made = ChannelRow(app, channel, number, self._clock.now_ns(), actor.id)
            earlier = self._move(change, actor, "promote", made, reason)
        return Moved(made, earlier, self._publish())

    def rollback(self, app: str, channel: str, number: int | None, actor: Actor, reason: str) -> Moved:
        """Point a channel back at a release that was live on it: the one before, or `number`. Needs no new approval.

        Raises NotFound, InvalidRequest where there is nothing to go back to, or it was revoked.
        """
        with self.store.changing() as change:
            _app(change, app)
            entries = change.entries(app, f"{app}:{channel}", 1000)
            current = _channel(change, app, channel)
            target = number if number is not None else before(entries, current)
            if target is None:
                raise InvalidRequest(f"nothing was live on {app}:{channel} before {told(current.target)}")
            if not served_before(entries, target):
                raise InvalidRequest(f"{app}#{target} was never live on `{channel}`: `headgate promote` it")
            self._check_live(change, _release(change, app, target), ("revoked",))
            made = ChannelRow(app, channel, target, self._clock.now_ns(), actor.id)
            earlier = self._move(change, actor, "rollback", made, reason)
        return Moved(made, earlier, self._publish())

    # -- reviews -------------------------------------------------------------------------------------------------

    def decide(self, app: str, number: int, verdict: Verdict, actor: Actor, reason: str) -> Decision:
        """Keep what a reviewer says of a release. Raises NotFound, Forbidden, InvalidRequest."""
        if verdict != "approve" and not reason.strip():
            raise InvalidRequest(f"say why: a {verdict.replace('_', ' ')} needs a reason", param="reason")
        if len(reason) > REASON_CHARS_MAX:
            raise InvalidRequest(f"a reason of more than {REASON_CHARS_MAX} characters", param="reason")
        with self.store.changing() as change:
            row = _app(change, app)
            release = _release(change, app, number)
            if verdict != "comment":
                check_reviewer(change, row, release, actor, verdict == "approve")
            made = Decision(app, number, actor.id, actor.name, verdict, reason, self._clock.now_ns())
            change.put_decision(made)
            change.record(self._entry(actor, verdict, str(release), app, reason, {}))
            return made

    def note(
        self, actor: Actor, action: str, subject: str, app: str | None, detail: JsonObject, reason: str = ""
    ) -> None:
        """Put on record what was done beside the registry: a drill, a seed."""
        with self.store.changing() as change:
            change.record(self._entry(actor, action, subject, app, reason, detail))

    # -- inside a change -----------------------------------------------------------------------------------------

    def _draft(self, reading: Reading, documents: Sequence[Artifact], actor: Actor) -> Draft:
        draft = Planner(reading, documents, self._clock.now_ns(), actor.id).draft()
        if draft.governed and not actor.has("admin"):
            for name in draft.governed:
                wrong = f"the review policy or the owners of app `{name}` would change"
                draft.faults.append(ConfigError(name, wrong, "an admin applies this"))
        if not draft.faults:
            draft.faults += self._check(completed(reading, documents))
        return draft

    def _held(self, reading: Reading, draft: Draft, actor: Actor) -> dict[str, list[str]]:
        """Channel moves that do not happen yet, and what each of them misses."""
        held: dict[str, list[str]] = {}
        rows = {row.name: row for row, _ in draft.apps}
        new = {(one.app, one.source.number): one for one in draft.releases}
        kept = {(one.app, one.source.number): one for one in reading.releases()}
        for move in draft.moves:
            row = rows.get(move.app) or _app(reading, move.app)
            missing = [] if actor.has("operator") else ["an operator (`headgate promote`)"]
            for number in channel_releases(move.target):
                release = new.get((move.app, number)) or kept[move.app, number]
                missing += standing(reading, row, release, move.channel, self._clock.now_ns()).missing
            if missing:
                held[f"{move.app}:{move.channel}"] = list(dict.fromkeys(missing))
        return held

    def _write(self, change: Change, draft: Draft, actor: Actor, reason: str) -> None:
        now_ns = self._clock.now_ns()
        held = self._held(change, draft, actor)
        for artifact in draft.artifacts:
            change.put_artifact(artifact, now_ns, actor.id)
            change.record(self._entry(actor, "add", str(artifact.ref), None, reason, {"digest": artifact.ref.digest}))
        for row, document in draft.apps:
            known = change.app(row.name)
            was = {} if known is None else known.declared
            declared = {
                channel: was.get(channel) if f"{row.name}:{channel}" in held else target
                for channel, target in row.declared.items()
            }
            told_of = {channel: target for channel, target in declared.items() if target is not None}
            change.put_app(msgspec.structs.replace(row, declared=told_of))
            if known is None or known.settings != row.settings:
                change.record(self._entry(actor, "app", row.name, row.name, reason, {"digest": document.ref.digest}))
        for release in draft.releases:
            change.put_release(release)
            pins = msgspec.to_builtins(release.source)
            change.record(
                self._entry(
                    actor, "release", str(release), release.app, release.source.message or reason, {"pins": pins}
                )
            )

    def _move(self, change: Change, actor: Actor, action: str, made: ChannelRow, reason: str) -> ChannelTarget | None:
        earlier = next((row.target for row in change.channels(made.app) if row.channel == made.channel), None)
        change.put_channel(made)
        detail: JsonObject = {"before": msgspec.to_builtins(earlier), "after": msgspec.to_builtins(made.target)}
        change.record(self._entry(actor, action, f"{made.app}:{made.channel}", made.app, reason, detail))
        return earlier

    def _check_pins(self, reading: Reading, source: ReleaseSource) -> None:
        for kind, wanted in source.pins:
            name, _, number = wanted.partition("@")
            version = exact(reading, kind, name, number)
            if version.fate != "active":
                raise InvalidRequest(f"{version.ref} is {version.fate}: {version.why}")

    def _check_live(self, reading: Reading, release: ReleaseRow, refused: Sequence[Fate]) -> None:
        """Raises InvalidRequest where a release pins a version that may not go live."""
        for kind, wanted in release.source.pins:
            name, _, number = wanted.partition("@")
            version = exact(reading, kind, name, number)
            if version.fate in refused:
                raise InvalidRequest(f"{release} pins {version.ref}, which is {version.fate}: {version.why}")

    def _entry(
        self, actor: Actor, action: str, subject: str, app: str | None, reason: str, detail: JsonObject
    ) -> Entry:
        return Entry(self._clock.now_ns(), actor.id, actor.name, action, subject, app, reason, detail)


def _app(reading: Reading, name: str) -> AppRow:
    row = reading.app(name)
    if row is None:
        known = ", ".join(one.name for one in reading.apps()) or "none yet"
        raise NotFound(f"there is no app `{name}`; there is {known}")
    return row


def _release(reading: Reading, app: str, number: int) -> ReleaseRow:
    kept = reading.releases(app)
    found = next((row for row in kept if row.source.number == number), None)
    if found is None:
        known = ", ".join(f"#{row.source.number}" for row in kept[-10:]) or "none"
        raise NotFound(f"there is no release {app}#{number}; the last are {known}")
    return found


def _channel(reading: Reading, app: str, channel: str) -> ChannelRow:
    rows = reading.channels(app)
    found = next((row for row in rows if row.channel == channel), None)
    if found is None:
        raise NotFound(f"app `{app}` has no channel `{channel}`; it has {', '.join(r.channel for r in rows) or 'none'}")
    return found


def _alone(row: AppRow, release: ReleaseRow) -> Artifact:
    """An app with this one release on its default channel, to see whether it compiles."""
    channel = ChannelRow(row.name, default_channel(row), release.source.number, 0, "")
    return app_document(row, [release], [channel])
