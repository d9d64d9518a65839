"""What a name means: `support@1.4.2`, `support-v1.4.2`, `support@1.4`, `support`, or a channel of an app."""

from __future__ import annotations

from headgate.core.apps import DEFAULT_PROMPT, channel_releases
from headgate.core.errors import InvalidRequest, NotFound
from headgate.core.registry import Reading, Version
from headgate.registry.versions import newest, parse_version, split_name


def parse(address: str, default_kind: str = "prompt") -> tuple[str, str, str]:
    """(kind, name, version) of `kind/name@1.4`; the version may be empty: the newest. Raises InvalidRequest."""
    kind, mark, rest = address.rpartition("/")
    name, version = split_name(rest if mark else address)
    if not name:
        raise InvalidRequest(f"`{address}` names nothing: kind/name@MAJOR.MINOR.PATCH")
    return (kind if mark else default_kind), name, version or ""


def exact(reading: Reading, kind: str, name: str, wanted: str) -> Version:
    """The version that a full, partial or empty number means; retired ones only where they are named in full.

    Raises NotFound telling what there is.
    """
    kept = reading.versions(kind, [name])
    full = parse_version(wanted) is not None
    choice = [one.ref.version for one in kept if full or one.fate == "active"]
    found = newest(wanted, choice) if wanted else max(choice, key=lambda v: parse_version(v) or (0, 0, 0), default=None)
    for one in kept:
        if one.ref.version == found:
            return one
    known = ", ".join(one.ref.version for one in kept[-10:])
    if not kept:
        names = sorted({one.ref.name for one in reading.versions(kind)})[:20]
        raise NotFound(f"there is no {kind} `{name}`; there is {', '.join(names) or 'none yet'}")
    raise NotFound(
        f"there is no {kind} `{name}@{wanted}`; there is {known}" if wanted else f"no {kind} `{name}` is in use"
    )


def of_channel(reading: Reading, app: str, channel: str, prompt: str | None = None) -> Version:
    """The version of a prompt that an app's channel serves now; on a split, the control's. Raises NotFound."""
    target = next((row.target for row in reading.channels(app) if row.channel == channel), None)
    if target is None:
        known = ", ".join(row.channel for row in reading.channels(app)) or "none"
        raise NotFound(f"app `{app}` has no channel `{channel}`; it has {known}")
    number = channel_releases(target)[0]
    source = next(row.source for row in reading.releases(app) if row.source.number == number)
    prompts = source.named_prompts
    name = prompt or (DEFAULT_PROMPT if DEFAULT_PROMPT in prompts else next(iter(prompts), None))
    if name is None or name not in prompts:
        raise NotFound(
            f"{app}#{number} has no prompt `{name or DEFAULT_PROMPT}`; it has {', '.join(prompts) or 'none'}"
        )
    wanted, _, version = prompts[name].partition("@")
    return exact(reading, "prompt", wanted, version)
