"""Anthropic's published parameters of `POST /v1/messages`, as data."""

from __future__ import annotations

from headgate.simulator.shape import BOOLEAN, FREE, STRING, Array, Either, Enum, Null, Object, Scalar, Spec, Tagged

_CACHE: dict[str, Spec] = {
    "cache_control": Null(Object({"type": Enum(("ephemeral",))}, {"ttl": Enum(("5m", "1h"))})),
}
_CITED = Object({}, {"enabled": BOOLEAN})
_TEXT = Object({"type": STRING, "text": STRING}, {**_CACHE, "citations": Null(Array(FREE))})
_IMAGE = Object(
    {
        "type": STRING,
        "source": Tagged(
            "type",
            {
                "base64": Object(
                    {
                        "type": STRING,
                        "media_type": Enum(("image/jpeg", "image/png", "image/gif", "image/webp")),
                        "data": STRING,
                    }
                ),
                "url": Object({"type": STRING, "url": STRING}),
                "file": Object({"type": STRING, "file_id": STRING}),
            },
        ),
    },
    {**_CACHE, "transformations": Null(Object({}, {"oversized_image": Enum(("downsize", "error"))}))},
)
_INNER = Array(Tagged("type", {"text": _TEXT, "image": _IMAGE}))
_DOCUMENT = Object(
    {
        "type": STRING,
        "source": Tagged(
            "type",
            {
                "base64": Object({"type": STRING, "media_type": Enum(("application/pdf",)), "data": STRING}),
                "text": Object({"type": STRING, "media_type": Enum(("text/plain",)), "data": STRING}),
                "content": Object({"type": STRING, "content": Either((STRING, _INNER))}),
                "url": Object({"type": STRING, "url": STRING}),
                "file": Object({"type": STRING, "file_id": STRING}),
            },
        ),
    },
    {**_CACHE, "citations": Null(_CITED), "context": Null(STRING), "title": Null(STRING)},
)
_SEARCH = Object(
    {"type": STRING, "source": STRING, "title": STRING, "content": Array(Tagged("type", {"text": _TEXT}))},
    {**_CACHE, "citations": _CITED},
)
_CALLER = Tagged(
    "type",
    {
        "direct": Object({"type": STRING}),
        "code_execution_20250825": Object({"type": STRING, "tool_id": STRING}),
        "code_execution_20260120": Object({"type": STRING, "tool_id": STRING}),
    },
)
BLOCKS: dict[str, Spec] = {
    "text": _TEXT,
    "image": _IMAGE,
    "document": _DOCUMENT,
    "search_result": _SEARCH,
    "thinking": Object({"type": STRING, "thinking": STRING, "signature": STRING}),
    "redacted_thinking": Object({"type": STRING, "data": STRING}),
    "tool_use": Object(
        {"type": STRING, "id": STRING, "name": STRING, "input": FREE},
        {**_CACHE, "caller": _CALLER, "toolset_name": Null(STRING)},
    ),
    "tool_result": Object(
        {"type": STRING, "tool_use_id": STRING},
        {
            **_CACHE,
            "content": Either(
                (
                    STRING,
                    Array(
                        Tagged(
                            "type",
                            {
                                "text": _TEXT,
                                "image": _IMAGE,
                                "search_result": _SEARCH,
                                "document": _DOCUMENT,
                                "tool_reference": Object({"type": STRING, "tool_name": STRING}, _CACHE),
                            },
                        )
                    ),
                )
            ),
            "is_error": BOOLEAN,
            "toolset_name": Null(STRING),
        },
    ),
}
_MESSAGE = Object(
    {"role": Enum(("user", "assistant", "system")), "content": Either((STRING, Array(Tagged("type", BLOCKS))))}
)
_CALLERS = Enum(("direct", "code_execution_20250825", "code_execution_20260120", "code_execution_20260521"))
_TOOL = Object(
    {"name": STRING, "input_schema": FREE},
    {
        **_CACHE,
        "type": Null(Enum(("custom",))),
        "description": STRING,
        "strict": BOOLEAN,
        "allowed_callers": Array(_CALLERS),
        "defer_loading": BOOLEAN,
        "eager_input_streaming": Null(BOOLEAN),
        "input_examples": Array(FREE),
    },
)
SERVER_TOOLS = (
    "bash_20250124", "code_execution_20250522", "code_execution_20250825", "code_execution_20260120",
    "code_execution_20260521", "browser_toolset_20260801", "memory_20250818", "computer_toolset_20260801",
    "text_editor_20250124", "text_editor_20250429", "text_editor_20250728", "web_search_20250305",
    "web_fetch_20250910", "web_search_20260209", "web_fetch_20260209", "web_fetch_20260309", "web_search_20260318",
    "web_fetch_20260318", "tool_search_tool_bm25_20251119", "tool_search_tool_regex_20251119",
)  # fmt: skip
_PARALLEL: dict[str, Spec] = {"disable_parallel_tool_use": BOOLEAN}
_SHOWN: dict[str, Spec] = {"display": Null(Enum(("summarized", "omitted")))}

BODY = Object(
    {
        "model": STRING,
        "max_tokens": Scalar("integer", 1),
        "messages": Array(_MESSAGE, least=1, most=100_000),
    },
    {
        **_CACHE,
        "container": Null(Either((STRING, FREE))),
        "diagnostics": Null(Object({}, {"previous_message_id": Null(STRING)})),
        "inference_geo": Null(STRING),
        "metadata": Object({}, {"user_id": Null(STRING)}),
        "output_config": Object(
            {},
            {
                "effort": Null(Enum(("low", "medium", "high", "xhigh", "max"))),
                "format": Null(Object({"type": Enum(("json_schema",)), "schema": FREE})),
            },
        ),
        "service_tier": Enum(("auto", "standard_only")),
        "speed": Null(Enum(("standard", "fast"))),
        "stop_sequences": Array(STRING, most=8191),
        "stream": BOOLEAN,
        "system": Either((STRING, Array(Tagged("type", {"text": _TEXT})))),
        "temperature": Scalar("number", 0, 1),
        "thinking": Tagged(
            "type",
            {
                "enabled": Object({"type": STRING, "budget_tokens": Scalar("integer", 1024)}, _SHOWN),
                "adaptive": Object({"type": STRING}, _SHOWN),
                "between_tools": Object({"type": STRING}),
                "disabled": Object({"type": STRING}),
            },
        ),
        "tool_choice": Tagged(
            "type",
            {
                "auto": Object({"type": STRING}, _PARALLEL),
                "any": Object({"type": STRING}, _PARALLEL),
                "tool": Object({"type": STRING, "name": STRING}, _PARALLEL),
                "none": Object({"type": STRING}),
            },
        ),
        "tools": Array(Tagged("type", {"custom": _TOOL, **dict.fromkeys(SERVER_TOOLS, FREE)}, default="custom")),
        "top_k": Scalar("integer", 0),
        "top_p": Scalar("number", 0, 1),
        "user_profile_id": STRING,
        "workspace_id": STRING,
    },
)
