"""Text as code spells it out: literal pieces, and holes where a variable stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from string import Formatter

import msgspec

from headgate.scanner.pattern import Pattern

TEXT_CHARS_MAX = 256 * 1024
PARTS_MAX = 2_000
_PLACEHOLDER = Pattern(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*\}\}|\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")


class Hole(msgspec.Struct, frozen=True):
    """A variable in a text. `ref` is the dotted name of a constant that may fill it; empty where there is none."""

    name: str
    ref: str = ""


class Text(msgspec.Struct, frozen=True):
    """Pieces in order. `formatted` texts hold their variables as holes; in others `{name}` may be one, yet unfilled."""

    parts: tuple[str | Hole, ...] = ()
    formatted: bool = False

    def plain(self) -> str:
        """The text with each hole as `{name}`."""
        return "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in self.parts)

    def literal(self) -> str:
        """What is written in the code, a space for each hole."""
        return "".join(part if isinstance(part, str) else " " for part in self.parts)

    def variables(self) -> tuple[str, ...]:
        """Names of the variables, each once, in order: the holes, and unfilled `{name}` and `{{ name }}`."""
        names: dict[str, None] = {}
        for part in self.parts:
            if isinstance(part, Hole):
                names[part.name] = None
            elif not self.formatted and "{" in part:
                names.update(dict.fromkeys(match.group(1) or match.group(2) for match in _PLACEHOLDER.all(part)))
        return tuple(names)


EMPTY = Text()


def joined(texts: Iterable[Text]) -> Text:
    """One text after the other; cut at TEXT_CHARS_MAX characters and PARTS_MAX pieces."""
    parts: list[str | Hole] = []
    size, formatted = 0, False
    for text in texts:
        formatted = formatted or text.formatted
        for part in text.parts:
            size += len(part) if isinstance(part, str) else 1
            if size > TEXT_CHARS_MAX or len(parts) >= PARTS_MAX:
                return Text(tuple(parts), formatted)
            if isinstance(part, str) and parts and isinstance(parts[-1], str):
                parts[-1] += part
            else:
                parts.append(part)
    return Text(tuple(parts), formatted)


def changed(text: Text, change: Callable[[str], str]) -> Text:
    """The text with its only literal piece changed; as it is where there are several."""
    if len(text.parts) == 1 and isinstance(text.parts[0], str):
        return Text((change(text.parts[0]),), text.formatted)
    return text


def split_format(source: str, fill: Callable[[str], Hole] = Hole) -> Text | None:
    """A `str.format` or f-string-like template as text with holes; None where it is not one.

    `{0}` becomes `value_0`; `{a.b}` and `{a[0]}` are called by their first name.
    """
    parts: list[str | Hole] = []
    try:
        for index, (literal, field, _spec, _conversion) in enumerate(Formatter().parse(source)):
            if literal:
                parts.append(literal)
            if field is not None:
                name = field.split(".")[0].split("[")[0] or str(index)
                parts.append(fill(f"value_{name}" if name.isdigit() else name))
            if len(parts) > PARTS_MAX:
                return None
    except ValueError:
        return None
    if any(isinstance(part, Hole) and not part.name.isidentifier() for part in parts):
        return None
    return Text(tuple(parts), True)


def filled(text: Text, look_up: Callable[[str], Text | None], depth: int = 4) -> Text:
    """The text with every hole that names a known constant replaced by the constant's text, `depth` levels deep."""
    if depth == 0 or not any(isinstance(part, Hole) and part.ref for part in text.parts):
        return text
    pieces: list[Text] = []
    for part in text.parts:
        found = look_up(part.ref) if isinstance(part, Hole) and part.ref else None
        pieces.append(Text((part,)) if found is None else filled(found, look_up, depth - 1))
    return Text(joined(pieces).parts, text.formatted or len(text.parts) > 1)
