"""OpenAI's published parameters of `POST /v1/chat/completions`, as data."""

from __future__ import annotations

from headgate.simulator.shape import (
    BOOLEAN,
    FREE,
    INTEGER,
    STRING,
    Array,
    Either,
    Enum,
    Map,
    Null,
    Object,
    Scalar,
    Spec,
    Tagged,
)

_BREAK = Object({"mode": Enum(("explicit",))}, {"ttl": Enum(("30m", "12h"))})
_CACHE: dict[str, Spec] = {"prompt_cache_breakpoint": _BREAK}
_TEXT = Object({"type": STRING, "text": STRING}, _CACHE)
_IMAGE = Object(
    {
        "type": STRING,
        "image_url": Object({"url": STRING}, {"detail": Enum(("auto", "low", "high", "original"))}),
    },
    _CACHE,
)
_AUDIO = Object(
    {"type": STRING, "input_audio": Object({"data": STRING, "format": Enum(("wav", "mp3"))})},
    _CACHE,
)
_FILE = Object(
    {"type": STRING, "file": Object({}, {"file_data": STRING, "file_id": STRING, "filename": STRING})},
    _CACHE,
)
_REFUSAL = Object({"type": STRING, "refusal": STRING})


def _content(**cases: Spec) -> Spec:
    return Either((STRING, Array(Tagged("type", {"text": _TEXT, **cases}), least=1)))


_PLAIN = _content()
_TOOL_CALL = Tagged(
    "type",
    {
        "function": Object(
            {"id": STRING, "type": STRING, "function": Object({"name": STRING, "arguments": STRING})},
        ),
        "custom": Object({"id": STRING, "type": STRING, "custom": Object({"name": STRING, "input": STRING})}),
    },
)
_MESSAGE = Tagged(
    "role",
    {
        "developer": Object({"role": STRING, "content": _PLAIN}, {"name": STRING}),
        "system": Object({"role": STRING, "content": _PLAIN}, {"name": STRING}),
        "user": Object(
            {"role": STRING, "content": _content(image_url=_IMAGE, input_audio=_AUDIO, file=_FILE)}, {"name": STRING}
        ),
        "assistant": Object(
            {"role": STRING},
            {
                "content": Null(_content(refusal=_REFUSAL)),
                "refusal": Null(STRING),
                "name": STRING,
                "audio": Null(Object({"id": STRING})),
                "tool_calls": Array(_TOOL_CALL, least=1),
                "function_call": Null(Object({"name": STRING, "arguments": STRING})),
                "annotations": Array(FREE),
            },
        ),
        "tool": Object({"role": STRING, "content": _PLAIN, "tool_call_id": STRING}),
        "function": Object({"role": STRING, "name": STRING, "content": Null(STRING)}),
    },
)
_FUNCTION = Object(
    {"name": STRING},
    {"description": Null(STRING), "parameters": Null(FREE), "strict": Null(BOOLEAN)},
)
_GRAMMAR = Object({"definition": STRING, "syntax": Enum(("lark", "regex"))})
_FORMAT = Tagged("type", {"text": Object({"type": STRING}), "grammar": Object({"type": STRING, "grammar": _GRAMMAR})})
_TOOL = Tagged(
    "type",
    {
        "function": Object({"type": STRING, "function": _FUNCTION}),
        "custom": Object(
            {"type": STRING, "custom": Object({"name": STRING}, {"description": STRING, "format": _FORMAT})}
        ),
    },
)
_NAMED = Object({"name": STRING})
_TOOL_CHOICE = Either(
    (
        Enum(("none", "auto", "required")),
        Tagged(
            "type",
            {
                "function": Object({"type": STRING, "function": _NAMED}),
                "custom": Object({"type": STRING, "custom": _NAMED}),
                "allowed_tools": Object(
                    {
                        "type": STRING,
                        "allowed_tools": Object({"mode": Enum(("auto", "required")), "tools": Array(FREE)}),
                    }
                ),
            },
        ),
    )
)
_RESPONSE_FORMAT = Tagged(
    "type",
    {
        "text": Object({"type": STRING}),
        "json_object": Object({"type": STRING}),
        "json_schema": Object(
            {
                "type": STRING,
                "json_schema": Object(
                    {"name": STRING}, {"description": STRING, "schema": FREE, "strict": Null(BOOLEAN)}
                ),
            }
        ),
    },
)
_PLACE = Object({}, {"city": STRING, "country": STRING, "region": STRING, "timezone": STRING})
_MODE = Null(Object({"mode": Enum(("score", "block"))}))
_MODERATION = Object({"model": STRING}, {"policy": Null(Object({}, {"input": _MODE, "output": _MODE}))})
_PENALTY = Null(Scalar("number", -2, 2))

BODY = Object(
    {"model": STRING, "messages": Array(_MESSAGE, least=1)},
    {
        "audio": Null(
            Object(
                {
                    "format": Enum(("wav", "aac", "mp3", "flac", "opus", "pcm16")),
                    "voice": Either((STRING, Object({"id": STRING}))),
                }
            )
        ),
        "frequency_penalty": _PENALTY,
        "function_call": Either((Enum(("none", "auto")), _NAMED)),
        "functions": Array(Object({"name": STRING}, {"description": STRING, "parameters": FREE}), least=1, most=128),
        "logit_bias": Null(Map(Scalar("number", -100, 100))),
        "logprobs": Null(BOOLEAN),
        "max_completion_tokens": Null(Scalar("integer", 1)),
        "max_tokens": Null(Scalar("integer", 1)),
        "metadata": Null(Map(STRING)),
        "modalities": Null(Array(Enum(("text", "audio")))),
        "moderation": Null(_MODERATION),
        "n": Null(Scalar("integer", 1, 128)),
        "parallel_tool_calls": BOOLEAN,
        "prediction": Null(Object({"type": Enum(("content",)), "content": _PLAIN})),
        "presence_penalty": _PENALTY,
        "prompt_cache_key": Null(STRING),
        "prompt_cache_options": Object({}, {"mode": Enum(("implicit", "explicit")), "ttl": Enum(("30m",))}),
        "prompt_cache_retention": Null(Enum(("in_memory", "24h"))),
        "reasoning_effort": Null(Enum(("none", "minimal", "low", "medium", "high", "xhigh", "max"))),
        "response_format": _RESPONSE_FORMAT,
        "safety_identifier": Null(STRING),
        "seed": Null(INTEGER),
        "service_tier": Null(Enum(("auto", "default", "flex", "scale", "priority", "fast"))),
        "stop": Null(Either((STRING, Array(STRING, least=1, most=4)))),
        "store": Null(BOOLEAN),
        "stream": Null(BOOLEAN),
        "stream_options": Null(Object({}, {"include_usage": BOOLEAN, "include_obfuscation": BOOLEAN})),
        "temperature": Null(Scalar("number", 0, 2)),
        "tool_choice": _TOOL_CHOICE,
        "tools": Array(_TOOL, least=1, most=128),
        "top_logprobs": Null(Scalar("integer", 0, 20)),
        "top_p": Null(Scalar("number", 0, 1)),
        "user": STRING,
        "verbosity": Null(Enum(("low", "medium", "high"))),
        "web_search_options": Object(
            {},
            {
                "search_context_size": Enum(("low", "medium", "high")),
                "user_location": Null(Tagged("type", {"approximate": Object({"type": STRING, "approximate": _PLACE})})),
            },
        ),
    },
)
