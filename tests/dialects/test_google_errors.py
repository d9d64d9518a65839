"""Gemini's error answers, one row each, and ours as its SDK raises them."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from google.genai import errors

from headgate.core.errors import (
    BudgetExceeded,
    CannotCarry,
    Forbidden,
    GatewayError,
    HeadgateError,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    Overloaded,
    PolicyBlocked,
    TooLarge,
    Unauthenticated,
    UpstreamError,
)
from headgate.dialects.google_generate import GOOGLE

RPC = "type.googleapis.com/google.rpc."
PLAN = "You exceeded your current quota, please check your plan and billing details."


def body(code: int, status: str, message: str, *details: dict[str, Any]) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": details}}).encode()


def quota(*ids: str) -> dict[str, Any]:
    return {"@type": RPC + "QuotaFailure", "violations": [{"quotaId": id_, "quotaMetric": "m"} for id_ in ids]}


def retry(delay: str) -> dict[str, Any]:
    return {"@type": RPC + "RetryInfo", "retryDelay": delay}


def info(reason: str) -> dict[str, Any]:
    return {"@type": RPC + "ErrorInfo", "reason": reason, "domain": "googleapis.com"}


MINUTE, DAY = (
    "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
    "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
)

CASES: list[tuple[int, bytes, str, float | None]] = [
    (429, body(429, "RESOURCE_EXHAUSTED", PLAN, quota(MINUTE), retry("46s")), "rate_limited", 46.0),
    (429, body(429, "RESOURCE_EXHAUSTED", f"{PLAN} Please retry in 46s."), "rate_limited", 46.0),
    (429, body(429, "RESOURCE_EXHAUSTED", f"{PLAN}\nPlease retry in 46.357s."), "rate_limited", 46.357),
    (429, body(429, "RESOURCE_EXHAUSTED", PLAN), "rate_limited", None),
    (429, body(429, "RESOURCE_EXHAUSTED", PLAN, quota(DAY), retry("46s")), "quota_exhausted", None),
    (429, body(429, "RESOURCE_EXHAUSTED", PLAN, quota(DAY), retry("1200s")), "quota_exhausted", 1200.0),
    (429, body(429, "RESOURCE_EXHAUSTED", "Please retry in 13h2m33.5s.", quota(DAY)), "quota_exhausted", 3600.0),
    (429, body(429, "RESOURCE_EXHAUSTED", PLAN, quota(MINUTE, DAY)), "quota_exhausted", None),
    (429, body(429, "RESOURCE_EXHAUSTED", f"{PLAN} * Quota exceeded for metric: m, limit: 0"), "quota_exhausted", None),
    (429, body(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), "quota_exhausted", None),
    (429, body(429, "RESOURCE_EXHAUSTED", "Your project is over its monthly spending cap."), "quota_exhausted", None),
    (429, b"", "rate_limited", None),
    (400, body(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", info("API_KEY_INVALID")),
     "auth_failed", None),
    (400, body(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), "auth_failed", None),
    (400, body(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "auth_failed", None),
    (401, body(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), "auth_failed", None),
    (403, body(403, "PERMISSION_DENIED", "Generative Language API has not been used", info("SERVICE_DISABLED")),
     "auth_failed", None),
    (404, body(404, "NOT_FOUND", "models/gemini-1.0 is not found for API version v1beta"), "model_gone", None),
    (400, body(400, "INVALID_ARGUMENT",
               "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
     "context_too_long", None),
    (400, body(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
     "context_too_long", None),
    (400, body(400, "INVALID_ARGUMENT", "Invalid JSON payload received. Unknown name \"x\""), "client_fault", None),
    (400, b"[" + body(400, "INVALID_ARGUMENT", "Please use a valid role: user, model.") + b"]", "client_fault", None),
    (400, b"not json", "client_fault", None),
    (413, b"", "client_fault", None),
    (499, body(499, "CANCELLED", "The operation was cancelled."), "server_error", None),
    (500, body(500, "INTERNAL", "An internal error has occurred."), "server_error", None),
    (503, body(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), "overloaded", None),
    (504, body(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."), "server_error", None),
    (529, b"", "overloaded", None),
    (502, b"<html><title>502</title></html>", "server_error", None),
    (403, b"<html>denied by a proxy</html>", "malformed_response", None),
    (400, b"  <!DOCTYPE html>", "malformed_response", None),
    (302, b"", "malformed_response", None),
    (503, b'{"error": {"code": 503, "mess', "overloaded", None),
    (500, b'{"error": "text"}', "server_error", None),
    (500, b"[]", "server_error", None),
    (500, b"[5]", "server_error", None),
    (429, b'{"error": {"message": 5, "status": 7, "details": {"a": 1}}}', "rate_limited", None),
    (429, b'{"error": {"details": [5, {"@type": 5}, {"@type": "x.QuotaFailure", "violations": [1, {}]}]}}',
     "rate_limited", None),
    (500, b"[" * 100_000, "server_error", None),
    (500, b"\xff\xfe", "server_error", None),
]  # fmt: skip


@pytest.mark.parametrize(("status", "data", "kind", "cool_s"), CASES)
def test_an_error_answer_is_understood(status: int, data: bytes, kind: str, cool_s: float | None) -> None:
    error = GOOGLE.read_error(status, [], data)
    assert (error.kind, error.cool_s, error.attempt_status) == (kind, cool_s, status)


def test_the_header_is_believed_before_the_body() -> None:
    data = body(429, "RESOURCE_EXHAUSTED", "Please retry in 46s.", quota(MINUTE), retry("46s"))
    assert GOOGLE.read_error(429, [(b"Retry-After", b"7")], data).cool_s == 7.0
    assert GOOGLE.read_error(503, [(b"retry-after", b"7")], b"").cool_s == 7.0
    assert GOOGLE.read_error(400, [(b"retry-after", b"7")], b"").cool_s is None


def test_a_genuine_client_fault_carries_googles_words_and_bytes() -> None:
    data = body(400, "INVALID_ARGUMENT", "Please use a valid role: user, model.")
    error = GOOGLE.read_error(400, [], data)
    assert (error.message, error.body, error.retryable) == ("Please use a valid role: user, model.", data, False)
    assert len(GOOGLE.read_error(400, [], body(400, "INVALID_ARGUMENT", "x" * 5000)).message) == 500
    assert GOOGLE.read_error(400, [], b"not json").body is None


def test_other_failures_repeat_nothing_of_the_answer() -> None:
    for status, word in [(500, "INTERNAL"), (403, "PERMISSION_DENIED"), (429, "RESOURCE_EXHAUSTED")]:
        error = GOOGLE.read_error(status, [], body(status, word, "project 1234 of Ada's key AIzaSecret"))
        assert error.message == f"the provider answered {status} ({word})"
        assert error.body is None


OURS: list[tuple[HeadgateError, int, str, str]] = [
    (InvalidRequest("no", param="contents"), 400, "INVALID_ARGUMENT", "invalid_request"),
    (CannotCarry("no"), 400, "INVALID_ARGUMENT", "cannot_carry"),
    (PolicyBlocked("no", rule="card", direction="input"), 400, "INVALID_ARGUMENT", "policy_blocked"),
    (Unauthenticated("no"), 401, "UNAUTHENTICATED", "unauthenticated"),
    (Forbidden("no"), 403, "PERMISSION_DENIED", "forbidden"),
    (NotFound("no"), 404, "NOT_FOUND", "not_found"),
    (TooLarge("no"), 413, "INVALID_ARGUMENT", "request_too_large"),
    (LimitExceeded("no", retry_after_s=1.5), 429, "RESOURCE_EXHAUSTED", "rate_limited"),
    (BudgetExceeded("no"), 429, "RESOURCE_EXHAUSTED", "budget_exhausted"),
    (GatewayError("no"), 500, "INTERNAL", "internal_error"),
    (Overloaded("no"), 503, "UNAVAILABLE", "overloaded"),
    (UpstreamError("truncated", "no"), 502, "UNAVAILABLE", "truncated"),
    (UpstreamError("idle_timeout", "no"), 504, "DEADLINE_EXCEEDED", "idle_timeout"),
]


@pytest.mark.parametrize(("error", "status", "word", "reason"), OURS)
def test_our_errors_are_what_the_sdk_raises(error: HeadgateError, status: int, word: str, reason: str) -> None:
    data = GOOGLE.error_body(error, "call_1")
    expected = errors.ClientError if status < 500 else errors.ServerError
    with pytest.raises(expected) as caught:
        errors.APIError.raise_for_response(httpx2.Response(status, content=data))
    assert (caught.value.code, caught.value.status, caught.value.message) == (status, word, "no")
    [told, *rest] = caught.value.details["error"]["details"]
    assert (told["reason"], told["domain"], told["metadata"]["call_id"]) == (reason, "headgate", "call_1")
    assert told["metadata"].get("param") == error.param
    delays = [] if error.retry_after_s is None else [retry("1.500s")]
    assert rest == delays


def test_our_own_limit_reads_back_with_its_delay() -> None:
    data = GOOGLE.error_body(LimitExceeded("slow down", retry_after_s=2.25), None)
    error = GOOGLE.read_error(429, [], data)
    assert (error.kind, error.cool_s) == ("rate_limited", 2.25)
    assert b"call_id" not in data


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (403, "CachedContent not found (or permission denied)", "client_fault"),
        (404, "Requested cached content was not found.", "client_fault"),
        (403, "You do not have permission to access the File abc or it may not exist.", "client_fault"),
        (404, "models/gemini-9 is not found for API version v1beta", "model_gone"),
        (403, "Your API key was reported as leaked.", "auth_failed"),
    ],
)
def test_a_thing_of_the_callers_that_is_missing_says_nothing_of_model_or_account(
    status: int, message: str, kind: str
) -> None:
    data = json.dumps({"error": {"code": status, "message": message, "status": "NOT_FOUND"}}).encode()
    assert GOOGLE.read_error(status, [], data).kind == kind
