"""Keys of providers written into code: found by their form, told apart from placeholders, never shown."""

from __future__ import annotations

import math
from collections import Counter

import msgspec

from headgate.scanner.pattern import Pattern

_FORM = Pattern(
    r"sk-ant-[A-Za-z0-9_-]{20,}|sk-or-v1-[a-f0-9]{32,}|sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}"
    r"|AIza[0-9A-Za-z_-]{35}|gsk_[A-Za-z0-9]{40,}|hf_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{40,}|pplx-[A-Za-z0-9]{40,}"
    r"|r8_[A-Za-z0-9]{30,}"
)
_OWNERS = (
    ("sk-ant-", "anthropic"), ("sk-or-", "openrouter"), ("sk-", "openai"), ("AIza", "google"), ("gsk_", "groq"),
    ("hf_", "huggingface"), ("xai-", "xai"), ("pplx-", "perplexity"), ("r8_", "replicate"),
)  # fmt: skip
_PLACEHOLDERS = ("xxx", "your", "example", "dummy", "fake", "test", "placeholder", "secret", "redacted", "1234", "abcd")
_ENTROPY_MIN = 3.2  # bits per character; keys of 24 or more random characters lie above 3.8
SHOWN = 4


class Key(msgspec.Struct, frozen=True):
    """A key in a text: where it begins (characters), whose it is, and what may be shown of it."""

    start: int
    provider: str
    shown: str


def keys_in(text: str) -> list[Key]:
    """Every key in a text. Words joined by dashes, placeholders and repeated characters are not keys."""
    if not any(start in text for start, _ in _OWNERS):
        return []
    found: list[Key] = []
    for match in _FORM.all(text):
        word = match.group()
        if match.start() and (text[match.start() - 1].isalnum() or text[match.start() - 1] in "-_"):
            continue  # the middle of a longer word, such as `task-...`
        if _random(word):
            owner = next(name for start, name in _OWNERS if word.startswith(start))
            found.append(Key(match.start(), owner, f"{owner} key …{word[-SHOWN:]}"))
    return found


def masked(text: str) -> str:
    """The text with everything that has a key's form replaced; placeholders too, which costs nothing."""
    out, at = "", 0
    for match in _FORM.all(text):
        out += text[at : match.start()] + "[key]"
        at = match.end()
    return out + text[at:] if at else text


def _random(word: str) -> bool:
    body = word[4:] if word.startswith("AIza") else word[word.index("_" if "_" in word[:4] else "-") + 1 :]
    low = body.lower()
    if any(part in low for part in _PLACEHOLDERS) or not any(sign.isdigit() for sign in body):
        return False
    counts = Counter(body)
    entropy = -sum(n / len(body) * math.log2(n / len(body)) for n in counts.values())
    return entropy >= _ENTROPY_MIN
