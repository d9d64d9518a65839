"""Building a template of ours from text and blocks, so that text stays text."""

from __future__ import annotations

import json

from headgate.core.types import Json

BRACE = '{{ "{" }}'


class TemplateText:
    """Collects a template. A brace that would open a block by accident is said as a string in one."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._text = ""

    def text(self, text: str) -> None:
        """Text as it stands."""
        self._text += text

    def block(self, block: str) -> None:
        """A whole `{{ }}`, `{% %}` or `{# #}`."""
        self._parts += [_guarded(self._text + "{")[:-1] if self._text else "", block]
        self._text = ""

    def __str__(self) -> str:
        return "".join([*self._parts, _guarded(self._text)])


def _guarded(text: str) -> str:
    if "{" not in text:
        return text
    return "".join(
        BRACE if sign == "{" and text[at + 1 : at + 2] in ("{", "%", "#") else sign for at, sign in enumerate(text)
    )


def literal(value: Json) -> str:
    """A JSON value as our templates say it."""
    if value is None:
        return "none"
    if isinstance(value, list):
        return "[" + ", ".join(literal(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {literal(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
