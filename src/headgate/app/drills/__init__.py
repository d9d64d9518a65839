"""Drills: the real rooms in a virtual world, against the simulated vendors."""

from headgate.app.drills.outage import PROVIDERS, run_outage

__all__ = ["PROVIDERS", "run_outage"]
