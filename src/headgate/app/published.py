"""The file that workers serve from: what the registry published last, or the workspace folder before it ever did."""

from __future__ import annotations

from pathlib import Path

import msgspec

from headgate.app.config import Config
from headgate.app.folder import refuse_newer, write_whole
from headgate.app.snapshot import Compiled, compile_snapshot, compile_workspace
from headgate.core.errors import ConfigError
from headgate.core.ports import Clock
from headgate.registry import PUBLISHED_FORMAT, Published, workspace_of

PUBLISHED_FILE = "published.json"


def compile_served(config: Config, clock: Clock) -> Compiled:
    """The snapshot of what is published; of the workspace folder where nothing is yet. Raises ConfigError."""
    published = read_published(config.state)
    if published is None:
        return compile_snapshot(config, clock)
    return compile_workspace(config, workspace_of(published.documents), clock, workspace_of(published.further))


def read_published(state: Path) -> Published | None:
    """What was published last; None where nothing was.

    Raises ConfigError where the file cannot be read, or a newer Headgate wrote it.
    """
    path = state / PUBLISHED_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}", "a file that this user may read") from error
    try:
        refuse_newer(path, data, PUBLISHED_FORMAT)
        return msgspec.json.decode(data, type=Published)
    except msgspec.DecodeError as error:
        right = "remove it: the registry writes it anew when the gateway starts"
        raise ConfigError(str(path), f"not what the registry published: {error}", right) from error


def write_published(state: Path, published: Published) -> None:
    """Put it in the place of what was there. Raises OSError."""
    write_whole(state / PUBLISHED_FILE, msgspec.json.encode(published))
