"""The two files of admission: made whole, only the owner's, and a bad one never takes keys away."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from headgate.admission import KeySource, Peppered, load_pepper
from headgate.admission.files import KEYS_FILE, KEYS_FORMAT, PEPPER_FILE, PublishedKey, read_keys, write_keys
from headgate.core.errors import ConfigError
from headgate.core.keys import Spend
from headgate.core.stages import KeyInfo
from tests.support.world import SeededEntropy

PEPPER = Peppered(b"p" * 32)


def published(number: int, secret: str = "s") -> PublishedKey:
    info = KeyInfo(f"key_{number}", "k", "acme", models=frozenset({"a"}), budget_usd=1.5)
    return PublishedKey(PEPPER.digest(f"{secret}{number}"), info, Spend(5, 0.5, 2, 1, 30))


def test_a_pepper_is_made_once_and_is_only_the_owners(tmp_path: Path) -> None:
    first = load_pepper(tmp_path, SeededEntropy(1))
    again = load_pepper(tmp_path, SeededEntropy(2))
    assert first.digest("x") == again.digest("x")
    assert (tmp_path / PEPPER_FILE).stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == [PEPPER_FILE]


def test_a_pepper_others_may_read_is_refused(tmp_path: Path) -> None:
    load_pepper(tmp_path, SeededEntropy(1))
    os.chmod(tmp_path / PEPPER_FILE, 0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_pepper(tmp_path, SeededEntropy(1))


def test_half_a_pepper_is_refused(tmp_path: Path) -> None:
    load_pepper(tmp_path, SeededEntropy(1))
    (tmp_path / PEPPER_FILE).write_bytes(b"short")
    with pytest.raises(ConfigError, match="restore it from a backup"):
        load_pepper(tmp_path, SeededEntropy(1))


def test_keys_read_back_as_written(tmp_path: Path) -> None:
    keys = [published(1), published(2)]
    write_keys(tmp_path, 77, keys)
    read = read_keys(tmp_path)
    assert (read.written_ns, read.keys, read.format) == (77, keys, KEYS_FORMAT)
    assert (tmp_path / KEYS_FILE).stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == [KEYS_FILE]


def test_a_key_file_holds_no_key(tmp_path: Path) -> None:
    write_keys(tmp_path, 1, [published(1, "hg_secret")])
    assert b"hg_secret" not in (tmp_path / KEYS_FILE).read_bytes()


HALF = {"written_ns": 1}


@pytest.mark.parametrize(
    "body", [b"", b"garbage", msgspec.msgpack.encode(HALF), msgspec.json.encode({**HALF, "keys": []})]
)
def test_a_damaged_key_file_says_what_to_do(tmp_path: Path, body: bytes) -> None:
    (tmp_path / KEYS_FILE).write_bytes(body)
    with pytest.raises(ConfigError, match="restart the control process"):
        read_keys(tmp_path)


def test_a_key_file_of_a_newer_format_is_refused_and_an_older_one_is_read(tmp_path: Path) -> None:
    newer = {"written_ns": 1, "keys": [], "format": KEYS_FORMAT + 1}
    (tmp_path / KEYS_FILE).write_bytes(msgspec.msgpack.encode(newer))
    with pytest.raises(ConfigError, match="newer Headgate"):
        read_keys(tmp_path)
    info = {"id": "key_1", "name": "k", "tenant": "acme", "budget_usd": 5.0}
    older = {"written_ns": 1, "keys": [[b"d", info, {"since_ns": 3, "usd": 1.5}]], "format": 1}
    (tmp_path / KEYS_FILE).write_bytes(msgspec.msgpack.encode(older))
    (key,) = read_keys(tmp_path).keys
    assert (key.info.team, key.info.budget_usd, key.spend.usd) == (None, 5.0, 1.5)


def test_a_key_file_is_bounded(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("headgate.admission.files.KEYS_BYTES_MAX", 10)
    (tmp_path / KEYS_FILE).write_bytes(b"x" * 11)
    with pytest.raises(ConfigError, match="more than 10 bytes"):
        read_keys(tmp_path)


def test_a_source_follows_the_file_and_keeps_the_last_good_ring(tmp_path: Path) -> None:
    source = KeySource(tmp_path, PEPPER)
    assert not source.poll()
    assert source.trouble is not None
    write_keys(tmp_path, 1, [published(1)])
    assert source.poll()
    assert source.trouble is None
    assert not source.poll(), "nothing new"
    assert source.ring.find("s1", 0).id == "key_1"
    (tmp_path / KEYS_FILE).write_bytes(b"damage")
    assert not source.poll()
    assert source.trouble is not None
    assert source.ring.find("s1", 0).id == "key_1"
    (tmp_path / KEYS_FILE).unlink()
    assert not source.poll()
    assert source.ring.find("s1", 0).id == "key_1"
    write_keys(tmp_path, 2, [published(2)])
    assert source.poll()
    assert source.ring.find("s2", 0).id == "key_2"
