"""Anthropic's surface: `POST /v1/messages`."""

from __future__ import annotations

from headgate.edge.surface import Match, Surface

PATH = "/v1/messages"
VERSION_HEADER = b"anthropic-version"
ANTHROPIC_SURFACE = Surface("anthropic", "request-id")
ANTHROPIC_MESSAGES = Match(ANTHROPIC_SURFACE)
