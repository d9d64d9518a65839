"""What a call used and cost, by what the provider told, or by estimate where it did not tell and was at work."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.record import AttemptRecord, CallRecord, answering
from headgate.core.stages import Funded
from headgate.core.types import Price, Usage, money
from headgate.dialects.base import CHARS_PER_TOKEN


def settle(record: CallRecord, funded: Funded, told: Usage | None, chars: int) -> None:
    """Put tokens and cost on the record. `chars` is how many characters of answer went out.

    What nobody told is estimated, and flagged, where a provider was at work, by the text that came, whether it went out
    or not; a provider that only failed is owed nothing we know of, and the fields stay None. A count of zero for what
    was there tells nothing either. Tokens are those of the answer; the cost includes what earlier attempts cost.
    """
    attempt = answering(record.attempts)
    others = [one for one in record.attempts if one is not attempt] if len(record.attempts) > 1 else ()
    if record.stand_in is not None and record.stand_in != "miss":  # no provider made this answer
        _bill_broken(record.attempts, funded)
        record.input_tokens = record.output_tokens = 0
        record.cost_usd = _owed(record.attempts)
        return
    broken = bool(others) and _bill_broken(others, funded)
    if attempt is not None and record.provider is None:
        record.provider, record.target_model = attempt.provider, attempt.model
    if attempt is not None and attempt.chars > chars:
        chars = attempt.chars
    usage = told
    if usage is None and attempt is not None and attempt.input_tokens is not None:
        usage = Usage(attempt.input_tokens, attempt.output_tokens)  # told, but held back before it could pass by
    if usage is not None and (usage.input == 0 or (usage.output == 0 and chars > 0)):
        usage = msgspec.structs.replace(usage, input=usage.input or None, output=usage.output or None)
    if usage is None or usage.input is None or usage.output is None or record.finish is None:
        if usage is None and chars == 0 and not _at_work(record):
            record.cost_usd = _earlier(record.attempts)
            return
        usage = _estimated(usage or Usage(), funded, chars)
    record.input_tokens, record.output_tokens = usage.input, usage.output
    record.cached_tokens, record.cache_write_tokens = usage.cached, usage.cache_write
    record.reasoning_tokens, record.tokens_estimated = usage.reasoning, usage.estimated or broken
    if attempt is None:
        record.cost_usd = money(_price(record.provider, record.target_model, funded), usage)
        return
    if record.seams:  # each try has its own counts; the answer's are those of all its parts
        record.tokens_estimated = True
        _bill_broken([attempt], funded)
        record.cost_usd = _owed(record.attempts)
        return
    if attempt.input_tokens != usage.input or attempt.output_tokens != usage.output:
        attempt.input_tokens, attempt.output_tokens = usage.input, usage.output
        attempt.cost_usd = money(_price(record.provider, record.target_model, funded), usage)
    cost = record.cost_usd = attempt.cost_usd  # priced by its own target already, where it told these very counts
    if cost is not None and others:
        record.cost_usd = cost + (_earlier(others) or 0.0)


def _estimated(told: Usage, funded: Funded, chars: int) -> Usage:
    """Fills in what was not told. An answer cut short may have told an early count: the larger one holds."""
    guess = -(-chars // CHARS_PER_TOKEN)
    output = guess if told.output is None else max(told.output, guess)
    return Usage(
        funded.planned.input_tokens if told.input is None else told.input,
        output,
        told.cached,
        told.cache_write,
        told.reasoning,
        told.estimated or told.input is None or output != told.output,
    )


def _at_work(record: CallRecord) -> bool:
    if record.committed or record.outcome == "ok":
        return True
    return any(attempt.error is None for attempt in record.attempts)


def _bill_broken(attempts: Sequence[AttemptRecord], funded: Funded) -> bool:
    """Estimates what attempts said before they failed, where they did not tell it; whether there was one."""
    found = False
    for attempt in attempts:
        if attempt.chars and attempt.output_tokens is None:
            usage = _estimated(Usage(attempt.input_tokens), funded, attempt.chars)
            attempt.input_tokens, attempt.output_tokens = usage.input, usage.output
            attempt.cost_usd = money(_price(attempt.provider, attempt.model, funded), usage)
            found = True
    return found


def _price(provider: str | None, model: str | None, funded: Funded) -> Price | None:
    """Of a target that was planned, that stood in for a model that is gone, or that went on with an answer."""
    planned = funded.planned
    asked = [candidate.target for candidate in planned.candidates]
    successors = [target.successor for target in asked if target.successor is not None]
    for target in (*asked, *successors, *planned.route.continue_with):
        if target.model == model and target.provider == provider:
            return target.price
    return None


def _owed(attempts: Sequence[AttemptRecord]) -> float | None:
    """What all attempts cost together: nothing where nobody said anything, None where one that did has no price."""
    costs = [attempt.cost_usd for attempt in attempts if attempt.output_tokens is not None]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _earlier(attempts: Sequence[AttemptRecord]) -> float | None:
    """What failed attempts cost, told or estimated."""
    costs = [attempt.cost_usd for attempt in attempts if attempt.cost_usd is not None]
    return sum(costs) if costs else None
