"""The catalogue of faults."""

from __future__ import annotations

from headgate.simulator.fault import Fault

CATALOGUE: dict[str, Fault] = {}
