"""Which app, release and channel answer; pure over the call's snapshot."""

from __future__ import annotations

import hashlib

from headgate.core.apps import DEFAULT_PROMPT
from headgate.core.errors import ModelNotFound
from headgate.core.snapshot import App, Release, Split
from headgate.core.stages import Admitted, Asked, Selected
from headgate.dialects import DIALECTS

UNIT_CHARS = 16


class Releases:
    """Stateless: everything comes with the call."""

    def select(self, admitted: Admitted) -> Selected:
        """Reads the body just far enough to know who is asked. Raises InvalidRequest, ModelNotFound."""
        call = admitted.call
        asked = DIALECTS[call.dialect].ask(call.body, call.path_model, call.path_stream)
        record = call.record
        record.model_asked = asked.model
        record.stream = asked.stream
        snapshot = call.snapshot
        app_name, _, prompt = asked.model.partition("/")
        app = snapshot.apps.get(app_name)
        if app is not None:
            return _of_app(admitted, asked, app, prompt)
        if asked.channel is not None:
            raise ModelNotFound(f"`{asked.model}` is not an app, so it has no channel `{asked.channel}`", param="model")
        route = snapshot.direct.route(asked.model)
        if route is None:
            raise ModelNotFound(
                f"there is no app and no model `{asked.model}`; GET /v1/models lists what is served", param="model"
            )
        return Selected(admitted, asked, route)


def _of_app(admitted: Admitted, asked: Asked, app: App, prompt: str) -> Selected:
    channel = asked.channel or app.default_channel
    release = app.channels.get(channel)
    if release is None:
        known = ", ".join(sorted(app.channels))
        raise ModelNotFound(f"app `{app.name}` has no channel `{channel}`; it has {known}", param="headgate.channel")
    record = admitted.call.record
    record.app = app.name
    record.channel = channel
    split = app.splits.get(channel)
    if split is not None:
        release = _on_a_side(admitted, asked, split) or release
    record.release = str(release)
    return Selected(admitted, asked, release.route, app, release, _prompt(app, release, prompt))


def _on_a_side(admitted: Admitted, asked: Asked, split: Split) -> Release | None:
    """The side of the unit that asks, its exposure on record; None where the unit is not told: it is not exposed."""
    record = admitted.call.record
    record.experiment = split.experiment
    unit = _unit(admitted, asked, split.unit)
    if unit is None:
        return None
    release = split.arm_of(unit)
    record.arm = release.number
    salted = f"{split.layout.salt}\0{unit}".encode("utf-8", "surrogatepass")
    record.unit = hashlib.sha256(salted).hexdigest()[:UNIT_CHARS]
    return release


def _unit(admitted: Admitted, asked: Asked, kind: str) -> str | None:
    """Whom a split keeps on one side. Tenants are kept apart: two of them may call their users by one name."""
    tenant = admitted.key.tenant
    if kind == "call":
        return admitted.call.id
    if kind == "tenant":
        return tenant
    told = asked.session if kind == "session" else asked.user or DIALECTS[admitted.call.dialect].end_user(asked)
    return f"{tenant}\0{told}" if told else None


def _prompt(app: App, release: Release, wanted: str) -> str | None:
    """The prompt's name within the app; an app's only prompt needs no name."""
    if wanted:
        if wanted not in release.prompts:
            known = ", ".join(sorted(release.prompts)) or "none"
            raise ModelNotFound(f"{release} has no prompt `{wanted}`; it has {known}", param="model")
        return wanted
    if DEFAULT_PROMPT in release.prompts:
        return DEFAULT_PROMPT
    if len(release.prompts) > 1:
        known = ", ".join(f"{app.name}/{name}" for name in sorted(release.prompts))
        raise ModelNotFound(f"app `{app.name}` holds several prompts; ask for one of {known}", param="model")
    return next(iter(release.prompts), None)
