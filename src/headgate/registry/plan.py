"""What documents would change in the registry: computed in one transaction, by `plan` and by `apply` alike."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.apps import AppSource, ChannelTarget, ReleaseSource, channel_releases, settings_of
from headgate.core.artifact import Artifact, canonical, digest
from headgate.core.decode import read
from headgate.core.errors import ConfigError
from headgate.core.registry import AppRow, Reading, ReleaseRow, Version
from headgate.core.types import Json
from headgate.registry.contracts import BUMPS, Bump, least_step, next_version, step_between
from headgate.registry.ownership import check_app, check_version
from headgate.registry.reviews import review_of, weakened
from headgate.registry.versions import parse_version

APP_KIND = "app"


class Planned(msgspec.Struct, frozen=True):
    """One change. `action`: add (a version), app, release, channel. `needs` is the least step of the version, `makes`
    the one it makes; `apps` it reaches; `review` what a protected channel asks for before it happens."""

    action: str
    subject: str
    what: str
    needs: Bump | None = None
    makes: Bump | None = None
    reasons: list[str] = []
    apps: list[str] = []
    review: str | None = None
    file: str = ""


class Move(msgspec.Struct, frozen=True):
    """A channel that a document points somewhere else than it last said."""

    app: str
    channel: str
    target: ChannelTarget


class Draft(msgspec.Struct):
    """Everything that documents would change, ready to be written. `faults` keep it from being written."""

    changes: list[Planned] = []
    faults: list[ConfigError] = []
    artifacts: list[Artifact] = []
    apps: list[tuple[AppRow, Artifact]] = []
    releases: list[ReleaseRow] = []
    moves: list[Move] = []
    governed: list[str] = []  # apps whose review policy or owners would change


class Planner:
    """Holds documents against what is kept. Mistakes are collected, so that one run tells all of them."""

    def __init__(self, reading: Reading, documents: Sequence[Artifact], now_ns: int, actor: str) -> None:
        self._reading = reading
        self._now_ns = now_ns
        self._actor = actor
        self._documents = documents
        self._draft = Draft()
        artifacts = [one for one in documents if one.ref.kind != APP_KIND]
        self._kept: dict[tuple[str, str], dict[str, Version]] = {}
        for version in reading.versions(names=[one.ref.name for one in artifacts]):
            self._kept.setdefault((version.ref.kind, version.ref.name), {})[version.ref.version] = version
        self._given: dict[tuple[str, str], dict[str, Artifact]] = {}
        for one in artifacts:
            self._given.setdefault((one.ref.kind, one.ref.name), {})[one.ref.version] = one
        self._reach = _reach(reading, documents)

    def draft(self) -> Draft:
        """All changes, artifacts first, in the order of the documents."""
        for document in self._documents:
            try:
                if document.ref.kind == APP_KIND:
                    self._app(document)
                else:
                    self._artifact(document)
            except ConfigError as error:
                self._draft.faults.append(error)
        return self._draft

    def _artifact(self, made: Artifact) -> None:
        ref = made.ref
        kept = self._kept.get((ref.kind, ref.name), {}).get(ref.version)
        if kept is not None:
            if kept.ref.digest != ref.digest:
                what = f"{ref} is kept with other content (digest {kept.ref.digest[:12]}, here {ref.digest[:12]})"
                raise made.fault("version", what, "a version never changes: give this content the next number")
            return
        check_version(made)
        before = self._before(made)
        if before is None:
            change = Planned("add", str(ref), "the first version", apps=self._apps(ref.kind, ref.name), file=made.file)
        else:
            change = self._step(before, made)
        self._draft.artifacts.append(made)
        self._draft.changes.append(change)

    def _step(self, before: Artifact, made: Artifact) -> Planned:
        """A version after another. Raises ConfigError where its number makes too small a step."""
        step, makes = least_step(before, made), step_between(before.ref.version, made.ref.version)
        if BUMPS.index(makes) < BUMPS.index(step.bump):
            right = f"{next_version(before.ref.version, step.bump)} or later: " + "; ".join(step.reasons)
            wrong = f"{made.ref} is a {makes} step from {before.ref.version}, and the change needs a {step.bump} one"
            raise made.fault("version", wrong, right)
        return Planned(
            "add", str(made.ref), f"after {before.ref.version}", step.bump, makes, step.reasons,
            self._apps(made.ref.kind, made.ref.name), file=made.file,
        )  # fmt: skip

    def _before(self, made: Artifact) -> Artifact | None:
        """The version just below: what this one's step is measured from."""
        ref = made.ref
        mine = parse_version(ref.version)
        if mine is None:
            raise made.fault("version", f"`{ref.version}` is no version", "MAJOR.MINOR.PATCH, such as 1.4.2")
        given = self._given[(ref.kind, ref.name)]
        known = {*self._kept.get((ref.kind, ref.name), {}), *given}
        below = max((v for v in map(parse_version, known) if v is not None and v < mine), default=None)
        if below is None:
            return None
        version = ".".join(map(str, below))
        return given.get(version) or self._reading.artifact(ref.kind, ref.name, version)

    def _apps(self, kind: str, name: str) -> list[str]:
        return sorted(self._reach.get((kind, name), ()))

    def _app(self, made: Artifact) -> None:
        name = made.ref.name
        source = read(made, AppSource)
        kept = self._reading.app(name)
        check_app(made, source)
        settings = settings_of(made.content)
        if kept is None or canonical(kept.settings) != canonical(settings):
            what = "a new app" if kept is None else _changed_keys(kept.settings, settings)
            self._draft.changes.append(Planned("app", name, what, apps=[name], file=made.file))
            if kept is not None and weakened(kept, source):
                self._draft.governed.append(name)
        self._releases(made, source)
        declared = dict(kept.declared) if kept is not None else {}
        row = AppRow(name, settings, {**declared, **source.channels}, self._now_ns, self._actor)
        self._moves(made, source, row, declared)
        if kept is None or canonical(kept.settings) != canonical(settings) or row.declared != declared:
            self._draft.apps.append((row, made))

    def _releases(self, made: Artifact, source: AppSource) -> None:
        kept = {row.source.number: row for row in self._reading.releases(made.ref.name)}
        for index, one in enumerate(source.releases):
            at = f"releases.{index}"
            if one.number in kept:
                if release_digest(kept[one.number].source) != release_digest(one):
                    wrong = f"release {made.ref.name}#{one.number} is kept with other pins"
                    raise made.fault(at, wrong, "a release never changes: give this one the next number")
                continue
            self._check_pins(made, at, one)
            self._draft.releases.append(ReleaseRow(made.ref.name, one, self._now_ns, self._actor))
            pins = ", ".join(wanted for _, wanted in one.pins)
            subject = f"{made.ref.name}#{one.number}"
            self._draft.changes.append(Planned("release", subject, pins, apps=[made.ref.name], file=made.file))

    def _check_pins(self, made: Artifact, at: str, one: ReleaseSource) -> None:
        """Raises ConfigError where a release pins what is not there, or what was taken out of use."""
        for kind, wanted in one.pins:
            name, _, version = wanted.partition("@")
            if version in self._given.get((kind, name), {}):
                continue
            kept = next((v for v in self._reading.versions(kind, [name]) if v.ref.version == version), None)
            if kept is None:
                have = [v.ref.version for v in self._reading.versions(kind, [name])] + [
                    *self._given.get((kind, name), {})
                ]
                right = f"one of: {', '.join(f'{name}@{v}' for v in sorted(have))}" if have else f"add {kind} `{name}`"
                raise made.fault(at, f"there is no {kind} `{wanted}`", right)
            if kept.fate != "active":
                raise made.fault(at, f"{kept.ref} is {kept.fate}: {kept.why}", "pin another version")

    def _moves(self, made: Artifact, source: AppSource, row: AppRow, declared: dict[str, ChannelTarget]) -> None:
        """Channels whose line in the document changed since it was applied last: an old line undoes no rollback."""
        served = {one.channel: one.target for one in self._reading.channels(row.name)}
        numbers = {one.number for one in source.releases} | {
            one.source.number for one in self._reading.releases(row.name)
        }
        policy = review_of(row)
        for channel, target in source.channels.items():
            for number in channel_releases(target):
                if number not in numbers:
                    known = ", ".join(map(str, sorted(numbers)))
                    raise made.fault(f"channels.{channel}", f"there is no release {number}", f"one of: {known}")
            if declared.get(channel) == target or served.get(channel) == target:
                continue
            asks = policy.approvals if policy is not None and channel in policy.protected else 0
            before = served.get(channel)
            self._draft.moves.append(Move(row.name, channel, target))
            self._draft.changes.append(
                Planned(
                    "channel", f"{row.name}:{channel}", f"{told(before)} -> {told(target)}", apps=[row.name],
                    review=f"{asks} approval{'s' if asks > 1 else ''}" if asks else None, file=made.file,
                )
            )  # fmt: skip


def told(target: ChannelTarget | None) -> str:
    """Where a channel points, in words: `#3`, or `#3 50% / #4 50%`."""
    if target is None:
        return "nothing"
    if isinstance(target, int):
        return f"#{target}"
    return " / ".join(f"#{arm.release} {arm.share / 100:g}%" for arm in target.arms)


def release_digest(source: ReleaseSource) -> str:
    """What makes two releases the same: their pins."""
    pins: dict[str, Json] = {"prompts": dict(source.named_prompts), "route": source.route}
    return digest({**pins, "guardrail": source.guardrail})


def _changed_keys(before: dict[str, Json], after: dict[str, Json]) -> str:
    keys = sorted(key for key in {*before, *after} if canonical(before.get(key)) != canonical(after.get(key)))
    return f"{', '.join(keys)} changed"


def _reach(reading: Reading, documents: Sequence[Artifact]) -> dict[tuple[str, str], set[str]]:
    """Which apps pin some version of an artifact, in what is served or would be."""
    found: dict[tuple[str, str], set[str]] = {}
    live: dict[str, set[int]] = {}
    for row in reading.channels():
        live.setdefault(row.app, set()).update(channel_releases(row.target))
    for release in reading.releases():
        if release.source.number in live.get(release.app, ()):
            _note(found, release.app, release.source)
    for document in documents:
        if document.ref.kind == APP_KIND:
            try:
                source = msgspec.convert(document.content, AppSource)
            except msgspec.ValidationError:
                continue  # told with its place when the app is planned
            for one in source.releases:
                _note(found, document.ref.name, one)
    return found


def _note(found: dict[tuple[str, str], set[str]], app: str, source: ReleaseSource) -> None:
    for kind, wanted in source.pins:
        found.setdefault((kind, wanted.partition("@")[0]), set()).add(app)
