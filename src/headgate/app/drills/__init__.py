"""Drills: the real rooms in a virtual world, against the simulated vendors."""

from headgate.app.drills.outage import run_outage

__all__ = ["run_outage"]
