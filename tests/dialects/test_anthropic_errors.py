"""Anthropic's errors, read and written."""

from __future__ import annotations

import json

import pytest

from headgate.core import errors
from headgate.core.errors import UPSTREAM_KINDS, CannotCarry, UpstreamError
from headgate.dialects.anthropic_messages import ANTHROPIC
from tests.dialects import anthropic_sdk as sdk


def body(type_: str, message: str = "no", code: str | None = None) -> bytes:
    error: dict[str, object] = {"type": type_, "message": message}
    if code is not None:
        error["details"] = {"error_code": code}
    return json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()


@pytest.mark.parametrize(
    ("status", "data", "kind"),
    [
        (400, body("invalid_request_error", "messages: field required"), "client_fault"),
        (400, body("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), "context_too_long"),
        (
            400,
            body("invalid_request_error", "input length and `max_tokens` exceed context limit: 1"),
            "context_too_long",
        ),
        (400, body("invalid_request_error", "You have reached your specified API usage limits."), "quota_exhausted"),
        (400, body("invalid_request_error", "Your credit balance is too low to access the API"), "quota_exhausted"),
        (401, body("authentication_error"), "auth_failed"),
        (402, body("billing_error"), "quota_exhausted"),
        (403, body("permission_error"), "auth_failed"),
        (404, body("not_found_error", "model: claude-1"), "model_gone"),
        (404, body("not_found_error", "File not found: file_1"), "client_fault"),
        (413, body("invalid_request_error", "too large"), "client_fault"),
        (429, body("rate_limit_error"), "rate_limited"),
        (429, body("rate_limit_error", code="ramp_limit_exceeded"), "rate_limited"),
        (429, body("rate_limit_error", code="enforced_spend_limit_reached"), "quota_exhausted"),
        (429, body("rate_limit_error", code="contract_spend_limit_reached"), "quota_exhausted"),
        (402, body("billing_error", code="linked_organization_spend_limit_reached"), "quota_exhausted"),
        (500, body("api_error"), "server_error"),
        (502, b"", "server_error"),
        (503, b"<html>", "overloaded"),
        (504, body("timeout_error"), "server_error"),
        (529, body("overloaded_error"), "overloaded"),
        (529, b"", "overloaded"),
        (500, body("overloaded_error"), "overloaded"),
        (403, b"<html>blocked</html>", "malformed_response"),
        (404, b"<html>nothing here</html>", "malformed_response"),
        (400, b'{"type":"err', "client_fault"),
        (418, body("teapot"), "client_fault"),
        (301, b"", "malformed_response"),
        (400, b"\xff\xfe", "client_fault"),
        (400, b"[" * 100_000, "client_fault"),
    ],
)
def test_every_verdict(status: int, data: bytes, kind: str) -> None:
    error = ANTHROPIC.read_error(status, [], data)
    assert error.kind == kind
    assert error.attempt_status == status
    told, retryable, counts = UPSTREAM_KINDS[kind]
    assert error.status == (status if kind == "client_fault" else told)
    assert (error.retryable, error.counts) == (retryable, counts)


def test_only_the_callers_own_fault_is_told_in_the_vendors_words() -> None:
    fault = ANTHROPIC.read_error(400, [], body("invalid_request_error", "max_tokens: must be at least 1"))
    assert fault.message == "max_tokens: must be at least 1"
    assert fault.body == body("invalid_request_error", "max_tokens: must be at least 1")
    secret = ANTHROPIC.read_error(401, [], body("authentication_error", "invalid key sk-ant-123"))
    assert secret.message == "the provider answered 401 (authentication_error)"
    assert secret.body is None
    long = ANTHROPIC.read_error(400, [], body("invalid_request_error", "x" * 10_000))
    assert len(long.message) == 500


DATE = (b"date", b"Wed, 25 Nov 2026 10:00:00 GMT")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"retry-after", b"12")], 12.0),
        ([(b"Retry-After", b" 1.5 ")], 1.5),
        ([(b"retry-after", b"0")], 0.0),
        ([(b"retry-after", b"-5")], None),
        ([(b"retry-after", b"nan")], None),
        ([(b"retry-after", b"1000000000")], 3600.0),
        ([(b"retry-after", b"inf")], 3600.0),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"")], None),
        ([(b"retry-after-ms", b"250"), (b"retry-after", b"9")], 0.25),
        ([(b"retry-after", b"Wed, 25 Nov 2026 10:00:30 GMT"), DATE], 30.0),
        ([(b"retry-after", b"Wed, 25 Nov 2026 09:00:30 GMT"), DATE], None),
        ([(b"retry-after", b"Wed, 25 Nov 2026 10:00:30 GMT")], None),
        (
            [
                DATE,
                (b"anthropic-ratelimit-requests-remaining", b"0"),
                (b"anthropic-ratelimit-requests-reset", b"2026-11-25T10:00:07Z"),
                (b"anthropic-ratelimit-input-tokens-remaining", b"0"),
                (b"anthropic-ratelimit-input-tokens-reset", b"2026-11-25T10:00:20Z"),
                (b"anthropic-ratelimit-output-tokens-remaining", b"5"),
                (b"anthropic-ratelimit-output-tokens-reset", b"2026-11-25T10:59:59Z"),
            ],
            20.0,
        ),
        (
            [
                DATE,
                (b"anthropic-ratelimit-requests-remaining", b"0"),
                (b"anthropic-ratelimit-requests-reset", b"later"),
            ],
            None,
        ),
        (
            [
                DATE,
                (b"anthropic-ratelimit-requests-remaining", b"0"),
                (b"anthropic-ratelimit-requests-reset", b"2026-11-25T10:00:07"),
            ],
            None,
        ),
        ([], None),
    ],
)
def test_waiting_times_in_every_form(headers: list[tuple[bytes, bytes]], seconds: float | None) -> None:
    assert ANTHROPIC.read_error(429, headers, body("rate_limit_error")).cool_s == seconds


def test_a_client_fault_asks_for_no_waiting() -> None:
    assert ANTHROPIC.read_error(400, [(b"retry-after", b"9")], body("invalid_request_error")).cool_s is None


OURS = [
    (errors.InvalidRequest("bad"), "invalid_request_error"),
    (errors.Unauthenticated("who"), "authentication_error"),
    (errors.Forbidden("no"), "permission_error"),
    (errors.NotFound("gone"), "not_found_error"),
    (errors.TooLarge("big"), "invalid_request_error"),
    (errors.LimitExceeded("slow"), "rate_limit_error"),
    (errors.BudgetExceeded("spent"), "rate_limit_error"),
    (errors.PolicyBlocked("no", rule="r", direction="input"), "invalid_request_error"),
    (errors.CannotCarry("no"), "invalid_request_error"),
    (errors.GatewayError("oops"), "api_error"),
    (errors.Overloaded("full"), "overloaded_error"),
    *((UpstreamError(kind, "failed"), None) for kind in UPSTREAM_KINDS),
]


@pytest.mark.parametrize(("error", "type_"), OURS, ids=lambda value: getattr(value, "reason", ""))
def test_our_errors_are_what_the_sdk_expects(error: errors.HeadgateError, type_: str | None) -> None:
    tree = sdk.error(ANTHROPIC.error_body(error, "call_1"))
    assert tree["request_id"] == "call_1"
    assert tree["error"]["message"] == error.message
    assert tree["error"]["details"] == {"error_code": error.reason}
    if type_ is not None:
        assert tree["error"]["type"] == type_


def test_a_thread_is_refused_in_the_words_that_make_the_sdk_send_the_history_whole() -> None:
    ask = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "thread": {"type": "create"}}
    with pytest.raises(CannotCarry) as caught:
        ANTHROPIC.read_request(json.dumps(ask).encode(), False)
    assert caught.value.reason == "cannot_carry"
    told = json.loads(ANTHROPIC.error_body(caught.value, "call_1"))
    assert told["error"]["details"] == {"error_code": "thread_unsupported_request"}
