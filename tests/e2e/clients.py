"""The official SDKs, unmodified, behind one face: what is asked, and what an application sees of the answer."""

from __future__ import annotations

import abc
import base64
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import errors as google_errors
from google.genai import types as gt

from tests.e2e.gateway import Gateway
from tests.simulator.client import PNG, WEATHER

TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Asks:
    """What an application wants, in no vendor's words. `tools` are names; all take the same arguments."""

    said: str
    system: str | None = None
    tools: tuple[str, ...] = ()
    image: bool = False
    schema: Mapping[str, Any] | None = None
    effort: str | None = None
    stop: str | None = None
    max_tokens: int = 2000
    variables: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Called:
    """A tool call, arguments decoded."""

    id: str | None
    name: str
    arguments: Any


@dataclass
class Got:
    """What the SDK made of the answer. `turn` is what the application puts back into the conversation."""

    text: str
    finish: str | None
    input: int | None
    output: int | None
    total: int | None
    calls: list[Called]
    thought: str
    signed: bool
    headers: Mapping[str, str]
    turn: Any
    refusal: str | None = None

    @property
    def call_id(self) -> str:
        return self.headers["x-headgate-call-id"]

    @property
    def dropped(self) -> set[str]:
        return {name for name in self.headers.get("x-headgate-dropped", "").split(", ") if name}


@dataclass
class Talk(abc.ABC):
    """One conversation through one SDK: asks, continues with tools' results."""

    gateway: Gateway
    model: str
    asks: Asks
    key: str = ""
    turns: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open()

    @abc.abstractmethod
    def open(self) -> None:
        """Makes the client and the first turn."""

    @abc.abstractmethod
    def ask(self, stream: bool) -> Got:
        """The next answer."""

    @abc.abstractmethod
    def pieces(self) -> Iterator[tuple[str, str | None]]:
        """A stream as it comes: pieces of text, and a finish where one is said."""

    @abc.abstractmethod
    def answer_tools(self, got: Got, outcome: str) -> None:
        """Puts the model's turn and its tools' results into the conversation."""


# clients are made once, as applications do: each reads all root certificates
@functools.cache
def openai_sdk(url: str, key: str) -> openai.OpenAI:
    """The client for a gateway and a key."""
    return openai.OpenAI(base_url=url + "/v1", api_key=key, timeout=TIMEOUT_S)


@functools.cache
def anthropic_sdk(url: str, key: str) -> anthropic.Anthropic:
    """The client for a gateway and a key."""
    return anthropic.Anthropic(base_url=url, api_key=key, timeout=TIMEOUT_S)


@functools.cache
def google_sdk(url: str, key: str) -> genai.Client:
    """The client for a gateway and a key."""
    options = gt.HttpOptions(base_url=url, timeout=int(TIMEOUT_S * 1000))
    return genai.Client(api_key=key, http_options=options)


def decoded(arguments: str) -> Any:
    """A tool call's arguments; those of an answer that was cut are no JSON."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


class OpenAiTalk(Talk):
    """`openai`: chat completions; streams through the SDK's own accumulator."""

    def open(self) -> None:
        self.sdk = openai_sdk(self.gateway.url, self.key or self.gateway.key)
        content: Any = self.asks.said
        if self.asks.image:
            image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
            content = [{"type": "text", "text": self.asks.said}, image]
        if self.asks.system is not None:
            self.turns.append({"role": "system", "content": self.asks.system})
        self.turns.append({"role": "user", "content": content})

    def said(self) -> dict[str, Any]:
        """The arguments of a call."""
        asks = self.asks
        said: dict[str, Any] = {"model": self.model, "messages": self.turns, "max_completion_tokens": asks.max_tokens}
        if asks.tools:
            said["tools"] = [{"type": "function", "function": {"name": n, "parameters": WEATHER}} for n in asks.tools]
        if asks.schema is not None:
            said["response_format"] = {
                "type": "json_schema", "json_schema": {"name": "found", "schema": asks.schema, "strict": True},
            }  # fmt: skip
        if asks.effort is not None:
            said["reasoning_effort"] = asks.effort
        if asks.stop is not None:
            said["stop"] = [asks.stop]
        if asks.variables is not None:
            said["extra_body"] = {"headgate": {"variables": asks.variables}}
        return said

    def ask(self, stream: bool) -> Got:
        if stream:
            with self.sdk.chat.completions.stream(**self.said(), stream_options={"include_usage": True}) as events:
                headers = events._response.headers
                try:
                    done: Any = events.get_final_completion()
                except openai.LengthFinishReasonError as error:
                    done = error.completion
                except openai.ContentFilterFinishReasonError:
                    done = events.current_completion_snapshot
        else:
            raw = self.sdk.chat.completions.with_raw_response.create(**self.said())
            headers, done = raw.headers, raw.parse()
        (choice,) = done.choices
        message = choice.message
        turn = message.model_dump(exclude_none=True, exclude={"parsed"})
        for call in turn.get("tool_calls", ()):
            call["function"].pop("parsed_arguments", None)
            call.pop("index", None)
        extra: Any = message.model_extra or {}
        signed = [block.get("signature") for block in extra.get("headgate_reasoning", ())]
        signed += [call.get("extra_content") for call in turn.get("tool_calls", ())]
        usage = done.usage
        return Got(
            text=message.content or "",
            finish=choice.finish_reason,
            input=usage and usage.prompt_tokens,
            output=usage and usage.completion_tokens,
            total=usage and usage.total_tokens,
            calls=[Called(c.id, c.function.name, decoded(c.function.arguments)) for c in message.tool_calls or ()],
            thought=extra.get("reasoning_content") or "",
            signed=any(signed),
            headers=headers,
            turn=turn,
            refusal=message.refusal,
        )

    def pieces(self) -> Iterator[tuple[str, str | None]]:
        with self.sdk.chat.completions.create(**self.said(), stream=True) as events:
            for chunk in events:
                for choice in chunk.choices:
                    yield choice.delta.content or "", choice.finish_reason

    def answer_tools(self, got: Got, outcome: str) -> None:
        self.turns.append(got.turn)
        self.turns += [{"role": "tool", "tool_call_id": call.id, "content": outcome} for call in got.calls]


class AnthropicTalk(Talk):
    """`anthropic`: messages; streams through the SDK's own accumulator."""

    def open(self) -> None:
        self.sdk = anthropic_sdk(self.gateway.url, self.key or self.gateway.key)
        content: list[Any] = [{"type": "text", "text": self.asks.said}]
        if self.asks.image:
            content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
        self.turns.append({"role": "user", "content": content})

    def said(self) -> dict[str, Any]:
        """The arguments of a call."""
        asks = self.asks
        said: dict[str, Any] = {"model": self.model, "messages": self.turns, "max_tokens": asks.max_tokens}
        if asks.system is not None:
            said["system"] = asks.system
        if asks.tools:
            said["tools"] = [{"name": name, "input_schema": WEATHER} for name in asks.tools]
        output: dict[str, Any] = {}
        if asks.schema is not None:
            output["format"] = {"type": "json_schema", "schema": asks.schema}
        if asks.effort is not None:
            said["thinking"] = {"type": "adaptive"}
            output["effort"] = asks.effort
        if output:
            said["output_config"] = output
        if asks.stop is not None:
            said["stop_sequences"] = [asks.stop]
        if asks.variables is not None:
            said["extra_body"] = {"headgate": {"variables": asks.variables}}
        return said

    def ask(self, stream: bool) -> Got:
        if stream:
            with self.sdk.messages.stream(**self.said()) as events:
                headers = events.response.headers
                done: Any = events.get_final_message()
        else:
            raw = self.sdk.messages.with_raw_response.create(**self.said())
            headers, done = raw.headers, raw.parse()
        blocks = done.content
        thinking = [block for block in blocks if block.type in ("thinking", "redacted_thinking")]
        usage = done.usage
        read = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        return Got(
            text="".join(block.text for block in blocks if block.type == "text"),
            finish=done.stop_reason,
            input=usage.input_tokens + read,
            output=usage.output_tokens,
            total=usage.input_tokens + read + usage.output_tokens,
            calls=[Called(block.id, block.name, block.input) for block in blocks if block.type == "tool_use"],
            thought="".join(getattr(block, "thinking", "") for block in thinking),
            signed=any(getattr(block, "signature", None) or getattr(block, "data", None) for block in thinking),
            headers=headers,
            turn={"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in blocks]},
        )

    def pieces(self) -> Iterator[tuple[str, str | None]]:
        with self.sdk.messages.create(**self.said(), stream=True) as events:
            for event in events:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    yield event.delta.text, None
                elif event.type == "message_delta":
                    yield "", event.delta.stop_reason
                elif event.type == "message_stop":
                    yield "", "message_stop"

    def answer_tools(self, got: Got, outcome: str) -> None:
        self.turns.append(got.turn)
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": outcome} for call in got.calls]
        self.turns.append({"role": "user", "content": results})


class GoogleTalk(Talk):
    """`google-genai`: generate_content; streamed parts are joined as an application would."""

    def open(self) -> None:
        self.sdk = google_sdk(self.gateway.url, self.key or self.gateway.key)
        parts = [gt.Part(text=self.asks.said)]
        if self.asks.image:
            parts.append(gt.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png"))
        self.turns.append(gt.Content(role="user", parts=parts))

    def config(self) -> gt.GenerateContentConfig:
        """The configuration of a call."""
        asks = self.asks
        extra = None if asks.variables is None else {"headgate": {"variables": dict(asks.variables)}}
        config = gt.GenerateContentConfig(max_output_tokens=asks.max_tokens, system_instruction=asks.system)
        config.http_options = None if extra is None else gt.HttpOptions(extra_body=extra)
        if asks.tools:
            declared = [gt.FunctionDeclaration(name=n, parameters_json_schema=WEATHER) for n in asks.tools]
            config.tools = [gt.Tool(function_declarations=declared)]
            config.automatic_function_calling = gt.AutomaticFunctionCallingConfig(disable=True)
        if asks.schema is not None:
            config.response_mime_type = "application/json"
            config.response_json_schema = asks.schema
        if asks.effort is not None:
            config.thinking_config = gt.ThinkingConfig(
                thinking_level=gt.ThinkingLevel(asks.effort.upper()), include_thoughts=True
            )
        if asks.stop is not None:
            config.stop_sequences = [asks.stop]
        return config

    def ask(self, stream: bool) -> Got:
        said: dict[str, Any] = {"model": self.model, "contents": self.turns, "config": self.config()}
        parts: list[gt.Part] = []
        finish = usage = headers = None
        answers = (
            self.sdk.models.generate_content_stream(**said) if stream else [self.sdk.models.generate_content(**said)]
        )
        for one in answers:
            headers = headers or (one.sdk_http_response and one.sdk_http_response.headers)
            usage = one.usage_metadata or usage
            for candidate in one.candidates or ():
                finish = candidate.finish_reason or finish
                parts += (candidate.content and candidate.content.parts) or ()
            if one.prompt_feedback is not None and one.prompt_feedback.block_reason is not None:
                finish = one.prompt_feedback.block_reason
        called = [part.function_call for part in parts if part.function_call]
        return Got(
            text="".join(part.text or "" for part in parts if not part.thought),
            finish=None if finish is None else finish.value,
            input=usage and usage.prompt_token_count,
            output=None if usage is None else (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0),
            total=usage and usage.total_token_count,
            calls=[Called(call.id, call.name or "", call.args) for call in called],
            thought="".join(part.text or "" for part in parts if part.thought),
            signed=any(part.thought_signature for part in parts),
            headers=headers or {},
            turn=gt.Content(role="model", parts=parts),
        )

    def pieces(self) -> Iterator[tuple[str, str | None]]:
        chunks = self.sdk.models.generate_content_stream(model=self.model, contents=self.turns, config=self.config())
        for chunk in chunks:
            for candidate in chunk.candidates or ():
                finish = candidate.finish_reason
                yield chunk.text or "", None if finish is None else finish.value

    def answer_tools(self, got: Got, outcome: str) -> None:
        self.turns.append(got.turn)
        parts = [
            gt.Part(function_response=gt.FunctionResponse(id=call.id, name=call.name, response={"output": outcome}))
            for call in got.calls
        ]
        self.turns.append(gt.Content(role="user", parts=parts))


ERRORS: dict[str, type[Exception]] = {
    "openai": openai.APIError, "anthropic": anthropic.APIError, "google": google_errors.APIError,
}  # fmt: skip


def status_of(error: Any) -> int | None:
    """The HTTP status that an SDK's error carries."""
    return getattr(error, "status_code", None) or getattr(error, "code", None)


def headers_of(error: Any) -> Mapping[str, str]:
    """The headers of the answer that an SDK's error was made from."""
    return error.response.headers


TALKS: dict[str, type[Talk]] = {"openai": OpenAiTalk, "anthropic": AnthropicTalk, "google": GoogleTalk}
