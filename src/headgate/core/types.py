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


TOKENS_MAX = 1_000_000_000  # a count beyond this is not a count


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
    """Usage with what was told later: the last word wins, field by field. A count out of all bounds tells nothing."""
    if (
        before is None
        and (told.input is None or 0 <= told.input <= TOKENS_MAX)
        and (told.output is None or 0 <= told.output <= TOKENS_MAX)
        and (told.cached is None or 0 <= told.cached <= TOKENS_MAX)
        and (told.cache_write is None or 0 <= told.cache_write <= TOKENS_MAX)
        and (told.reasoning is None or 0 <= told.reasoning <= TOKENS_MAX)
    ):
        return told  # as it mostly is: told once, and in bounds
    known = before or Usage()
    return Usage(
        _later(known.input, told.input),
        _later(known.output, told.output),
        _later(known.cached, told.cached),
        _later(known.cache_write, told.cache_write),
        _later(known.reasoning, told.reasoning),
        known.estimated or told.estimated,
    )


def _later(before: int | None, told: int | None) -> int | None:
    return told if told is not None and 0 <= told <= TOKENS_MAX else before


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
    cached_rate, write_rate = price.cached_input, price.cache_write
    if (cached and cached_rate is None) or (written and write_rate is None):
        return None
    plain = max(asked - cached - written, 0)
    return (plain * rate + cached * (cached_rate or 0.0) + written * (write_rate or 0.0) + answered * answer_rate) / 1e6


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
