"""Who answers under a model's name: a name or a fingerprint that was never seen there before is told.

Vendors move a name to another model, or another build of it, without a word. Fed by the keeper, so that one place sees
the answers of all workers; kept in the state folder, so that a change during a restart is seen too.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from headgate.app.folder import refuse_newer, write_whole
from headgate.core.events import WARNING, Event
from headgate.core.ports import Clock, EventSink
from headgate.core.record import CallBrief

FILE = "answering.json"
TARGETS_MAX = 4096
SEEN_MAX = 32  # of one target; those seen longest ago go first
KEEP_NS = 60_000_000_000  # the order in which known ones came is written no more often
LEARNING = 50  # answers of a target, before anything that is new is news

log = logging.getLogger(__name__)


class Known(msgspec.Struct):
    """What a target was heard to answer as: names and fingerprints, each with the wall time it was last seen,
    the latest at the end."""

    answers: int = 0
    names: dict[str, int] = {}
    fingerprints: dict[str, int] = {}


class Memory(msgspec.Struct):
    """The file."""

    targets: dict[str, Known] = {}
    format: int = 1


class Answering:
    """Implements `telemetry.BatchListener`."""

    def __init__(self, state: Path, sink: EventSink, clock: Clock) -> None:
        self._path = state / FILE
        self._sink = sink
        self._clock = clock
        self._memory = _read(self._path)
        self._kept_ns = 0
        self._moved = False

    def saw(self, records: Sequence[CallBrief]) -> None:
        """Finished calls."""
        learned = False
        for record in records:
            for attempt in record.attempts:
                if attempt.outcome == "ok" and (attempt.model_answered or attempt.fingerprint):
                    target = f"{attempt.provider}/{attempt.model}"
                    learned |= self._saw(target, attempt.model_answered, attempt.fingerprint)
        if learned or (self._moved and self._clock.now_ns() - self._kept_ns >= KEEP_NS):
            self._keep()

    def _saw(self, target: str, name: str | None, fingerprint: str | None) -> bool:
        """Whether something is known now that was not."""
        known = self._memory.targets.get(target)
        if known is None:
            if len(self._memory.targets) >= TARGETS_MAX:
                return False
            known = self._memory.targets[target] = Known()
        known.answers += 1
        news = known.answers > LEARNING
        new_name = name is not None and self._note(target, "name", known.names, name, news)
        new_print = fingerprint is not None and self._note(target, "fingerprint", known.fingerprints, fingerprint, news)
        return new_name or new_print or known.answers == LEARNING

    def _note(self, target: str, what: str, seen: dict[str, int], value: str, news: bool) -> bool:
        last = next(reversed(seen), None)
        now_ns = self._clock.now_ns()
        if value in seen:
            self._moved = self._moved or value != last
            del seen[value]
            seen[value] = now_ns
            return False
        if len(seen) >= SEEN_MAX:
            del seen[next(iter(seen))]
        seen[value] = now_ns
        if news or (last is not None and what == "name"):
            text = f"it answers with the {what} {value}, never seen there before; last came {last}"
            figures = {"what": what, "before": last, "after": value}
            self._sink.emit(Event("model_changed", now_ns, target, text, WARNING, figures))
        return True

    def _keep(self) -> None:
        self._kept_ns, self._moved = self._clock.now_ns(), False
        try:
            write_whole(self._path, msgspec.json.encode(self._memory))
        except OSError as error:
            log.warning("%s could not be written: %s", self._path.name, error.strerror)


def _read(path: Path) -> Memory:
    try:
        data = path.read_bytes()
        refuse_newer(path, data, Memory().format)
        return msgspec.json.decode(data, type=Memory)
    except FileNotFoundError:
        return Memory()
    except msgspec.DecodeError as error:
        log.warning("%s cannot be read, and begins anew: %s", path.name, error)
        return Memory()
