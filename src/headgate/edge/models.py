"""What can be asked: lists of apps and models in the three vendors' forms, for holders of a key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec
import orjson

from headgate.core.errors import ModelNotFound
from headgate.core.snapshot import Snapshot
from headgate.core.stages import KeyInfo
from headgate.core.types import Json, JsonObject

OPENAI_PATH = "/v1/models"
GOOGLE_PATH = "/v1beta/models"
_APP_OWNER = "headgate"


class Listed(msgspec.Struct, frozen=True, gc=False):
    """Something that can be addressed as a model: its name, who stands behind it."""

    name: str
    owner: str


def listed(snapshot: Snapshot, key: KeyInfo) -> list[Listed]:
    """Apps with their prompts, then models, as far as the key may use them; sorted, each name once."""
    found: dict[str, Listed] = {}
    for app in snapshot.apps.values():
        if key.models and app.name not in key.models:
            continue
        found[app.name] = Listed(app.name, _APP_OWNER)
    for model, provider in snapshot.direct.models():
        if model not in found and (not key.models or model in key.models):
            found[model] = Listed(model, provider)
    return sorted(found.values(), key=lambda one: (one.owner != _APP_OWNER, one.name))


def models_body(snapshot: Snapshot, key: KeyInfo, form: str, wanted: str | None) -> bytes:
    """The list, or the one entry named `wanted` (undecoded), in the form of a dialect. Raises ModelNotFound."""
    entry = _FORMS[form]
    created = snapshot.loaded_ns // 1_000_000_000
    entries = listed(snapshot, key)
    if wanted is not None:
        name = unquote(wanted)
        for one in entries:
            if one.name == name:
                return orjson.dumps(entry(one, created))
        raise ModelNotFound(f"there is no model `{name}` for this API key", param="model")
    return orjson.dumps(_wrap(form, [entry(one, created) for one in entries]))


def _wrap(form: str, entries: list[Json]) -> JsonObject:
    if form == "google":
        return {"models": entries}
    if form == "openai":
        return {"object": "list", "data": entries}
    first, last = (_id(entries[0]), _id(entries[-1])) if entries else (None, None)
    return {"data": entries, "has_more": False, "first_id": first, "last_id": last}


def _id(entry: Json) -> Json:
    return entry["id"] if isinstance(entry, dict) else None


def _openai(one: Listed, created: int) -> Json:
    return {"id": one.name, "object": "model", "created": created, "owned_by": one.owner}


def _anthropic(one: Listed, created: int) -> Json:
    stamp = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": one.name, "display_name": one.name, "created_at": stamp}


def _google(one: Listed, created: int) -> Json:
    methods: list[Json] = ["generateContent", "streamGenerateContent"]
    return {
        "name": f"models/{one.name}",
        "displayName": one.name,
        "description": f"served by {one.owner}",
        "supportedGenerationMethods": methods,
    }


_FORMS: dict[str, Callable[[Listed, int], Json]] = {"openai": _openai, "anthropic": _anthropic, "google": _google}
