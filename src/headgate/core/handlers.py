"""What rooms offer to people and programs that run Headgate, said without a web framework; the edge mounts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec


class Actor(msgspec.Struct, frozen=True):
    """Who asks: a name for the record, and the scope they may see (a tenant, or core.keys.EVERY_TENANT)."""

    name: str
    scope: str


class Ask(msgspec.Struct, frozen=True):
    """One management request. `query` and `body` are of the types that the handler declares; None where it has none."""

    actor: Actor
    path: Mapping[str, str] = {}
    query: object = None
    body: object = None


class Text(msgspec.Struct, frozen=True):
    """An answer that is not JSON."""

    body: str
    media_type: str = "text/plain; charset=utf-8"


class Handler(msgspec.Struct, frozen=True):
    """One operation. `path` may hold `{names}`; `answer` is the type it returns, `query` and `body` structs it takes.

    `handle` may block: it runs on a worker thread. It raises HeadgateError for what the caller did wrong.
    """

    method: str
    path: str
    summary: str
    handle: Callable[[Ask], object]
    answer: type
    query: type | None = None
    body: type | None = None
    status: int = 200
