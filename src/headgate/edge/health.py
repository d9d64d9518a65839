"""`/healthz`: the process runs. `/readyz`: it wants calls. Neither needs a key or tells anything about anybody."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from headgate.edge import headers
from headgate.edge.surface import JSON
from headgate.wire.exchange import Exchange

LIVE = "/healthz"
READY = "/readyz"


def answer_health(path: str, exchange: Exchange, not_ready: Callable[[], str | None]) -> None:
    """200, or 503 with the reason on `/readyz`."""
    reason = not_ready() if path == READY else None
    body: dict[str, str] = {"status": "ok"} if reason is None else {"status": "unavailable", "reason": reason}
    exchange.send(200 if reason is None else 503, headers.plain(JSON), orjson.dumps(body))
