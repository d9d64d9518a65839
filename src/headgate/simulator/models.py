"""Which model names a vendor knows: families as patterns, so that next month's dated snapshot is known too."""

from __future__ import annotations

import re

_OPENAI = (
    "astra|sol|terra|luna|mini|nano|pro|codex|turbo|preview|latest|chat|audio|search|max|deep|research|vision|16k|32k"
)
_GOOGLE = "flash|pro|lite|ultra|argon|nano|latest|preview|exp|thinking|image|8b|live|native|audio|customtools|tools"
_FAMILIES = {
    "openai": re.compile(rf"(gpt-\d[\w.]*|o\d|chatgpt-4o|codex)(-(?:{_OPENAI}|\d+))*"),
    "anthropic": re.compile(
        r"claude-(?:fable|mythos|opus|sonnet|haiku)(-(?:\d+|preview|latest))+|"
        r"claude-\d(-(?:\d+|opus|sonnet|haiku|latest))*"
    ),
    "google": re.compile(rf"(gemini-\d(?:\.\d)?|gemini|gemma-\d\w*)(-(?:{_GOOGLE}|\d+b?|it|e\d+b))*"),
}
LISTED = {
    "openai": (
        "gpt-6-astra", "gpt-6.1-sol", "gpt-6.1-terra", "gpt-6-luna", "gpt-5.5", "gpt-5.4-mini", "gpt-5", "gpt-5-mini",
        "gpt-5-nano", "gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini", "o4-mini", "o3",
    ),
    "anthropic": (
        "claude-fable-5-2", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-4-8",
        "claude-sonnet-4-6", "claude-sonnet-4-5", "claude-haiku-4-5",
    ),
    "google": (
        "gemini-4-argon", "gemini-3.8-flash", "gemini-3.5-flash-lite", "gemini-3-pro-preview", "gemini-2.5-pro",
        "gemini-2.5-flash", "gemini-2.5-flash-lite",
    ),
}  # fmt: skip


def knows(vendor: str, model: str) -> bool:
    """Whether the vendor serves a model of that name."""
    return _FAMILIES[vendor].fullmatch(model) is not None


def reasons(model: str) -> bool:
    """Whether an OpenAI model is one that thinks before it answers."""
    return re.match(r"o\d|gpt-[5-9]|codex", model) is not None and "-chat" not in model


def goes_on(model: str) -> bool:
    """Whether a Gemini model goes on with a last turn of the model: up to 3.5, but for 3.5's lite ones."""
    known = generation(model)
    return 0 < known < 3.5 or (known == 3.5 and "lite" not in model)


def generation(model: str) -> float:
    """The number in a Gemini model's name; 0 where there is none."""
    found = re.match(r"gemini-(\d+(?:\.\d+)?)", model)
    return float(found.group(1)) if found else 0.0
