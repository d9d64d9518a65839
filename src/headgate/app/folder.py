"""The state folder: whose it is now, and which version's layout it has."""

from __future__ import annotations

import fcntl
import os
import select
from pathlib import Path

import msgspec

import headgate
from headgate.core.errors import ConfigError
from headgate.core.ports import Clock

LOCK_FILE = "lock"
LOCK_S = 3.0  # a previous instance whose supervisor was killed may still be letting go
FORMAT_FILE = "format.json"
FORMAT = 1  # of the folder as a whole: which files there are. Each file has a version of its own beside


class Layout(msgspec.Struct, frozen=True):
    """What `format.json` says: the layout, and the version that wrote it last."""

    format: int
    version: str


def hold_lock(state: Path, clock: Clock) -> int:
    """Make the state folder and hold its lock for life. Raises ConfigError where another instance has it, or where a
    newer version's layout is in it: nothing was touched then."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_layout(state)
        descriptor = os.open(state / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            str(state), f"cannot be used: {error.strerror}", "a folder that this user may write"
        ) from error
    deadline = clock.monotonic_ns() + round(LOCK_S * 1e9)
    while not _locked(descriptor):
        if clock.monotonic_ns() > deadline:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise ConfigError(
                str(state),
                f"another Headgate (process {owner}) uses this state folder",
                "stop it, or set another `state:`",
            )
        select.select([], [], [], 0.1)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def mark_layout(state: Path) -> None:
    """Say that this version uses the folder now. Raises OSError."""
    write_whole(state / FORMAT_FILE, msgspec.json.encode(Layout(FORMAT, headgate.__version__)))


def write_whole(path: Path, data: bytes) -> None:
    """Replace a small file, for this user only: readers, and what a power cut leaves, have the old one or the new one.

    Waits for the disk. Raises OSError; the old one is there then.
    """
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class _Versioned(msgspec.Struct):
    format: int = 1


def refuse_newer(path: Path, data: bytes, known: int) -> None:
    """Raises ConfigError where `data`, the JSON of the file, is of a newer format than is known, msgspec.DecodeError
    where it says none that can be read."""
    found = msgspec.json.decode(data, type=_Versioned).format
    if found > known:
        raise ConfigError(str(path), f"format {found} is a newer Headgate's", "run that version, or move it away")


def _check_layout(state: Path) -> None:
    """A folder without the file is new, or older than the file."""
    path = state / FORMAT_FILE
    try:
        layout = msgspec.json.decode(path.read_bytes(), type=Layout)
    except FileNotFoundError:
        return
    except msgspec.DecodeError as error:
        raise ConfigError(str(path), f"cannot be read: {error}", "restore it, or set another `state:`") from error
    if layout.format > FORMAT:
        raise ConfigError(
            str(path),
            f"layout {layout.format}, written by Headgate {layout.version}; this one ({headgate.__version__}) reads "
            f"up to {FORMAT}",
            "run that version, or set another `state:`",
        )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
