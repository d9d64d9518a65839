"""Coverage: how many of the calls that reached a model used a registered prompt, and who did not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from headgate.core.discovery import OTHERS, PromptUse
from headgate.prompts.ports import PromptTexts, Uses
from headgate.prompts.skeleton import Skeleton

SHOWN_CHARS = 200
GROUPED, NO_SYSTEM, UNTOLD = "grouped", "no system prompt", "not grouped"


class AppCoverage(msgspec.Struct, frozen=True):
    """One app, or (app None) all models addressed by their own names. `share` is of calls that reached a model."""

    app: str | None
    calls: int
    registered: int
    share: float


class Offender(msgspec.Struct, frozen=True):
    """Calls without a registered prompt that have their template, app, key and model in common.

    `kind` is grouped, `no system prompt`, or `not grouped`: its text was not told of, or there was no room for it.
    `fingerprint` is what `headgate adopt` takes, `fingerprints` how many texts there were in the time. `text` is what
    they have in common, gaps as an ellipsis; None where it may not be seen. `call` is the latest.
    """

    kind: str
    fingerprint: str | None
    text: str | None
    fingerprints: int
    app: str | None
    model: str
    key_id: str
    key: str | None
    tenant: str
    calls: int
    last_ns: int
    call: str


class Coverage(msgspec.Struct, frozen=True):
    """`share` None: no call reached a model in the time. `since_ns` is the full hour that was counted from. `more` are
    offenders beyond those listed, and their calls."""

    since_ns: int
    until_ns: int
    calls: int
    registered: int
    share: float | None
    apps: list[AppCoverage]
    offenders: list[Offender]
    more: int
    more_calls: int


class _Alike(NamedTuple):
    """What calls of one offender have in common; `group` "" where they are in none."""

    kind: str
    group: str
    app: str | None
    model: str
    key_id: str
    tenant: str


class Coverages:
    """Makes the report. `key_names` tells what people call each key, by its id."""

    def __init__(self, texts: PromptTexts, uses: Uses, key_names: Callable[[], Mapping[str, str]]) -> None:
        self._texts = texts
        self._uses = uses
        self._key_names = key_names

    def report(self, scope: str, since_ns: int, until_ns: int, app: str | None, most: int) -> Coverage:
        """The coverage of a range of time; `most` offenders are listed. Raises StoreUnavailable."""
        uses = self._uses.prompt_use(scope, since_ns, until_ns, app)
        offenders = self._offenders(scope, [use for use in uses if use.prompt is None])
        calls = sum(use.calls for use in uses)
        registered = sum(use.calls for use in uses if use.prompt is not None)
        return Coverage(
            since_ns=since_ns,
            until_ns=until_ns,
            calls=calls,
            registered=registered,
            share=registered / calls if calls else None,
            apps=_apps(uses),
            offenders=offenders[:most],
            more=len(offenders[most:]),
            more_calls=sum(one.calls for one in offenders[most:]),
        )

    def _offenders(self, scope: str, uses: Sequence[PromptUse]) -> list[Offender]:
        members = self._texts.members(scope)
        alike: dict[_Alike, list[PromptUse]] = {}
        for use in uses:
            kind, group = NO_SYSTEM, ""
            if use.fingerprint is not None:
                group = members.get((use.tenant, use.fingerprint), "")
                kind = GROUPED if group else UNTOLD
            alike.setdefault(_Alike(kind, group, use.app, use.model, use.key_id, use.tenant), []).append(use)
        shown = self._shown({(key.tenant, key.group) for key in alike if key.group})
        names = self._key_names()
        found = [
            _offender(key, group, shown.get((key.tenant, key.group)), names.get(key.key_id))
            for key, group in alike.items()
        ]
        return sorted(found, key=lambda one: (-one.calls, one.kind, one.fingerprint or "", one.key_id, one.model))

    def _shown(self, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
        if not wanted:
            return {}
        return {
            (one.tenant, one.id): Skeleton(tuple(one.words), tuple(one.gaps)).shown(SHOWN_CHARS)
            for one in self._texts.groups()
            if (one.tenant, one.id) in wanted
        }


def _offender(alike: _Alike, uses: Sequence[PromptUse], text: str | None, key: str | None) -> Offender:
    last = max(uses, key=_last)
    return Offender(
        kind=alike.kind,
        fingerprint=alike.group or None,
        text=text,
        fingerprints=len({use.fingerprint for use in uses} - {None, OTHERS}),
        app=alike.app,
        model=alike.model,
        key_id=alike.key_id,
        key=key,
        tenant=alike.tenant,
        calls=sum(use.calls for use in uses),
        last_ns=last.last_ns,
        call=last.call,
    )


def _last(use: PromptUse) -> int:
    return use.last_ns


def _apps(uses: Sequence[PromptUse]) -> list[AppCoverage]:
    calls: dict[str | None, int] = {}
    registered: dict[str | None, int] = {}
    for use in uses:
        calls[use.app] = calls.get(use.app, 0) + use.calls
        registered[use.app] = registered.get(use.app, 0) + (use.calls if use.prompt is not None else 0)
    return [
        AppCoverage(app, calls[app], registered[app], registered[app] / calls[app])
        for app in sorted(calls, key=lambda name: (name is None, name or ""))
    ]
