"""Every failure Headgate can answer with, as one tree.

HeadgateError                     code, HTTP status, retryable, blame
├── CallerError                   blame: caller; never retried, never counted against a provider
│   ├── InvalidRequest            400 invalid_request
│   ├── Unauthenticated           401 unauthenticated
│   ├── Forbidden                 403 forbidden
│   ├── NotFound                  404 not_found
│   │   └── ModelNotFound         404 model_not_found
│   ├── TooLarge                  413 request_too_large
│   ├── LimitExceeded             429 rate_limited
│   └── BudgetExceeded            429 budget_exhausted
├── PolicyBlocked                 400 policy_blocked; blame: policy; never fails over
├── CannotCarry                   400 cannot_carry: the target's format cannot say what the request says
├── UpstreamError                 blame: provider; the codes are listed in the class
└── GatewayError                  500/503; blame: gateway
    ├── Overloaded                503 overloaded
    └── StoreUnavailable          503 store_unavailable: never on the request path
"""

from __future__ import annotations

from typing import ClassVar


class HeadgateError(Exception):
    """A failure with a stable code. `message` is safe to show to the caller; it never holds content or secrets."""

    code: ClassVar[str] = "internal_error"
    status: int = 500
    retryable: bool = False
    blame: ClassVar[str] = "gateway"

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def reason(self) -> str:
        """The most exact stable code: the class's own unless a subclass knows better."""
        return self.code


class CallerError(HeadgateError):
    """The request itself is at fault."""

    code = "invalid_request"
    status = 400
    blame = "caller"


class InvalidRequest(CallerError):
    """Malformed JSON, a wrong type, a missing field. `param` names the field where it is known."""


class Unauthenticated(CallerError):
    """No key, an unknown key, an expired or revoked one."""

    code = "unauthenticated"
    status = 401


class Forbidden(CallerError):
    """The key is good but may not do this."""

    code = "forbidden"
    status = 403


class NotFound(CallerError):
    """No such thing or path."""

    code = "not_found"
    status = 404


class ModelNotFound(NotFound):
    """No such model, app, channel or prompt."""

    code = "model_not_found"


class TooLarge(CallerError):
    """A body or a header section over its limit."""

    code = "request_too_large"
    status = 413


class LimitExceeded(CallerError):
    """Requests or tokens per minute of a key are used up. `retry_after_s` says when to come back."""

    code = "rate_limited"
    status = 429


class BudgetExceeded(CallerError):
    """The money of a key is spent."""

    code = "budget_exhausted"
    status = 429


class PolicyBlocked(HeadgateError):
    """A guardrail refused. `rule` names it; the offending text is never in the message."""

    code = "policy_blocked"
    status = 400
    blame = "policy"

    def __init__(self, message: str, *, rule: str, direction: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.direction = direction


class CannotCarry(CallerError):
    """The request would lose its meaning in the target's format; another target may still carry it."""

    code = "cannot_carry"


class UpstreamError(HeadgateError):
    """A provider failed. `kind` is one of UPSTREAM_KINDS; `attempt_status` the provider's HTTP status if it sent one.

    `retryable` says whether another target may be asked; `counts` whether it speaks against the target's health;
    `cool_s` how long the target asked to be left alone. `body` holds the provider's own answer where the client is
    to get it verbatim (a genuine client fault). `filtered`: a client fault in that the vendor's content filter refused
    what was asked or answered; no other target may answer in its place.
    """

    code = "upstream_error"
    status = 502
    blame = "provider"

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        attempt_status: int | None = None,
        cool_s: float | None = None,
        body: bytes | None = None,
        filtered: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.filtered = filtered
        self.attempt_status = attempt_status
        self.cool_s = cool_s
        self.body = body
        status, retryable, counts = UPSTREAM_KINDS[kind]
        # the caller's own fault keeps the provider's status: the client gets that answer, and so says the record
        self.status = attempt_status if kind == "client_fault" and attempt_status is not None else status
        self.retryable = retryable
        self.counts = counts

    @property
    def reason(self) -> str:
        """The kind, as clients and records see it."""
        return self.kind


# kind -> (status the client gets when nothing else is left, may another target be asked, counts against health)
UPSTREAM_KINDS: dict[str, tuple[int, bool, bool]] = {
    "connect_failed": (502, True, True),
    "dns_failed": (502, True, True),
    "tls_failed": (502, True, True),
    "connect_timeout": (504, True, True),
    "first_token_timeout": (504, True, True),
    "idle_timeout": (504, True, True),
    "total_timeout": (504, True, True),
    "called_off": (504, True, False),
    "too_slow": (504, True, True),
    "connection_reset": (502, True, True),
    "truncated": (502, True, True),
    "malformed_response": (502, True, True),
    "response_too_large": (502, True, True),
    "empty_answer": (502, True, True),
    "server_error": (502, True, True),
    "overloaded": (503, True, True),
    "rate_limited": (429, True, False),
    "quota_exhausted": (429, True, False),
    "auth_failed": (502, True, False),
    "model_gone": (404, True, False),
    "context_too_long": (400, True, False),
    "bad_tool_call": (502, True, True),
    "client_fault": (400, False, False),
    "pool_exhausted": (503, True, False),
    "address_refused": (502, True, False),
}


class GatewayError(HeadgateError):
    """Headgate itself is at fault."""

    status = 500


class Overloaded(GatewayError):
    """A bound of ours is reached: connections, journal, in-flight calls."""

    code = "overloaded"
    status = 503


class StoreUnavailable(GatewayError):
    """A database of the control process cannot be used now: full disk, lock, damage. Trying later may help."""

    code = "store_unavailable"
    status = 503


class ConfigError(Exception):
    """Bad configuration: where it is (`file:line`), what is wrong, what would be right."""

    def __init__(self, where: str, wrong: str, right: str) -> None:
        super().__init__(f"{where}: {wrong} ({right})")
        self.where = where
        self.wrong = wrong
        self.right = right
