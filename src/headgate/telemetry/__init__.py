"""What happened: the record of every call, from the first byte of the request to a row that can be asked for."""

from headgate.telemetry.events import SEVERITIES, EventLine, EventListener, EventLog, line_of
from headgate.telemetry.explain import explain
from headgate.telemetry.handlers import event_handlers, handlers
from headgate.telemetry.journal import JournalSettings, LocalJournal, lock_alive
from headgate.telemetry.keeper import Aside, JournalState, Keeper
from headgate.telemetry.metrics import Gauge, Metrics
from headgate.telemetry.ports import (
    BatchListener,
    CallQueries,
    CallStore,
    CallWriter,
    Listener,
    ScoreQueries,
    ScoreStore,
)
from headgate.telemetry.queries import CallDetail, CallLine, CallLines, ProviderLine, Queries
from headgate.telemetry.rollups import fold, percentile
from headgate.telemetry.score_handlers import score_handlers
from headgate.telemetry.scores import ScoreDesk, ScoreRequest
from headgate.telemetry.segment import Disk
from headgate.telemetry.witness import CallWitness, Telemetry

__all__ = [
    "SEVERITIES",
    "Aside",
    "BatchListener",
    "CallDetail",
    "CallLine",
    "CallLines",
    "CallQueries",
    "CallStore",
    "CallWitness",
    "CallWriter",
    "Disk",
    "EventLine",
    "EventListener",
    "EventLog",
    "Gauge",
    "JournalSettings",
    "JournalState",
    "Keeper",
    "Listener",
    "LocalJournal",
    "Metrics",
    "ProviderLine",
    "Queries",
    "ScoreDesk",
    "ScoreQueries",
    "ScoreRequest",
    "ScoreStore",
    "Telemetry",
    "event_handlers",
    "explain",
    "fold",
    "handlers",
    "line_of",
    "lock_alive",
    "percentile",
    "score_handlers",
]
