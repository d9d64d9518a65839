"""Prompt versions that somebody fetched: to be known again, they have to be among what is published."""

from __future__ import annotations

import threading

from headgate.core.registry import Version

FETCHED_MAX = 500


class Fetched:
    """The last FETCHED_MAX versions that were fetched since the start, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, None] = {}
        self._new = False

    def saw(self, version: Version) -> None:
        """Note a version; the one fetched longest ago is forgotten for it where there is no room."""
        pinned = f"{version.ref.name}@{version.ref.version}"
        with self._lock:
            if pinned in self._seen:
                del self._seen[pinned]
            else:
                self._new = True
                if len(self._seen) >= FETCHED_MAX:
                    del self._seen[next(iter(self._seen))]
            self._seen[pinned] = None

    def latest(self) -> list[str]:
        """`name@1.0.0` of each, the one fetched last first."""
        with self._lock:
            return list(reversed(self._seen))

    def news(self) -> bool:
        """Whether a version was fetched since the last time of asking that had not been before."""
        with self._lock:
            new, self._new = self._new, False
            return new

    def again(self) -> None:
        """What was told as new still is."""
        with self._lock:
            self._new = True
