"""What a call may cost at worst: what is held of a budget before anyone is asked.

Of the output it is a bound, since providers keep to the limit they are told. Of the input it is one for text: a token
is at least one byte. Each attempt that the route allows counts, the dearest candidates first, and each target that may
go on with a broken answer: one that fails halfway is billed, and another one is asked.
"""

from __future__ import annotations

import math

import msgspec

from headgate.admission.account import NANO
from headgate.core.errors import Forbidden
from headgate.core.record import SkipRecord
from headgate.core.snapshot import Target
from headgate.core.stages import Planned
from headgate.core.types import Price

UNPRICED = "its price is not known, and a budget that this call comes under takes only what it can count"


def worst_usd(planned: Planned, target: Target, prefill: int = 0) -> float | None:
    """US dollars of one attempt at a target, at worst; None where its price is not known.

    `prefill`: so many tokens of answer that others gave go to it as input as well.
    """
    price = target.price
    if price is None:
        return None
    estimate, outputs = planned.input_tokens, planned.output_tokens
    inputs = len(planned.screened.body)
    if target.context is not None and inputs > target.context:
        inputs = target.context  # more than its window is refused by the provider
    if inputs < estimate:
        inputs = estimate
    inputs += prefill
    asked = planned.screened.grounded.prompted.selected.asked
    if asked.max_tokens is None and target.max_output is not None:
        outputs = max(outputs, target.max_output * asked.choices)
    usd = _usd(price, inputs, outputs)
    if usd is not None and price.long is not None and price.long_over is not None and inputs > price.long_over:
        usd = max(usd, _usd(price.long, inputs, outputs) or usd)
    return usd


def _usd(price: Price, inputs: int, outputs: int) -> float | None:
    rate, answer_rate = price.input, price.output
    if rate is None or answer_rate is None:
        return None
    if price.cache_write is not None and price.cache_write > rate:
        rate = price.cache_write
    return (inputs * rate + outputs * answer_rate) / 1e6


def worst_case(planned: Planned, strict: bool) -> tuple[Planned, int]:
    """The plan that a budget allows, and the nano-dollars it may cost with every attempt it allows.

    `strict`: targets whose price is not known are left out, on record. Raises Forbidden where none is left, or where
    it is the model asked for by its own name, which may be a wrong one: its peers are no stand-in for that.
    """
    route = planned.route
    costs: list[float] = []
    unknown = False
    for candidate in planned.candidates:
        usd = worst_usd(planned, candidate.target)
        if usd is None:
            unknown = True
        else:
            costs.append(usd)
    if len(costs) > route.attempts:
        costs.sort(reverse=True)
        del costs[route.attempts :]
    if route.continue_with and planned.screened.grounded.prompted.selected.asked.stream:
        for target in route.continue_with:
            usd = worst_usd(planned, target, planned.output_tokens)
            if usd is None:
                unknown = True
            else:
                costs.append(usd)
    if unknown and strict:
        planned = _without_unpriced(planned)
    return planned, math.ceil(sum(costs) * NANO)


def _without_unpriced(planned: Planned) -> Planned:
    record = planned.screened.grounded.prompted.selected.admitted.call.record

    def counted(target: Target) -> bool:
        if worst_usd(planned, target) is not None:
            return True
        record.skipped.append(SkipRecord(target.provider, target.model, UNPRICED))
        return False

    route = planned.route
    kept = tuple(candidate for candidate in planned.candidates if counted(candidate.target))
    first = planned.candidates[0].target if route.ref is not None else route.targets[0]
    named = [one for one in planned.candidates if one.target.model == first.model] if route.ref is None else []
    if not kept or (named and not any(one in kept for one in named)):
        raise Forbidden(
            f"the price of `{first}` is not known, and a budget that this call comes under takes only calls that it "
            "can count; set a price for the model, or `unpriced: allow` for the budget",
            param="model",
        )
    if route.continue_with:
        route = msgspec.structs.replace(route, continue_with=tuple(filter(counted, route.continue_with)))
    return msgspec.structs.replace(planned, candidates=kept, route=route)
