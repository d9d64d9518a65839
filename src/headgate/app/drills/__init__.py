"""Drills: the real rooms in a virtual world or over real sockets, against the simulated vendors."""

from headgate.app.drills.outage import configuration_digest, run_outage

__all__ = ["configuration_digest", "run_outage"]
