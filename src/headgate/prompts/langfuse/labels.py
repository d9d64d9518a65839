"""Langfuse's labels: the channels that serve a prompt version, `latest`, and the version itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from headgate.core.apps import DEFAULT_PROMPT, AppSource, channel_releases
from headgate.core.errors import NotFound
from headgate.core.registry import Reading, Version

Exact = Callable[[Reading, str, str, str], Version]  # (reading, kind, name, full, partial or empty version)

LATEST = "latest"
APP_MARK = ":"  # `support:production`


class Served(msgspec.Struct, frozen=True):
    """A channel that serves a version of a prompt: the control's, where it is split. `called` is the prompt's name
    within the app."""

    app: str
    channel: str
    called: str
    prompt: str
    version: str
    default: bool


def channels_of(reading: Reading, app: str | None = None) -> list[Served]:
    """What every channel of one app, or of all, serves."""
    sources = {(row.app, row.source.number): row.source for row in reading.releases(app)}
    apps = [row for row in [reading.app(app)] if row is not None] if app is not None else reading.apps()
    default = {
        row.name: msgspec.convert({**row.settings, "releases": [], "channels": {}}, AppSource).default_channel
        for row in apps
    }
    found: list[Served] = []
    for row in reading.channels(app):
        source = sources[row.app, channel_releases(row.target)[0]]
        for called, pinned in source.named_prompts.items():
            name, _, version = pinned.partition("@")
            here = row.channel == default[row.app]
            found.append(Served(row.app, row.channel, called, name, version, here))
    return found


def by_prompt(served: Sequence[Served]) -> dict[str, list[Served]]:
    """The channels of each prompt."""
    found: dict[str, list[Served]] = {}
    for one in served:
        found.setdefault(one.prompt, []).append(one)
    return found


def home_of(name: str, served: Sequence[Served]) -> str | None:
    """The app whose channels are a prompt's labels: the one of its name, or the only one that uses it."""
    apps = {one.app for one in served if one.prompt == name}
    if name in apps:
        return name
    return next(iter(apps)) if len(apps) == 1 else None


def labels_of(name: str, version: str, served: Sequence[Served], newest: str | None) -> list[str]:
    """Every label by which a version can be asked for."""
    home = home_of(name, served)
    serving = [one for one in served if (one.prompt, one.version) == (name, version)]
    labels = [one.channel for one in serving if one.app == home]
    labels += [f"{one.app}{APP_MARK}{one.channel}" for one in serving]
    return list(dict.fromkeys([*labels, *([LATEST] if version == newest else []), version]))


def by_channel(name: str, label: str | None, served: Sequence[Served]) -> str:
    """The version that a channel serves; `label` None: the app's default channel. Raises NotFound telling why."""
    app, mark, channel = (label or "").rpartition(APP_MARK)
    home = app if mark else home_of(name, served)
    using = [one for one in served if one.prompt == name]
    if home is None:
        apps = sorted({one.app for one in using})
        if not apps:
            raise NotFound(f"no channel serves the prompt `{name}`: ask for the label `{LATEST}` or a version")
        told = ", ".join(f"{one}{APP_MARK}{channel or 'production'}" for one in apps[:10])
        raise NotFound(f"{len(apps)} apps use the prompt `{name}`: say whose channel in the label: {told}")
    wanted = [one for one in using if one.app == home and (one.default if not channel else one.channel == channel)]
    # within the app it may have several names; the one it is called by most plainly is meant
    wanted.sort(key=lambda one: (one.called != DEFAULT_PROMPT, one.called != name))
    if not wanted:
        known = ", ".join(sorted({one.channel for one in using if one.app == home})) or "none"
        raise NotFound(f"app `{home}` has no channel `{channel or 'default'}` with the prompt `{name}`; it has {known}")
    return wanted[0].version


def by_address(address: str, label: str | None, served: Sequence[Served]) -> Served | None:
    """`support/summarise`: what an app calls a prompt; None where no app has that name. Raises NotFound."""
    app, _, called = address.partition("/")
    using = [one for one in served if one.app == app and one.called == called]
    if not using:
        return None
    found = next((one for one in using if (one.channel == label if label else one.default)), None)
    if found is None:
        known = ", ".join(sorted({one.channel for one in using}))
        raise NotFound(f"app `{app}` has no channel `{label or 'default'}` with `{called}`; it has {known}")
    return found
