"""Admission's two files in the state folder: the pepper, made once, and the published keys.

The control process writes `keys.hgk`, every worker reads it. Both files are only the owner's to read.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from headgate.admission.keys import PEPPER_BYTES, KeyRing, Peppered
from headgate.core.errors import ConfigError
from headgate.core.keys import Limits, Spend
from headgate.core.ports import Entropy
from headgate.core.stages import KeyInfo

PEPPER_FILE = "pepper"
KEYS_FILE = "keys.hgk"
KEYS_FORMAT = 2  # 1 had no limits of tenants, teams and apps
KEYS_BYTES_MAX = 64 * 1024 * 1024


class PublishedKey(msgspec.Struct, frozen=True, array_like=True):
    """One key as workers get it, with what it had spent in its budget period when it was published."""

    digest: bytes
    info: KeyInfo
    spend: Spend = Spend()


class PublishedScope(msgspec.Struct, frozen=True, array_like=True):
    """The limits of a tenant, a team or an app as workers get them, with what was spent under them."""

    kind: str
    name: str
    address: str
    limits: Limits
    spend: Spend = Spend()


class PublishedKeys(msgspec.Struct, frozen=True):
    """The content of `keys.hgk`. `written_ns` is wall time."""

    written_ns: int
    keys: list[PublishedKey]
    format: int = KEYS_FORMAT
    scopes: list[PublishedScope] = []


_DECODER = msgspec.msgpack.Decoder(PublishedKeys)


def load_pepper(folder: Path, entropy: Entropy) -> Peppered:
    """The pepper of this state folder, made on first use. Raises ConfigError where the file is not usable."""
    path = folder / PEPPER_FILE
    if not path.exists():
        temporary = folder / f".{PEPPER_FILE}.{entropy.bytes(6).hex()}"
        _write(temporary, entropy.bytes(PEPPER_BYTES))
        try:
            # linking fails where another process was first: one pepper, and never half of one
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            temporary.unlink()
        _sync_folder(folder)
    if path.stat().st_mode & 0o077:
        raise ConfigError(str(path), "others may read the pepper", f"chmod 600 {path}")
    try:
        return Peppered(path.read_bytes())
    except ValueError as error:
        right = "restore it from a backup; a new pepper makes every key unknown"
        raise ConfigError(str(path), str(error), right) from error


def write_keys(
    folder: Path, written_ns: int, keys: Sequence[PublishedKey], scopes: Sequence[PublishedScope] = ()
) -> None:
    """Replace `keys.hgk` in one step. Raises OSError."""
    body = msgspec.msgpack.encode(PublishedKeys(written_ns, list(keys), scopes=list(scopes)))
    temporary = folder / f".{KEYS_FILE}.new"
    _write(temporary, body)
    os.replace(temporary, folder / KEYS_FILE)
    _sync_folder(folder)


def read_keys(folder: Path) -> PublishedKeys:
    """What was published last.

    Raises FileNotFoundError before the first time, ConfigError where it is unreadable.
    """
    path = folder / KEYS_FILE
    with path.open("rb") as file:
        body = file.read(KEYS_BYTES_MAX + 1)
    right = "restart the control process, which writes it anew"
    if len(body) > KEYS_BYTES_MAX:
        raise ConfigError(str(path), f"more than {KEYS_BYTES_MAX} bytes of keys", "delete keys that are not used")
    try:
        published = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise ConfigError(str(path), f"not a key file: {error}", right) from error
    if published.format > KEYS_FORMAT:
        wrong = f"key file format {published.format}, written by a newer Headgate; this one reads {KEYS_FORMAT}"
        raise ConfigError(str(path), wrong, right)
    return published


class KeySource:
    """Follows `keys.hgk`: `poll` says when there is a new ring to take."""

    __slots__ = ("_folder", "_peppered", "_seen", "published", "ring", "trouble")

    def __init__(self, folder: Path, peppered: Peppered) -> None:
        self._folder = folder
        self._peppered = peppered
        self._seen: tuple[int, int, int] | None = None
        self.ring = KeyRing(peppered, ())
        self.published: PublishedKeys | None = None
        self.trouble: str | None = None

    def poll(self) -> bool:
        """Whether a new ring was taken.

        A bad or missing file leaves the last good ring and is told in `trouble`.
        """
        try:
            state = os.stat(self._folder / KEYS_FILE)
            mark = (state.st_mtime_ns, state.st_ino, state.st_size)
            if mark == self._seen:
                return False
            published = read_keys(self._folder)
        except (OSError, ConfigError) as error:
            self.trouble = str(error)
            return False
        self._seen = mark
        self.trouble = None
        self.published = published
        self.ring = KeyRing(self._peppered, [(key.digest, key.info) for key in published.keys])
        return True


def _write(path: Path, body: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
