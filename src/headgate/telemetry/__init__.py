"""What happened: the record of every call, from the first byte of the request to a row that can be asked for."""

from headgate.telemetry.frames import Frame
from headgate.telemetry.journal import JournalSettings, LocalJournal, lock_alive
from headgate.telemetry.keeper import JournalState, Keeper
from headgate.telemetry.ports import CallQueries, CallStore, CallWriter, Listener
from headgate.telemetry.rollups import fold, percentile
from headgate.telemetry.segment import Disk
from headgate.telemetry.witness import CallWitness, Telemetry

__all__ = [
    "CallQueries",
    "CallStore",
    "CallWitness",
    "CallWriter",
    "Disk",
    "Frame",
    "JournalSettings",
    "JournalState",
    "Keeper",
    "Listener",
    "LocalJournal",
    "Telemetry",
    "fold",
    "lock_alive",
    "percentile",
]
