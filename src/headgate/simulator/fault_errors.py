"""Faults that refuse: each vendor's own error for an outage, a limit, an empty purse, a bad key, a retired model."""

from __future__ import annotations

import time
from email.utils import formatdate

from headgate.simulator.fault import Refuse
from headgate.simulator.messages import ApiError, Vendor
from headgate.simulator.trees import Tree

_RPC = "type.googleapis.com/google.rpc."
_BROKEN = {
    "openai": "The server had an error while processing your request. Sorry about that!",
    "anthropic": "Internal server error",
    "google": "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
}
_OVERLOADED = {
    "openai": "The engine is currently overloaded, please try again later",
    "anthropic": "Overloaded",
    "google": "The model is overloaded. Please try again later.",
}
_STATUS_TYPES = {
    ("anthropic", 504): "timeout_error",
    ("google", 504): "DEADLINE_EXCEEDED",
    ("google", 502): "UNAVAILABLE",
    ("google", 422): "INVALID_ARGUMENT",
    ("google", 413): "INVALID_ARGUMENT",
}
_MONEY = {
    "quota": ("insufficient_quota", "You exceeded your current quota, please check your plan and billing details."),
    "credit": ("credit_balance_exhausted", "Your credit balance is exhausted. Add credits to continue."),
    "organization-spend": ("organization_spend_limit_exceeded", "Your organization has reached its spend limit."),
    "project-spend": ("project_spend_limit_exceeded", "Your project has reached its spend limit."),
    "organization-usage": ("organization_usage_limit_exceeded", "Your organization has reached its usage limit."),
}


def outage(status: int) -> Refuse:
    """500, 502, 503, 504 or 529."""

    def refuse(vendor: Vendor) -> ApiError:
        overloaded = status in (503, 529)
        words = (_OVERLOADED if overloaded else _BROKEN)[vendor.name]
        kind = "overloaded" if overloaded else "server"
        return ApiError(status, kind, words, type=_STATUS_TYPES.get((vendor.name, status), ""))

    return refuse


def limited(delay: str = "", header: str = "retry-after") -> Refuse:
    """429 for a window of a minute, with the advice to come back after `delay` in a header, or in Google's body. A
    `delay` of `date` is an HTTP date 20 seconds ahead."""

    def refuse(vendor: Vendor) -> ApiError:
        told = formatdate(time.time() + 20, usegmt=True) if delay == "date" else delay
        in_body = vendor.name == "google" and header == "retry-after" and delay != "date"
        headers = {header: told} if told and not in_body else {}
        if vendor.name == "google":
            return _google_quota("PerMinute", told if in_body else "", headers)
        if vendor.name == "anthropic":
            return ApiError(
                429, "limited", "This request would exceed your organization's rate limit.", headers=headers
            )
        message = "Rate limit reached on requests per min (RPM): Limit 500, Used 500, Requested 1."
        return ApiError(429, "limited", message, None, "rate_limit_exceeded", headers, type="requests")

    return refuse


def _google_quota(window: str, delay: str, headers: dict[str, str]) -> ApiError:
    quota = f"GenerateRequests{window}PerProjectPerModel-FreeTier"
    violation: Tree = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": quota,
        "quotaValue": "10",
    }
    details: list[Tree] = [{"@type": f"{_RPC}QuotaFailure", "violations": [violation]}]
    message = "You exceeded your current quota, please check your plan and billing details."
    if delay:
        details.append({"@type": f"{_RPC}RetryInfo", "retryDelay": f"{delay}s"})
        message += f" Please retry in {delay}s."
    return ApiError(429, "limited", message, headers=headers, details=details)


def penniless(code: str) -> Refuse:
    """429 that no waiting cures: a spend limit (Anthropic) or a daily quota (Google)."""

    def refuse(vendor: Vendor) -> ApiError:
        if vendor.name == "google":
            return _google_quota("PerDay", "", {})
        if vendor.name == "anthropic":
            details: list[Tree] = [{"error_code": "enforced_spend_limit_reached"}]
            message = "Your organization has reached the monthly API usage threshold of its tier."
            return ApiError(429, "limited", message, details=details)
        word, message = _MONEY[code]
        return ApiError(429, "money", message, None, word)

    return refuse


def unpaid(vendor: Vendor) -> ApiError:
    """402, and Google's 403 for disabled billing."""
    if vendor.name == "google":
        detail: Tree = {"@type": f"{_RPC}ErrorInfo", "reason": "BILLING_DISABLED", "domain": "googleapis.com"}
        return ApiError(403, "forbidden", "This API method requires billing to be enabled.", details=[detail])
    return ApiError(402, "money", "Your credit balance is too low to access the API. Please go to Plans & Billing.")


def usage_limits(vendor: Vendor) -> ApiError:
    """Anthropic's 400 for a limit that the customer set."""
    message = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
    return ApiError(400, "invalid", message)


def unauthorised(vendor: Vendor) -> ApiError:
    """401 for a key that was good before."""
    words = {"openai": "Incorrect API key provided: sim***.", "anthropic": "invalid x-api-key"}
    message = words.get(vendor.name, "Request had invalid authentication credentials.")
    return ApiError(401, "auth", message, None, "invalid_api_key")


def forbidden(vendor: Vendor) -> ApiError:
    """403."""
    return ApiError(403, "forbidden", "Your account does not have permission to use this resource.")


def retired(status: int) -> Refuse:
    """404 or 410 for a model that is no more."""

    def refuse(vendor: Vendor) -> ApiError:
        words = {
            "openai": "The model has been deprecated, learn more here: https://platform.openai.com/docs/deprecations",
            "anthropic": "model: this model has been retired",
            "google": "This model is no longer available. Please update your code to use a newer model.",
        }
        return ApiError(status, "missing", words[vendor.name], None, "model_not_found")

    return refuse


def client_fault(status: int) -> Refuse:
    """400, 413 or 422: the request itself is said to be wrong."""

    def refuse(vendor: Vendor) -> ApiError:
        words = {400: "The request is invalid.", 413: "Request exceeds the maximum size", 422: "Unprocessable entity"}
        kind = "large" if status == 413 else "invalid"
        return ApiError(status, kind, words[status])

    return refuse


def too_long(vendor: Vendor) -> ApiError:
    """The context window is exceeded."""
    if vendor.name == "openai":
        message = (
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 250000 tokens. "
            "Please reduce the length of the messages."
        )
        return ApiError(400, "invalid", message, "messages", "context_length_exceeded")
    if vendor.name == "anthropic":
        return ApiError(400, "invalid", "prompt is too long: 250000 tokens > 200000 maximum")
    message = "The input token count (1250000) exceeds the maximum number of tokens allowed (1048576)."
    return ApiError(400, "invalid", message)
