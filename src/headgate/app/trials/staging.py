"""What is put on trial: a prompt's versions, with the route and guardrail that they are tried with, as snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from headgate.app.config import Config
from headgate.app.registry import RegistryHost
from headgate.app.trials.views import TrialRequest
from headgate.core.apps import TRIAL_CHANNEL, ReleaseSource, channel_releases, settings_of
from headgate.core.artifact import Artifact, digest
from headgate.core.errors import ConfigError, InvalidRequest, NotFound
from headgate.core.registry import AppRow, Reading, Version
from headgate.core.snapshot import Release, Snapshot
from headgate.core.types import ArtifactRef, Json, JsonObject, as_object
from headgate.registry import APP_KIND, artifacts, completed, default_channel, exact, of_channel, parse_address

TRIAL_APP = "trial"
_OF_PRODUCTION = ("cache", "when_down", "review", "default_channel")  # settings that a trial does without


class Side(msgspec.Struct, frozen=True):
    """One version on trial, and the documents that it needs beside it. `kept`: it is in the registry."""

    prompt: Artifact
    beside: list[Artifact]
    kept: bool

    @property
    def pin(self) -> str:
        """`support@1.4.2`."""
        return f"{self.prompt.ref.name}@{self.prompt.ref.version}"

    @property
    def inputs(self) -> JsonObject:
        """The schema of its variables."""
        return as_object(self.prompt.content.get("inputs")) or {}

    @property
    def partials(self) -> dict[str, Artifact]:
        """What it includes, by `name@1.0.0`."""
        return {f"{one.ref.name}@{one.ref.version}": one for one in self.beside if one.ref.kind == "partial"}


class Lent(msgspec.Struct, frozen=True):
    """What a trial runs with: the app that lends it (None: none does), `name@1.0.0` of route and guardrail, and the
    documents that are made for it."""

    app: AppRow | None
    route: str
    guardrail: str | None
    made: list[Artifact]


def sides(reading: Reading, request: TrialRequest) -> list[Side]:
    """The version under trial, and the one that it is held against. Raises NotFound, InvalidRequest."""
    if request.documents:
        first = _offered(reading, request)
    elif request.prompt:
        first = _kept(reading, request.prompt)
    else:
        raise InvalidRequest("say which: `prompt`, or `documents` with one", param="prompt")
    if request.against is None:
        return [first]
    return [first, _kept(reading, _against(reading, request, request.against, first.prompt))]


def lent(reading: Reading, request: TrialRequest, prompt: Artifact) -> Lent:
    """Route and guardrail: those named, else those of the app's live release. Raises NotFound, InvalidRequest."""
    row, live = _app(reading, request, prompt)
    guardrail = request.guardrail or (None if live is None else live.guardrail)
    made: list[Artifact] = []
    if request.model is not None:
        made.append(model_route(request.model))
        route = f"{TRIAL_APP}@0.0.0"
    elif request.route is not None:
        route = _pinned(reading, "route", request.route)
    elif live is not None:
        route = live.route
    else:
        raise InvalidRequest(
            f"no app serves prompt `{prompt.ref.name}` now: name an `app` to borrow a route from, or a `model`",
            param="app",
        )
    return Lent(row, route, None if guardrail is None else _pinned(reading, "guardrail", guardrail), made)


def staged(host: RegistryHost, reading: Reading, side: Side, with_: Lent) -> tuple[Config, Snapshot]:
    """The snapshot in which app `trial` answers with one side alone. Raises InvalidRequest for what does not compile,
    ConfigError for a configuration that cannot be read."""
    source = ReleaseSource(1, with_.route, side.pin, {}, with_.guardrail)
    settings: JsonObject = {"owners": [TRIAL_APP]} if with_.app is None else with_.app.settings
    app = app_of(TRIAL_APP, settings, source)
    config, compiled = host.compile(reading, [side.prompt, *side.beside, *with_.made, app])
    if compiled.snapshot is None:
        raise refused(compiled.faults)
    return config, on_trial(compiled.snapshot, TRIAL_APP)


def model_route(model: str) -> Artifact:
    """The route `trial@0.0.0`, over one model (`provider/model`)."""
    content: JsonObject = {"targets": [model]}
    return Artifact(ArtifactRef("route", TRIAL_APP, "0.0.0", digest(content)), content, file="model")


def servable(reading: Reading, source: ReleaseSource, what: str) -> None:
    """Raises InvalidRequest where a release pins a version that was revoked: that is served to nobody."""
    for kind, pin in source.pins:
        name, _, number = pin.partition("@")
        _not_revoked(exact(reading, kind, name, number), what)


def _not_revoked(version: Version, what: str) -> None:
    if version.fate == "revoked":
        raise InvalidRequest(f"{what}: {version.ref} is revoked: {version.why}")


def app_of(name: str, settings: Mapping[str, Json], source: ReleaseSource) -> Artifact:
    """An app with one release, live on its default channel."""
    kept = {key: value for key, value in settings_of(dict(settings)).items() if key not in _OF_PRODUCTION}
    content: JsonObject = {
        **kept, "releases": [msgspec.to_builtins(source)], "channels": {"production": source.number},
    }  # fmt: skip
    return Artifact(ArtifactRef(APP_KIND, name, "", digest(content)), content, file=f"app {name}")


def on_trial(snapshot: Snapshot, app: str) -> Snapshot:
    """The snapshot with the app's one release on the trial channel. Nothing stands in for a provider, so that no
    answer is one that was given before; prompts are not looked for."""
    compiled = snapshot.apps[app]
    release: Release = compiled.channels[compiled.default_channel]
    tried = msgspec.structs.replace(
        compiled, channels={TRIAL_CHANNEL: release}, splits={}, default_channel=TRIAL_CHANNEL, stand_ins=None
    )
    return msgspec.structs.replace(snapshot, apps={app: tried}, discovery=False)


def refused(faults: Sequence[ConfigError]) -> InvalidRequest:
    """The first mistake, as the caller's."""
    first = faults[0]
    return InvalidRequest(f"{first.where}: {first.wrong} ({first.right})")


def live_release(reading: Reading, row: AppRow) -> ReleaseSource | None:
    """What an app's default channel serves; on a split, the control. None where nothing is live."""
    target = next((one.target for one in reading.channels(row.name) if one.channel == default_channel(row)), None)
    if target is None:
        return None
    number = channel_releases(target)[0]
    return next(one.source for one in reading.releases(row.name) if one.source.number == number)


def app_named(reading: Reading, name: str) -> AppRow:
    """One app. Raises NotFound telling which there are."""
    row = reading.app(name)
    if row is None:
        known = ", ".join(one.name for one in reading.apps()) or "none yet"
        raise NotFound(f"there is no app `{name}`; there is {known}")
    return row


def _app(reading: Reading, request: TrialRequest, prompt: Artifact) -> tuple[AppRow | None, ReleaseSource | None]:
    """The app that lends, and its live release: the one named, else the only one that serves this prompt."""
    if request.app is not None:
        row = app_named(reading, request.app)
        live = live_release(reading, row)
        if live is None and request.model is None and request.route is None:
            raise InvalidRequest(f"nothing of app `{row.name}` is live: name a `route` or a `model`", param="app")
        return row, live
    serving: list[tuple[AppRow, ReleaseSource]] = []
    for row in reading.apps():
        live = live_release(reading, row)
        if live is not None and any(pin.partition("@")[0] == prompt.ref.name for pin in live.named_prompts.values()):
            serving.append((row, live))
    if len(serving) == 1:
        return serving[0]
    if len(serving) > 1 and request.model is None and request.route is None:
        names = ", ".join(row.name for row, _ in serving)
        raise InvalidRequest(f"prompt `{prompt.ref.name}` is live in {names}: say which `app`", param="app")
    return None, None


def _against(reading: Reading, request: TrialRequest, wanted: str, prompt: Artifact) -> str:
    """The address of the version to hold a prompt against: `1.4`, `name@1.4`, or what a channel of the app serves."""
    name = prompt.ref.name
    if "@" in wanted:
        return wanted
    if wanted[:1].isdigit():
        return f"{name}@{wanted}"
    row, live = _app(reading, request, prompt)
    if row is None:
        raise InvalidRequest(f"`{wanted}` is no version; where it is a channel, name its `app`", param="against")
    slots = {} if live is None else live.named_prompts
    slot = next((slot for slot, pin in slots.items() if pin.partition("@")[0] == name), None)
    version = of_channel(reading, row.name, wanted, slot)
    return f"{version.ref.name}@{version.ref.version}"


def prompt_kept(reading: Reading, address: str) -> Artifact:
    """A prompt in the registry. Raises NotFound, InvalidRequest for another kind or one that was revoked."""
    kind, name, wanted = parse_address(address)
    if kind != "prompt":
        raise InvalidRequest(f"`{address}` is a {kind}: only prompts are tried", param="prompt")
    version = exact(reading, kind, name, wanted)
    _not_revoked(version, address)
    artifact = reading.artifact(kind, name, version.ref.version)
    assert artifact is not None
    return artifact


def _kept(reading: Reading, address: str) -> Side:
    artifact = prompt_kept(reading, address)
    return Side(artifact, completed(reading, [artifact])[1:], True)


def _offered(reading: Reading, request: TrialRequest) -> Side:
    offered, faults = artifacts(request.documents)
    if faults:
        raise refused(faults)
    prompts = [one for one in offered if one.ref.kind == "prompt"]
    if len(prompts) != 1:
        told = ", ".join(str(one.ref) for one in prompts) or "none"
        raise InvalidRequest(f"a trial takes one prompt, and these documents hold {told}", param="documents")
    beside = [one for one in offered if one.ref.kind == "partial"]
    return Side(prompts[0], completed(reading, [prompts[0], *beside])[1:], False)


def _pinned(reading: Reading, kind: str, address: str) -> str:
    _, name, wanted = parse_address(address, kind)
    found = exact(reading, kind, name, wanted)
    return f"{found.ref.name}@{found.ref.version}"
