"""The headers of answers, as ready-made lines."""

from __future__ import annotations

import math

from headgate.core.record import CallRecord
from headgate.edge.surface import Surface

PRIVATE = "cache-control: private, no-store\r\nvary: authorization\r\n"
VALUE_CHARS_MAX = 1024


def plain(content_type: bytes) -> bytes:
    """The headers of an answer that is nobody's call."""
    return b"content-type: %b\r\n%b" % (content_type, PRIVATE.encode())


def answered(surface: Surface, record: CallRecord, content_type: bytes) -> bytes:
    """The headers of a call's answer: what ran, and what was left out on the way."""
    lines = [
        f"content-type: {content_type.decode()}\r\n{PRIVATE}{surface.request_id}: {record.id}\r\n"
        f"x-headgate-call-id: {record.id}\r\nx-headgate-attempts: {len(record.attempts)}\r\n"
    ]
    if record.provider is not None:
        lines.append(f"x-headgate-provider: {value(record.provider)}\r\n")
    if record.target_model is not None:
        lines.append(f"x-headgate-model: {value(record.target_model)}\r\n")
    if record.release is not None:
        lines.append(f"x-headgate-release: {value(record.release)}\r\n")
    if record.dropped:
        lines.append(f"x-headgate-dropped: {value(', '.join(record.dropped))}\r\n")
    return "".join(lines).encode()


def value(text: str) -> str:
    """`text` as a header value: names may come from clients and may hold anything."""
    if len(text) > VALUE_CHARS_MAX:
        text = text[: VALUE_CHARS_MAX - 3] + "..."
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in text)


def retry(after_s: float | None, may: bool) -> str:
    """Whether and when the client may come back; SDKs retry by themselves unless told not to."""
    lines = "" if may else "x-should-retry: false\r\n"
    if after_s is not None and math.isfinite(after_s):
        lines += f"retry-after: {max(math.ceil(after_s), 1)}\r\n"
    return lines
