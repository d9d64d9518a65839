"""The state folder: one instance at a time, and never a newer version's."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from headgate.app import folder
from headgate.core.errors import ConfigError
from headgate.wire.clock import SystemClock


def test_a_folder_is_marked_and_taken_again(tmp_path: Path) -> None:
    state = tmp_path / "state"
    os.close(folder.hold_lock(state, SystemClock()))
    folder.mark_layout(state)
    os.close(folder.hold_lock(state, SystemClock()))
    assert msgspec.json.decode((state / folder.FORMAT_FILE).read_bytes())["format"] == folder.FORMAT


def test_a_newer_versions_folder_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    (tmp_path / folder.FORMAT_FILE).write_bytes(msgspec.json.encode(folder.Layout(folder.FORMAT + 1, "9.9.9")))
    with pytest.raises(ConfigError, match=r"9\.9\.9") as refused:
        folder.hold_lock(tmp_path, SystemClock())
    assert folder.FORMAT_FILE in refused.value.where
    assert [path.name for path in tmp_path.iterdir()] == [folder.FORMAT_FILE]


def test_a_damaged_mark_is_told(tmp_path: Path) -> None:
    (tmp_path / folder.FORMAT_FILE).write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        folder.hold_lock(tmp_path, SystemClock())


def test_a_small_file_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "small.json"
    path.write_bytes(b"old")
    (tmp_path / "small.json.new").write_bytes(b"left by a kill, and longer")
    synced: list[tuple[bytes, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append((path.read_bytes(), os.fstat(descriptor).st_size if not synced else 0))

    monkeypatch.setattr(os, "fsync", fsync)
    folder.write_whole(path, b"fresh")
    assert synced == [(b"old", 5), (b"fresh", 0)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["small.json"]
