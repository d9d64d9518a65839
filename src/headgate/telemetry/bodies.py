"""The bodies of one call, kept only where the configuration says so, and only as the guardrails let them pass.

The request is the body as it was screened. The answer is JSON lines of what it says (`core.chat` deltas, told apart
by `type`), since the wire bytes of a frame that a guardrail rewrote still hold what it took out.
"""

from __future__ import annotations

import msgspec

from headgate.core.chat import Frame

BODY_BYTES_MAX = 256 << 10  # of each body; the rest is cut off, and CUT_MARK says so
CUT_MARK = b"[cut]"

_encode = msgspec.json.Encoder().encode


class BodyKeeper:
    """Collects the bodies of one call, each up to BODY_BYTES_MAX."""

    __slots__ = ("_lines", "_request", "_room")

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._lines: list[bytes] = []
        self._room = BODY_BYTES_MAX

    def restart(self) -> None:
        """Another attempt answers from the beginning."""
        self._lines = []
        self._room = BODY_BYTES_MAX

    def add(self, frame: Frame) -> None:
        """Keep what the frame says, while there is room."""
        for delta in frame.deltas:
            if self._room < 0:
                return
            line = _encode(delta)
            self._room -= len(line) + 1
            self._lines.append(line if self._room >= 0 else CUT_MARK)

    def bodies(self) -> tuple[bytes, bytes | None]:
        """Request and answer; the answer is None where there was none."""
        request = self._request
        if len(request) > BODY_BYTES_MAX:
            request = request[:BODY_BYTES_MAX] + CUT_MARK
        return request, b"\n".join(self._lines) if self._lines else None
