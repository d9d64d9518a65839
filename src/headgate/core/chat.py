"""What a conversation is, whatever dialect it is said in: the request, and the answer as a run of deltas.

A dialect reads its wire JSON into these types and writes them back; it is used only where client and target speak
different dialects. `origin` on a reasoning part is the dialect that signed it: a signature is worthless elsewhere.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from headgate.core.types import Json, Usage


class Text(msgspec.Struct, tag="text", gc=False):
    """Plain text."""

    text: str


class Media(msgspec.Struct, tag="media", gc=False):
    """An image, document, audio clip or other file: inline base64 `data`, a `url`, or a provider's `file_id`."""

    mime: str | None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    kind: str = "image"
    name: str | None = None
    detail: str | None = None


class ToolCall(msgspec.Struct, tag="tool_call", gc=False):
    """The model asks for a tool. `arguments` is a JSON object as text. `signature` binds it to the issuing route."""

    id: str
    name: str
    arguments: str
    signature: str | None = None
    origin: str | None = None


class ToolResult(msgspec.Struct, tag="tool_result"):
    """What a tool answered to the call `call_id`."""

    call_id: str
    parts: list[Text | Media]
    name: str | None = None
    is_error: bool = False


class Reasoning(msgspec.Struct, tag="reasoning", gc=False):
    """Thinking shown by a model. `redacted` holds an opaque block instead of text."""

    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    origin: str | None = None


Part: TypeAlias = "Text | Media | ToolCall | ToolResult | Reasoning"


class Message(msgspec.Struct):
    """One turn. role: system, user or assistant; tool results are parts of a user turn."""

    role: str
    parts: list[Text | Media | ToolCall | ToolResult | Reasoning]
    name: str | None = None


class Tool(msgspec.Struct):
    """A function the model may call; `schema` is JSON Schema of its arguments object."""

    name: str
    description: str | None = None
    schema: dict[str, Json] | None = None
    strict: bool | None = None


class ToolChoice(msgspec.Struct):
    """mode: auto, none, any (must call one of `names`, or any tool where empty)."""

    mode: str
    names: list[str] = []


class JsonFormat(msgspec.Struct):
    """Structured output: any JSON object where `schema` is None."""

    schema: dict[str, Json] | None = None
    name: str | None = None
    strict: bool | None = None
    description: str | None = None


class ReasoningRequest(msgspec.Struct):
    """How hard to think. effort: none, minimal, low, medium, high, xhigh, max. `budget`: tokens. `show`: return it."""

    effort: str | None = None
    budget: int | None = None
    adaptive: bool = False
    show: bool | None = None


class ChatRequest(msgspec.Struct):
    """A whole request. None means not said. Holds what at least two dialects have a place for."""

    messages: list[Message]
    system: list[Text] = []
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] = []
    n: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: int | None = None
    json_format: JsonFormat | None = None
    reasoning: ReasoningRequest | None = None
    user: str | None = None
    stream: bool = False


# -- the answer ---------------------------------------------------------------------------------------------------

# canonical finish reasons; a dialect maps its own to these and keeps the raw one on the delta. `error`: known to mean
# that the answer is broken; `other`: a word that says nothing we know, which is no reason to lose the answer
FINISH_REASONS = ("stop", "length", "tool_calls", "refusal", "pause", "error", "other")


class Begin(msgspec.Struct, tag="begin", gc=False):
    """The answer's own id and the model's name as the provider told them."""

    id: str | None = None
    model: str | None = None
    fingerprint: str | None = None


class TextDelta(msgspec.Struct, tag="text", gc=False):
    """More text of choice `choice`."""

    text: str
    choice: int = 0


class RefusalDelta(msgspec.Struct, tag="refusal", gc=False):
    """More of a refusal's own words (OpenAI's `refusal` field)."""

    text: str
    choice: int = 0


class ReasoningDelta(msgspec.Struct, tag="reasoning", gc=False):
    """More thinking text; a signature or a redacted block arrives whole. `block` tells thinking blocks apart."""

    text: str = ""
    choice: int = 0
    block: int = 0
    signature: str | None = None
    redacted: str | None = None


class ToolStart(msgspec.Struct, tag="tool_start", gc=False):
    """A tool call opens. `index` counts calls of the choice from 0."""

    index: int
    id: str
    name: str
    choice: int = 0
    signature: str | None = None


class ToolArgs(msgspec.Struct, tag="tool_args", gc=False):
    """More of the JSON text of a tool call's arguments."""

    index: int
    text: str
    choice: int = 0


class Finish(msgspec.Struct, tag="finish", gc=False):
    """A choice ended. `reason` is one of FINISH_REASONS, `raw` the provider's own word, `stop` the sequence hit."""

    reason: str
    raw: str | None = None
    choice: int = 0
    stop: str | None = None


class UsageDelta(msgspec.Struct, tag="usage", gc=False):
    """Token counts so far; the last one told wins field by field."""

    usage: Usage


Delta: TypeAlias = "Begin | TextDelta | RefusalDelta | ReasoningDelta | ToolStart | ToolArgs | Finish | UsageDelta"


class Frame(msgspec.Struct, gc=False):
    """One wire unit of an answer, an SSE event or a whole body, and what it says.

    `wire` is the exact bytes received, framing included. `last` marks the unit after which the answer is complete.
    `changed` is set when a guardrail rewrote `deltas`: the wire bytes may then no longer go out.
    `drop` is set on frames that only exist because we asked for them (a usage frame). `open_block` is the content
    block left open after this unit, where the dialect has numbered blocks (Anthropic). `content` is True where the
    unit shows the client something (text, refusal, reasoning, a tool call), or ends the answer as a refusal.
    `unsaid` names what it shows that no delta says, and that is lost where the answer is translated.
    `alike` is the same number in all frames of an answer that differ in nothing but the text of their one delta; 0
    where that is not known.
    """

    wire: bytes
    deltas: list[Begin | TextDelta | RefusalDelta | ReasoningDelta | ToolStart | ToolArgs | Finish | UsageDelta]
    last: bool = False
    changed: bool = False
    drop: bool = False
    content: bool = False
    open_block: int | None = None
    unsaid: str | None = None
    alike: int = 0


class Batch(msgspec.Struct, gc=False):
    """The frames of one upstream read. `attempt` counts tries from 1: a new number starts the answer afresh."""

    frames: list[Frame]
    attempt: int
    dialect: str
