"""Anthropic's errors: what a provider's mean, and how ours are said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from headgate.core.errors import CannotCarry, HeadgateError, UpstreamError
from headgate.core.types import Header, Json, JsonObject, as_object, as_text
from headgate.dialects.cooling import named, retry_after_s, until_s
from headgate.dialects.failing import Told, answered, in_band, is_filtered

# `error.details.error_code`: the account's money or permission is used up, waiting a minute does not help
_MONEY: Final = frozenset({
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "linked_organization_spend_limit_reached",
    "linked_organization_billing_unavailable",
})  # fmt: skip
_MONEY_WORDS: Final = ("specified api usage limits", "credit balance is too low")
_TOO_LONG_WORDS: Final = (
    "prompt is too long", "exceed context limit", "context window", "input is too long", "too many total text bytes",
)  # fmt: skip
# things of the caller's that a request names: that one is missing says nothing of the model
_THINGS: Final = ("file not found", "container not found", "skill not found")
_BY_TYPE: Final = {
    "billing_error": "quota_exhausted",
    "authentication_error": "auth_failed",
    "permission_error": "auth_failed",
    "not_found_error": "model_gone",
    "rate_limit_error": "rate_limited",
    "overloaded_error": "overloaded",
    "timeout_error": "server_error",
    "api_error": "server_error",
}
_BY_STATUS: Final = {
    401: "auth_failed", 402: "quota_exhausted", 403: "auth_failed", 404: "model_gone", 408: "server_error",
    409: "server_error", 410: "model_gone", 425: "server_error", 429: "rate_limited", 503: "overloaded",
    529: "overloaded",
}  # fmt: skip
_LIMITS: Final = (b"requests", b"tokens", b"input-tokens", b"output-tokens")

_TYPES: Final = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 429: "rate_limit_error", 503: "overloaded_error", 504: "timeout_error",
    529: "overloaded_error",
}  # fmt: skip


def error_object(error: HeadgateError, call_id: str | None) -> dict[str, object]:
    """The body of an error answer and of an error event. Our stable code is where SDKs look for Anthropic's own:
    `error.details.error_code`. A thread (history that only Anthropic's servers hold) is refused by Anthropic's own
    code: the SDK then sends the conversation whole."""
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    threaded = isinstance(error, CannotCarry) and error.param == "thread"
    code = "thread_unsupported_request" if threaded else error.reason
    said: dict[str, object] = {"type": kind, "message": error.message, "details": {"error_code": code}}
    return {"type": "error", "error": said, "request_id": call_id}


def read_error(status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
    """What a non-2xx answer means. Never raises: HTML, cut JSON and empty bodies are answers too."""
    detail = _detail(body)
    text, word = _text(detail, "message"), _word(detail)
    filtered = is_filtered(text, word)
    told = Told(_kind(status, detail), word, text, _cool_s(headers), detail is not None, filtered)
    return answered(status, body, told)


def read_stream_error(error: object) -> UpstreamError:
    """What an `error` object inside a 200 answer means: see `failing.in_band`."""
    detail = as_object(error)
    word = _word(detail)
    return in_band(Told(_kind(0, detail), word, filtered=is_filtered(_text(detail, "message"), word)))


def _detail(body: bytes) -> JsonObject | None:
    """The `error` object of a body."""
    try:
        tree = as_object(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return None if tree is None else as_object(tree.get("error"))


def _text(detail: JsonObject | None, name: str) -> str:
    return "" if detail is None else as_text(detail.get(name)) or ""


def _error_code(detail: JsonObject | None) -> str:
    details: Json = None if detail is None else detail.get("details")
    return _text(as_object(details), "error_code")


def _word(detail: JsonObject | None) -> str:
    """The most exact machine-readable word."""
    return _error_code(detail) or _text(detail, "type")


def _kind(status: int, detail: JsonObject | None) -> str:
    text, type_ = _text(detail, "message").lower(), _text(detail, "type")
    if _error_code(detail) in _MONEY or any(words in text for words in _MONEY_WORDS):
        return "quota_exhausted"
    if type_ in ("", "invalid_request_error") and status in (0, 400, 413):
        if any(words in text for words in _TOO_LONG_WORDS):
            return "context_too_long"
        return "client_fault"
    if status == 404 and any(words in text for words in _THINGS):
        return "client_fault"
    found = _BY_STATUS.get(status) or _BY_TYPE.get(type_)
    if found is not None:
        return found
    if status >= 500:
        return "server_error"
    return "client_fault" if status >= 400 else "malformed_response"


def _cool_s(headers: Sequence[Header]) -> float | None:
    """Seconds to leave the target alone: `retry-after` in its forms, else when the limit that is used up resets."""
    known = named(headers)
    asked = retry_after_s(known)
    if asked is not None:
        return asked
    waits = [
        until_s(known.get(b"anthropic-ratelimit-" + what + b"-reset", ""), known)
        for what in _LIMITS
        if known.get(b"anthropic-ratelimit-" + what + b"-remaining") == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)
