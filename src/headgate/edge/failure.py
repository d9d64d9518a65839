"""Errors as HTTP answers in the client's own dialect."""

from __future__ import annotations

from headgate.core.errors import HeadgateError, LimitExceeded, Overloaded, UpstreamError
from headgate.core.record import CallRecord
from headgate.dialects.base import Dialect
from headgate.edge import headers
from headgate.edge.surface import JSON, Surface
from headgate.wire.exchange import Exchange

_LATER = (LimitExceeded, Overloaded)  # our own bounds: the same request may pass later


def send_failure(
    exchange: Exchange, surface: Surface, dialect: Dialect, error: HeadgateError, record: CallRecord
) -> None:
    """Answers a call that failed before anything was sent.

    A provider's own answer to a client's mistake goes out as it came where both speak one dialect. Providers' failures
    say `x-should-retry: false`: the gateway has already asked whom it could.
    """
    after_s = error.retry_after_s
    body: bytes | None = None
    if isinstance(error, UpstreamError):
        after_s = error.cool_s if after_s is None else after_s
        if error.kind == "client_fault" and record.target_dialect == surface.dialect:
            body = error.body
    if body is None:
        body = dialect.error_body(error, record.id)
    lines = headers.answered(surface, record, JSON) + headers.retry(after_s, isinstance(error, _LATER)).encode()
    exchange.send(error.status, lines, body)
