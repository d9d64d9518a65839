"""Who may let a release go live: the review policy of an app held against what was said of the release."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.apps import AppSource, CasesSource, ChannelTarget, ReviewSource, channel_releases, settings_of
from headgate.core.errors import Forbidden
from headgate.core.handlers import Actor
from headgate.core.registry import AppRow, Decision, Entry, Reading, ReleaseRow
from headgate.core.types import Json, JsonObject

DAY_NS = 86_400_000_000_000
DRILL = "rollback_drill"
TESTED = "test"
DIGEST_CHARS_MIN = 12
MOVES = ("promote", "rollback", "declare", "experiment")


def review_of(app: AppRow) -> ReviewSource | None:
    """The review policy that an app's document states."""
    stated = app.settings.get("review")
    return None if stated is None else msgspec.convert(stated, ReviewSource)


class Standing(msgspec.Struct, frozen=True):
    """Where a release stands before a protected channel: `missing` says in words what is not there yet."""

    approved_by: list[str]
    blocked_by: list[str]
    needed: int
    missing: list[str]


def standing(reading: Reading, app: AppRow, release: ReleaseRow, channel: str, now_ns: int) -> Standing:
    """What is still missing for the release to go live on the channel; nothing where the channel is not protected."""
    policy = review_of(app)
    if policy is None or channel not in policy.protected:
        return Standing([], [], 0, [])
    last: dict[str, Decision] = {}
    for decision in reading.decisions(app.name, release.source.number):
        if decision.verdict != "comment":
            last[decision.actor] = decision
    approved = [one.actor_name for one in last.values() if one.verdict == "approve"]
    blocked = [one for one in last.values() if one.verdict != "approve"]
    missing: list[str] = []
    if len(approved) < policy.approvals:
        who = f" of {', '.join(policy.by)}" if policy.by else ""
        short = policy.approvals - len(approved)
        missing.append(f"{short} more approval{'s' if short > 1 else ''}{who}")
    words = {"reject": "rejected it", "request_changes": "asked for changes"}
    missing += [f"{one.actor_name} {words[one.verdict]}: {one.reason}" for one in blocked]
    if policy.drill is not None and not _drilled(reading, app.name, policy, now_ns):
        missing.append(f"a rollback drill on {policy.drill.channel} within {policy.drill.days:g} days")
    if policy.tests is not None:
        missing += _untested(reading, release, policy.tests, now_ns)
    return Standing(approved, [one.actor_name for one in blocked], policy.approvals, missing)


def check_reviewer(reading: Reading, app: AppRow, release: ReleaseRow, actor: Actor, approving: bool) -> None:
    """Raises Forbidden where the actor's word does not count for this app, or is about their own work."""
    policy = review_of(app)
    if policy is None:
        return
    if policy.by and actor.name not in policy.by and actor.id not in policy.by:
        raise Forbidden(f"{app.name} is reviewed by {', '.join(policy.by)}; you are {actor.name}")
    if approving and not policy.self_approval:
        own = _own_work(reading, release, actor)
        if own is not None:
            raise Forbidden(f"you made {own}: somebody else approves {release}")


def served_before(entries: Sequence[Entry], number: int) -> bool:
    """Whether a channel's log says that the release was live on it: going back to it needs no new approval."""
    return any(number in _numbers(entry.detail.get("after")) for entry in entries if entry.action in MOVES)


def weakened(app: AppRow, source: AppSource) -> bool:
    """Whether a document changes the review policy or the owners of an app that has a policy."""
    if review_of(app) is None:
        return False
    after = settings_of(msgspec.to_builtins(source))
    before = settings_of(
        msgspec.to_builtins(msgspec.convert({**app.settings, "releases": [], "channels": {}}, AppSource))
    )
    return any(before.get(key) != after.get(key) for key in ("review", "owners"))


def _own_work(reading: Reading, release: ReleaseRow, actor: Actor) -> str | None:
    """What of a release the actor made, but for versions that were live before: the release, or a version in it."""
    if release.created_by == actor.id:
        return str(release)
    live: set[tuple[str, str]] = set()
    numbers = {number for row in reading.channels(release.app) for number in channel_releases(row.target)}
    for row in reading.releases(release.app):
        if row.source.number in numbers and row.source.number != release.source.number:
            live.update(row.source.pins)
    for kind, wanted in release.source.pins:
        name, _, number = wanted.partition("@")
        if (kind, wanted) in live:
            continue
        for version in reading.versions(kind, [name]):
            if version.ref.version == number and version.created_by == actor.id:
                return str(version.ref)
    return None


def _drilled(reading: Reading, app: str, policy: ReviewSource, now_ns: int) -> bool:
    drill = policy.drill
    assert drill is not None
    since_ns = now_ns - round(drill.days * DAY_NS)
    return any(
        entry.action == DRILL and entry.detail.get("passed") is True and entry.at_ns >= since_ns
        for entry in reading.entries(app, f"{app}:{drill.channel}", 1000)
    )


def _untested(reading: Reading, release: ReleaseRow, wanted: CasesSource, now_ns: int) -> list[str]:
    """What the latest test of the release with the cases wanted lacks; an earlier, better one does not count."""
    since_ns = now_ns - round(wanted.days * DAY_NS)
    command = f"`headgate test {release.app} --release {release.source.number} --cases FILE`"
    for entry in reading.entries(release.app, str(release), 1000):
        detail = entry.detail
        if entry.action != TESTED or entry.at_ns < since_ns or not _same_cases(wanted.cases, detail):
            continue
        rate = detail.get("rate")
        if isinstance(rate, int | float) and rate >= wanted.min_pass:
            return []
        told = f"{rate:.1%}" if isinstance(rate, int | float) else "no rate"
        return [
            f"a test with cases {wanted.cases} that {wanted.min_pass:.1%} pass; the latest came to {told} ({command})"
        ]
    return [f"a test with cases {wanted.cases} within {wanted.days:g} days ({command})"]


def _same_cases(wanted: str, detail: JsonObject) -> bool:
    kept = str(detail.get("digest", ""))
    return detail.get("cases") == wanted or (len(wanted) >= DIGEST_CHARS_MIN and kept.startswith(wanted))


def _numbers(target: Json) -> list[int]:
    """Release numbers of a channel's target as the log keeps it."""
    return [] if target is None else channel_releases(msgspec.convert(target, ChannelTarget))
