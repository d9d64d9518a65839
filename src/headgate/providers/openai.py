"""OpenAI's own API: Bearer key, `https://api.openai.com/v1`."""

from __future__ import annotations

from headgate.core.ports import Endpoint
from headgate.dialects.openai_chat import OPENAI
from headgate.providers.endpoint import HttpEndpoint, located
from headgate.providers.settings import ProviderSettings, reveal

BASE_URL = "https://api.openai.com/v1"


def build(settings: ProviderSettings) -> Endpoint:
    """The endpoint of one account. Raises ConfigError."""
    where = located(settings, BASE_URL)
    key = reveal(settings, where.origin)
    if key is None:
        raise settings.fault("there is no API key", "`key_env: OPENAI_API_KEY`, or `key_file`")
    return HttpEndpoint(settings, OPENAI, where, [("authorization", f"Bearer {key}")])
