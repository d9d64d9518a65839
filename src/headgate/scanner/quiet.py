"""Calls and arguments whose text is for people, and calls that seem to ask a model."""

from __future__ import annotations

from headgate.scanner.names import last
from headgate.scanner.prose import parts_of_name

_CALLS = frozenset({
    "print", "warn", "debug", "info", "warning", "error", "exception", "critical", "log", "echo", "secho", "input",
    "add_argument", "add_parser", "option", "Option", "Argument", "argument", "ask", "confirm", "confirm_ask",
    "prompt_ask", "text_input", "markdown", "write", "caption", "success", "toast", "getenv", "get", "search",
    "match", "sub", "findall", "fullmatch", "compile", "split", "replace", "startswith", "endswith", "index", "find",
    "removeprefix", "removesuffix", "count", "execute", "executemany", "system", "run_command", "Popen", "check_output",
    "Field", "field", "Query", "Header", "deprecated", "skip", "xfail", "fail", "raises", "HTTPException",
    "strftime", "strptime", "getattr", "hasattr", "setattr", "namedtuple", "TypeVar", "NewType", "setup",
    "tool_output", "tool_error", "tool_warning", "display_message", "popover", "button", "text_area", "checkbox",
    "selectbox", "set_title", "set_ylabel", "set_xlabel", "ArgumentParser", "Tool", "StructuredTool", "tool",
    "BadParameter", "UsageError", "on_text", "Rule", "Panel", "Table", "event", "send_json", "JSONResponse",
})  # fmt: skip
_PEOPLE = frozenset({"input", "confirm", "confirm_ask", "prompt_ask", "getpass", "ask", "text_input", "raw_input"})
_LOGS = (
    "logger.",
    "logging.",
    "log.",
    "console.",
    "click.",
    "typer.",
    "warnings.",
    "st.",
    "rich.",
    "sys.stderr",
    "self.logger",
)
_ARGUMENTS = frozenset({
    "help", "description", "desc", "title", "label", "placeholder", "tooltip", "error", "error_message", "epilog",
    "usage", "caption", "subtitle", "metavar", "reason", "doc", "docstring", "help_text", "short_help", "summary",
    "error_msg", "user_agent", "user-agent", "command", "cmd", "html", "css", "sql", "script", "url", "format",
    "pattern", "regex", "suggestion", "returns", "hint", "default_message",
})  # fmt: skip
_MODEL_WORDS = frozenset({
    "llm", "gpt", "chatgpt", "claude", "gemini", "openai", "anthropic", "completion", "completions", "model", "chat",
    "agent", "chain",
})  # fmt: skip
_ASKING = frozenset({
    "invoke", "ainvoke", "predict", "apredict", "generate", "agenerate", "complete", "acomplete", "send", "ask",
    "generate_response", "generate_text", "call_model", "call_llm", "query", "run", "arun", "stream", "astream",
})  # fmt: skip


def quiet_call(name: str) -> bool:
    """Whether the arguments of a call (dotted name) are text for people or for other programs."""
    word = last(name)
    return word in _CALLS or name.startswith(_LOGS) or word.endswith(("Error", "Exception", "Warning"))


def asks_people(name: str) -> bool:
    """Whether a call puts its first argument to a person: `input(prompt)`."""
    return last(name) in _PEOPLE


def quiet_argument(word: str) -> bool:
    """Whether an argument or key of that name holds such text."""
    low = word.lower()
    return low in _ARGUMENTS or low.endswith(("_help", "_description", "_error"))


def soft_sink(name: str) -> bool:
    """Whether a call seems to ask a model: `llm.invoke(...)`, `call_gpt(...)`, `create_chat_completion(...)`."""
    words = parts_of_name(name)
    word = last(name)
    if word in ("invoke", "ainvoke", "generate_response", "call_model", "call_llm"):
        return True
    about = bool(_MODEL_WORDS & set(words))
    if word in _ASKING:
        return about
    own = parts_of_name(word)
    return (
        bool({"llm", "gpt", "chatgpt", "completion", "openai", "claude", "gemini"} & set(own))
        and not word[:1].isupper()
    )
