"""Configuration and workspace to the snapshot a worker serves from: every room compiles its own kind."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from headgate.app.config import Config
from headgate.app.models import dates_of, lives_of, models_of
from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError
from headgate.core.ports import Clock, Endpoint, Policy
from headgate.core.snapshot import App, Route, Snapshot, Target
from headgate.core.types import ArtifactRef
from headgate.guardrails import OPEN_POLICY, compile_guardrail
from headgate.prompts import Partials, PromptIndex, TemplateProgram, compile_prompt
from headgate.providers import build
from headgate.registry import Workspace, load_workspace, unowned
from headgate.releases import AppParts, compile_app
from headgate.routing import (
    Account,
    Catalogue,
    DirectModels,
    Lifecycle,
    Targets,
    TierTable,
    compile_continue_with,
    compile_model,
    compile_route,
)

T = TypeVar("T")

log = logging.getLogger(__name__)


CATALOGUE_FILE = "catalogue.json"  # in the state folder: one that was refreshed


class Compiled(msgspec.Struct):
    """A snapshot, or what keeps it from being made. `faults` holds every mistake found, not just the first.

    `targets` knows the accounts and what is known of their models; `routes` are those of the workspace, by version.
    """

    snapshot: Snapshot | None
    faults: list[ConfigError]
    workspace: Workspace
    targets: Targets
    routes: Mapping[str, Route]


def compile_snapshot(config: Config, clock: Clock) -> Compiled:
    """The snapshot of a configuration and its workspace folder.

    Raises ConfigError only where the folder cannot be read at all.
    """
    workspace = Workspace() if config.workspace is None else load_workspace(config.workspace)
    workspace.faults += unowned(workspace)
    return compile_workspace(config, workspace, clock)


def compile_workspace(config: Config, workspace: Workspace, clock: Clock, further: Workspace | None = None) -> Compiled:
    """The snapshot of a configuration and artifacts from wherever they come. `further` prompts are recognised, not
    served: one that does not compile is left out."""
    return _Compiler(config, workspace, day_of(clock.now_ns())).compile(clock, further or Workspace())


def day_of(at_ns: int) -> str:
    """The UTC day of a wall time, `2026-11-25`."""
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d")


class _Compiler:
    """Collects mistakes on the way, so that one run tells all of them."""

    def __init__(self, config: Config, workspace: Workspace, today: str) -> None:
        self._config = config
        self._today = today
        self._lifecycle = Lifecycle.load()
        self._dates: list[str] = []
        self._workspace = workspace
        self._faults = list(workspace.faults)
        self._endpoints: dict[str, Endpoint] = {}
        self._broken: set[str] = set()

    def compile(self, clock: Clock, further: Workspace) -> Compiled:
        """Everything, in the order it needs each other."""
        targets = self._targets()
        partials = Partials(lambda pinned: self._workspace.find("partial", pinned))
        self._all("partial", partials.compile)
        prompts = self._all("prompt", lambda artifact: compile_prompt(artifact, partials.look))
        models = self._all("model", compile_model)
        routes = self._all("route", lambda artifact: compile_route(artifact, targets, models.get))
        policies: Mapping[str, Policy] = self._all("guardrail", compile_guardrail)
        default = self._default_policy(policies)
        parts = AppParts(prompts.get, routes.get, policies.get, default, self._workspace.known)
        apps = self._apps(parts)
        goes_on = self._try(lambda: self._continue_with(targets)) or ()
        if self._faults:
            return Compiled(None, self._faults, self._workspace, targets, routes)
        source = self._config.source
        spoken = _lenient(further, self._workspace)
        known = PromptIndex([*prompts.values(), *spoken], frozenset(_pins(apps)))
        if known.left_out:
            log.warning("%d prompts are too many, or too much alike, to be recognised in calls", known.left_out)
        snapshot = Snapshot(
            digest=self._digest(apps, default, spoken),
            loaded_ns=clock.now_ns(),
            apps=apps,
            direct=DirectModels(targets, TierTable.load(), continue_with=goes_on),
            policy=default,
            endpoints=self._endpoints,
            bodies=source.bodies,
            journal_full=source.journal_full,
            changes_ns=self._changes_ns(),
            known=known,
            discovery=source.discovery == "on",
        )
        return Compiled(snapshot, [], self._workspace, targets, routes)

    def _targets(self) -> Targets:
        accounts: list[Account] = []
        for settings in self._config.providers:
            endpoint = self._try(lambda settings=settings: build(settings))
            if endpoint is not None:
                self._endpoints[settings.name] = endpoint
                source = self._config.source.providers[settings.name]
                self._dates += dates_of(source)
                accounts.append(Account(endpoint, settings.type, models_of(source, self._today), lives_of(source)))
        catalogue = self._try(lambda: Catalogue.load(self._today, self._config.state / CATALOGUE_FILE))
        self._dates += self._lifecycle.dates() + ([] if catalogue is None else catalogue.dates)
        return Targets(accounts, catalogue or Catalogue([], ""), self._lifecycle, self._today)

    def _changes_ns(self) -> int | None:
        """When the next day begins on which a price changes or a model retires."""
        ahead = [day for day in self._dates if day > self._today]
        return None if not ahead else round(datetime.fromisoformat(min(ahead) + "T00:00:00Z").timestamp() * 1e9)

    def _all(self, kind: str, compile_one: Callable[[Artifact], T]) -> dict[str, T]:
        """Every artifact of a kind, by `name@version`; those with mistakes are left out."""
        out: dict[str, T] = {}
        for wanted in self._workspace.known(kind):
            artifact = self._workspace.find(kind, wanted)
            assert artifact is not None
            made = self._try(lambda artifact=artifact: compile_one(artifact))
            if made is None:
                self._broken.add(wanted)
            else:
                out[wanted] = made
        return out

    def _apps(self, parts: AppParts) -> dict[str, App]:
        apps: dict[str, App] = {}
        for name, artifact in self._workspace.apps.items():
            try:
                apps[name] = compile_app(artifact, parts)
            except ConfigError as error:
                if not any(f"`{wanted}`" in error.wrong for wanted in self._broken):  # its own mistake is told already
                    self._faults.append(error)
        return apps

    def _default_policy(self, policies: Mapping[str, Policy]) -> Policy:
        wanted = self._config.source.guardrail
        if wanted is None:
            return OPEN_POLICY
        found = self._workspace.find("guardrail", wanted)
        policy = None if found is None else policies.get(f"{found.ref.name}@{found.ref.version}")
        if policy is not None:
            return policy
        if found is None:
            known = ", ".join(self._workspace.known("guardrail")) or "none yet"
            wrong = f"there is no guardrail `{wanted}` in the workspace"
            self._faults.append(self._config.artifact.fault("guardrail", wrong, f"one of: {known}"))
        return OPEN_POLICY

    def _continue_with(self, targets: Targets) -> tuple[Target, ...]:
        """Who goes on with broken answers of models addressed by their own name."""
        names = self._config.source.continue_with
        return compile_continue_with(self._config.artifact, "continue_with", [*names], targets) if names else ()

    def _try(self, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ConfigError as error:
            if error not in self._faults:  # a partial's mistake is met by every prompt that includes it
                self._faults.append(error)
            return None

    def _digest(self, apps: Mapping[str, App], default: Policy, spoken: Sequence[TemplateProgram]) -> str:
        """Of all that answers depend on and that is known again, wherever it was read; secrets left out: the names of
        their places are in."""
        config = msgspec.json.encode(self._config.source, order="deterministic")
        served = [_essence(app) for _, app in sorted(apps.items())]
        known = sorted(program.ref.digest for program in spoken)
        rest = msgspec.json.encode([served, default.ref, known], order="deterministic")
        return hashlib.sha256(config + rest).hexdigest()


def _lenient(further: Workspace, beside: Workspace) -> list[TemplateProgram]:
    """The programs of prompts that are not served; what does not compile any more is told in the log and left out."""
    partials = Partials(lambda pinned: further.find("partial", pinned) or beside.find("partial", pinned))
    made: list[TemplateProgram] = []
    for wanted in further.known("prompt"):
        artifact = further.find("prompt", wanted)
        assert artifact is not None
        try:
            made.append(compile_prompt(artifact, partials.look))
        except ConfigError as error:
            log.warning("%s is not recognised in calls: %s", artifact.ref, error.wrong)
    return made


def _pins(apps: Mapping[str, App]) -> Iterator[ArtifactRef]:
    """What channels reach."""
    for app in apps.values():
        arms = (arm.release for split in app.splits.values() for arm in split.arms)
        for release in (*app.channels.values(), *arms):
            yield from release.pins


def _essence(app: App) -> list[object]:
    """What an app comes to: its settings, and by channel the releases with the digests of what they pin."""
    settings = [app.name, app.owners, app.default_channel, app.unregistered, app.bodies, app.stand_ins]
    channels = {name: [release.number, release.pins] for name, release in app.channels.items()}
    splits = {
        name: [
            split.experiment,
            split.layout,
            split.unit,
            *((arm.share, arm.release.number, arm.release.pins) for arm in split.arms),
        ]
        for name, split in app.splits.items()
    }
    return [settings, channels, splits]
