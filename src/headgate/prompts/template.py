"""The template language: minijinja with strict undefined, on JSON data, without anything that grows text.

minijinja bounds steps (fuel) but not output: one multiplication can make a gigabyte. So what multiplies text is not
in the language: `*` and `**`, variables set by the template (`set`, `macro`, `call`, `filter` blocks), and filters or
functions outside ALLOWED_FILTERS. What is left grows text only by emitting it: each step emits at most one expression,
which is linear in template and variables. Fuel is then given by size: steps times bytes stay below RENDER_BYTES_MAX.
"""

from __future__ import annotations

from collections.abc import Mapping

import minijinja
from minijinja import TemplateError

from headgate.core.types import Json

TEMPLATE_CHARS_MAX = 256 * 1024
FUEL_MAX = 50_000
RENDER_BYTES_MAX = 256 * 1024 * 1024
OUTPUT_CHARS_MAX = 4 * 1024 * 1024
ALLOWED_TAGS = frozenset({"if", "elif", "else", "endif", "for", "endfor", "raw", "endraw"})
ALLOWED_FILTERS = frozenset({
    "abs", "bool", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "last",
    "length", "list", "lower", "max", "min", "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort",
    "sum", "title", "tojson", "trim", "unique", "upper",
})  # fmt: skip
ALLOWED_WORDS_BEFORE_CALL = frozenset({"not", "and", "or", "in", "is", "if", "else", "elif", "for"})


class LanguageError(Exception):
    """A template uses what the language does not have. `line` counts from 1 within the template."""

    def __init__(self, wrong: str, right: str, line: int) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.right = right
        self.line = line


class Template:
    """One compiled template. Thread-bound, like the loop that renders it."""

    __slots__ = ("_env", "_fuel", "_static", "size", "variables")

    def __init__(self, source: str) -> None:
        """Raises LanguageError."""
        check_language(source)
        self.size = len(source)
        self._static = source if "{" not in source else None
        self._env = minijinja.Environment(
            undefined_behavior="strict", pycompat=False, debug=False, keep_trailing_newline=True, fuel=FUEL_MAX
        )
        self._fuel = FUEL_MAX
        for name in ("range", "dict", "debug", "namespace"):
            self._env.remove_global(name)
        try:
            self._env.add_template("prompt", source)
            self.variables = frozenset(self._env.undeclared_variables_in_template("prompt"))
        except TemplateError as error:
            raise LanguageError(
                error.message, "see docs/prompts.md for the template language", error.line or 1
            ) from error

    def render(self, variables: Mapping[str, Json], size: int) -> str:
        """The text. `size`: bytes of all variables together. Raises TemplateError (out of fuel, undefined)."""
        if self._static is not None:
            return self._static
        fuel = min(RENDER_BYTES_MAX // (self.size + size + 1), FUEL_MAX)
        if fuel != self._fuel:  # only where variables are long
            self._env.fuel = self._fuel = fuel
        return self._env.render_template("prompt", **variables)


def check_language(source: str) -> None:
    """Raises LanguageError for a template that is too long or uses what could multiply text."""
    if len(source) > TEMPLATE_CHARS_MAX:
        raise LanguageError(f"longer than {TEMPLATE_CHARS_MAX} characters", "pass long text as a variable", 1)
    at = 0
    while (start := source.find("{", at)) >= 0:
        opening = source[start : start + 2]
        if opening == "{#":
            at = source.find("#}", start + 2) + 2 or len(source)
            at = at if at > 1 else len(source)
        elif opening in ("{{", "{%"):
            at = _check_block(source, start, "}}" if opening == "{{" else "%}")
        else:
            at = start + 1


def _check_block(source: str, start: int, closing: str) -> int:
    """Checks one `{{ }}` or `{% %}`; returns where it ends. `raw` blocks are passed over whole."""
    line = source.count("\n", 0, start) + 1
    tokens, end = _tokens(source, start + 2, closing)
    if closing == "%}":
        word = next((token for token in tokens if token not in ("-", "+")), "")
        if word not in ALLOWED_TAGS:
            raise LanguageError(
                f"the tag `{word}` is not in the template language", f"one of: {_said(ALLOWED_TAGS)}", line
            )
        if word == "raw":
            found = source.find("endraw", end)
            return len(source) if found < 0 else source.find("%}", found) + 2 or len(source)
        if "recursive" in tokens:
            raise LanguageError("`recursive` loops are not in the template language", "nest two loops", line)
    for before, word, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        _check_word(before, word, after, line)
    return end


def _check_word(before: str, word: str, after: str, line: int) -> None:
    if word == "*":
        raise LanguageError("`*` is not in the template language", "compute the value in the application", line)
    if before == "|":
        if word not in ALLOWED_FILTERS:
            raise LanguageError(f"no filter `{word}`", f"one of: {_said(ALLOWED_FILTERS)}", line)
        if word == "tojson" and after == "(":
            raise LanguageError("`tojson` takes no arguments here", "write `| tojson`", line)
    elif after == "(" and before != "is" and _is_word(word) and word not in ALLOWED_WORDS_BEFORE_CALL:
        raise LanguageError(f"`{word}(...)`: templates call no functions", "pass the value as a variable", line)


def _tokens(source: str, at: int, closing: str) -> tuple[list[str], int]:
    """Words and single characters up to the closing mark; string literals read as one `"` token."""
    tokens: list[str] = []
    while at < len(source) and not source.startswith(closing, at):
        char = source[at]
        if char in "\"'":
            at = _string_end(source, at)
            tokens.append('"')
        elif char.isalnum() or char == "_":
            stop = at
            while stop < len(source) and (source[stop].isalnum() or source[stop] == "_"):
                stop += 1
            tokens.append(source[at:stop])
            at = stop
        else:
            if not char.isspace():
                tokens.append(char)
            at += 1
    return tokens, at + 2


def _string_end(source: str, at: int) -> int:
    quote = source[at]
    at += 1
    while at < len(source) and source[at] != quote:
        at += 2 if source[at] == "\\" else 1
    return at + 1


def _is_word(token: str) -> bool:
    return token[0].isalpha() or token[0] == "_"


def _said(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
