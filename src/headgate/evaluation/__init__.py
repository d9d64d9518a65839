"""Drills: the gateway under outages, in virtual time, measured as its clients see it."""

from headgate.evaluation.journal import MemoryJournal
from headgate.evaluation.network import Line, Network, NetworkLoop, Peer, Weather
from headgate.evaluation.outage import MODES, PROVIDERS, Mode, Outage
from headgate.evaluation.report import Bar, Report, Sample, Spread, Try, summarise
from headgate.evaluation.virtual import NothingLeft, SeededEntropy, VirtualClock, VirtualLoop, run_virtual

__all__ = [
    "MODES",
    "PROVIDERS",
    "Bar",
    "Line",
    "MemoryJournal",
    "Mode",
    "Network",
    "NetworkLoop",
    "NothingLeft",
    "Outage",
    "Peer",
    "Report",
    "Sample",
    "SeededEntropy",
    "Spread",
    "Try",
    "VirtualClock",
    "VirtualLoop",
    "Weather",
    "run_virtual",
    "summarise",
]
