"""Google's own SDK as the judge: its models forbid unknown fields, its client builds and reads the bodies."""

from __future__ import annotations

import json
from typing import Any

from google import genai
from google.genai import types
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Request(BaseModel):
    """generateContent's body, which the SDK has no model of its own for."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)

    contents: list[types.Content]
    system_instruction: types.Content | None = None
    tools: list[types.Tool] | None = None
    tool_config: types.ToolConfig | None = None
    generation_config: types.GenerationConfig | None = None


def _plain(tree: Any) -> Any:
    """Nulls and empty strings' absence do not matter, nor does the base64 alphabet."""
    if isinstance(tree, dict):
        return {key: _plain(value) for key, value in tree.items() if value is not None}
    if isinstance(tree, list):
        return [_plain(value) for value in tree]
    return tree


_BYTES = ("data", "thoughtSignature")


def _alphabet(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {
            key: value.replace("-", "+").replace("_", "/").rstrip("=")
            if key in _BYTES and isinstance(value, str)
            else _alphabet(value)
            for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [_alphabet(value) for value in tree]
    return tree


def _same(tree: dict[str, Any], model: BaseModel) -> None:
    """Every field that was sent is one the SDK knows under that very name, with the value it was sent with."""
    back = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert _alphabet(_plain(back)) == _alphabet(_plain(tree))


def check_request(body: bytes) -> dict[str, Any]:
    """The body as a tree, valid by the SDK's parameter types in both directions."""
    tree: dict[str, Any] = json.loads(body)
    _same(tree, Request.model_validate(tree))
    for content in tree["contents"]:
        assert content["role"] in ("user", "model")
        assert content["parts"]
    return tree


def check_response(body: bytes) -> types.GenerateContentResponse:
    """A response object, valid in both directions."""
    tree = json.loads(body)
    response = types.GenerateContentResponse.model_validate(tree)
    _same(tree, response)
    return response


def events(wire: bytes) -> list[bytes]:
    """The data of each event of an SSE stream, as the SDK would cut it."""
    assert wire.endswith(b"\r\n\r\n")
    found = wire[:-4].split(b"\r\n\r\n")
    assert all(event.startswith(b"data: ") for event in found)
    return [event[6:] for event in found]


class Recorder:
    """A real SDK client that sends nothing: it keeps the body it would have sent and reads the answer it is given."""

    def __init__(self, answer: bytes = b'{"candidates":[]}') -> None:
        self.client = genai.Client(api_key="test-key")
        self.answer = answer
        self.path = ""
        self.body = b""
        self.client._api_client.request = self._request  # type: ignore[method-assign]
        self.client._api_client.request_streamed = self._streamed  # type: ignore[method-assign]

    def _request(self, method: str, path: str, request: dict[str, Any], options: Any = None) -> types.HttpResponse:
        self.path = path
        self.body = json.dumps({key: value for key, value in request.items() if not key.startswith("_")}).encode()
        return types.HttpResponse(headers={}, body=self.answer.decode())

    def _streamed(self, method: str, path: str, request: dict[str, Any], options: Any = None) -> Any:
        self._request(method, path, request, options)
        for event in events(self.answer):
            yield types.HttpResponse(headers={}, body=event.decode())

    def ask(self, contents: Any, **config: Any) -> types.GenerateContentResponse:
        """generate_content with the given contents and configuration."""
        return self.client.models.generate_content(
            model="gemini-3-pro", contents=contents, config=types.GenerateContentConfig(**config)
        )
