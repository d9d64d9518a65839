"""What a template says whatever its variables hold: the texts between `{{ }}` blocks."""

from __future__ import annotations

import msgspec
from minijinja import TemplateError

from headgate.prompts.template import Block, Template, blocks

_MARKS = ("-", "+")


class Literals(msgspec.Struct, frozen=True):
    """A template without tags. `gaps[i]` stands between `texts[i]` and `texts[i + 1]`: the variable whose value is put
    there, None where it is more than a variable by itself."""

    texts: tuple[str, ...]
    gaps: tuple[str | None, ...]

    @property
    def chars(self) -> int:
        """Characters that are always there."""
        return sum(map(len, self.texts))


def literals(template: Template) -> Literals | None:
    """The template as texts and gaps; None where tags decide what it says. One that depends on no variable is what it
    comes out as."""
    found = _read(template)
    if template.variables or (found is not None and not found.gaps):
        return found
    try:
        return Literals((template.render({}, 0),), ())
    except TemplateError:
        return None


def _read(template: Template) -> Literals | None:
    source = template.source
    texts, gaps = [""], list[str | None]()
    at, bare = 0, False  # bare: the block before takes away the white space that follows it
    for block in blocks(source):
        inner = source[block.start + 2 : block.end - 2]
        texts[-1] += _between(source[at : block.start], bare, inner[:1] == "-")
        bare, at = inner[-1:] == "-", block.end
        if block.tag:
            raw = _raw(source, block)
            if raw is None:
                return None
            text, at, bare = raw
            texts[-1] += text
            continue
        what = inner.removeprefix(inner[:1] if inner[:1] in _MARKS else "")
        what = what.removesuffix(what[-1:] if what[-1:] in _MARKS else "").strip()
        constant = _constant(what)
        if constant is not None:
            texts[-1] += constant
        else:
            gaps.append(what if what in template.variables else None)
            texts.append("")
    texts[-1] += _between(source[at:], bare, False)
    return Literals(tuple(texts), tuple(gaps))


def _between(text: str, bare: bool, trimmed: bool) -> str:
    """Text between two blocks, without its comments and without the white space that blocks and comments take away."""
    parts: list[str] = []
    while (start := text.find("{#")) >= 0:
        end = text.find("#}", start + 2)
        if end < 0:
            break
        before = text[:start]
        parts.append(before.rstrip() if text[start + 2 : start + 3] == "-" else before)
        parts[-1] = parts[-1].lstrip() if bare else parts[-1]
        bare = text[end - 1] == "-"
        text = text[end + 2 :]
    text = text.lstrip() if bare else text
    return "".join([*parts, text.rstrip() if trimmed else text])


def _raw(source: str, block: Block) -> tuple[str, int, bool] | None:
    """The text of a `raw` block, where it ends, whether white space behind it goes; None for another tag."""
    if block.word != "raw":
        return None
    word = source.find("endraw", block.end)
    opening, closing = source.rfind("{%", block.end, word), source.find("%}", word)
    if word < 0 or opening < 0 or closing < 0 or source[opening + 2 : word].strip("-+ \t\r\n"):
        return None
    text = source[block.end : opening]
    text = text.lstrip() if source[block.end - 3] == "-" else text
    text = text.rstrip() if source[opening + 2] == "-" else text
    return text, closing + 2, source[closing - 1] == "-"


def _constant(what: str) -> str | None:
    """The text of a string constant without escapes."""
    quote = what[:1]
    if len(what) < 2 or quote not in ("'", '"') or what[-1] != quote:
        return None
    text = what[1:-1]
    return None if quote in text or "\\" in text else text
