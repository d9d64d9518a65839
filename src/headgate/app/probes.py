"""What probes of providers in trouble came to, as log lines: they are no calls, and no tenant pays for them."""

from __future__ import annotations

import logging

from headgate.core.record import AttemptRecord

log = logging.getLogger(__name__)


class ProbeLines:
    """Implements `core.ports.ProbeLog`."""

    def probed(self, at_ns: int, record: AttemptRecord) -> None:
        """A line for a probe that is over."""
        took_ms = None if record.ended_us is None else record.ended_us // 1000
        said = record.outcome if record.error is None else f"{record.outcome} ({record.error})"
        cost = "unknown" if record.cost_usd is None else f"{record.cost_usd:.8f} USD"
        log.info("probe of %s/%s: %s after %s ms, cost %s", record.provider, record.model, said, took_ms, cost)
