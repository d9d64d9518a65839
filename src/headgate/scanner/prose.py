"""Whether a name means a prompt, and whether a text reads like one. Both are rules of thumb, weighed in `judge`."""

from __future__ import annotations

from itertools import pairwise

from headgate.scanner.pattern import Pattern

WORDS_MIN = 4
_NAME_PART = Pattern(r"[A-Z]+(?:[a-z]+|\b|_|[0-9])|[A-Z]?[a-z]+|[A-Z]+")
_PROMPT = frozenset({"prompt", "prompts", "preprompt", "preprompts", "sysprompt", "instruction", "instructions"})
_SYSTEM = frozenset({"message", "msg", "text", "content", "role"})
# `prompt_tokens` counts, a `prompt_toolkit` asks people
_NOT_PROMPT = frozenset({
    "token", "tokens", "toolkit", "session", "style", "count", "cost", "costs", "length", "limit", "id", "ids", "hash",
    "cache", "confirm", "user_input", "logger", "error", "errors",
})  # fmt: skip
_WEAK = frozenset({
    "template", "templates", "system", "prefix", "suffix", "reminder", "reminders", "preamble", "persona", "rules",
    "guidelines", "criteria", "objective", "query", "question", "request", "task", "context", "example", "examples",
    "content", "contents", "message", "messages", "feedback", "goal", "addition", "constraint", "reply", "rubric",
    "role",
})  # fmt: skip
_ROLE = (
    "you are ", "you're a", "act as", "your task", "your job", "your goal", "your role", "your response", "your answer",
    "imagine you", "as an ai", "as an expert", "your sole", "your primary", "your purpose", "your output",
)  # fmt: skip
_OPENINGS = ("you are a", "you're a", "you are an", "act as", "your task is", "your job is", "your goal is")
_ASK = (
    "respond", "reply", "return ", "answer", "output", "provide", "generate", "summari", "translate", "classify",
    "extract", "rewrite", "revise", "evaluat", "analyz", "analys", "identify", "write ", "create ", "explain",
    "step by step", "given ", "based on", "following", "below", "determine", "improve", "discuss", "list ", "describe",
    "here is", "here are", "use the", "critique",
)  # fmt: skip
_BOUND = (
    "must", "do not", "don't", "never ", "always", "only ", "make sure", "ensure", "please", "should", "as many",
    "without ", "avoid ", "instead of", "if the", "be sure",
)  # fmt: skip
_ABOUT = (
    "assistant", "language model", "llm", "json", "conversation", "the user", "user's", "question", "context",
    "the model", "final answer", "the text", "response", "prompt", "input:", "example", "topic", "tools",
)  # fmt: skip
_CODE_STARTS = (
    "<!doctype", "<html", "<svg", "<div", "<style", "<script", "<?xml", "<rect", "<circle", "<polygon", "<a ", "<span",
    "create table", "alter table", "drop table", "insert into", "delete from", "import ", "def ", "class ",
    "function ", "const ", "var ", "query(", "mutation(", "#!/", "http://", "https://",
    "tell application", "{%", "mozilla/", "@@ ", "//",
    "try {", "async ",
)  # fmt: skip
# a first word that is also an English one -> what must follow somewhere in the first 200 characters
_CODE_PAIRS = (("select ", " from "), ("update ", " set "), ("from ", " import "), ("with ", " as ("))
_FOR_PEOPLE = (
    "pip install", "npm install", "usage:", "press ", "not found", "invalid ", "unable to", "failed to", "could not",
    "deprecated", "unsupported", "not supported", "error:", "warning", "exception", "traceback", "is required",
    "are required", "api key", "api_key", "environment variable", "http error", "permission", "unknown ",
    "timeout", "exited with", "unexpected", "missing ", "expected ", "must be ", "(y/n)", "[y/n]", "[bold",
    "click ", "help text",
    "license ::", "programming language ::", "(default", "install ", "deprecat", "please check", "not implemented",
)  # fmt: skip


def parts_of_name(name: str) -> list[str]:
    """The words of a snake_case, dotted or CamelCase name, in lower case."""
    return [match.group().strip("_0123456789").lower() for match in _NAME_PART.all(name)]


def prompt_name(name: str) -> bool:
    """Whether a name says prompt: `SYSTEM_PROMPT`, `get_instructions`, `systemMessage`, not `prompt_tokens`."""
    parts = parts_of_name(name)
    if not parts or any(part in _NOT_PROMPT for part in parts):
        return False
    if any(part in _PROMPT or part.endswith("prompt") for part in parts):
        return True
    return any(a in ("system", "sys") and b in _SYSTEM for a, b in pairwise(parts))


def weak_name(name: str) -> bool:
    """Whether a name may mean part of a prompt: `task_template`, `prefix`, `question`."""
    return any(part in _WEAK for part in parts_of_name(name))


def words_in(text: str) -> int:
    """How many words, two letters or more between white space, the first 2,000 characters have, `{name}` left out."""
    return sum(1 for word in text[:2_000].split() if word[0] != "{" and sum(sign.isalpha() for sign in word) >= 2)


def like_a_prompt(text: str) -> int:
    """How much a text reads like one written for a model: 0 to 10."""
    low = text[:4_000].lower()
    points = 2 * any(cue in low for cue in _ROLE) + 2 * low.lstrip("\n #*\"'").startswith(_OPENINGS)
    points += min(2, sum(cue in low for cue in _ASK))
    points += min(2, sum(cue in low for cue in _BOUND))
    points += min(2, sum(cue in low for cue in _ABOUT))
    return points + (len(text) >= 150) + (len(text) >= 500)


def for_people(text: str) -> bool:
    """Whether a text looks like a message to a user or developer."""
    return len(text) < 300 and any(cue in text.lower() for cue in _FOR_PEOPLE)


def is_code(text: str) -> bool:
    """Whether a text begins as program code, markup or a query does."""
    low = " ".join(text[:400].lower().split())[:200]
    return low.startswith(_CODE_STARTS) or any(low.startswith(a) and b in low for a, b in _CODE_PAIRS)


def like_code(text: str) -> bool:
    """Whether a text has many signs of program code."""
    low = text.strip().lower()
    signs = sum(low.count(sign) for sign in (");", "</", " = ", "();", "};", "==", "self.", '\\n"', "fi\n"))
    return signs >= 3 and signs * 120 > len(low)
