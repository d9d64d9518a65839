"""Scores as lists show them, and in words."""

from __future__ import annotations

import msgspec

from headgate.core.scores import Score, StoredScore


class ScoreLine(msgspec.Struct, frozen=True):
    """One score. `value` None: a correction alone. `waits`: its call is not known yet. Times are nanoseconds since the
    Unix epoch. Comment and correction are for those who may read what users and models wrote."""

    id: str
    call: str
    name: str
    kind: str
    value: bool | float | str | None
    source: str
    author: str
    at_ns: int
    comment: str | None
    correction: str | None
    current: bool
    waits: bool
    app: str | None
    release: str | None
    prompt: str | None
    unit: str | None
    arm: str | None


def line_of(stored: StoredScore, words: bool) -> ScoreLine:
    """A score as lists show it, with or without the `words` that people wrote."""
    score, facts = stored.score, stored.facts
    value: bool | float | str | None = score.number if score.label is None else score.label
    return ScoreLine(
        id=score.id,
        call=score.call,
        name=score.name,
        kind=score.kind,
        value=bool(value) if score.kind == "boolean" else value,
        source=score.source,
        author=score.author,
        at_ns=score.at_ns,
        comment=score.comment if words else None,
        correction=score.correction if words else None,
        current=stored.current,
        waits=facts is None,
        app=None if facts is None else facts.app,
        release=None if facts is None else facts.release,
        prompt=None if facts is None else facts.prompt,
        unit=None if facts is None else facts.unit,
        arm=None if facts is None else facts.arm,
    )


def said(stored: StoredScore) -> str:
    """One score as a sentence, without the words that people wrote."""
    score = stored.score
    who = f"{score.source.capitalize()} {score.author}"
    if score.kind == "correction":
        text = f"{who} gave a correction (`{score.name}`)"
    else:
        text = f"{who} scored `{score.name}` {shown(score)}"
    more: list[str] = []
    if score.correction is not None:
        size = f"{len(score.correction)} characters"
        more.append(f"of {size}" if score.kind == "correction" else f"with a correction of {size}")
    if score.comment is not None:
        more.append("with a comment")
    return ", ".join([text, *more]) + "."


def shown(score: Score) -> str:
    """A score's value in a word: up, down, 0.8, the label; `corrected` for a correction alone."""
    if score.kind == "boolean":
        return "up" if score.number else "down"
    if score.number is not None:
        return f"{score.number:g}"
    return score.label if score.label is not None else "corrected"
