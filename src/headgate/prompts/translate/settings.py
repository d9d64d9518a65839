"""Model settings by the names that others give them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.core.types import Json, JsonObject
from headgate.prompts.source import Settings

# other spellings of our settings, beside our own
_SPELLINGS = {
    "maxOutputTokens": "max_tokens", "max_output_tokens": "max_tokens", "maxTokens": "max_tokens",
    "max_completion_tokens": "max_tokens", "topP": "top_p", "topK": "top_k", "stopSequences": "stop",
    "stop_sequences": "stop", "presencePenalty": "presence_penalty", "frequencyPenalty": "frequency_penalty",
}  # fmt: skip
_OURS = frozenset(Settings.__struct_fields__)


def settings_from(fields: Mapping[str, Json]) -> tuple[JsonObject, list[str]]:
    """Our settings among `fields`, and the names of those that are none, or have a value of no use."""
    found: JsonObject = {}
    rest: list[str] = []
    for name, value in fields.items():
        ours = _SPELLINGS.get(name, name)
        if ours not in _OURS or ours in found or not _fits(ours, value):
            rest.append(name)
        elif ours == "stop" and isinstance(value, str):
            found[ours] = [value]
        else:
            found[ours] = value
    return found, rest


def _fits(name: str, value: Json) -> bool:
    if name == "stop" and isinstance(value, str):
        return True
    try:
        msgspec.convert({name: value}, Settings)
    except msgspec.ValidationError:
        return False
    return value is not None
