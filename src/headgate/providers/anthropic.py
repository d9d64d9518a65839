"""Anthropic's API: `x-api-key`, a dated API version, `https://api.anthropic.com/v1`."""

from __future__ import annotations

from headgate.core.ports import Endpoint
from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.dialects.anthropic_models import API_VERSION_DEFAULT
from headgate.providers.endpoint import HttpEndpoint, located
from headgate.providers.settings import ProviderSettings, reveal

BASE_URL = "https://api.anthropic.com/v1"


def build(settings: ProviderSettings) -> Endpoint:
    """The endpoint of one account. A client's own `anthropic-version` replaces ours. Raises ConfigError."""
    where = located(settings, BASE_URL)
    key = reveal(settings, where.origin)
    if key is None:
        raise settings.fault("there is no API key", "`key_env: ANTHROPIC_API_KEY`, or `key_file`")
    return HttpEndpoint(settings, ANTHROPIC, where, [("x-api-key", key), ("anthropic-version", API_VERSION_DEFAULT)])
