"""OpenAI chat completions as typed wire JSON: what requests, answers and chunks look like.

Requests come in two depths: `Ask*` holds what every call needs to know, `Wire*` all that translation needs.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from headgate.dialects.base import COUNT_MAX, Extra

Positive: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)]
TOLD_MAX = 2**31 - 1  # no answer has more tokens: a server that says so is not believed
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=TOLD_MAX)]
Named: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]

# -- requests, as far as every call is read ------------------------------------------------------------------------


class AskPart(msgspec.Struct, gc=False):
    """One content part; kinds we do not know pass."""

    type: str = ""
    text: str | None = None


class AskCall(msgspec.Struct, gc=False):
    """A tool call in a message's history, as far as it may carry a signature of another vendor's."""

    extra_content: object = None


class AskMessage(msgspec.Struct, gc=False):
    """One message of a request. `headgate_reasoning` is what we had the client keep for us, `reasoning_content` what
    a compatible server thought."""

    role: str
    content: str | list[AskPart] | None = None
    tool_calls: list[AskCall] | None = None
    headgate_reasoning: object = None
    reasoning_content: object = None


class StreamOptions(msgspec.Struct, gc=False):
    """Only the switch that decides about the usage chunk."""

    include_usage: bool | None = None


class Ask(msgspec.Struct, gc=False):
    """A request body read just far enough."""

    model: Named
    messages: list[AskMessage]
    stream: bool | None = None
    max_completion_tokens: Positive | None = None
    max_tokens: Positive | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=128)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    tools: list[msgspec.Raw] | None = None
    headgate: Extra | msgspec.UnsetType | None = msgspec.UNSET


# -- requests, in full ---------------------------------------------------------------------------------------------


class WireFunction(msgspec.Struct, gc=False):
    """A called function: its name and the JSON text of its arguments."""

    name: str
    arguments: str = ""


class WireCall(msgspec.Struct):
    """A tool call in an assistant message. `extra_content` is the carrier of signatures."""

    id: str = ""
    type: str = "function"
    function: WireFunction | None = None
    extra_content: dict[str, object] | None = None


class WireReasoning(msgspec.Struct, omit_defaults=True, gc=False):
    """One thinking block as carried through an OpenAI-speaking client. type: thinking, redacted."""

    index: int | None = None
    type: str = ""
    text: str = ""
    signature: str | None = None
    redacted: str | None = None
    origin: str | None = None


class WireMessage(msgspec.Struct):
    """One message of a request, whole."""

    role: str
    content: str | list[dict[str, object]] | None = None
    name: str | None = None
    tool_calls: list[WireCall] | None = None
    tool_call_id: str | None = None
    function_call: WireFunction | None = None
    refusal: str | None = None
    audio: object = None
    reasoning_content: str | None = None
    headgate_reasoning: list[WireReasoning] | None = None


class WireToolFunction(msgspec.Struct):
    """A function's definition."""

    name: str
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None


class WireTool(msgspec.Struct):
    """A tool's definition."""

    type: str = "function"
    function: WireToolFunction | None = None


class WireSchema(msgspec.Struct):
    """A JSON schema for the answer."""

    name: str | None = None
    description: str | None = None
    schema: dict[str, object] | None = None
    strict: bool | None = None


class WireFormat(msgspec.Struct):
    """What the answer must look like."""

    type: str
    json_schema: WireSchema | None = None


class WireRequest(msgspec.Struct):
    """A request body in full. Fields that are not here have no canonical place."""

    messages: list[WireMessage]
    tools: list[WireTool] | None = None
    functions: list[WireToolFunction] | None = None
    tool_choice: str | dict[str, object] | None = None
    function_call: str | dict[str, object] | None = None
    parallel_tool_calls: bool | None = None
    max_completion_tokens: Positive | None = None
    max_tokens: Positive | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: str | list[str] | None = None
    n: Positive | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: WireFormat | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    safety_identifier: str | None = None


# -- answers -------------------------------------------------------------------------------------------------------


class GotFunction(msgspec.Struct, gc=False):
    """A piece of a called function."""

    name: str | None = None
    arguments: str | None = None


class GotCustom(msgspec.Struct, gc=False):
    """A called tool that takes free text."""

    name: str | None = None
    input: str | None = None


class GotCall(msgspec.Struct):
    """A piece of a tool call."""

    index: int | None = None
    id: str | None = None
    function: GotFunction | None = None
    custom: GotCustom | None = None
    extra_content: object = None


class GotMessage(msgspec.Struct):
    """A message, or what is new of it. `reasoning` is another spelling of `reasoning_content`."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[GotCall] | None = None
    function_call: GotFunction | None = None
    headgate_reasoning: list[WireReasoning] | None = None


class GotChoice(msgspec.Struct):
    """One answer, or what is new of it. `index` is None where the server does not number them."""

    delta: GotMessage | None = None
    message: GotMessage | None = None
    index: int | None = None
    finish_reason: str | None = None


class GotAnswer(msgspec.Struct):
    """What a whole answer and a chunk of one have in common. Loosely typed where compatible servers differ."""

    choices: list[GotChoice] | None = None
    id: str | int | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    error: object = None


class Got(GotAnswer):
    """A whole answer or a chunk of one, whatever its server makes of `usage`."""

    usage: object = None


class GotPromptDetails(msgspec.Struct, gc=False):
    """What the prompt's tokens were."""

    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None


class GotAnswerDetails(msgspec.Struct, gc=False):
    """What the answer's tokens were."""

    reasoning_tokens: Count | None = None


class GotUsage(msgspec.Struct, gc=False):
    """Token counts as they should be: numbers within bounds."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: GotPromptDetails | None = None
    completion_tokens_details: GotAnswerDetails | None = None
    prompt_cache_hit_tokens: Count | None = None


class GotWhole(GotAnswer):
    """A whole answer whose counts are as they should be: checked by the decoder, not field by field (1 us)."""

    usage: GotUsage | None = None


ask_decoder = msgspec.json.Decoder(Ask)
request_decoder = msgspec.json.Decoder(WireRequest)
got_decoder = msgspec.json.Decoder(Got)
whole_decoder = msgspec.json.Decoder(GotWhole)
