"""What a Claude model takes, as far as its name tells: sampling parameters, thinking, prefill, an answer's length.

Names are read in all the ways clouds spell them (`claude-3-5-haiku-latest`, `claude-opus-4-1@20250805`,
`eu.anthropic.claude-sonnet-4-6-v1:0`). A name that does not tell is taken for a model of today.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

API_VERSION_DEFAULT: Final = "2023-06-01"  # what translated requests are written for
API_VERSION_NEWEST: Final = "2026-10-21"  # refuses temperature, top_p and top_k whatever the model
BUDGET_MIN: Final = 1024
_FUTURE: Final = (99, 0)
_DATE_DIGITS: Final = 6  # 20250805 is a date, 45 is not


@lru_cache(maxsize=256)
def generation(model: str) -> tuple[int, int] | None:
    """(4, 6) for `claude-opus-4-6`; None where the name does not tell."""
    _, found, rest = model.lower().rpartition("claude-")
    if not found:
        return None
    if rest.startswith(("v1", "instant")):
        return (1, 0)
    numbers: list[int] = []
    for word in rest.replace("@", "-").replace(".", "-").replace(":", "-").split("-"):
        if word.isdecimal() and len(word) < _DATE_DIGITS:
            numbers.append(int(word))
        elif numbers:
            break
    if not numbers:
        return None
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)


def _at(model: str) -> tuple[int, int]:
    return generation(model) or _FUTURE


def takes_sampling(model: str) -> bool:
    """temperature, top_p, top_k: up to 4.6, under API_VERSION_DEFAULT only."""
    return _at(model) <= (4, 6)


def takes_one_sampling(model: str) -> bool:
    """True where temperature and top_p may not be said together."""
    return _at(model) >= (4, 1)


def takes_adaptive(model: str) -> bool:
    """`thinking: {type: adaptive}`."""
    return _at(model) >= (4, 6)


def takes_budget(model: str) -> bool:
    """`thinking: {type: enabled, budget_tokens}`."""
    return (3, 7) <= _at(model) <= (4, 6)


def takes_effort(model: str) -> bool:
    """`output_config.effort`."""
    return _at(model) >= (4, 6) or (_at(model) == (4, 5) and "opus" in model)


def takes_schema(model: str) -> bool:
    """`output_config.format` and strict tools."""
    return _at(model) >= (4, 5) or (_at(model) == (4, 1) and "opus" in model)


def takes_prefill(model: str) -> bool:
    """A last turn of the assistant that the answer continues."""
    known = generation(model)
    return known is None or known < (4, 6)


def efforts(model: str) -> tuple[str, ...]:
    """Effort words from least to most."""
    at = _at(model)
    if at >= (4, 7):
        return ("low", "medium", "high", "xhigh", "max")
    return ("low", "medium", "high", "max") if at == (4, 6) else ("low", "medium", "high")


def max_tokens_default(model: str) -> int:
    """`max_tokens` where the client said none: it is required, so the most that every model of the generation takes."""
    at = _at(model)
    if at >= (4, 0):
        return 32_000
    return 8_192 if at >= (3, 5) else 4_096
