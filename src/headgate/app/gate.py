"""The rooms of the request path, wired: the same for a worker and for a drill."""

from __future__ import annotations

from typing import Protocol

from headgate import pipeline
from headgate.app.probes import ProbeLines
from headgate.core.ports import Clock, Entropy, EventSink, Journal, Transport
from headgate.core.record import CallRecord
from headgate.dialects import DIALECTS
from headgate.guardrails import Guardrails
from headgate.pipeline import Gate
from headgate.prompts import Prompts
from headgate.releases import Releases
from headgate.retrieval import Retrieval
from headgate.routing import Routing
from headgate.telemetry import Telemetry


class Settling(pipeline.Admission, Protocol):
    """Admission that charges calls by their finished records."""

    def correct(self, record: CallRecord) -> None:
        """Charge a call by its record, now that it is complete."""
        ...


def wire_gate(
    admission: Settling,
    journal: Journal,
    transport: Transport,
    clock: Clock,
    entropy: Entropy,
    events: EventSink | None = None,
) -> Gate:
    """The gate that the page runs on. A sealed record also settles what admission could not settle before."""
    gate = Gate()
    gate.telemetry = Telemetry(journal, clock, [admission.correct])
    gate.admission = admission
    gate.releases = Releases()
    gate.prompts = Prompts()
    gate.retrieval = Retrieval()
    gate.guardrails = Guardrails()
    gate.routing = Routing(transport, clock, entropy, DIALECTS, ProbeLines(), events)
    return gate
