"""Roles on the management API: which there are, what each includes, who may do what.

admin includes every role; every role includes viewer; author, reviewer and operator do not include each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from headgate.core.errors import InvalidRequest

Role = Literal["admin", "operator", "author", "reviewer", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)
BODY_ROLES: tuple[Role, ...] = ("operator", "author")  # who may read what users and models wrote
_EVERY = frozenset(ROLES)
_BY_NAME: dict[str, Role] = {role: role for role in ROLES}


def allow(*roles: Role) -> frozenset[Role]:
    """Those who may: any of these roles, and whoever holds a role that includes one of them."""
    return frozenset(roles)


def included(held: Iterable[Role]) -> frozenset[Role]:
    """The roles held and all that they include. Nobody's role includes nothing."""
    roles = frozenset(held)
    if "admin" in roles:
        return _EVERY
    return roles | allow("viewer") if roles else roles


def may(held: Iterable[Role], allowed: Iterable[Role]) -> bool:
    """Whether one of the roles held is, or includes, one that is allowed."""
    return not included(held).isdisjoint(allowed)


def who_may(allowed: Iterable[Role]) -> list[Role]:
    """Every role that is enough by itself, admin first."""
    wanted = frozenset(allowed)
    return [role for role in ROLES if may((role,), wanted)]


def in_order(roles: Iterable[Role]) -> list[Role]:
    """Each role once, admin first."""
    held = frozenset(roles)
    return [role for role in ROLES if role in held]


def read_roles(names: Iterable[str]) -> frozenset[Role]:
    """Roles by their names. Raises InvalidRequest naming one that is none."""
    found: set[Role] = set()
    for name in names:
        role = _BY_NAME.get(name)
        if role is None:
            raise InvalidRequest(f"there is no role `{name}`: the roles are {', '.join(ROLES)}", param="roles")
        found.add(role)
    return frozenset(found)
