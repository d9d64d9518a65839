"""The official OpenAI SDK's own types as judges: what we write must validate and lose no field on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import BaseModel, TypeAdapter

_plain: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming)
_streaming: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsStreaming)
# what carries other vendors' reasoning through an OpenAI-speaking client; never in a request to a provider
CARRIERS = ("reasoning_content", "headgate_reasoning", "extra_content")


def _listed(value: Any) -> Any:
    """pydantic validates iterables lazily: walk them all."""
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_listed(item) for item in value]
    return value


def without_carriers(value: Any) -> Any:
    """The tree without our opaque fields."""
    if isinstance(value, dict):
        return {key: without_carriers(item) for key, item in value.items() if key not in CARRIERS}
    if isinstance(value, list):
        return [without_carriers(item) for item in value]
    return value


def check_request(body: bytes) -> dict[str, Any]:
    """The body as a tree; raises where the SDK's parameter types do not know a field or a value of it."""
    tree: dict[str, Any] = json.loads(body)
    adapter = _streaming if tree.get("stream") else _plain
    assert _listed(adapter.validate_python(tree)) == tree
    return tree


def _check(tree: Any, model: type[BaseModel]) -> BaseModel:
    said = without_carriers(tree)
    read = model.model_validate(said, strict=True)
    assert read.model_dump(mode="json", exclude_unset=True) == said
    _no_extras(read)
    return read


def _no_extras(value: Any) -> None:
    assert not getattr(value, "model_extra", None), f"fields unknown to the SDK: {sorted(value.model_extra)}"
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            _no_extras(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            _no_extras(item)


def check_answer(body: bytes) -> ChatCompletion:
    """The whole answer as the SDK reads it."""
    read = _check(json.loads(body), ChatCompletion)
    assert isinstance(read, ChatCompletion)
    return read


def check_stream(wire: bytes) -> list[ChatCompletionChunk]:
    """The chunks as the SDK reads them; the stream must end with its terminator."""
    *events, end, rest = wire.split(b"\n\n")
    assert end == b"data: [DONE]"
    assert rest == b""
    chunks = [_check(json.loads(event.removeprefix(b"data: ")), ChatCompletionChunk) for event in events]
    return [chunk for chunk in chunks if isinstance(chunk, ChatCompletionChunk)]
