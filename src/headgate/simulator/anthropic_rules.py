"""What Anthropic refuses beyond shapes: versions, roles, tool results, thinking and its signatures."""

from __future__ import annotations

import re

from headgate.simulator.anthropic_shapes import BODY
from headgate.simulator.messages import ApiError
from headgate.simulator.shape import Path, Problem, check
from headgate.simulator.signing import Signer
from headgate.simulator.trees import Tree, items, text, tree, trees, whole

NEWEST = "2026-10-21"
VERSIONS = ("2023-01-01", "2023-06-01", NEWEST)
REDACTED = "redacted"
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_TYPES = {
    "string": "a valid string",
    "array": "a valid list",
    "object": "a valid dictionary",
    "integer": "a valid integer",
    "number": "a valid number",
    "boolean": "a valid boolean",
}
_USER_ONLY = ("tool_result",)
_ASSISTANT_ONLY = ("tool_use", "thinking", "redacted_thinking")
_BREAKPOINTS_MAX = 4


def refusal(message: str) -> ApiError:
    """A 400 `invalid_request_error`."""
    return ApiError(400, "invalid", message)


def validate(body: object, version: str, signer: Signer) -> Tree:
    """The body, shown to fit BODY and the rules of the API version. Raises ApiError."""
    if (problem := check(BODY, body)) is not None:
        raise _worded(problem)
    given = tree(body)
    messages = trees(given["messages"])
    _check_version(given, messages, version)
    _check_roles(messages, text(given["model"]))
    for at, one in enumerate(messages):
        _check_content(one, at, at == len(messages) - 1)
    _check_results(messages)
    _check_tools(given)
    _check_thinking(given, messages)
    _check_signatures(messages, signer)
    _check_breakpoints(given)
    return given


def blocks(content: object) -> list[Tree]:
    """A message's content as blocks: a string is one text block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else trees(content)


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _worded(problem: Problem) -> ApiError:
    where = _dotted(problem.path)
    if problem.reason == "missing":
        return refusal(f"{where}: Field required")
    if problem.reason == "unknown":
        return refusal(f"{where}: Extra inputs are not permitted")
    if problem.reason == "type":
        wanted = " or ".join(_TYPES.get(one, one) for one in problem.expected.split(" or "))
        return refusal(f"{where}: Input should be {wanted or 'a valid dictionary'}")
    if problem.reason == "value":
        options = [f"'{one}'" for one in problem.options]
        if problem.path[-1] == "type":
            found = f"Input tag '{problem.got}' found using 'type' does not match any of the expected tags"
            return refusal(f"{_dotted(problem.path[:-1])}: {found}: {', '.join(options)}")
        listed = " or ".join([", ".join(options[:-1]), options[-1]]) if len(options) > 1 else options[0]
        return refusal(f"{where}: Input should be {listed}")
    bound = problem.expected.partition("=")[2]
    side = "less" if "<=" in problem.expected else "greater"
    if problem.expected.startswith("items"):
        edge = "at most" if side == "less" else "at least"
        return refusal(f"{where}: List should have {edge} {bound} item{'' if bound == '1' else 's'}")
    return refusal(f"{where}: Input should be {side} than or equal to {bound}")


def _check_version(body: Tree, messages: list[Tree], version: str) -> None:
    """The newest version takes no sampling parameters, no documents from the assistant, no citations from users."""
    if version != NEWEST:
        return
    for name in ("temperature", "top_p", "top_k"):
        if name in body:
            raise refusal(f"{name}: Sampling parameters are not supported with anthropic-version {NEWEST}")
    for at, one in enumerate(messages):
        for place, block in enumerate(blocks(one.get("content"))):
            where = f"messages.{at}.content.{place}"
            if one.get("role") == "assistant" and block.get("type") == "document":
                raise refusal(f"{where}: `document` blocks are not permitted in `assistant` messages")
            if one.get("role") == "user" and items(block.get("citations")):
                raise refusal(f"{where}.citations: `citations` are not permitted in `user` messages")


def _check_roles(messages: list[Tree], model: str) -> None:
    first = messages[0].get("role")
    modern = re.match(r"claude-[a-z]+-[5-9]", model) is not None
    for at, one in enumerate(messages):
        if one.get("role") == "system" and (at == 0 or not modern):
            raise refusal(
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not '
                '"system" as an input message role.'
            )
    if first != "user":
        raise refusal('messages: first message must use the "user" role')
    strict = modern or re.match(r"claude-[a-z]+-4-[6-9]", model) is not None
    if messages[-1].get("role") == "assistant" and strict and not _paused(messages):
        raise refusal(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _paused(messages: list[Tree]) -> bool:
    """Whether the conversation ends with a turn that was paused: sent back as it is, the model goes on."""
    asked = [one for one in messages if one.get("role") == "user"][-1]
    return any("[[pause]]" in text(block.get("text")).lower() for block in blocks(asked.get("content")))


def _check_content(message: Tree, at: int, last: bool) -> None:
    role = text(message.get("role"))
    content = message.get("content")
    parts = blocks(content)
    if not content and not (last and role == "assistant"):
        raise refusal(
            f"messages.{at}: all messages must have non-empty content except for the optional final assistant message"
        )
    for place, block in enumerate(parts):
        kind = text(block.get("type"))
        where = f"messages.{at}.content.{place}"
        if kind == "text" and not text(block.get("text")) and content:
            raise refusal("messages: text content blocks must be non-empty")
        if kind in _USER_ONLY and role != "user":
            raise refusal(f"{where}: `{kind}` blocks can only be in `user` messages")
        if kind in _ASSISTANT_ONLY and role != "assistant":
            raise refusal(f"{where}: `{kind}` blocks can only be in `assistant` messages")
        if kind == "tool_use" and not _ID.fullmatch(text(block.get("id"))):
            raise refusal(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
        if kind == "tool_use" and not _TOOL_NAME.fullmatch(text(block.get("name"))):
            raise refusal(f"{where}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if last and role == "assistant" and parts and text(parts[-1].get("text")).endswith((" ", "\n", "\t")):
        raise refusal("messages: final assistant content cannot end with trailing whitespace")


def _check_results(messages: list[Tree]) -> None:
    """All results of a turn's tool_use blocks stand in the next message, before anything else in it."""
    waiting: list[str] = []
    for at, one in enumerate(messages):
        parts = blocks(one.get("content"))
        results = [text(block.get("tool_use_id")) for block in parts if block.get("type") == "tool_result"]
        for place, called in enumerate(results):
            if called not in waiting:
                raise refusal(
                    f"messages.{at}.content.{place}: unexpected `tool_use_id` found in `tool_result` blocks: {called}. "
                    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
        if len(set(results)) < len(results):
            raise refusal(f"messages.{at}.content: each tool_use must have a single result. Found multiple.")
        leading = {text(block.get("tool_use_id")) for block in parts[: len(results)]}
        _check_waiting([called for called in waiting if called not in leading], at - 1)
        waiting = [text(block.get("id")) for block in parts if block.get("type") == "tool_use"]
        if len(set(waiting)) < len(waiting):
            raise refusal(f"messages.{at}.content: `tool_use` ids must be unique")
    _check_waiting(waiting, len(messages) - 1)


def _check_waiting(waiting: list[str], at: int) -> None:
    if waiting:
        raise refusal(
            f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(waiting)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
            "message."
        )


def _check_tools(body: Tree) -> None:
    names: set[str] = set()
    for at, tool in enumerate(trees(body.get("tools"))):
        name = text(tool.get("name"))
        if tool.get("type") in (None, "custom"):
            if not _TOOL_NAME.fullmatch(name):
                raise refusal(f"tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
            kind = tree(tool.get("input_schema")).get("type")
            if kind != "object":
                wrong = "Field required" if kind is None else "Input should be 'object'"
                raise refusal(f"tools.{at}.custom.input_schema.type: {wrong}")
        if name in names:
            raise refusal("tools: Tool names must be unique.")
        names.add(name)
    choice = tree(body.get("tool_choice"))
    if choice and not names:
        raise refusal("tool_choice: tool_choice may only be specified while providing tools")
    if choice.get("type") == "tool" and choice.get("name") not in names:
        raise refusal(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")
    used = [one for one in trees(body["messages"]) if any(b.get("type") == "tool_use" for b in blocks(one["content"]))]
    if used and not names:
        raise refusal("tools: Requests which include `tool_use` or `tool_result` blocks must define tools")


def _check_thinking(body: Tree, messages: list[Tree]) -> None:
    thinking = tree(body.get("thinking"))
    if thinking.get("type") not in ("enabled", "adaptive"):
        return
    budget = whole(thinking.get("budget_tokens"))
    if budget is not None and budget >= (whole(body["max_tokens"]) or 0):
        raise refusal("`max_tokens` must be greater than `thinking.budget_tokens`")
    if tree(body.get("tool_choice")).get("type") in ("any", "tool"):
        raise refusal("Thinking may not be enabled when tool_choice forces tool use.")
    if body.get("temperature", 1) != 1:
        raise refusal("`temperature` may only be set to 1 when thinking is enabled.")
    if "top_k" in body:
        raise refusal("`top_k` must be unset when thinking is enabled.")
    if messages[-1].get("role") == "assistant":
        raise refusal("messages: prefilling assistant messages is not supported when thinking is enabled")
    _check_replayed(messages, thinking.get("type") == "enabled")


def _check_replayed(messages: list[Tree], every: bool) -> None:
    """Within a tool loop the assistant's turn begins with the thinking that led to its tool_use."""
    if not every or not any(one.get("type") == "tool_result" for one in blocks(messages[-1].get("content"))):
        return
    at = max(at for at, one in enumerate(messages) if one.get("role") == "assistant")
    first = text(blocks(messages[at].get("content"))[0].get("type"))
    if first not in ("thinking", "redacted_thinking"):
        raise refusal(
            f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When "
            "`thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the "
            "lastmost set of `tool_use` and `tool_result` blocks)."
        )


def _check_signatures(messages: list[Tree], signer: Signer) -> None:
    for at, one in enumerate(messages):
        for place, block in enumerate(blocks(one.get("content"))):
            if block.get("type") == "thinking":
                good = signer.verifies("anthropic", text(block.get("signature")), text(block.get("thinking")))
                name = "signature"
            elif block.get("type") == "redacted_thinking":
                good, name = signer.verifies("anthropic", text(block.get("data")), REDACTED), "data"
            else:
                continue
            if not good:
                raise refusal(f"messages.{at}.content.{place}: Invalid `{name}` in `{block['type']}` block")


def _check_breakpoints(body: Tree) -> None:
    found = breakpoints(body)
    if found > _BREAKPOINTS_MAX:
        raise refusal(f"A maximum of 4 blocks with cache_control may be provided. Found {found}.")


def breakpoints(body: Tree) -> int:
    """How many blocks are marked for the prompt cache."""
    marked = [*trees(body.get("tools")), *trees(body.get("system")), body]
    marked += [block for one in trees(body["messages"]) for block in trees(one.get("content"))]
    return sum(1 for one in marked if one.get("cache_control") is not None)
