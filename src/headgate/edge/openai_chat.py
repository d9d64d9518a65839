"""OpenAI's surface: `POST /v1/chat/completions`."""

from __future__ import annotations

from headgate.edge.surface import Match, Surface

PATH = "/v1/chat/completions"
OPENAI_SURFACE = Surface("openai", "x-request-id")
OPENAI_CHAT = Match(OPENAI_SURFACE)
