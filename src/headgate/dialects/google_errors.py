"""Google's errors: what Gemini's mean, and how ours are said (google.rpc.Status in JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from headgate.core.errors import HeadgateError, UpstreamError
from headgate.core.types import Header, Json, JsonObject, as_int, as_list, as_object, as_text
from headgate.dialects.cooling import bounded, duration_s, named, retry_after_s, said_s
from headgate.dialects.failing import Told, answered, in_band, is_filtered

_TYPE: Final = "type.googleapis.com/google.rpc."
_DOMAIN: Final = "headgate"
# below this, the delay that comes with a used-up daily quota is only the per-minute window's
_DAILY_MIN_S: Final = 120.0

_STATUS_WORDS: Final[dict[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_CODES: Final[dict[str, int]] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_AUTH_REASONS: Final = frozenset({
    "API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "API_KEY_IP_ADDRESS_BLOCKED", "API_KEY_HTTP_REFERRER_BLOCKED",
    "ACCESS_TOKEN_EXPIRED", "SERVICE_DISABLED", "CONSUMER_INVALID", "CONSUMER_SUSPENDED", "BILLING_DISABLED",
})  # fmt: skip
_AUTH_WORDS: Final = ("api key not valid", "api key expired", "api key not found", "enable billing")
# the account may not ask from where we are: no fault of the caller's, and another vendor may answer
_PLACE_WORDS: Final = ("user location is not supported", "not available in your country")
# things of the caller's that a request names: that one is missing says nothing of the model or the account
_THINGS: Final = ("cachedcontent", "cached content", "access the file", "file not found")
_LONG_WORDS: Final = ("exceeds the maximum number of tokens", "input context is too long", "payload size exceeds")
_MONEY_WORDS: Final = ("spending cap", "spend cap", "credits are depleted", "billing account", "limit: 0")


def error_object(error: HeadgateError, call_id: str | None = None) -> JsonObject:
    """The body of an error answer, and of an error inside a stream. The stable code is in `details`."""
    metadata: JsonObject = {}
    if call_id is not None:
        metadata["call_id"] = call_id
    if error.param is not None:
        metadata["param"] = error.param
    info: JsonObject = {"@type": _TYPE + "ErrorInfo", "reason": error.reason, "domain": _DOMAIN, "metadata": metadata}
    details: list[Json] = [info]
    if error.retry_after_s is not None:
        details.append({"@type": _TYPE + "RetryInfo", "retryDelay": f"{error.retry_after_s:.3f}s"})
    word = _STATUS_WORDS.get(error.status, "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL")
    return {"error": {"code": error.status, "message": error.message, "status": word, "details": details}}


def error_body(error: HeadgateError, call_id: str | None) -> bytes:
    """See `Dialect.error_body`."""
    return msgspec.json.encode(error_object(error, call_id))


class _Said:
    """What an error object says, as far as it can be read."""

    __slots__ = ("delay_s", "message", "quotas", "reason", "word")

    def __init__(self, error: JsonObject) -> None:
        self.message = as_text(error.get("message")) or ""
        self.word = (as_text(error.get("status")) or "").upper()
        self.reason = ""
        self.quotas: list[str] = []
        self.delay_s: float | None = None
        for detail in as_list(error.get("details")) or ():
            self._detail(as_object(detail) or {})
        if self.delay_s is None:
            self.delay_s = said_s(self.message, "retry in ")

    def _detail(self, detail: JsonObject) -> None:
        kind = (as_text(detail.get("@type")) or "").rpartition(".")[2]
        if kind == "ErrorInfo":
            self.reason = as_text(detail.get("reason")) or ""
        elif kind == "RetryInfo":
            seconds = duration_s(as_text(detail.get("retryDelay")) or "")
            self.delay_s = None if seconds is None else bounded(seconds)
        elif kind == "QuotaFailure":
            for violation in as_list(detail.get("violations")) or ():
                quota = as_text((as_object(violation) or {}).get("quotaId"))
                if quota:
                    self.quotas.append(quota)


def read_error(status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
    """What a non-2xx answer means. Never raises: HTML, cut JSON and empty bodies are answers too."""
    error = _error(body)
    said = _Said(error or {})
    kind = _kind(status, said)
    word = said.reason or said.word
    cool_s, filtered = _cool_s(kind, headers, said), is_filtered(said.message, said.word, said.reason)
    return answered(status, body, Told(kind, word, said.message, cool_s, error is not None, filtered))


def read_stream_error(raw: msgspec.Raw) -> UpstreamError:
    """What an `error` object inside a 200 answer means: see `failing.in_band`."""
    error = as_object(msgspec.json.decode(raw)) or {}
    said = _Said(error)
    kind = _kind(as_int(error.get("code")) or _CODES.get(said.word, 0), said)
    code = as_text(error.get("code")) or ""  # a number at Gemini; a word in Google's newer services
    filtered = is_filtered(said.message, said.word, said.reason, code)
    return in_band(Told(kind, said.word, cool_s=_cool_s(kind, (), said), filtered=filtered))


def _error(body: bytes) -> JsonObject | None:
    """The `error` object; errors of the array form of a stream come as an array of one."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    items = as_list(tree)
    found = as_object(items[0] if items else tree)
    return None if found is None else as_object(found.get("error")) or found


def _kind(status: int, said: _Said) -> str:
    lower = said.message.lower()
    if status == 429 or (status == 0 and said.word == "RESOURCE_EXHAUSTED"):
        return _limit_kind(said, lower)
    if status >= 500:
        busy = status in (503, 529) or said.word == "UNAVAILABLE"
        return "overloaded" if busy else "server_error"
    if status in (403, 404) and any(word in lower for word in _THINGS):
        return "client_fault"
    if status in (401, 403) or said.reason in _AUTH_REASONS or any(word in lower for word in _AUTH_WORDS):
        return "auth_failed"
    if any(word in lower for word in _PLACE_WORDS):
        return "auth_failed"
    if status in (404, 410):
        return "model_gone"
    if status == 402:
        return "quota_exhausted"
    if any(word in lower for word in _LONG_WORDS):
        return "context_too_long"
    if status in (408, 409, 425, 499):
        return "server_error"
    return "client_fault" if status >= 400 else "malformed_response"


def _limit_kind(said: _Said, lower: str) -> str:
    """A quota per minute comes back by itself; one per day, or an account out of money, does not. The message "You
    exceeded your current quota, please check your plan and billing details" stands with both and tells nothing."""
    if any("PerDay" in quota for quota in said.quotas) or any(word in lower for word in _MONEY_WORDS):
        return "quota_exhausted"
    return "rate_limited"


def _cool_s(kind: str, headers: Sequence[Header], said: _Said) -> float | None:
    """Seconds to leave the target alone: what the headers say, else what the body says."""
    seconds = retry_after_s(named(headers))
    if seconds is None:
        seconds = said.delay_s
    if kind == "quota_exhausted" and seconds is not None and seconds < _DAILY_MIN_S:
        return None
    return seconds
