"""Anthropic messages as typed wire JSON: what requests, answers and stream events look like.

Requests come in two depths: `Ask*` holds what every call needs to know, `Wire*` all that translation needs. Fields that
only have to be noticed, or go out as they came, stay raw.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from headgate.core.types import Json
from headgate.dialects.base import COUNT_MAX, Extra

NAME: Final = "anthropic"
NOTHING: Final = msgspec.Raw()
Named: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]

# -- requests, as far as every call is read ------------------------------------------------------------------------


class AskBlock(msgspec.Struct, gc=False):
    """The text of a block; whatever else a block holds is not looked at."""

    text: str | None = None
    content: str | list[AskBlock] | dict[str, msgspec.Raw] | None = None


class AskMessage(msgspec.Struct, gc=False):
    """One turn. `role` is the vendor's to judge."""

    role: str
    content: str | list[AskBlock]


class Ask(msgspec.Struct, gc=False):
    """A request body read just far enough. `max_tokens` may come from a registered prompt, so it may be missing."""

    model: Named
    messages: list[AskMessage]
    max_tokens: Count | None = None
    stream: bool | None = None
    system: str | list[AskBlock] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: msgspec.Raw = NOTHING
    headgate: Extra | msgspec.UnsetType | None = msgspec.UNSET


# -- requests, in full ---------------------------------------------------------------------------------------------


class WireSource(msgspec.Struct):
    """Where an image or a document comes from. type: base64, url, text, file, content."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    content: str | list[WireBlock] | None = None


class WireBlock(msgspec.Struct):
    """One content block of any type we can translate."""

    type: str
    text: str | None = None
    source: WireSource | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NOTHING
    tool_use_id: str | None = None
    content: str | list[WireBlock] | dict[str, msgspec.Raw] | None = None
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    title: str | None = None
    context: str | None = None
    cache_control: msgspec.Raw = NOTHING
    citations: msgspec.Raw = NOTHING
    transformations: msgspec.Raw = NOTHING


class WireMessage(msgspec.Struct):
    """One turn of a request, whole."""

    role: str
    content: str | list[WireBlock]


class WireTool(msgspec.Struct):
    """A tool's definition; server tools have a `type` of their own."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Json] | None = None
    strict: bool | None = None
    cache_control: msgspec.Raw = NOTHING
    input_examples: msgspec.Raw = NOTHING
    allowed_callers: msgspec.Raw = NOTHING
    defer_loading: msgspec.Raw = NOTHING
    eager_input_streaming: msgspec.Raw = NOTHING


class WireChoice(msgspec.Struct):
    """tool_choice: auto, any, tool, none."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class WireThinking(msgspec.Struct):
    """thinking: enabled, adaptive, between_tools, disabled."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class WireFormat(msgspec.Struct):
    """What the answer must look like."""

    type: str
    schema: dict[str, Json] | None = None


class WireOutput(msgspec.Struct):
    """output_config."""

    effort: str | None = None
    format: WireFormat | None = None


class WireMetadata(msgspec.Struct):
    """metadata: whom the request is for."""

    user_id: str | None = None


class WireRequest(msgspec.Struct):
    """A request body in full. Fields that are not here have no canonical place."""

    messages: list[WireMessage]
    model: str = ""
    max_tokens: Count | None = None
    system: str | list[WireBlock] | None = None
    tools: list[WireTool] | None = None
    tool_choice: WireChoice | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    thinking: WireThinking | None = None
    output_config: WireOutput | None = None
    metadata: WireMetadata | None = None
    stream: bool | None = None


# -- answers -------------------------------------------------------------------------------------------------------


class GotThinkingTokens(msgspec.Struct, gc=False):
    """usage.output_tokens_details."""

    thinking_tokens: int | None = None


class GotUsage(msgspec.Struct, gc=False):
    """usage of a message or of a message_delta. `input_tokens` excludes what was read from or written to the cache."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: GotThinkingTokens | None = None


class GotBlock(msgspec.Struct, gc=False):
    """A content block of an answer; `input` keeps its exact JSON text."""

    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NOTHING
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class GotMessage(msgspec.Struct):
    """A whole answer, or what message_start tells of one. `error` is set where a body is an error after all."""

    type: str = ""
    id: str | None = None
    model: str | None = None
    content: list[GotBlock] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: GotUsage | None = None
    error: msgspec.Raw = NOTHING


class GotDelta(msgspec.Struct, gc=False):
    """What is new: of a block, or of the message's end."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class GotEvent(msgspec.Struct):
    """One stream event of any type."""

    type: str = ""
    index: int = 0
    delta: GotDelta | None = None
    content_block: GotBlock | None = None
    message: GotMessage | None = None
    usage: GotUsage | None = None
    error: msgspec.Raw = NOTHING


ask_decoder: Final = msgspec.json.Decoder(Ask)
request_decoder: Final = msgspec.json.Decoder(WireRequest)
event_decoder: Final = msgspec.json.Decoder(GotEvent)
message_decoder: Final = msgspec.json.Decoder(GotMessage)

# stop_reason -> canonical; a word we do not know is `other`
FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}
# canonical -> stop_reason; None (no reason told) where the vendor has no word
FINISH_BACK: Final[dict[str, str | None]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "pause": "pause_turn",
    "error": None,
    "other": None,
}
