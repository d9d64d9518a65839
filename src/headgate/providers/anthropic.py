"""Anthropic's API: `x-api-key`, a dated API version, `https://api.anthropic.com/v1`."""

from __future__ import annotations

from headgate.core.ports import Endpoint
from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.providers.endpoint import HttpEndpoint, located
from headgate.providers.settings import ProviderSettings, reveal

BASE_URL = "https://api.anthropic.com/v1"
VERSION = "2023-06-01"  # where the client says none: the one that takes sampling parameters


def build(settings: ProviderSettings) -> Endpoint:
    """The endpoint of one account. A client's own `anthropic-version` replaces ours. Raises ConfigError."""
    where = located(settings, BASE_URL)
    key = reveal(settings, where.origin)
    if key is None:
        raise settings.fault("there is no API key", "`api_key`, or the variable ANTHROPIC_API_KEY")
    return HttpEndpoint(settings, ANTHROPIC, where, [("x-api-key", key), ("anthropic-version", VERSION)])
