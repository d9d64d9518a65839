"""OpenAI's errors: what a provider's mean, and how ours are said."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.errors import HeadgateError, UpstreamError
from headgate.core.types import Header, Json, as_object, as_text
from headgate.dialects.cooling import bounded, duration_s, named, retry_after_s, said_s
from headgate.dialects.failing import Told, answered, in_band, is_filtered

_STATUS_DIGITS = 3

_MONEY = frozenset({
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
})  # fmt: skip
_GONE = frozenset({"model_not_found", "model_decommissioned", "deploymentnotfound", "deployment_not_found"})
_TOO_LONG = ("context_length_exceeded", "maximum context length", "context window", "prompt is too long")
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def error_object(error: HeadgateError) -> dict[str, object]:
    """The body of an error answer, and of an error inside a stream."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.reason}}


def read_error(status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
    """What a non-2xx answer means. Never raises: HTML, cut JSON and empty bodies are answers too."""
    detail = _detail(body)
    code, text = _code(detail), _text(detail)
    cool_s = _cool_s(headers, text)
    told = Told(_kind(status, code, text), code, text, cool_s, detail is not None, _filtered(detail, code, text))
    return answered(status, body, told)


def read_stream_error(error: object) -> UpstreamError:
    """What an `error` object inside a 200 answer means: see `failing.in_band`."""
    detail = as_object(error)
    code, text = _code(detail), _text(detail) or (as_text(error) or "")
    number = detail.get("code") if detail is not None else None
    digits = str(number) if isinstance(number, int) else as_text(number) or ""
    status = int(digits) if digits.isdecimal() and len(digits) == _STATUS_DIGITS else 0
    told = Told(_kind(status, code, text), code, cool_s=said_s(text), filtered=_filtered(detail, code, text))
    return in_band(told)


def _detail(body: bytes) -> dict[str, Json] | None:
    """The `error` object of a body; compatible servers also send a string, or the fields at the top."""
    try:
        tree = as_object(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if tree is None:
        return None
    error = tree.get("error")
    if isinstance(error, str):
        return {"message": error}
    return as_object(error) or tree


def _code(detail: dict[str, Json] | None) -> str:
    """The most exact machine-readable word, lower case."""
    if detail is None:
        return ""
    for name in ("code", "type", "status"):
        word = as_text(detail.get(name))
        if word and not word.isdecimal():
            return word.lower()
    return ""


def _filtered(detail: dict[str, Json] | None, code: str, text: str) -> bool:
    """Whether a content filter refused. OpenRouter says so with a 403 whose metadata tells what was flagged."""
    metadata = None if detail is None else as_object(detail.get("metadata"))
    return is_filtered(text, code) or (metadata is not None and "flagged_input" in metadata)


def _text(detail: dict[str, Json] | None) -> str:
    if detail is None:
        return ""
    return as_text(detail.get("message")) or as_text(detail.get("detail")) or ""


def _kind(status: int, code: str, text: str) -> str:
    lower = text.lower()
    if code in _MONEY or status == 402:
        return "quota_exhausted"
    if status < 500 and (code in _TOO_LONG or any(mark in lower for mark in _TOO_LONG)):
        return "rate_limited" if status == 429 else "context_too_long"
    if status == 429 or code in ("rate_limit_exceeded", "rate_limit_error", "too_many_requests", "tokens", "requests"):
        return "quota_exhausted" if "exceeded your current quota" in lower else "rate_limited"
    if status in (401, 403):
        return "auth_failed"
    if status in (404, 410) or (status < 500 and code in _GONE):
        return "model_gone"
    if status in (503, 529) or code in ("overloaded", "overloaded_error", "server_overloaded", "slow_down"):
        return "overloaded"
    if status >= 500 or status in (408, 409, 425):
        return "server_error"
    return "client_fault" if status >= 400 else "malformed_response"


def _cool_s(headers: Sequence[Header], text: str) -> float | None:
    """Seconds to leave the target alone: what the headers say, else what the message says."""
    known = named(headers)
    asked = retry_after_s(known)
    if asked is None:
        asked = said_s(text)
    if asked is not None:
        return asked
    for what in (b"requests", b"tokens"):
        if known.get(b"x-ratelimit-remaining-" + what) == "0":
            reset = duration_s(known.get(b"x-ratelimit-reset-" + what, ""))
            if reset is not None:
                return bounded(reset)
    return None
