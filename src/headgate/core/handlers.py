"""What rooms offer to people and programs that run Headgate, said without a web framework; the edge mounts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from headgate.core.roles import ROLES, Role, may

BODY_BYTES_MAX = 1024 * 1024


class Actor(msgspec.Struct, frozen=True):
    """Who asks. `id` goes on record: a key's id, or `local` for whoever can read the state folder; `name` is what
    people call it. `scope` is what they may see (a tenant, or core.keys.EVERY_TENANT), `roles` those given to them:
    none for a key for calls."""

    id: str
    name: str
    scope: str
    roles: frozenset[Role]

    def has(self, *roles: Role) -> bool:
        """Whether one of their roles is, or includes, one of these."""
        return may(self.roles, roles)


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
    """One operation. `path` may hold `{names}`, `{name:path}` where slashes belong to it; `answer` is the type it
    returns, `query` and `body` structs it takes.

    `roles` says who may call it (core.roles.allow): it is asked before query and body are read, and admin always may.
    `callers`: keys for calls may call it too, without a role and within their tenant. `body_bytes_max` is for the few
    that take more than usual. `basic`: the key may come as the password of Basic authentication, whatever the user's
    name, as clients of other systems send it. `handle` may block: it runs on a worker thread. It raises HeadgateError
    for what the caller did wrong.
    """

    method: str
    path: str
    summary: str
    handle: Callable[[Ask], object]
    answer: type
    roles: frozenset[Role]
    query: type | None = None
    body: type | None = None
    status: int = 200
    callers: bool = False
    body_bytes_max: int = BODY_BYTES_MAX
    basic: bool = False

    @property
    def address(self) -> str:
        """The path as it is told to people: `{name}` without how it is read."""
        return self.path.replace(":path}", "}")

    def __post_init__(self) -> None:
        """Raises ValueError where nobody, or nobody that there is, may call it."""
        if not self.roles or not self.roles <= frozenset(ROLES):
            raise ValueError(f"{self.method} {self.path}: `roles` names one or more of {', '.join(ROLES)}")
