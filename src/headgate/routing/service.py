"""Routing as the page sees it: whom to ask, and the asking."""

from __future__ import annotations

from collections.abc import Mapping

from headgate.core.ports import Clock, Entropy, EventSink, ProbeLog, Transport
from headgate.core.stages import Funded, Planned, Screened
from headgate.dialects.base import Dialect
from headgate.routing.answers import Answers
from headgate.routing.health import Health
from headgate.routing.means import Means
from headgate.routing.pace import Paces
from headgate.routing.plan import Planner
from headgate.routing.probe import Prober
from headgate.routing.quota import Quotas
from headgate.routing.send import Sending
from headgate.routing.standin import StandIn
from headgate.routing.strategy import World
from headgate.routing.watch import Watch


class Routing:
    """Routing of one worker. Every call to it happens on the event loop's thread."""

    __slots__ = ("_means", "_planner", "answers", "budget", "health")

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        entropy: Entropy,
        dialects: Mapping[str, Dialect],
        probes: ProbeLog | None = None,
        events: EventSink | None = None,
    ) -> None:
        paces = Paces()
        self.health = Health(clock, entropy, events)
        self.answers = Answers()
        prober = Prober(transport, clock, dialects, self.health, paces, probes)
        self._planner = Planner(self.health, prober, World(clock, entropy, paces, dialects))
        watch = Watch(clock, self.health, paces, prober)
        self._means = Means(transport, clock, self.health, dialects, watch, Quotas(clock, events))
        self.budget = self._means.budget

    def plan(self, screened: Screened) -> Planned:
        """Whom to ask, in order. Raises CannotCarry where no target can say what the request says."""
        return self._planner.plan(screened)

    def send(self, funded: Funded) -> Sending | StandIn:
        """Asks the candidates in order; on exit the connection is released, or aborted where more was to come."""
        sending = Sending(self._means, funded)
        app = funded.planned.screened.grounded.prompted.selected.app
        if app is None or app.stand_ins is None:
            return sending
        return StandIn(sending, self.answers, funded, app.stand_ins, self._means.clock, self._means.dialects)
