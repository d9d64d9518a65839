"""The configuration in force and how the next one takes its place.

The supervisor reads the next one first: what is wrong with it is told, and the one in force stays. Workers then read
it themselves and swap it whole; calls under way finish on the one they began with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from headgate.app.config import Config
from headgate.app.folder import write_whole
from headgate.app.published import compile_served
from headgate.core.errors import ConfigError
from headgate.core.faults import Fault, told
from headgate.core.ports import Clock
from headgate.core.snapshot import Snapshot

OUTCOME_FILE = "reload.json"
# what a running gateway cannot change: sockets, folders, trust and bounds are set up once
_FIXED = ("listen", "management", "management_hosts", "state", "exposed", "ca_file", "max_in_flight", "events")


class Outcome(msgspec.Struct, frozen=True):
    """What became of a reload. `serial` counts them from 1, `digest` is of what is in force now; `restart` names
    fields that changed and hold only after a restart. Files carry this as JSON, `format` 1."""

    serial: int
    at_ns: int
    digest: str
    faults: list[Fault]
    restart: list[str]
    format: int = 1


class Generation:
    """The configuration and the snapshot in force in the supervisor. `reread` reads the files again."""

    def __init__(self, config: Config, snapshot: Snapshot, reread: Callable[[], Config], clock: Clock) -> None:
        self.config = config
        self.snapshot = snapshot
        self.reread = reread
        self._clock = clock
        self._serial = 0

    def renew(self) -> Outcome:
        """Take the files as they are now, where they are sound. Never raises for what is wrong in them."""
        self._serial += 1
        faults: list[ConfigError] = []
        restart: list[str] = []
        try:
            config = self.reread()
            compiled = compile_served(config, self._clock)
            faults = compiled.faults
            if compiled.snapshot is not None:
                restart = changed(self.config, config)
                self.config, self.snapshot = kept(self.config, config), compiled.snapshot
        except ConfigError as error:
            faults = [error]
        return Outcome(self._serial, self._clock.now_ns(), self.snapshot.digest, told(faults), restart)


def changed(before: Config, after: Config) -> list[str]:
    """Which of the fields that need a restart differ."""
    return [name for name in _FIXED if getattr(before.source, name) != getattr(after.source, name)]


def kept(before: Config, after: Config) -> Config:
    """The next configuration with what needs a restart as it was: a child that is replaced is like the others, and
    the next reload tells of it again."""
    source = msgspec.structs.replace(after.source, **{name: getattr(before.source, name) for name in _FIXED})
    return msgspec.structs.replace(
        after, source=source, listen=before.listen, management=before.management, state=before.state,
        ca_file=before.ca_file, webhook=before.webhook,
    )  # fmt: skip


def tell_outcome(state: Path, outcome: Outcome) -> None:
    """Leave it where control finds it. Raises OSError."""
    write_whole(state / OUTCOME_FILE, msgspec.json.encode(outcome))


def last_outcome(state: Path) -> Outcome | None:
    """What became of the last reload of the running supervisor; None where there was none."""
    try:
        return msgspec.json.decode((state / OUTCOME_FILE).read_bytes(), type=Outcome)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
