"""The configuration and workspace that the end-to-end tests run on."""

from __future__ import annotations

from typing import Any

VENDORS = ("openai", "anthropic", "google")
MODELS = {"openai": "gpt-6.1-terra", "anthropic": "claude-sonnet-5-5", "google": "gemini-3.8-flash"}
SMALL = {"openai": "gpt-6-luna", "anthropic": "claude-haiku-5-5", "google": "gemini-3.5-flash-lite"}
# known to one account alone: asked for by this name, a request is not changed at all
SEEN_MODELS = {"openai": "gpt-6-luna-77", "anthropic": "claude-haiku-5-5-77", "google": "gemini-3.5-flash-lite-77"}
BASES = {"openai": "/v1", "anthropic": "/v1", "google": "/v1beta"}
SYSTEM = "You answer questions about the Aurora kettle. Be brief."
DEADLINES = {"connect_s": 3, "first_token_s": 10, "idle_s": 10, "total_s": 30}


def providers(url: str, suffix: str = "") -> dict[str, Any]:
    """Three accounts at a simulator."""
    return {
        vendor + suffix: {
            "type": vendor,
            "base_url": url + BASES[vendor],
            "key_env": "E2E_PROVIDER_KEY",
            "allow_http": True,
            "allow_private": True,
        }
        for vendor in VENDORS
    }


def route(name: str, *targets: str, deadlines: dict[str, float] = DEADLINES, **more: object) -> dict[str, Any]:
    """A route document."""
    return {
        "kind": "route", "name": name, "version": "1.0.0", "owner": "tests", "message": "-",
        "targets": list(targets), "deadlines": deadlines, **more,
    }  # fmt: skip


def app(name: str, route: str, **pins: str) -> dict[str, Any]:
    """An app with one release in production."""
    return {
        "kind": "app",
        "name": name,
        "owners": ["tests"],
        "releases": [{"number": 1, "route": f"{route}@1.0.0", **pins}],
        "channels": {"production": 1},
    }


def documents() -> list[dict[str, Any]]:
    """Apps `to-VENDOR` (that vendor alone), `kettle-VENDOR` (with a registered prompt), and the policies."""
    found: list[dict[str, Any]] = [
        {
            "kind": "prompt", "name": "kettle", "version": "1.2.0", "owner": "tests", "message": "-",
            "inputs": {"type": "object", "properties": {"product": {"type": "string"}}, "required": ["product"]},
            "messages": [{"role": "system", "content": SYSTEM.replace("the Aurora kettle", "{{ product }}")}],
            "settings": {"max_tokens": 300},
        },
        {
            "kind": "guardrail", "name": "strict", "version": "1.0.0", "owner": "tests", "message": "-",
            "rules": [
                {"check": "email", "action": "redact", "replace": "[email]"},
                {"check": "card", "action": "block"},
                {"name": "codename", "check": "pattern", "pattern": "bluebird", "action": "block", "on": ["output"]},
                {
                    "name": "metal", "check": "pattern", "pattern": "copper", "action": "redact",
                    "replace": "[metal]", "on": ["output"],
                },
                {"name": "rival", "check": "pattern", "pattern": "(?i)acme", "action": "flag"},
            ],
        },
    ]  # fmt: skip
    for vendor in VENDORS:
        found += [
            route(f"to-{vendor}", f"{vendor}/{MODELS[vendor]}"),
            app(f"to-{vendor}", f"to-{vendor}"),
            route(f"brief-{vendor}", f"{vendor}/{MODELS[vendor]}", deadlines={**DEADLINES, "idle_s": 1}),
            app(f"brief-{vendor}", f"brief-{vendor}"),
            route(f"slow-{vendor}", f"{vendor}-slow/{MODELS[vendor]}"),
            app(f"slow-{vendor}", f"slow-{vendor}"),
            app(f"kettle-{vendor}", f"to-{vendor}", prompt="kettle@1.2.0"),
            {**app(f"guarded-{vendor}", f"to-{vendor}", guardrail="strict@1.0.0"), "bodies": "full"},
        ]
    for name, model in (("left-whole", "gpt-6-luna-6000"), ("left-stream", "gpt-6-luna-6001")):
        found += [route(name, f"openai/{model}"), app(name, name)]
    return found
