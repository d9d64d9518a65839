"""Typed readings of generateContent JSON, as far as the hot path looks, and the words both directions share.

Google reads proto JSON: camelCase and snake_case names alike, null as absent, numbers in strings, and one object where
a list is meant. What we read from clients allows all of that; what Google sends is always camelCase.
"""

from __future__ import annotations

from typing import Final

import msgspec

from headgate.dialects.base import Extra

NAME: Final = "google"
BYPASS: Final = "skip_thought_signature_validator"  # documented by Google for history that Gemini did not produce


class AskPart(msgspec.Struct, gc=False):
    """The text of a part, and a tool's result as it stands, for its length; nothing else is looked at."""

    text: str | None = None
    result_camel: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="functionResponse")
    result_snake: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="function_response")


class AskContent(msgspec.Struct, gc=False):
    """One turn, as far as `ask` looks."""

    parts: list[AskPart] | AskPart | None = None
    role: str | None = None


class AskConfig(msgspec.Struct, gc=False):
    """The generationConfig fields that matter before translation."""

    max_camel: int | None = msgspec.field(default=None, name="maxOutputTokens")
    max_snake: int | None = msgspec.field(default=None, name="max_output_tokens")
    count_camel: int | None = msgspec.field(default=None, name="candidateCount")
    count_snake: int | None = msgspec.field(default=None, name="candidate_count")


class AskBody(msgspec.Struct, gc=False):
    """A request body, as far as `ask` looks."""

    contents: list[AskContent] | AskContent
    tools: msgspec.Raw = msgspec.Raw()
    system_camel: AskContent | None = msgspec.field(default=None, name="systemInstruction")
    system_snake: AskContent | None = msgspec.field(default=None, name="system_instruction")
    config_camel: AskConfig | None = msgspec.field(default=None, name="generationConfig")
    config_snake: AskConfig | None = msgspec.field(default=None, name="generation_config")
    model: str | None = None
    headgate: Extra | msgspec.UnsetType | None = msgspec.UNSET


class SaidCall(msgspec.Struct, gc=False):
    """A functionCall part of an answer; `args` keeps its exact JSON text."""

    name: str = ""
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw()


class SaidCode(msgspec.Struct, gc=False):
    """Code that the model had run."""

    code: str | None = None


class SaidOutput(msgspec.Struct, gc=False):
    """What that code printed."""

    output: str | None = None


class SaidPart(msgspec.Struct):
    """One part of an answer. `media` only tells that something is shown."""

    text: str | None = None
    thought: bool | None = None
    signature: str | None = msgspec.field(default=None, name="thoughtSignature")
    call: SaidCall | None = msgspec.field(default=None, name="functionCall")
    media: msgspec.Raw = msgspec.field(default=msgspec.Raw(), name="inlineData")
    code: SaidCode | None = msgspec.field(default=None, name="executableCode")
    ran: SaidOutput | None = msgspec.field(default=None, name="codeExecutionResult")


class SaidContent(msgspec.Struct):
    """The content of a candidate."""

    parts: list[SaidPart] | None = None


class SaidCandidate(msgspec.Struct):
    """One candidate of one response object."""

    content: SaidContent | None = None
    finish: str | None = msgspec.field(default=None, name="finishReason")
    index: int | None = None


class SaidUsage(msgspec.Struct, gc=False):
    """usageMetadata; see `read_usage` for what the counts include."""

    prompt: int | None = msgspec.field(default=None, name="promptTokenCount")
    candidates: int | None = msgspec.field(default=None, name="candidatesTokenCount")
    thoughts: int | None = msgspec.field(default=None, name="thoughtsTokenCount")
    tool_prompt: int | None = msgspec.field(default=None, name="toolUsePromptTokenCount")
    cached: int | None = msgspec.field(default=None, name="cachedContentTokenCount")
    total: int | None = msgspec.field(default=None, name="totalTokenCount")


class SaidFeedback(msgspec.Struct, gc=False):
    """promptFeedback: set where the prompt itself was refused."""

    block: str | None = msgspec.field(default=None, name="blockReason")


class Said(msgspec.Struct):
    """One response object: a whole answer, or one event of a stream."""

    candidates: list[SaidCandidate] | None = None
    usage: SaidUsage | None = msgspec.field(default=None, name="usageMetadata")
    model: str | None = msgspec.field(default=None, name="modelVersion")
    id: str | None = msgspec.field(default=None, name="responseId")
    feedback: SaidFeedback | None = msgspec.field(default=None, name="promptFeedback")
    error: msgspec.Raw = msgspec.Raw()


ask_decoder: Final = msgspec.json.Decoder(AskBody, strict=False)
said_decoder: Final = msgspec.json.Decoder(Said)

# finishReason -> canonical; STOP becomes tool_calls where the candidate called a function
FINISH: Final[dict[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "refusal",
    "RECITATION": "refusal",
    "BLOCKLIST": "refusal",
    "PROHIBITED_CONTENT": "refusal",
    "SPII": "refusal",
    "LANGUAGE": "refusal",
    "IMAGE_SAFETY": "refusal",
    "IMAGE_PROHIBITED_CONTENT": "refusal",
    "IMAGE_RECITATION": "refusal",
    "IMAGE_OTHER": "refusal",
    "MODEL_ARMOR": "refusal",
    "ESCALATION": "refusal",
    "PUP_LIMITED_DISABLED": "refusal",
    "CONTINUATION": "pause",
    "NO_IMAGE": "other",
    "OTHER": "other",
}
# a finish that means there is no usable answer -> UpstreamError kind
BROKEN_FINISH: Final[dict[str, str]] = {
    "MALFORMED_FUNCTION_CALL": "bad_tool_call",
    "UNEXPECTED_TOOL_CALL": "bad_tool_call",
    "TOO_MANY_TOOL_CALLS": "bad_tool_call",
    "MISSING_THOUGHT_SIGNATURE": "bad_tool_call",
    "MALFORMED_RESPONSE": "malformed_response",
}
FINISH_BACK: Final[dict[str, str]] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "refusal": "SAFETY",
    "pause": "OTHER",
    "error": "OTHER",
    "other": "OTHER",
}
POLICY_FINISH: Final = "SAFETY"


def generation(model: str) -> float | None:
    """The number in a Gemini model's name: 2.5 for `gemini-2.5-pro`; None where the name does not tell."""
    bare = model.rsplit("/", 1)[-1]
    if not bare.startswith("gemini-"):
        return None
    number = bare[7:].split("-", 1)[0]
    try:
        return float(number)
    except ValueError:
        return None


def is_old(model: str) -> bool:
    """True for generations before 3: thinking budgets, no JSON mode beside tools, no media inside tool results."""
    known = generation(model)
    if known is None:
        return model.rsplit("/", 1)[-1] == "gemini-pro"
    return known < 3


def takes_prefill(model: str) -> bool:
    """A last turn of the model that the answer continues: up to 3.5, whose lite models refuse it as later ones do."""
    known = generation(model)
    return known is not None and (known < 3.5 or (known == 3.5 and "lite" not in model))
