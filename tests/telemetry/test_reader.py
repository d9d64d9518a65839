"""Reading segments: torn, damaged, still being written."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.telemetry.frames import CLOSED, DAMAGED, GAP, HEADER_SIZE, SEALED, Header
from headgate.telemetry.reader import PATIENCE, SegmentReader
from headgate.telemetry.segment import Disk, Segment

NONCE = 99
SIZE = 64 << 10
bodies = st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=30)


def written(folder: str, payloads: list[bytes], closed: bool = False) -> tuple[Path, list[tuple[int, int]]]:
    """A segment with these payloads, and where each frame lies."""
    path = Path(folder) / "w.1-00000001.hgj"
    segment = Segment.create(str(path) + ".tmp", Header(SIZE, 0, NONCE), Disk())
    segment.publish(str(path))
    places = []
    for payload in payloads:
        start = segment.at
        assert segment.append(SEALED, payload)
        places.append((start, segment.at))
    if closed:
        segment.close(CLOSED)
    segment.release()
    return path, places


def test_frames_come_back_in_order_and_the_end_is_seen() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, _ = written(folder, [b"a", b"b" * 300, b"c"], closed=True)
        reader = SegmentReader(str(path))
        assert [frame.payload for frame in reader.read(2, False)] == [b"a", b"b" * 300]
        assert not reader.ended
        assert [frame.payload for frame in reader.read(2, False)] == [b"c"]
        assert reader.ended
        assert reader.read(2, False) == []


def test_a_reader_takes_up_at_any_frame() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, places = written(folder, [b"one", b"two", b"three"])
        for index, (start, _) in enumerate(places):
            reader = SegmentReader(str(path))
            reader.at = start
            assert len(reader.read(10, False)) == 3 - index


def test_an_open_segment_is_waited_for_and_a_dead_ones_zeros_are_its_end() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, _ = written(folder, [b"a"])
        reader = SegmentReader(str(path))
        assert len(reader.read(10, False)) == 1
        for _ in range(PATIENCE * 2):
            assert reader.read(10, False) == []
        assert not reader.ended
        assert reader.read(10, True) == []
        assert reader.ended


def test_a_frame_without_its_commit_word_was_never_written() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, places = written(folder, [b"a" * 50, b"b" * 50])
        data = bytearray(path.read_bytes())
        data[places[1][0] : places[1][0] + 4] = b"\0\0\0\0"
        path.write_bytes(data)
        reader = SegmentReader(str(path))
        assert [frame.payload for frame in reader.read(10, True)] == [b"a" * 50]
        assert reader.ended


def test_damage_is_given_time_before_it_is_stepped_over() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, places = written(folder, [b"a" * 50, b"b" * 50, b"c" * 50])
        data = bytearray(path.read_bytes())
        data[places[1][0] + 20] ^= 1
        path.write_bytes(data)
        reader = SegmentReader(str(path))
        looks = [reader.read(10, False) for _ in range(PATIENCE + 1)]
        assert [frame.payload for frame in looks[0]] == [b"a" * 50]
        assert not any(looks[1 : PATIENCE - 1])
        found = [frame for look in looks[1:] for frame in look]
        assert [frame.kind for frame in found] == [DAMAGED, SEALED]
        assert found[0].skipped == places[1][1] - places[1][0]


def test_a_segment_without_a_header_is_one_damaged_stretch() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, _ = written(folder, [b"a"])
        data = bytearray(path.read_bytes())
        data[3] ^= 1
        path.write_bytes(data)
        reader = SegmentReader(str(path))
        (frame,) = reader.read(10, True)
        assert (frame.kind, frame.skipped) == (DAMAGED, SIZE)
        assert reader.ended


@settings(max_examples=60, deadline=None)
@given(bodies, st.data())
def test_whatever_is_damaged_everything_else_is_read_once_and_in_order(payloads, data) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, places = written(folder, payloads, closed=data.draw(st.booleans()))
        end = places[-1][1]
        start = data.draw(st.integers(HEADER_SIZE, end - 1))
        rubbish = data.draw(st.binary(min_size=1, max_size=min(600, end - start)))
        image = bytearray(path.read_bytes())
        image[start : start + len(rubbish)] = rubbish
        path.write_bytes(image)
        frames = SegmentReader(str(path)).read(1000, True)
        got = [(frame.end, frame.payload) for frame in frames if frame.kind == SEALED]
        whole = {(stop, payload) for (_, stop), payload in zip(places, payloads, strict=True)}
        untouched = [
            (stop, payload)
            for (at, stop), payload in zip(places, payloads, strict=True)
            if stop <= start or at >= start + len(rubbish)
        ]
        assert got == sorted(got), "in order, nothing twice"
        assert set(got) <= whole, "nothing that was not written"
        assert set(untouched) <= set(got), "all that was not touched"
        if len(got) < len(places) - 1:
            assert any(frame.kind == DAMAGED for frame in frames), "a loss in the middle is told"


@settings(max_examples=40, deadline=None)
@given(bodies, st.data())
def test_a_file_cut_anywhere_reads_as_what_is_left(payloads, data) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, places = written(folder, payloads)
        cut = data.draw(st.integers(HEADER_SIZE, places[-1][1]))
        path.write_bytes(path.read_bytes()[:cut])
        frames = SegmentReader(str(path)).read(1000, True)
        sealed = [frame.payload for frame in frames if frame.kind == SEALED]
        left = sum(1 for (_, stop), payload in zip(places, payloads, strict=True) if stop <= cut)
        assert len(sealed) in (left, left + 1)  # the last may lack nothing but its padding
        assert sealed == payloads[: len(sealed)]


def test_kinds_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "w.1-00000001.hgj"
    segment = Segment.create(str(path), Header(SIZE, 0, NONCE), Disk())
    segment.append(GAP, b"g")
    segment.append(SEALED, b"s")
    segment.release()
    assert [frame.kind for frame in SegmentReader(str(path)).read(10, True)] == [GAP, SEALED]
