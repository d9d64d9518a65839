"""A mistake as data: for files, answers and other processes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from headgate.core.errors import ConfigError

FAULTS_MAX = 200


class Fault(msgspec.Struct, frozen=True):
    """A mistake in a configuration: where, what is wrong, what would be right."""

    where: str
    wrong: str
    right: str


def told(faults: Iterable[ConfigError]) -> list[Fault]:
    """The first FAULTS_MAX of them."""
    return [Fault(fault.where, fault.wrong, fault.right) for fault in list(faults)[:FAULTS_MAX]]
