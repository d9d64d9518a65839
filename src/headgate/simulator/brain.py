"""The model behind the simulator: a deterministic function from a valid request and a seed to an answer.

It tells what it received: how many words, their echo, images and documents, tools' results. Trigger words in the last
user text, in double square brackets and any case, ask for more:

| trigger | the answer |
|---|---|
| `[[say]] text` | exactly the text that follows |
| `[[system]]` | the system prompt, word for word |
| `[[long N]]` | N words of filler |
| `[[call]]`, `[[call NAME ...]]` | calls the first tool, or those named |
| `[[parallel]]` | calls two tools at once (one twice where there is but one), unless that is forbidden |
| `[[talk]]` | says a sentence before it calls |
| `[[steps N]]` | a tool loop: calls again until N rounds are done |
| `[[refuse]]` | refuses in the vendor's way |
| `[[filter]]` | begins, then the content filter ends it |
| `[[blocked]]` | the prompt itself is refused (Google: promptFeedback; OpenAI: 400; Anthropic: refusal) |
| `[[pause]]` | Anthropic's `pause_turn`; sent back, it goes on |
| `[[window]]` | Anthropic's `model_context_window_exceeded` |
| `[[think]]` | thinks where the request left that to the model |
| `[[redacted]]` | Anthropic: the thinking comes redacted |
| `[[cached]]` | half of the input counts as read from the prompt cache |

Without a trigger a tool is called where the choice forces one, or where the text holds a word (four letters or more)
of the tool's name and no result has come back yet. Tokens are a quarter of the characters, rounded up.
"""

from __future__ import annotations

import hashlib
import random
import re
import string

import msgspec

from headgate.simulator.messages import Answer, Ask, Call, Count, ToolDef
from headgate.simulator.schema_values import Maker

CHARS_PER_TOKEN = 4
LONG_MAX = 20_000
CACHE_LEAST = 1024  # tokens from which vendors cache by themselves
_ECHO_WORDS = 40
_OUTCOME_CHARS = 400
_TRIGGER = re.compile(r"\[\[(\w+)([^\]]{0,200})\]\]")
_PIECE = re.compile(r"\s*\S+|\s+")
_FILLER = (
    "the", "gate", "keeps", "a", "record", "of", "every", "call", "and", "asks", "next", "provider", "when", "one",
    "fails", "so", "that", "answers", "arrive", "in", "order", "while", "prompts", "models", "context", "policy",
    "stay",
)  # fmt: skip
_BASE62 = string.digits + string.ascii_letters


def tokens(said: str) -> int:
    """How many tokens a text is."""
    return -(-len(said) // CHARS_PER_TOKEN)


def text_of(value: object) -> str:
    """JSON, of any integers: a schema may ask for one over 64 bits."""
    return msgspec.json.encode(value).decode()


def mark(*parts: object) -> str:
    """A hex digest of the parts: the same parts, the same mark."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


def token_of(size: int, *parts: object) -> str:
    """Letters and digits as vendors put into their ids, decided by the parts alone."""
    number = int(mark(*parts), 16)
    letters: list[str] = []
    for _ in range(size):
        number, digit = divmod(number, len(_BASE62))
        letters.append(_BASE62[digit])
    return "".join(letters)


def pieces(said: str, words: int) -> list[str]:
    """A text cut into chunks of so many words; joined they are the text again."""
    found = _PIECE.findall(said)
    return ["".join(found[at : at + words]) for at in range(0, len(found), words)]


def triggers(said: str) -> dict[str, str]:
    """The trigger words of a text and what stands behind each inside the brackets."""
    return {name.lower(): rest.strip() for name, rest in _TRIGGER.findall(said)}


def answer(ask: Ask, seed: int, choice: int = 0) -> Answer:
    """What the model says. `choice` counts the alternatives of one request from 0."""
    asked = triggers(ask.said)
    thought = _thought(ask) if ask.thinks or ("think" in asked and ask.may_think) else ""
    calls = _calls(ask, asked, seed, choice)
    spoken = "I will look that up." if "talk" in asked else ""
    said = spoken if calls else _text(ask, asked, choice)
    said = said.removeprefix(ask.prefill)
    finish, raw = _finish(ask, asked, bool(calls))
    if finish in ("refusal", "blocked"):
        calls, said = (), "" if finish == "blocked" else "I cannot help with that request."
    elif finish == "filter":
        calls, said = (), said[: len(said) // 3]
    sequence = None
    if finish == "stop" and (cut := _stopped(said, ask.stops)) is not None:
        said, sequence = cut
        finish = "sequence"
    return _measured(
        Answer(ask, said, Count(0, 0), finish, calls, thought, "redacted" in asked, sequence, raw), asked, seed
    )


def _finish(ask: Ask, asked: dict[str, str], calls: bool) -> tuple[str, str | None]:
    for trigger, finish in (("refuse", "refusal"), ("filter", "filter"), ("blocked", "blocked")):
        if trigger in asked:
            return finish, None
    if "pause" in asked and ask.vendor == "anthropic" and ask.stage == 0:
        return "pause", None
    if "window" in asked and ask.vendor == "anthropic":
        return "length", "model_context_window_exceeded"
    return ("tool" if calls else "stop"), None


def _measured(made: Answer, asked: dict[str, str], seed: int) -> Answer:
    """The answer with its tokens counted and cut to the allowed length."""
    ask, thought, said, calls, finish = made.ask, made.thought, made.text, made.calls, made.finish
    called = sum(tokens(call.name) + tokens(call.arguments) + CHARS_PER_TOKEN for call in calls)
    if ask.max_tokens is not None:
        thought = thought[: ask.max_tokens * CHARS_PER_TOKEN]
        left = ask.max_tokens - tokens(thought)
        if called > left:
            calls, called, finish = (), 0, "length"
        if tokens(said) > left:
            said, finish = said[: left * CHARS_PER_TOKEN], "length"
    thinking = tokens(thought)
    cached = ask.input_tokens // 2 if "cached" in asked or _caches(ask) else 0
    written = 0 if cached else min(ask.cache_write, ask.input_tokens)
    count = Count(ask.input_tokens, thinking + called + tokens(said), cached, written, thinking)
    sequence = made.sequence if finish == "sequence" else None
    raw = made.raw_finish if finish == made.finish else None
    return Answer(ask, said, count, finish, calls, thought, made.redacted, sequence, raw)


def _caches(ask: Ask) -> bool:
    """OpenAI and Google cache long prompts by themselves; Anthropic only where told."""
    return ask.vendor != "anthropic" and ask.input_tokens >= CACHE_LEAST


def _thought(ask: Ask) -> str:
    words = ask.said.split()
    about = " ".join(words[:8]) or "the conversation so far"
    return f"The user wants me to consider: {about}. I have {len(ask.tools)} tools and {len(ask.outcomes)} results."


def _stopped(said: str, stops: list[str]) -> tuple[str, str] | None:
    """The text before the earliest stop sequence, and that sequence."""
    hits = [(said.find(stop), stop) for stop in stops if stop and stop in said]
    if not hits:
        return None
    at, stop = min(hits)
    return said[:at], stop


def _text(ask: Ask, asked: dict[str, str], choice: int) -> str:
    if ask.schema is not None or ask.any_json:
        schema = ask.schema or {"type": "object", "properties": {"answer": {"type": "string"}}}
        made = Maker(schema, mark(ask.digest, choice), _plain_words(ask.said)).make()
        return text_of(made)
    if "say" in asked:
        return _TRIGGER.split(ask.said[ask.said.lower().index("[[say") :], maxsplit=1)[-1].lstrip()
    if "system" in asked:
        return ask.system or "I have no system prompt."
    if "long" in asked:
        count = min(int(asked["long"]) if asked["long"].isdigit() else 100, LONG_MAX)
        chosen = random.Random(mark(ask.digest, choice))
        return " ".join(chosen.choice(_FILLER) for _ in range(count))
    return _report(ask, choice)


def _report(ask: Ask, choice: int) -> str:
    """What was received, in words."""
    words = ask.said.split()
    echo = " ".join(words[:_ECHO_WORDS]) + (" ..." if len(words) > _ECHO_WORDS else "")
    lines = [f"You said in {len(words)} words: {echo}"] if words else ["You said nothing in words."]
    for kind in sorted({one.kind for one in ask.media}):
        seen = [one for one in ask.media if one.kind == kind]
        told = ", ".join(f"{one.media_type} {one.url or f'{one.size} bytes'}" for one in seen)
        lines.append(f"I received {len(seen)} {kind}{'s' if len(seen) > 1 else ''}: {told}.")
    for outcome in ask.outcomes:
        verb = "failed with" if outcome.is_error else "answered"
        lines.append(f"The tool {outcome.name} {verb}: {outcome.text[:_OUTCOME_CHARS]}")
    if choice:
        lines.append(f"This is alternative {choice}.")
    return "\n".join([*lines, f"(messages: {ask.received}, request {mark(ask.digest)[:8]})"])


def _plain_words(said: str) -> list[str]:
    return re.findall(r"[A-Za-z][A-Za-z0-9]{2,}", _TRIGGER.sub(" ", said))[:50]


def _calls(ask: Ask, asked: dict[str, str], seed: int, choice: int) -> tuple[Call, ...]:
    """The tool calls of this turn, arguments made to fit each tool's schema."""
    chosen = _chosen(ask, asked)
    if "parallel" in asked and len(chosen) == 1:
        others = [tool for tool in ask.tools if tool.name != chosen[0].name]
        chosen = [chosen[0], (others or chosen)[0]] if not ask.forced else chosen * 2
    if not ask.parallel:
        chosen = chosen[:1]
    made: list[Call] = []
    for at, tool in enumerate(chosen):
        key = mark(seed, ask.digest, choice, at)
        value = Maker(tool.schema or {"type": "object"}, key, _plain_words(ask.said)).make()
        made.append(Call(_call_id(ask.vendor, key), tool.name, text_of(value)))
    return tuple(made)


def _chosen(ask: Ask, asked: dict[str, str]) -> list[ToolDef]:
    """Which tools to call now; none where the model answers in words."""
    if not ask.tools:
        return []
    named = asked.get("call", "").split()
    wished = [tool for name in named for tool in ask.tools if tool.name == name]
    if ask.forced is not None:
        only = [tool for tool in ask.tools if not ask.forced or tool.name == ask.forced]
        return [tool for tool in wished if tool in only] or only[:1]
    steps = asked.get("steps", "")
    if ask.stage >= (int(steps) if steps.isdigit() else 1):
        return []
    if wished or "call" in asked or "parallel" in asked or "steps" in asked:
        return wished or ask.tools[:1]
    spoken = set(re.findall(r"[a-z]{4,}", _TRIGGER.sub(" ", ask.said).lower()))
    return [tool for tool in ask.tools if spoken & set(re.findall(r"[a-z]{4,}", tool.name.lower()))][:1]


def _call_id(vendor: str, key: str) -> str:
    shapes = {"openai": ("call_", 24), "anthropic": ("toolu_01", 22)}
    prefix, size = shapes.get(vendor, ("", 8))
    return prefix + token_of(size, "call", key)
