"""Any server that speaks OpenAI's chat format: vLLM, Ollama, Groq, and others. The key is optional."""

from __future__ import annotations

from headgate.core.ports import Endpoint
from headgate.dialects.openai_chat import OPENAI
from headgate.providers.endpoint import HttpEndpoint, located
from headgate.providers.settings import ProviderSettings, reveal

BASE_URL = None


def build(settings: ProviderSettings) -> Endpoint:
    """The endpoint of one server. Raises ConfigError: `base_url` must be given."""
    where = located(settings, BASE_URL)
    key = reveal(settings, where.origin)
    return HttpEndpoint(settings, OPENAI, where, [] if key is None else [("authorization", f"Bearer {key}")])
