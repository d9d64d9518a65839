"""Small shared types: JSON trees, artifact references, targets, prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import msgspec

if TYPE_CHECKING:
    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
    JsonObject: TypeAlias = "dict[str, Json]"
else:  # msgspec reads annotations at run time and knows no recursive aliases
    Json = object
    JsonObject = dict[str, object]
Header: TypeAlias = "tuple[bytes, bytes]"


class ArtifactRef(msgspec.Struct, frozen=True, gc=False):
    """One version of one artifact: `kind/name@1.4.2` and the SHA-256 digest (hex) of its canonical content."""

    kind: str
    name: str
    version: str
    digest: str

    def __str__(self) -> str:
        """The address people type: `prompt/support@1.4.2`."""
        return f"{self.kind}/{self.name}@{self.version}"


class Price(msgspec.Struct, frozen=True, gc=False):
    """US dollars per million tokens. None means the vendor's price is not known to us, never free.

    `long` are the prices of a whole call whose input is longer than `long_over` tokens, where the vendor has such.
    """

    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None
    long_over: int | None = None
    long: Price | None = None


class Usage(msgspec.Struct, gc=False):
    """Tokens of one answer. `input` includes cache reads and writes, `output` includes reasoning. None: not told."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    estimated: bool = False


def folded(before: Usage | None, told: Usage) -> Usage:
    """Usage with what was told later: the last word wins, field by field."""
    if before is None:
        return told
    return Usage(
        before.input if told.input is None else told.input,
        before.output if told.output is None else told.output,
        before.cached if told.cached is None else told.cached,
        before.cache_write if told.cache_write is None else told.cache_write,
        before.reasoning if told.reasoning is None else told.reasoning,
        before.estimated or told.estimated,
    )


def money(price: Price | None, usage: Usage) -> float | None:
    """US dollars of one answer; None where a price or a count that matters is unknown."""
    asked, answered = usage.input, usage.output
    if price is None or asked is None or answered is None:
        return None
    if price.long_over is not None and asked > price.long_over and price.long is not None:
        price = price.long
    rate, answer_rate = price.input, price.output
    if rate is None or answer_rate is None:
        return None
    cached, written = usage.cached or 0, usage.cache_write or 0
    if not cached and not written:
        return (asked * rate + answered * answer_rate) / 1e6
    cached_rate = rate if price.cached_input is None else price.cached_input
    write_rate = rate if price.cache_write is None else price.cache_write
    plain = max(asked - cached - written, 0)
    return (plain * rate + cached * cached_rate + written * write_rate + answered * answer_rate) / 1e6


class Origin(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Where a provider listens. A secret is bound to its origin and is never sent to another."""

    scheme: str
    host: str
    port: int
    allow_private: bool = False


def as_object(value: object) -> dict[str, Json] | None:
    """The value as a JSON object, or None where it is something else."""
    return cast("dict[str, Json]", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Json] | None:
    """The value as a JSON array, or None where it is something else."""
    return cast("list[Json]", value) if isinstance(value, list) else None


def as_text(value: object) -> str | None:
    """The value as a string, or None where it is something else."""
    return value if isinstance(value, str) else None


def as_int(value: object) -> int | None:
    """The value as an integer (booleans are not), or None where it is something else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
