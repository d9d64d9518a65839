"""A new release out of one that there is, with some pins others; and which release was live before."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.apps import ChannelTarget, ReleaseSource, SplitSource, channel_releases
from headgate.core.errors import InvalidRequest
from headgate.core.registry import AppRow, ChannelRow, Entry, Reading, ReleaseRow
from headgate.registry.resolve import exact


class Pins(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be another: `prompts` by their name within the app. A name alone or `name@1` means its newest."""

    prompts: dict[str, str] = {}
    route: str | None = None
    guardrail: str | None = None


def default_channel(row: AppRow) -> str:
    """The channel that an app answers on where none is asked for."""
    return str(row.settings.get("default_channel", "production"))


def base_of(reading: Reading, row: AppRow, kept: Sequence[ReleaseRow]) -> ReleaseSource | None:
    """The release that the default channel serves, else the last one."""
    live = next((one.target for one in reading.channels(row.name) if one.channel == default_channel(row)), None)
    number = None if live is None else channel_releases(live)[0]
    return next((one.source for one in kept if one.source.number == number), kept[-1].source if kept else None)


def with_pins(reading: Reading, base: ReleaseSource | None, pins: Pins, number: int, message: str) -> ReleaseSource:
    """The release after `base`. Raises NotFound for a version that there is not, InvalidRequest without any route."""
    prompts = {} if base is None else base.named_prompts
    prompts |= {name: _pin(reading, "prompt", wanted) for name, wanted in pins.prompts.items()}
    route = pins.route or (None if base is None else base.route)
    if route is None:
        raise InvalidRequest("the app has no release yet: name a route", param="route")
    guardrail = pins.guardrail or (None if base is None else base.guardrail)
    policy = None if guardrail is None else _pin(reading, "guardrail", guardrail)
    return ReleaseSource(number, _pin(reading, "route", route), None, prompts, policy, message)


def before(entries: Sequence[Entry], current: ChannelRow) -> int | None:
    """The release that was live before the present one went live; of a split, its control. `entries` newest first.

    Ways back are passed over: two rollbacks in a row go two releases back, not to and fro.
    """
    if isinstance(current.target, SplitSource):
        return current.target.arms[0].release
    for entry in entries:
        if entry.action != "rollback" and _first(entry.detail.get("after")) == current.target:
            earlier = _first(entry.detail.get("before"))
            if earlier != current.target:
                return earlier
    return None


def _first(target: object) -> int | None:
    return None if target is None else channel_releases(msgspec.convert(target, ChannelTarget))[0]


def _pin(reading: Reading, kind: str, wanted: str) -> str:
    name, _, version = wanted.partition("@")
    found = exact(reading, kind, name, version)
    return f"{found.ref.name}@{found.ref.version}"
