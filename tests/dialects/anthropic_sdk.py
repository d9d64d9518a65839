"""The official Anthropic SDK's own types as judges: what we write must validate and lose no field on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from anthropic.types.shared.error_response import ErrorResponse
from pydantic import TypeAdapter

_plain: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsNonStreaming)
_streaming: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)
_event: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
SAMPLING = ("temperature", "top_p", "top_k")  # gone from the newest SDK's types; older API versions still take them


def _listed(value: Any) -> Any:
    """pydantic validates iterables lazily: walk them all."""
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_listed(item) for item in value]
    return value


def request(body: bytes) -> dict[str, Any]:
    """Validate a request body; fields that the SDK does not know are an error. Gives the parsed body."""
    tree = json.loads(body)
    judged = {key: value for key, value in tree.items() if key not in SAMPLING}
    adapter = _streaming if tree.get("stream") else _plain
    assert _listed(adapter.validate_python(judged)) == judged
    return tree


def _subset(ours: Any, theirs: Any, where: str = "$") -> None:
    """Every field of ours is a field the SDK knows, with the same value."""
    if isinstance(ours, dict):
        for key, value in ours.items():
            assert key in theirs, f"{where}.{key} is unknown to the SDK"
            _subset(value, theirs[key], f"{where}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for index, value in enumerate(ours):
            _subset(value, theirs[index], f"{where}[{index}]")
    else:
        assert ours == theirs, where


def _known(model: Any, ours: Any) -> None:
    dumped = model.model_dump()
    _subset(ours, dumped)
    _no_extras(model)


def _no_extras(value: Any) -> None:
    extra = getattr(value, "model_extra", None)
    assert not extra, f"fields unknown to the SDK: {sorted(extra)}"
    if hasattr(value, "__pydantic_fields__"):
        for name in type(value).model_fields:
            _no_extras(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            _no_extras(item)


def message(body: bytes) -> Message:
    """Validate a whole answer."""
    tree = json.loads(body)
    model = Message.model_validate(tree, strict=True)
    _known(model, tree)
    return model


def events(data: bytes) -> list[Any]:
    """Validate a stream; gives its events. Error events are checked as errors."""
    found: list[Any] = []
    for block in data.decode().split("\n\n"):
        if not block:
            continue
        first, second = block.split("\n")
        name, tree = first.removeprefix("event: "), json.loads(second.removeprefix("data: "))
        assert tree["type"] == name
        if name == "error":
            ErrorResponse.model_validate(tree)
            found.append(tree)
            continue
        model = _event.validate_python(tree)
        _known(model, tree)
        found.append(model)
    return found


def error(body: bytes) -> dict[str, Any]:
    """Validate an error body."""
    tree = json.loads(body)
    ErrorResponse.model_validate(tree)
    return tree
