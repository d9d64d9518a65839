"""An allowance is never passed: not by one call, not by many, not where costs stay unknown."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.admission import Allowance
from headgate.core.errors import BudgetExceeded, Forbidden
from headgate.core.record import CallRecord
from headgate.core.snapshot import Route, Target
from headgate.core.stages import (
    Admitted,
    Asked,
    Call,
    Candidate,
    Grounded,
    KeyInfo,
    Planned,
    Prompted,
    Screened,
    Selected,
)
from headgate.core.types import Price

PRICE = Price(1.0, 2.0)  # dollars per million tokens
INFO = KeyInfo("key_ann", "ann", "system")


def planned(call_id: str, output: int, price: Price | None = PRICE) -> Planned:
    record = CallRecord(call_id, 0, "openai")
    call = Call(call_id, "openai", None, record, 0)  # type: ignore[arg-type] - nobody looks at the snapshot
    target = Target("openai", "m", None, price)  # type: ignore[arg-type] - nor at the endpoint
    selected = Selected(Admitted(call, INFO), Asked("m", False, b"", None, output), Route((target,), attempts=1))
    screened = Screened(Grounded(Prompted(selected, b""), b""), b"")
    return Planned(screened, (Candidate(target, "first"),), selected.route, 0, output, None)


def record_of(one: Planned, cost: float | None, tokens: int | None = 1) -> CallRecord:
    record = one.screened.grounded.prompted.selected.admitted.call.record
    record.cost_usd, record.output_tokens = cost, tokens
    return record


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 1), st.booleans()), max_size=30), st.floats(1e-6, 5e-3))
def test_what_calls_cost_together_stays_within_the_allowance(
    calls: Sequence[tuple[int, float, bool]], usd: float
) -> None:
    """A call costs a share of its worst case; some costs are unknown, and then the worst."""
    allowance, spent = Allowance(INFO, usd), 0.0
    for at, (output, share, known) in enumerate(calls):
        one = planned(f"call_{at}", output)
        try:
            with allowance.reserve(one):
                cost = output * 2.0 / 1e6 * share
        except BudgetExceeded:
            continue
        allowance.correct(record_of(one, cost if known else None))
        spent += cost
    assert spent <= usd + 1e-9 * len(calls)


def test_what_a_call_did_not_cost_is_there_for_the_next() -> None:
    allowance = Allowance(INFO, 0.003)
    first, second, third = (planned(f"call_{at}", 1000) for at in range(3))
    with allowance.reserve(first), pytest.raises(BudgetExceeded, match=r"\$0.002 at worst, and \$0.001 of \$0.003"):
        allowance.reserve(second)
    allowance.correct(record_of(first, 0.0005))
    with allowance.reserve(second):
        allowance.correct(record_of(second, None, None))  # nobody was at work
    with allowance.reserve(third):
        pass


def test_a_model_without_a_price_is_asked_only_where_that_is_said() -> None:
    with pytest.raises(Forbidden, match="price"):
        Allowance(INFO, 1.0).reserve(planned("call_1", 10, None))
    with Allowance(INFO, 1.0, unpriced=True).reserve(planned("call_1", 10, None)) as funded:
        assert funded.planned.candidates
