"""The journal's format: what is whole and in its place is read, nothing else ever is."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.errors import ConfigError
from headgate.telemetry.frames import (
    CLOSED,
    FORMAT_VERSION,
    FRAME_HEAD,
    HEADER_SIZE,
    SEALED,
    Header,
    length_at,
    next_sound,
    pack_frame,
    pack_header,
    parse,
    parse_run,
    unpack_header,
)

NONCE = 0x1234_5678_9ABC_DEF0
payloads = st.binary(min_size=1, max_size=200)
offsets = st.integers(8, 1 << 16).map(lambda n: n * 8)


def test_a_header_reads_back() -> None:
    header = Header(1 << 20, 1_760_000_000_000_000_000, NONCE)
    assert len(pack_header(header)) == HEADER_SIZE
    assert unpack_header(pack_header(header), "x") == header


@pytest.mark.parametrize("at", range(HEADER_SIZE))
def test_a_damaged_header_is_no_header(at: int) -> None:
    data = bytearray(pack_header(Header(1 << 20, 5, NONCE)))
    data[at] ^= 0x10
    assert unpack_header(bytes(data), "x") is None


def test_a_newer_format_is_refused_by_name() -> None:
    data = bytearray(pack_header(Header(1 << 20, 5, NONCE)))
    struct.pack_into("<I", data, 8, FORMAT_VERSION + 1)
    struct.pack_into("<I", data, HEADER_SIZE - 4, zlib.crc32(data[: HEADER_SIZE - 4]))
    with pytest.raises(ConfigError, match=r"journal/w\.hgj: .*newer Headgate"):
        unpack_header(bytes(data), "journal/w.hgj")


def test_a_short_file_has_no_header() -> None:
    assert unpack_header(b"HEADGJNL", "x") is None


@given(payloads, offsets, st.integers(1, 5))
def test_a_frame_reads_back_where_it_was_written(payload: bytes, offset: int, kind: int) -> None:
    packed = pack_frame(kind, payload, offset, NONCE)
    assert len(packed) % 8 == 0
    frame = parse(packed, 0, offset, NONCE)
    assert frame is not None
    assert (frame.kind, frame.payload, frame.end) == (kind, payload, offset + len(packed))
    assert length_at(packed, 0) == len(payload)


@given(payloads, offsets, st.data())
def test_a_flipped_bit_anywhere_is_no_frame(payload: bytes, offset: int, data: st.DataObject) -> None:
    packed = bytearray(pack_frame(SEALED, payload, offset, NONCE))
    bit = data.draw(st.integers(0, (FRAME_HEAD + len(payload)) * 8 - 1))
    packed[bit // 8] ^= 1 << bit % 8
    assert parse(bytes(packed), 0, offset, NONCE) is None


@given(payloads, offsets, offsets)
def test_a_frame_in_another_place_or_segment_is_no_frame(payload: bytes, offset: int, other: int) -> None:
    packed = pack_frame(SEALED, payload, offset, NONCE)
    assert parse(packed, 0, offset, NONCE ^ 0xFFFF) is None
    if other != offset:
        assert parse(packed, 0, other, NONCE) is None


@given(payloads, st.binary(max_size=100), st.integers(0, 5))
def test_the_next_sound_frame_is_found_behind_any_rubbish(payload: bytes, rubbish: bytes, eights: int) -> None:
    base = 64
    rubbish = rubbish.ljust(len(rubbish) + 7 & -8, b"\xff") + b"\xa5" * 8 * eights
    packed = pack_frame(SEALED, payload, base + len(rubbish), NONCE)
    assert next_sound(rubbish + packed, 0, base, NONCE) == len(rubbish)


def test_bytes_a_client_sends_cannot_pass_for_a_record() -> None:
    forged = pack_frame(SEALED, b"forged", 64 + 16, NONCE ^ 1)
    assert next_sound(b"\0" * 16 + forged, 0, 64, NONCE) is None


@given(st.lists(payloads, max_size=8), st.integers(1, 9), st.integers(0, 8))
def test_a_run_ends_at_its_limit_at_the_closing_frame_or_where_nothing_sound_follows(written, limit, close_at) -> None:
    data, kinds = b"", []
    for number, payload in enumerate(written):
        kinds.append(CLOSED if number == close_at else SEALED)
        data += pack_frame(kinds[-1], payload, HEADER_SIZE + len(data), NONCE)
    frames = parse_run(data + bytes(64), 0, HEADER_SIZE, NONCE, limit)
    expected = written[: min(limit, close_at + 1)]
    assert [frame.payload for frame in frames] == expected
    assert [frame.kind for frame in frames] == kinds[: len(expected)]
