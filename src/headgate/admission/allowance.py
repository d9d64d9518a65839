"""Admission of calls that only try something: whoever asks is known already, and one sum of money bounds them all."""

from __future__ import annotations

import math
from types import TracebackType

from headgate.admission.account import NANO
from headgate.admission.worst import worst_case
from headgate.core.errors import BudgetExceeded, Forbidden
from headgate.core.record import CallRecord
from headgate.core.stages import Admitted, Call, Funded, KeyInfo, Planned


class Allowance:
    """Implements `pipeline.Admission` for one actor and `usd` dollars. Used from one thread.

    A call begins only where its worst case fits into what is left, so the sum is never passed. `unpriced`: targets
    whose price is not known may be asked; they are not counted then.
    """

    __slots__ = ("_held", "_left", "_unpriced", "info", "usd")

    def __init__(self, info: KeyInfo, usd: float, unpriced: bool = False) -> None:
        self.info = info
        self.usd = usd
        self._unpriced = unpriced
        self._left = math.floor(usd * NANO)
        self._held: dict[str, int] = {}

    def identify(self, call: Call) -> Admitted:
        """The actor, whatever the call shows."""
        call.record.key_id, call.record.tenant = self.info.id, self.info.tenant
        return Admitted(call, self.info)

    def admit(self, call: Call) -> Admitted:
        """As `identify`."""
        return self.identify(call)

    def reserve(self, planned: Planned) -> Portion:
        """Holds the worst case. Raises BudgetExceeded where it does not fit, Forbidden where no price is known."""
        try:
            planned, nano = worst_case(planned, not self._unpriced)
        except Forbidden as error:
            raise Forbidden(
                "the price of the model is not known, so nothing bounds what the call may cost: set its price, or "
                "allow models of unknown price (`unpriced`)",
                param="model",
            ) from error
        if nano > self._left:
            left = f"${self._left / NANO:.4g} of ${self.usd:g} is left"
            raise BudgetExceeded(
                f"this call may cost ${nano / NANO:.4g} at worst, and {left}: allow more, or set `max_tokens`"
            )
        call_id = planned.screened.grounded.prompted.selected.admitted.call.id
        self._left -= nano
        self._held[call_id] = nano
        return Portion(planned)

    def correct(self, record: CallRecord) -> None:
        """Give back what a call held and did not cost. Where its cost is not known, though some provider was at work,
        what was held counts as spent."""
        held = self._held.pop(record.id, None)
        if held is None:
            return
        if record.cost_usd is not None:
            self._left += held - math.ceil(record.cost_usd * NANO)
        elif record.input_tokens is None and record.output_tokens is None:
            self._left += held


class Portion:
    """A funded plan. It is settled by its record."""

    __slots__ = ("_planned",)

    def __init__(self, planned: Planned) -> None:
        self._planned = planned

    def __enter__(self) -> Funded:
        return Funded(self._planned)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return
