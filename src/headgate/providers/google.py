"""Google's Gemini API: `x-goog-api-key`, the model in the URL, `https://generativelanguage.googleapis.com/v1beta`."""

from __future__ import annotations

from headgate.core.ports import Endpoint
from headgate.dialects.google_generate import GOOGLE
from headgate.providers.endpoint import HttpEndpoint, located
from headgate.providers.settings import ProviderSettings, reveal

BASE_URL = "https://generativelanguage.googleapis.com/v1beta"


def build(settings: ProviderSettings) -> Endpoint:
    """The endpoint of one account. Raises ConfigError."""
    where = located(settings, BASE_URL)
    key = reveal(settings, where.origin)
    if key is None:
        raise settings.fault("there is no API key", "`key_env: GOOGLE_API_KEY`, or `key_file`")
    return HttpEndpoint(settings, GOOGLE, where, [("x-goog-api-key", key)])
