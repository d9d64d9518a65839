"""Whoever asks the management API, in tests."""

from __future__ import annotations

from headgate.core.handlers import Actor
from headgate.core.keys import EVERY_TENANT
from headgate.core.roles import Role


def actor(*roles: Role, id: str = "key_test", scope: str = EVERY_TENANT) -> Actor:
    """An actor with these roles; its name is its id."""
    return Actor(id, id, scope, frozenset(roles))
