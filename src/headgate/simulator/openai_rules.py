"""What OpenAI refuses beyond shapes, and a valid body in vendor-neutral terms."""

from __future__ import annotations

import base64
import binascii
import re

from headgate.simulator.brain import mark, tokens
from headgate.simulator.messages import ApiError, Ask, Media, ToolDef, ToolOutcome
from headgate.simulator.models import reasons
from headgate.simulator.openai_shapes import BODY
from headgate.simulator.shape import Path, Problem, check, kind_of
from headgate.simulator.trees import Tree, dump, is_tree, items, strings, text, tree, trees, whole

IMAGE_TOKENS = 85
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DELIVERY = frozenset({"stream", "stream_options"})
_ARTICLES = {"array": "an array", "object": "an object", "integer": "an integer"}


def refusal(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A 400 `invalid_request_error`."""
    return ApiError(400, "invalid", message, param, code)


def validate(body: object) -> Tree:
    """The body, shown to fit BODY and the rules. Raises ApiError."""
    if (problem := check(BODY, body)) is not None:
        raise _worded(problem)
    given = tree(body)
    _check_messages(trees(given["messages"]))
    _check_tools(given)
    _check_format(given)
    _check_model(given)
    if given.get("stream_options") is not None and not given.get("stream"):
        raise refusal("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if given.get("top_logprobs") is not None and not given.get("logprobs"):
        raise refusal("Invalid value for 'top_logprobs': 'logprobs' must be set to true.", "top_logprobs")
    return given


def read(body: Tree) -> Ask:
    """What a valid body asks of the model."""
    messages = trees(body["messages"])
    last_user = max((at for at, one in enumerate(messages) if one.get("role") == "user"), default=-1)
    said = messages[last_user] if last_user >= 0 else {}
    tail = messages[last_user + 1 :]
    names = {
        text(call.get("id")): text(tree(call.get("function")).get("name"))
        for one in messages
        for call in trees(one.get("tool_calls"))
    }
    system = [words(one.get("content")) for one in messages if one.get("role") in ("system", "developer")]
    choice, allowed = _choice(body)
    tools = [_tool(one) for one in trees(body.get("tools")) if one.get("type") == "function"]
    schema = tree(tree(body.get("response_format")).get("json_schema")).get("schema")
    kind = tree(body.get("response_format")).get("type")
    stop = body.get("stop")
    ask = Ask("openai", text(body["model"]), mark(dump({k: v for k, v in body.items() if k not in _DELIVERY})))
    ask.said, ask.system, ask.stage = words(said.get("content")), "\n".join(system), _rounds(tail)
    ask.tools = [] if choice == "none" else [one for one in tools if not allowed or one.name in allowed]
    ask.forced = None if choice in ("auto", "none") else choice.removeprefix("required")
    ask.parallel = body.get("parallel_tool_calls") is not False
    ask.schema = tree(schema) if kind == "json_schema" else None
    ask.any_json = kind == "json_object"
    ask.may_think = body.get("reasoning_effort") != "none"
    ask.thinks = reasons(ask.model) and ask.may_think
    ask.media = [seen for one in messages for seen in _media(one.get("content"))]
    ask.outcomes = [
        ToolOutcome(names.get(text(one.get("tool_call_id")), ""), words(one.get("content")))
        for one in tail
        if one.get("role") == "tool"
    ]
    ask.max_tokens = whole(body.get("max_completion_tokens")) or whole(body.get("max_tokens"))
    ask.stops = [stop] if isinstance(stop, str) else [text(one) for one in items(stop)]
    ask.count = whole(body.get("n")) or 1
    ask.input_tokens = _input_tokens(body, messages, len(ask.media))
    ask.received = len(messages)
    return ask


def words(content: object) -> str:
    """The text of a message's content, string or parts."""
    if isinstance(content, str):
        return content
    return "\n".join(text(part.get("text")) for part in trees(content) if part.get("type") == "text")


def _rounds(tail: list[Tree]) -> int:
    return sum(1 for one in tail if one.get("role") == "assistant" and one.get("tool_calls"))


def _tool(tool: Tree) -> ToolDef:
    function = tree(tool.get("function"))
    return ToolDef(text(function.get("name")), tree(function.get("parameters")))


def _choice(body: Tree) -> tuple[str, set[str]]:
    """auto, none, required or a tool's name, and the only tools allowed (empty: all)."""
    choice = body.get("tool_choice")
    if not is_tree(choice):
        return text(choice) or "auto", set()
    given = choice
    if given.get("type") == "function":
        return text(tree(given.get("function")).get("name")), set()
    allowed = tree(given.get("allowed_tools"))
    names = {text(tree(one.get("function")).get("name")) for one in trees(allowed.get("tools"))}
    return text(allowed.get("mode")) or "auto", names


def _input_tokens(body: Tree, messages: list[Tree], media: int) -> int:
    told = sum(tokens(words(one.get("content"))) + 4 for one in messages)
    called = sum(tokens(said) for one in messages for said in strings(one.get("tool_calls")))
    tools = tokens(dump(body["tools"]).decode()) if "tools" in body else 0
    shape = tokens(dump(body["response_format"]).decode()) if "response_format" in body else 0
    return told + called + tools + shape + media * IMAGE_TOKENS + 3


def _media(content: object) -> list[Media]:
    seen: list[Media] = []
    for part in trees(content):
        if part.get("type") == "image_url":
            seen.append(_linked("image", text(tree(part.get("image_url")).get("url"))))
        elif part.get("type") == "file":
            file = tree(part.get("file"))
            seen.append(_linked("document", text(file.get("file_data") or file.get("file_id"))))
        elif part.get("type") == "input_audio":
            audio = tree(part.get("input_audio"))
            seen.append(_linked("sound", f"data:audio/{audio.get('format')};base64,{audio.get('data')}"))
    return seen


def _linked(kind: str, url: str) -> Media:
    if not url.startswith("data:"):
        return Media(kind, "linked", None, url)
    head, _, data = url.removeprefix("data:").partition(",")
    try:
        return Media(kind, head.partition(";")[0], len(base64.b64decode(data, validate=True)))
    except (binascii.Error, ValueError):
        what = {"image": "image_url", "document": "file_data"}.get(kind, "data")
        raise refusal(
            f"Invalid base64 data in '{what}': failed to decode.", f"messages.content.{what}", "invalid_base64"
        ) from None


# -- refusals ------------------------------------------------------------------------------------------------------


def _dotted(path: Path) -> str:
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else step
    return out


def _worded(problem: Problem) -> ApiError:
    where = _dotted(problem.path)
    if problem.reason == "missing":
        return refusal(f"Missing required parameter: '{where}'.", where, "missing_required_parameter")
    if problem.reason == "unknown":
        return refusal(f"Unknown parameter: '{where}'.", where, "unknown_parameter")
    if problem.reason == "type":
        got = kind_of(problem.got)
        wanted = " or ".join(_ARTICLES.get(one, f"a {one}") for one in problem.expected.split(" or "))
        return refusal(
            f"Invalid type for '{where}': expected {wanted}, but got {_ARTICLES.get(got, f'a {got}')} instead.",
            where,
            "invalid_type",
        )
    if problem.reason == "value":
        options = ", ".join(f"'{one}'" for one in problem.options)
        return refusal(f"Invalid value: '{problem.got}'. Supported values are: {options}.", where, "invalid_value")
    return _out_of_range(problem, where)


def _out_of_range(problem: Problem, where: str) -> ApiError:
    above = "<=" in problem.expected
    bound = problem.expected.partition("=")[2]
    if problem.expected.startswith("items"):
        word, kind = ("too long", "array_above_max_length") if above else ("empty array", "empty_array")
        least = f"maximum length {bound}" if above else f"minimum length {bound}"
        return refusal(
            f"Invalid '{where}': {word}. Expected an array with {least}, but got length {problem.got} instead.",
            where,
            kind,
        )
    kind = "integer" if isinstance(problem.got, int) else "decimal"
    side = "above maximum" if above else "below minimum"
    code = f"{kind}_{'above_max' if above else 'below_min'}_value"
    wanted = f"{'<=' if above else '>='} {bound}"
    return refusal(
        f"Invalid '{where}': {kind} {side} value. Expected a value {wanted}, but got {problem.got} instead.",
        where,
        code,
    )


def _check_messages(messages: list[Tree]) -> None:
    """A tool message answers a call of the assistant turn before it, and every call is answered at once."""
    open_calls: list[str] = []
    follows = False
    for at, one in enumerate(messages):
        role = one.get("role")
        if role == "tool":
            if not follows:
                raise refusal(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    f"messages.[{at}].role",
                )
            called = text(one.get("tool_call_id"))
            if called not in open_calls:
                raise refusal(
                    f"Invalid parameter: 'tool_call_id' of '{called}' not found in 'tool_calls' of previous message.",
                    f"messages.[{at}].tool_call_id",
                )
            open_calls.remove(called)
            continue
        _check_answered(open_calls, at)
        open_calls = [text(call.get("id")) for call in trees(one.get("tool_calls"))]
        follows = bool(open_calls)
        if role == "assistant":
            _check_assistant(one, at, open_calls)
    _check_answered(open_calls, len(messages))


def _check_answered(open_calls: list[str], at: int) -> None:
    if open_calls:
        raise refusal(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}",
            f"messages.[{at}].role",
        )


def _check_assistant(one: Tree, at: int, calls: list[str]) -> None:
    if not calls and all(one.get(name) is None for name in ("content", "refusal", "function_call", "audio")):
        raise refusal(
            f"Invalid value for 'content': expected a string, got null in 'messages[{at}].content'.",
            f"messages.[{at}].content",
        )
    if len(set(calls)) < len(calls):
        raise refusal(f"Duplicate value for 'tool_call_id' in message {at}.", f"messages.[{at}].tool_calls")
    for index, call in enumerate(trees(one.get("tool_calls"))):
        if call.get("type") == "function":
            _check_name(tree(call.get("function")), f"messages[{at}].tool_calls[{index}].function.name")


def _check_name(function: Tree, where: str) -> None:
    if not _NAME.fullmatch(text(function.get("name"))):
        raise refusal(
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            where,
            "invalid_value",
        )


def _check_tools(body: Tree) -> None:
    tools = trees(body.get("tools"))
    for name in ("tool_choice", "parallel_tool_calls"):
        if name in body and not tools and body[name] != "none":
            raise refusal(f"'{name}' is only allowed when 'tools' are specified.", name)
    names: set[str] = set()
    for at, one in enumerate(tools):
        function = tree(one.get("function") or one.get("custom"))
        _check_name(function, f"tools[{at}].function.name")
        name = text(function.get("name"))
        if name in names:
            raise refusal(f"Invalid 'tools[{at}]': duplicate function name '{name}'.", f"tools[{at}].function.name")
        names.add(name)
        schema = tree(function.get("parameters"))
        kind = schema.get("type", "object")
        wrong = (
            f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'." if kind != "object" else ""
        )
        if function.get("strict") is True:
            wrong = wrong or _loose(schema, ())
        if wrong:
            raise refusal(
                f"Invalid schema for function '{name}': {wrong}",
                f"tools[{at}].function.parameters",
                "invalid_function_parameters",
            )
    choice, _ = _choice(body)
    if choice not in ("auto", "none", "required") and choice not in names:
        raise refusal(
            f"Invalid value for 'tool_choice': the function '{choice}' was not found in the 'tools' parameter.",
            "tool_choice",
        )


def _check_format(body: Tree) -> None:
    given = tree(body.get("response_format"))
    if given.get("type") == "json_object" and not any(
        "json" in said.lower() for one in trees(body["messages"]) for said in strings(one.get("content"))
    ):
        raise refusal(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
        )
    shape = tree(given.get("json_schema"))
    if not shape:
        return
    if not _NAME.fullmatch(text(shape.get("name"))):
        _check_name(shape, "response_format.json_schema.name")
    wrong = _loose(tree(shape.get("schema")), ()) if shape.get("strict") is True else ""
    if "schema" not in shape:
        raise refusal(
            "Missing required parameter: 'response_format.json_schema.schema'.",
            "response_format.json_schema.schema",
            "missing_required_parameter",
        )
    if wrong:
        raise refusal(f"Invalid schema for response_format '{shape['name']}': {wrong}", "response_format")


def _loose(schema: Tree, where: tuple[str, ...]) -> str:
    """Why a schema is not strict: every object closed, every property required; empty where it is."""
    context = f"In context={where!r}, "
    if schema.get("type") == "object" or "properties" in schema:
        properties = tree(schema.get("properties"))
        if schema.get("additionalProperties") is not False:
            return context + "'additionalProperties' is required to be supplied and to be false."
        if missing := [name for name in properties if name not in items(schema.get("required"))]:
            return (
                f"{context}'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{missing[0]}'."
            )
    below = [
        (tree(inner), (*where, key, name))
        for key in ("properties", "$defs", "definitions")
        for name, inner in tree(schema.get(key)).items()
    ]
    below += [(tree(schema[key]), (*where, key)) for key in ("items",) if isinstance(schema.get(key), dict)]
    below += [(one, (*where, "anyOf", str(at))) for at, one in enumerate(trees(schema.get("anyOf")))]
    return next((wrong for inner, path in below if (wrong := _loose(inner, path))), "")


def _check_model(body: Tree) -> None:
    """Thinking models take neither `max_tokens` nor, in the first generations, sampling parameters."""
    model = text(body["model"])
    if not reasons(model):
        if body.get("reasoning_effort") is not None:
            raise _unsupported("reasoning_effort", "")
        return
    if body.get("max_tokens") is not None:
        raise _unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    if not re.match(r"o\d|gpt-5(?:-|$)", model):
        return
    for name in ("temperature", "top_p"):
        value = body.get(name)
        if value is not None and value != 1:
            raise refusal(
                f"Unsupported value: '{name}' does not support {value} with this model. Only the default (1) value is "
                "supported.",
                name,
                "unsupported_value",
            )
    if body.get("logprobs"):
        raise _unsupported("logprobs", "")


def _unsupported(name: str, hint: str) -> ApiError:
    return refusal(
        f"Unsupported parameter: '{name}' is not supported with this model.{hint}", name, "unsupported_parameter"
    )
