"""What a call is told when every candidate failed."""

from __future__ import annotations

import msgspec

from headgate.core.errors import UpstreamError
from headgate.core.snapshot import Target

# coming back later does not help with these: someone has to change an account, a key or a name
_LASTING = frozenset({"quota_exhausted", "auth_failed", "model_gone", "tls_failed", "address_refused"})
SOON_S = 1.0  # where nobody is left alone for any known time: a first failure of everyone


class Failure(msgspec.Struct, frozen=True):
    """A target that was asked, and how it failed."""

    target: Target
    error: UpstreamError


def most_telling(failures: list[Failure], retry_after_s: float | None) -> UpstreamError:
    """The error of an exhausted call.

    The rule: a failure that passes (overload, rate limit, timeout, broken connection) tells the caller that coming
    back helps, so it goes before a request that is too long, and that before what only an operator can mend (key,
    quota, retired model). Among equals the target that was asked first speaks. Where several targets were asked, the
    message names each with its failure; no provider's own words and no body go out with it. What passes says when to
    come back: in `retry_after_s`, or soon where that is not known. Where several failed, or all are held
    in trouble, no single provider's bad answer (502) or silence (504) is told, but that nobody serves (503).
    """
    chosen = max(failures, key=_hope).error  # max keeps the first of equals
    if len(failures) > 1:
        told = ", ".join(f"{failure.target}: {failure.error.kind}" for failure in failures)
        chosen = UpstreamError(
            chosen.kind,
            f"every target that was asked failed ({told})",
            attempt_status=chosen.attempt_status,
            cool_s=chosen.cool_s,
        )
    if chosen.kind not in _LASTING and chosen.kind != "context_too_long":
        chosen.retry_after_s = max(retry_after_s or 0.0, SOON_S)
        if chosen.status in (502, 504) and (retry_after_s is not None or len(failures) > 1):
            chosen.status = 503
    return chosen


def _hope(failure: Failure) -> int:
    kind = failure.error.kind
    if kind in _LASTING:
        return 0
    return 1 if kind == "context_too_long" else 2
