"""Who serves: one row per worker in a mapped file of the state folder, written by the worker, read by control.

A row is overwritten in place, once a second and at every change; writing costs no system call. The file is made anew
by each supervisor.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec

from headgate.app.config import WORKERS_MAX
from headgate.core.errors import ConfigError
from headgate.wire.refusals import Refused

ROSTER_FILE = "workers.hgw"
FORMAT_VERSION = 1
STARTING, SERVING, DRAINING = "starting", "serving", "draining"
_MAGIC = b"HEADGWKR"
_HEADER = struct.Struct("<8sII48x")
_ROW = struct.Struct("<IIqqIIQ64sQ4I")
_Row: TypeAlias = tuple[int, int, int, int, int, int, int, bytes, int, int, int, int, int]
_STATES = ("", STARTING, SERVING, DRAINING)


class Load(NamedTuple):
    """What a worker has to do: calls under way, clients' connections, bytes of its journal that a power cut would cost
    now, records that it could not keep and has not told of yet, for want of room, requests that were refused before
    there was a call."""

    in_flight: int
    connections: int
    unsynced_bytes: int
    pending_lost: int
    refused: Refused = Refused()


class WorkerLine(msgspec.Struct, frozen=True):
    """One worker. `slot` counts from 1; times are wall ns. `digest` names the configuration that new calls get; the
    rest is its `Load` as of `told_ns`."""

    slot: int
    pid: int
    state: str
    started_ns: int
    told_ns: int
    digest: str
    in_flight: int
    connections: int
    unsynced_bytes: int
    pending_lost: int
    refused: Refused


class Seat:
    """One worker's row, as the worker writes it."""

    def __init__(self, state: Path, slot: int, started_ns: int) -> None:
        self._file = _map(state / ROSTER_FILE)
        self.slot = slot
        self._started_ns = started_ns

    def tell(self, state: str, digest: str, load: Load, now_ns: int) -> None:
        """How the worker is now."""
        _ROW.pack_into(
            self._file, _at(self.slot), os.getpid(), _STATES.index(state), self._started_ns, now_ns,
            min(load.in_flight, 0xFFFFFFFF), min(load.connections, 0xFFFFFFFF), load.unsynced_bytes, digest.encode(),
            load.pending_lost, *(min(count, 0xFFFFFFFF) for count in msgspec.structs.astuple(load.refused)),
        )  # fmt: skip


def make_roster(state: Path) -> None:
    """An empty roster in place of what an earlier supervisor left. Raises OSError."""
    scratch = state / (ROSTER_FILE + ".new")
    size = _at(WORKERS_MAX + 1)
    scratch.write_bytes(_HEADER.pack(_MAGIC, FORMAT_VERSION, WORKERS_MAX).ljust(size, b"\0"))
    os.replace(scratch, state / ROSTER_FILE)


def read_roster(state: Path) -> list[WorkerLine]:
    """Every worker that has a row and lives. Raises ConfigError for a newer format, OSError where there is none."""
    file = _map(state / ROSTER_FILE)
    lines: list[WorkerLine] = []
    for slot in range(1, WORKERS_MAX + 1):
        row: _Row = _ROW.unpack_from(file, _at(slot))
        pid, word, started_ns, told_ns, in_flight, connections, unsynced, digest, lost, *refused = row
        if pid and word < len(_STATES) and _lives(pid):
            name = digest.rstrip(b"\0").decode("ascii", "replace")
            load = Load(in_flight, connections, unsynced, lost, Refused(*refused))
            lines.append(WorkerLine(slot, pid, _STATES[word], started_ns, told_ns, name, *load))
    file.close()
    return lines


def _at(slot: int) -> int:
    return _HEADER.size + (slot - 1) * _ROW.size


def _map(path: Path) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        file = mmap.mmap(descriptor, 0)
    finally:
        os.close(descriptor)
    magic, version, _ = _HEADER.unpack_from(file)
    if magic != _MAGIC or version > FORMAT_VERSION:
        file.close()
        raise ConfigError(str(path), f"format {version} is not this version's ({FORMAT_VERSION})", "start it anew")
    return file


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
