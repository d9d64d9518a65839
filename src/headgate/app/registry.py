"""The registry in a running gateway: compiles what is offered to it, publishes what is live, takes over the folder."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import msgspec

from headgate.app.config import Config
from headgate.app.fetched import Fetched
from headgate.app.operations import Reloaded
from headgate.app.published import read_published, write_published
from headgate.app.roster import read_roster
from headgate.app.snapshot import Compiled, compile_workspace
from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError, NotFound, StoreUnavailable
from headgate.core.faults import told
from headgate.core.handlers import Actor
from headgate.core.keys import EVERY_TENANT
from headgate.core.ports import Clock
from headgate.core.registry import Reading, RegistryStore, Swapped
from headgate.core.roles import allow
from headgate.registry import (
    APP_KIND,
    Outcome,
    Registry,
    Workspace,
    completed,
    exact,
    load_workspace,
    needed,
    parse_address,
    publish,
)

FOLDER = Actor("local", "workspace folder", EVERY_TENANT, allow("admin"))

log = logging.getLogger(__name__)


class RegistryHost:
    """Owns the registry of one gateway. `reread` gives the configuration, `reload` has workers follow."""

    def __init__(
        self, store: RegistryStore, reread: Callable[[], Config], reload: Callable[[], Reloaded], clock: Clock
    ) -> None:
        self._store = store
        self._reread = reread
        self._reload = reload
        self._clock = clock
        self._publishing = threading.Lock()
        self.fetched = Fetched()
        self.registry = Registry(store, self._check, self.publish, clock)

    def publish(self) -> Swapped:
        """Write what channels reach where it differs from what is served, and wait for the workers.

        Raises StoreUnavailable where it could not be written or the supervisor does not answer.
        """
        with self._publishing:
            if not self._write():
                return Swapped(0, [], 0.0)
            done = self._reload()
        if done.faults:  # compiled when it was applied: a provider was taken out of the configuration since
            first = done.faults[0]
            raise StoreUnavailable(f"kept, but not in force: {first.where}: {first.wrong} ({first.right})")
        return Swapped(done.workers, done.behind, done.seconds)

    def tend(self) -> None:
        """Have workers know what was fetched and is old. Raises StoreUnavailable."""
        if self.fetched.news():
            try:
                self.publish()
            except StoreUnavailable:
                self.fetched.again()
                raise

    def begin(self) -> bool:
        """At the start: take over the folder, and write what is live. Whether workers serve something else still.

        They serve the folder itself where nothing was published before. What goes wrong is told in the log: the last
        good state serves.
        """
        config = self._reread()
        try:
            first = read_published(config.state) is None
            taken = self._take(config)
            for fault in taken.faults:
                log.error("workspace: %s: %s (%s)", fault.where, fault.wrong, fault.right)
            if first and taken.faults:
                log.error("workspace: served as it is, and not in the registry until this is mended")
                return False
            with self._publishing:
                return self._write() and not (first and taken.applied and not taken.held)
        except (ConfigError, StoreUnavailable) as error:
            log.error("the registry could not publish, what was good last serves: %s", error)
            return False

    def put_in_force(self) -> None:
        """Have workers follow what was written. What goes wrong is told in the log."""
        try:
            with self._publishing:
                self._reload()
        except StoreUnavailable as error:
            log.error("what the registry published is not in force: %s", error.message)

    def follow(self) -> None:
        """On SIGHUP: take over the folder and put it in force. What goes wrong is told in the log."""
        try:
            for fault in self._take(self._reread()).faults:
                log.error("workspace: %s: %s (%s)", fault.where, fault.wrong, fault.right)
            self.publish()
        except ConfigError as error:
            log.warning("the configuration cannot be read: %s", error)
        except StoreUnavailable as error:
            log.error("the registry could not publish, what was good last serves: %s", error.message)

    def reload(self) -> Reloaded:
        """Take over the folder, then have everybody read the configuration again; neither where the folder has
        mistakes. Raises StoreUnavailable."""
        try:
            config = self._reread()
        except ConfigError:
            return self._reload()  # the supervisor tells what is wrong with it
        taken = self._take(config)
        if taken.faults:
            lines = read_roster(config.state)
            digest = lines[0].digest if lines else ""
            return Reloaded(digest, told(taken.faults), [], len(lines), [], 0.0)
        with self._publishing:
            self._write()
            return msgspec.structs.replace(self._reload(), held=taken.held)

    def _take(self, config: Config) -> Outcome:
        """The workspace folder applied, as the machine's own user. Raises StoreUnavailable."""
        if config.workspace is None:
            return Outcome([], [], {}, 0)
        try:
            workspace = load_workspace(config.workspace)
        except ConfigError as error:
            return Outcome([], [error], {}, 0)
        if workspace.faults:
            return Outcome([], workspace.faults, {}, 0)
        outcome = self.registry.apply(workspace.documents(), FOLDER, quiet=True)
        for channel, missing in outcome.held.items():
            log.warning("workspace: %s stays where it is: it misses %s", channel, "; ".join(missing))
        return outcome

    def _write(self) -> bool:
        """Whether what is published is another now. Raises StoreUnavailable."""
        config = self._reread()
        with self._store.reading() as reading:
            made = publish(reading, self._served_alone(reading, config), self.fetched.latest())
        try:
            before = read_published(config.state)
        except ConfigError as error:
            log.error("%s; it is written anew", error)
            before = None
        if before is not None and (before.documents, before.further) == (made.documents, made.further):
            return False
        try:
            write_published(config.state, made)
        except OSError as error:
            raise StoreUnavailable(f"kept, but not in force: {error.strerror}") from error
        return True

    def _served_alone(self, reading: Reading, config: Config) -> list[tuple[str, str]]:
        """The policy of calls that name no app."""
        if config.source.guardrail is None:
            return []
        kind, name, version = parse_address(config.source.guardrail, "guardrail")
        try:
            found = exact(reading, kind, name, version)
        except NotFound as error:
            log.warning("guardrail: %s", error.message)
            return []
        return [("guardrail", f"{found.ref.name}@{found.ref.version}")]

    def _check(self, documents: Sequence[Artifact]) -> list[ConfigError]:
        """Everything compiled as a worker would."""
        config = self._reread()
        bare = msgspec.structs.replace(config, source=msgspec.structs.replace(config.source, guardrail=None))
        return compile_workspace(bare, _workspace(documents), self._clock).faults

    def compile(self, reading: Reading, documents: Sequence[Artifact]) -> tuple[Config, Compiled]:
        """Documents compiled as they would be served: with what they need of the registry, and the policy of releases
        that name none. Raises ConfigError where the configuration cannot be read."""
        config = self._reread()
        everything = completed(reading, documents)
        given = {(one.ref.kind, one.ref.name, one.ref.version) for one in everything}
        for one in needed(reading, self._served_alone(reading, config)):
            if (one.ref.kind, one.ref.name, one.ref.version) not in given:
                everything.append(one)
        return config, compile_workspace(config, _workspace(everything), self._clock)


def _workspace(documents: Sequence[Artifact]) -> Workspace:
    workspace = Workspace()
    for one in documents:
        if one.ref.kind == APP_KIND:
            workspace.apps[one.ref.name] = one
        else:
            workspace.artifacts.setdefault((one.ref.kind, one.ref.name), {})[one.ref.version] = one
    return workspace
