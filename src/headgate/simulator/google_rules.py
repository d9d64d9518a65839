"""What Google refuses beyond shapes: turns, function responses, thought signatures, thinking and schemas."""

from __future__ import annotations

import base64
import binascii
import re

from headgate.simulator.google_shapes import BODY, PART_DATA
from headgate.simulator.messages import ApiError
from headgate.simulator.models import generation, goes_on
from headgate.simulator.shape import Path, Problem, check, renamed, snake
from headgate.simulator.signing import Signer
from headgate.simulator.trees import Tree, dump, items, text, tree, trees, whole

BYPASS = frozenset({b"skip_thought_signature_validator", b"context_engineering_is_the_way_to_go"})
SIGNED_TEXT = "text"
_ROLES = ("user", "model", "function", "")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_PROTO = {
    "string": "TYPE_STRING",
    "integer": "TYPE_INT32",
    "number": "TYPE_FLOAT",
    "boolean": "TYPE_BOOL",
}
_BUDGETS = (("-lite", 512, 24_576), ("-flash", 0, 24_576), ("-pro", 128, 32_768))


def refusal(message: str, details: list[Tree] | None = None) -> ApiError:
    """A 400 `INVALID_ARGUMENT`."""
    return ApiError(400, "invalid", message, details=details or [])


def validate(body: object, model: str, signer: Signer) -> Tree:
    """The body with its names in lowerCamelCase, shown to fit BODY and the rules. Raises ApiError."""
    given = renamed(BODY, body)
    if (problem := check(BODY, given)) is not None:
        raise _worded(problem)
    fitting = tree(given)
    contents = trees(fitting.get("contents"))
    if not contents:
        raise refusal("* GenerateContentRequest.contents: contents is not specified\n")
    for at, one in enumerate(contents):
        _check_content(one, at)
    _check_turns(contents, model)
    _check_tools(fitting, model)
    _check_config(tree(fitting.get("generationConfig")), model)
    _check_signatures(contents, model, signer)
    return fitting


def parts(content: Tree) -> list[Tree]:
    """A content's parts."""
    return trees(content.get("parts"))


def calls(content: Tree) -> list[Tree]:
    """The functionCall objects of a content."""
    return [tree(part["functionCall"]) for part in parts(content) if "functionCall" in part]


def responses(content: Tree) -> list[Tree]:
    """The functionResponse objects of a content."""
    return [tree(part["functionResponse"]) for part in parts(content) if "functionResponse" in part]


def declarations(body: Tree) -> list[Tree]:
    """All function declarations of all tools."""
    return [one for tool in trees(body.get("tools")) for one in trees(tool.get("functionDeclarations"))]


def _proto_path(path: Path) -> str:
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{snake(step)}" if out else snake(step)
    return out


def _worded(problem: Problem) -> ApiError:
    where = _proto_path(problem.path)
    if problem.reason == "unknown":
        field = _proto_path(problem.path[:-1])
        at = f" at '{field}'" if field else ""
        return _violation(
            field, f'Invalid JSON payload received. Unknown name "{problem.path[-1]}"{at}: Cannot find field.'
        )
    if problem.reason in ("type", "value"):
        kind = _PROTO.get(problem.expected, "type.googleapis.com/google.ai.generativelanguage.v1beta")
        got = dump(problem.got).decode()[:100]
        return _violation(where, f"Invalid value at '{where}' ({kind}), {got}")
    low = problem.expected.startswith(("<=", "items<="))
    bound = problem.expected.partition("=")[2]
    return refusal(f"* GenerateContentRequest.{where}: must be {'at most' if low else 'at least'} {bound}\n")


def _violation(field: str, description: str) -> ApiError:
    detail: Tree = {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": field, "description": description}],
    }
    return refusal(description, [detail])


def _check_content(content: Tree, at: int) -> None:
    if text(content.get("role")) not in _ROLES:
        raise refusal("Please use a valid role: user, model.")
    if not parts(content):
        raise refusal(f"* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.\n")
    for place, part in enumerate(parts(content)):
        where = f"contents[{at}].parts[{place}]"
        data = [name for name in PART_DATA if name in part]
        if not data:
            raise refusal(
                f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field\n"
            )
        if len(data) > 1:
            raise _violation(
                where,
                f"Invalid value at '{where}' (oneof), oneof field 'data' is already set. Cannot set '{data[1]}'",
            )
        _check_data(tree(part.get(data[0])), data[0], f"{where}.{snake(data[0])}")


def _check_data(data: Tree, kind: str, where: str) -> None:
    if kind in ("functionCall", "functionResponse") and not text(data.get("name")):
        raise refusal(f"* GenerateContentRequest.{where}.name: Name cannot be empty.\n")
    if kind == "functionResponse" and "response" not in data:
        raise refusal(f"* GenerateContentRequest.{where}.response: response must not be empty.\n")
    if kind == "inlineData":
        if not text(data.get("mimeType")):
            raise refusal(f"* GenerateContentRequest.{where}: mime_type must not be empty.\n")
        raw = text(data.get("data"))
        try:
            base64.b64decode(raw.replace("-", "+").replace("_", "/"), validate=True)
        except (binascii.Error, ValueError):
            raise _violation(
                f"{where}.data", f"Invalid value at '{where}.data' (TYPE_BYTES), Base64 decoding failed"
            ) from None


def _check_turns(contents: list[Tree], model: str) -> None:
    """A call comes after a user's turn or a response, and is answered in the next turn, all of it."""
    waiting: list[Tree] = []
    for at, one in enumerate(contents):
        answered = responses(one)
        if len(answered) != len(waiting):
            raise refusal(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        _check_matching(waiting, answered)
        waiting = calls(one)
        role = text(one.get("role"))
        if waiting and role != "model":
            raise refusal("Please ensure that function calls come from the model role.")
        if answered and role == "model":
            raise refusal("Please ensure that function responses come from the user role.")
        if waiting and (at == 0 or text(contents[at - 1].get("role")) == "model"):
            raise refusal(
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
    if waiting:
        raise refusal("Please ensure that function call turn is followed by a function response turn.")
    if text(contents[-1].get("role")) == "model" and not goes_on(model):
        raise refusal("Requests ending with a model turn are not supported.")


def _check_matching(called: list[Tree], answered: list[Tree]) -> None:
    ids = {text(one.get("id")) for one in called if one.get("id")}
    names = sorted(text(one.get("name")) for one in called)
    for one in answered:
        if one.get("id") and ids and text(one["id"]) not in ids:
            raise refusal(f"Function response id `{one['id']}` does not match any function call of the previous turn.")
    if names != sorted(text(one.get("name")) for one in answered):
        raise refusal("Please ensure that function response names match the names of the function call turn.")


def _check_tools(body: Tree, model: str) -> None:
    names: set[str] = set()
    for at, one in enumerate(declarations(body)):
        where = f"tools[0].function_declarations[{at}]"
        name = text(one.get("name"))
        if not _NAME.fullmatch(name):
            raise refusal(
                f"* GenerateContentRequest.{where}.name: Invalid function name. Must start with a letter or an "
                "underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), "
                "with a maximum length of 64.\n"
            )
        if name in names:
            raise refusal(f"Duplicate function declaration found: {name}")
        names.add(name)
        if "parameters" in one and "parametersJsonSchema" in one:
            raise refusal(
                f"* GenerateContentRequest.{where}: parameters and parameters_json_schema are mutually exclusive.\n"
            )
        _check_schema(tree(one.get("parameters")), f"{where}.parameters")
    config = tree(tree(body.get("toolConfig")).get("functionCallingConfig"))
    allowed = [text(one) for one in items(config.get("allowedFunctionNames"))]
    if allowed and config.get("mode") not in ("ANY", "VALIDATED"):
        raise refusal("Allowed function names should be set only when function calling mode is ANY or VALIDATED.")
    if unknown := [one for one in allowed if one not in names]:
        raise refusal(f"Allowed function name `{unknown[0]}` is not among the function declarations.")
    if config.get("mode") in ("ANY", "VALIDATED") and not names:
        raise refusal("Function calling config is set without function_declarations.")
    wants_json = tree(body.get("generationConfig")).get("responseMimeType") == "application/json"
    if names and wants_json and generation(model) < 3:
        raise refusal("Function calling with a response mime type: 'application/json' is unsupported")


def _check_schema(schema: Tree, where: str) -> None:
    """An object names its properties, an array its items, and required ones exist."""
    kind = text(schema.get("type")).upper()
    properties = tree(schema.get("properties"))
    if kind == "OBJECT" and not properties:
        raise refusal(f"* GenerateContentRequest.{where}.properties: should be non-empty for OBJECT type\n")
    if kind == "ARRAY" and "items" not in schema:
        raise refusal(f"* GenerateContentRequest.{where}.items: missing field.\n")
    for at, name in enumerate(items(schema.get("required"))):
        if properties and name not in properties:
            raise refusal(f"* GenerateContentRequest.{where}.required[{at}]: property is not defined\n")
    for name, inner in properties.items():
        _check_schema(tree(inner), f"{where}.properties[{name}]")
    if "items" in schema:
        _check_schema(tree(schema["items"]), f"{where}.items")
    for at, inner in enumerate(trees(schema.get("anyOf"))):
        _check_schema(inner, f"{where}.any_of[{at}]")


def _check_config(config: Tree, model: str) -> None:
    has_schema = "responseSchema" in config or "responseJsonSchema" in config
    if has_schema and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        raise refusal(
            "* GenerateContentRequest.generation_config.response_schema: only allowed when response_mime_type is "
            "'application/json'\n"
        )
    if "responseSchema" in config and "responseJsonSchema" in config:
        raise refusal(
            "* GenerateContentRequest.generation_config: response_schema and response_json_schema are mutually "
            "exclusive\n"
        )
    _check_schema(tree(config.get("responseSchema")), "generation_config.response_schema")
    if "logprobs" in config and config.get("responseLogprobs") is not True:
        raise refusal("logprobs is only allowed when response_logprobs is set to true.")
    thinking = tree(config.get("thinkingConfig"))
    budget, level = whole(thinking.get("thinkingBudget")), thinking.get("thinkingLevel")
    if budget is not None and level is not None:
        raise refusal("You can only set only one of thinking budget and thinking level.")
    if level is not None and generation(model) < 3:
        raise refusal("Thinking level is not supported for this model.")
    if budget is not None and generation(model) < 3:
        _check_budget(budget, model)


def _check_budget(budget: int, model: str) -> None:
    low, high = next(((low, high) for word, low, high in _BUDGETS if word in model), (0, 24_576))
    if budget == 0 and low == 128:
        raise refusal("Budget 0 is invalid. This model only works in thinking mode.")
    if budget not in (-1, 0) and not low <= budget <= high:
        raise refusal(f"The thinking budget {budget} is invalid. Please choose a value between {low} and {high}.")


def _check_signatures(contents: list[Tree], model: str, signer: Signer) -> None:
    """Every signature is ours or the documented bypass; from Gemini 3 on, the first call of each step since the last
    user text must carry one."""
    spoken = [
        at for at, one in enumerate(contents) if one.get("role") != "model" and any("text" in p for p in parts(one))
    ]
    current = spoken[-1] if spoken else 0
    for at, one in enumerate(contents):
        first = next((place for place, part in enumerate(parts(one)) if "functionCall" in part), -1)
        for place, part in enumerate(parts(one)):
            signature = text(part.get("thoughtSignature"))
            name = text(tree(part.get("functionCall")).get("name"))
            if signature and not _genuine(signature, name or SIGNED_TEXT, signer):
                raise refusal("Thought signature is not valid.")
            if place == first and at > current and not signature and generation(model) >= 3:
                raise refusal(
                    f"Function call `{name}` in the {at + 1}. content block is missing a `thought_signature`. Learn "
                    "more: https://ai.google.dev/gemini-api/docs/thought-signatures"
                )


def _genuine(signature: str, signed: str, signer: Signer) -> bool:
    """SDKs write bytes in either base64 alphabet; the bypass value comes bare or encoded."""
    usual = signature.replace("-", "+").replace("_", "/")
    if signature.encode() in BYPASS or signer.verifies("google", usual, signed):
        return True
    try:
        return base64.b64decode(usual) in BYPASS
    except (binascii.Error, ValueError):
        return False
