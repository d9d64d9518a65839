"""A call in words: what was asked, what ran, whom we asked and why, what it cost, how it ended."""

from __future__ import annotations

from datetime import UTC, datetime

from headgate.core.record import AttemptRecord, CallRecord, RoutedRecord

_ENDINGS = {
    "in_flight": "It is still in flight.",
    "ok": "It was answered.",
    "refused": "It was refused before any answer went out",
    "blocked": "A policy blocked it",
    "failed": "It failed",
    "cancelled": "The client left before the answer was complete",
    "aborted": "The gateway was killed while it was in flight; how far it came is not known.",
}


def explain(record: CallRecord) -> list[str]:
    """Sentences about one call, in the order in which things happened."""
    lines = [_asked(record), *_ran(record)]
    lines += [f"{skip.provider}/{skip.model} was not asked: {skip.why}." for skip in record.skipped]
    lines += [_attempt(number, attempt) for number, attempt in enumerate(record.attempts, 1)]
    lines += [
        f"After {seam.chars} characters the answer of attempt {seam.from_attempt} broke off ({seam.why}), in front of "
        f"its client; attempt {seam.to_attempt} was asked to go on."
        for seam in record.seams
    ]
    lines += _stood_in(record)
    lines += _verdicts(record)
    if record.dropped:
        lines.append(
            f"The target's format has no place for these parameters, they were dropped: {_list(record.dropped)}."
        )
    lines.append(_ended(record))
    if record.outcome == "in_flight":
        return lines
    if record.attempts or record.input_tokens or record.outcome == "aborted":
        lines += [_tokens(record), _cost(record)]
    else:
        lines.append("No provider was asked, so it used no tokens and cost nothing.")
    lines.append(_times(record))
    return lines


def _asked(record: CallRecord) -> str:
    at = datetime.fromtimestamp(record.received_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    whom = f"Key {record.key_id} of tenant {record.tenant}" if record.key_id else "A caller without a good key"
    what = f"`{record.model_asked}`" if record.model_asked else "a model"
    how = "streamed " if record.stream else ""
    return f"{whom} asked for {what} at {at} in the {record.dialect} dialect, {how}from {record.peer or 'unknown'}."


def _ran(record: CallRecord) -> list[str]:
    lines: list[str] = []
    if record.release is not None:
        lines.append(
            f"Release {record.release} answered for channel {record.channel or 'unknown'} of app {record.app}."
        )
    elif record.app is not None:
        lines.append(f"It went to app {record.app}.")
    if record.experiment is not None:
        side = "the control, since its unit was not told" if record.arm is None else f"arm #{record.arm}"
        lines.append(f"It was on {side} of experiment {record.experiment}.")
    if record.prompt is not None:
        digest = f" (digest {record.prompt_digest[:12]})" if record.prompt_digest else ""
        how = ", recognised in the messages that the caller sent" if record.recognised is not None else ""
        lines.append(f"The prompt was {record.prompt}{digest}{how}.")
    elif record.fingerprint is not None:
        mark = record.fingerprint[:16]
        lines.append(f"Its system prompt is not registered; its fingerprint is {mark}, which `headgate adopt` takes.")
    if record.policy is not None:
        lines.append(f"The policy was {record.policy}.")
    if record.route is not None:
        lines.append(f"The route was {record.route}.")
    elif record.attempts or record.skipped:
        lines.append("The route came from the model's name: the requested provider first, then its tier.")
    if record.routed is not None:
        lines.append(_routed(record.routed))
    if record.sources:
        lines.append(f"Context was added from {_list(record.sources)}.")
    return lines


def _routed(routed: RoutedRecord) -> str:
    if routed.found is None or routed.confidence is None:
        return f"{routed.model} could not read the request, so the targets of class `{routed.chosen}` were asked."
    if routed.found == routed.chosen:
        return f"{routed.model} took it for `{routed.chosen}`, {routed.confidence:.0%} sure."
    sure = f"only {routed.confidence:.0%} sure of `{routed.found}`"
    return f"{routed.model} was {sure}, so the targets of class `{routed.chosen}` were asked."


def _stood_in(record: CallRecord) -> list[str]:
    """What answered in the providers' place."""
    if record.stand_in == "fixed":
        return ["Every target had failed, so the app's fixed answer stood in."]
    if record.stand_in not in ("hit", "stale"):
        return []
    saved = "" if record.saved_usd is None else f", which had cost ${record.saved_usd:.6f}"
    why = "It asked the very same as" if record.stand_in == "hit" else "Every target had failed; it asked the same as"
    return [f"{why} call {record.answer_of}: that answer was given again{saved}."]


def _attempt(number: int, attempt: AttemptRecord) -> str:
    text = f"Attempt {number} asked {attempt.provider}/{attempt.model} ({attempt.why}) at {_ms(attempt.started_us)}"
    if attempt.outcome == "ok":
        text += ": it answered"
    elif attempt.outcome == "in_flight":
        text += ": how it ended is not known"
    else:
        text += f": {attempt.outcome}"
        if attempt.error is not None:
            text += f", {attempt.error}"
    if attempt.status is not None:
        text += f" with HTTP {attempt.status}"
    if attempt.first_token_us is not None:
        text += f", first token at {_ms(attempt.first_token_us)}"
    if attempt.ended_us is not None:
        text += f", over at {_ms(attempt.ended_us)}"
    if attempt.message:
        text += f" ({attempt.message})"
    if attempt.request_id is not None:
        text += f"; the provider's request id is {attempt.request_id}"
    return text + "."


def _verdicts(record: CallRecord) -> list[str]:
    lines: list[str] = []
    for verdict in record.verdicts:
        where = f"{verdict.direction} of attempt {verdict.attempt}" if verdict.attempt else verdict.direction
        lines.append(
            f"Rule {verdict.rule} of {verdict.policy or 'the policy'} matched the {where} "
            f"({verdict.channel}, characters {verdict.start} to {verdict.end}): {verdict.action}."
        )
    return lines


def _ended(record: CallRecord) -> str:
    text = _ENDINGS.get(record.outcome, f"Its outcome is {record.outcome}")
    if text.endswith("."):
        if record.outcome == "ok":
            named = record.model_answered or record.target_model or "an unnamed model"
            text = f"It was answered by {named}"
            if record.seams:
                text = f"It was begun by {named} and gone on with by {record.target_model or 'an unnamed model'}"
            text += f", which finished with `{record.finish}`." if record.finish else ", without a finish reason."
        return text
    if record.error is not None and record.outcome != "cancelled":
        text += f": {record.error}"
    if record.message:
        text += f" ({record.message})"
    if record.status is not None:
        text += f"; the client got HTTP {record.status}"
    if record.outcome in ("cancelled", "failed"):
        text += ", part of the answer had gone out" if record.committed else ", nothing of an answer had gone out"
    return text + "."


def _tokens(record: CallRecord) -> str:
    if record.input_tokens is None and record.output_tokens is None:
        return "Tokens: unknown."
    text = f"Tokens: {_number(record.input_tokens)} in, {_number(record.output_tokens)} out"
    if record.cached_tokens is not None:
        text += f", {record.cached_tokens} of the input from the provider's cache"
    if record.cache_write_tokens is not None:
        text += f", {record.cache_write_tokens} written to it"
    if record.reasoning_tokens is not None:
        text += f", {record.reasoning_tokens} of the output for reasoning"
    return text + (" (estimated: the provider did not tell)." if record.tokens_estimated else ".")


def _cost(record: CallRecord) -> str:
    if record.cost_usd is not None:
        return f"Cost: ${record.cost_usd:.6f}."
    if record.input_tokens is None and record.output_tokens is None:
        return "Cost: unknown, since the tokens are."
    return f"Cost: unknown, no price is known for {record.provider}/{record.target_model}."


def _times(record: CallRecord) -> str:
    if record.latency_us is None:
        return "Time taken: unknown."
    first = "" if record.ttft_us is None else f", first content after {_ms(record.ttft_us)}"
    return f"Time taken: {_ms(record.latency_us)}{first}."


def _ms(us: int) -> str:
    return f"{us / 1000:.1f} ms"


def _number(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _list(items: list[str]) -> str:
    return ", ".join(f"`{item}`" for item in items)
