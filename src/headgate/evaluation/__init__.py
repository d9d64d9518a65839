"""Drills: the gateway under outages, in virtual time, measured as its clients see it."""

from headgate.evaluation.evidence import Evidence, Found, list_evidence, read_evidence, store_evidence, told_utc
from headgate.evaluation.journal import MemoryJournal
from headgate.evaluation.network import Line, Network, NetworkLoop, Peer, Weather
from headgate.evaluation.outage import MODES, PROVIDERS, Mode, Outage
from headgate.evaluation.report import Bar, Report, Sample, Spread, Try, summarise
from headgate.evaluation.virtual import NothingLeft, SeededEntropy, VirtualClock, VirtualLoop, run_virtual

__all__ = [
    "MODES",
    "PROVIDERS",
    "Bar",
    "Evidence",
    "Found",
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
    "list_evidence",
    "read_evidence",
    "run_virtual",
    "store_evidence",
    "summarise",
    "told_utc",
]
