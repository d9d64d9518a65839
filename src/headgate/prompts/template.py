"""The template language: minijinja with strict undefined, on JSON data, without anything that grows text.

minijinja bounds steps (fuel) but not output: one multiplication can make a gigabyte. So what multiplies text is not
in the language: `*` and `**`, variables set by the template (`set`, `macro`, `call`, `filter` blocks), and filters or
functions outside ALLOWED_FILTERS. What is left grows text only by emitting it: each step emits at most one expression,
which is linear in template and variables. Fuel is then given by size: steps times bytes stay below RENDER_BYTES_MAX.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import minijinja
import msgspec
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


class Block(msgspec.Struct, frozen=True, gc=False):
    """One `{{ }}` or `{% %}` of a template: source[start:end]. `tokens` are its words and signs; a string is `"`."""

    start: int
    end: int
    tag: bool
    tokens: list[str]

    @property
    def word(self) -> str:
        """The tag's name; empty where it has none."""
        return next((token for token in self.tokens if token not in ("-", "+")), "")


class Template:
    """One template, checked now and compiled when it is first rendered: of 10,000 in force most wait for long, and a
    compiled one takes 16 KB. Thread-bound from then on, like the loop that renders it."""

    __slots__ = ("_env", "_fuel", "size", "source", "variables")

    def __init__(self, source: str) -> None:
        """Raises LanguageError."""
        check_language(source)
        self.source = source
        self.size = len(source)
        self.variables = _free_variables(source)
        self._env: minijinja.Environment | None = None
        self._fuel = FUEL_MAX

    def render(self, variables: Mapping[str, Json], size: int) -> str:
        """The text. `size`: bytes of all variables together. Raises TemplateError (out of fuel, undefined)."""
        env = self._env
        if env is None:
            if "{" not in self.source:
                return self.source
            env = self._env = _environment()
            env.add_template("prompt", self.source)
        fuel = min(RENDER_BYTES_MAX // (self.size + size + 1), FUEL_MAX)
        if fuel != self._fuel:  # only where variables are long
            env.fuel = self._fuel = fuel
        return env.render_template("prompt", **variables)


def check_own(source: str) -> None:
    """Raises LanguageError for mistakes of a template whose partials are not in place yet."""
    check_language(source, ALLOWED_TAGS | {"include"})
    _free_variables(source)


def check_language(source: str, tags: frozenset[str] = ALLOWED_TAGS) -> None:
    """Raises LanguageError for a template that is too long or uses what could multiply text."""
    if len(source) > TEMPLATE_CHARS_MAX:
        raise LanguageError(f"longer than {TEMPLATE_CHARS_MAX} characters", "pass long text as a variable", 1)
    for block in blocks(source):
        if block.tag and block.word not in tags:
            wrong = f"the tag `{block.word}` is not in the template language"
            raise LanguageError(wrong, f"one of: {_said(ALLOWED_TAGS)}", line_of(source, block.start))
        if block.tag and "recursive" in block.tokens:
            wrong = "`recursive` loops are not in the template language"
            raise LanguageError(wrong, "nest two loops", line_of(source, block.start))
        _check_words(source, block)


def blocks(source: str) -> Iterator[Block]:
    """The blocks of a template in order; comments and what stands inside `raw` are passed over."""
    at = 0
    while (start := source.find("{", at)) >= 0:
        opening = source[start : start + 2]
        if opening == "{#":
            end = source.find("#}", start + 2)
            at = len(source) if end < 0 else end + 2
        elif opening in ("{{", "{%"):
            tokens, at = _tokens(source, start + 2, "}}" if opening == "{{" else "%}")
            block = Block(start, at, opening == "{%", tokens)
            yield block
            if block.tag and block.word == "raw":
                found = source.find("endraw", at)
                end = -1 if found < 0 else source.find("%}", found)
                at = len(source) if end < 0 else end + 2
        else:
            at = start + 1


def line_of(source: str, at: int) -> int:
    """The line, from 1, of a place in a template."""
    return source.count("\n", 0, at) + 1


def _environment() -> minijinja.Environment:
    env = minijinja.Environment(
        undefined_behavior="strict", pycompat=False, debug=False, keep_trailing_newline=True, fuel=FUEL_MAX
    )
    for name in ("range", "dict", "debug", "namespace"):
        env.remove_global(name)
    return env


_parser = _environment()  # parses only: it holds no template and renders nothing


def _free_variables(source: str) -> frozenset[str]:
    """The variables that a template is to be given. Raises LanguageError for what does not parse."""
    if "{" not in source:
        return frozenset()
    try:
        return frozenset(_parser.undeclared_variables_in_str(source))
    except TemplateError as error:
        said = error.message.removesuffix(f" (in <string>:{error.line})")
        raise LanguageError(said, "see docs/prompts.md for the template language", error.line or 1) from error


def _check_words(source: str, block: Block) -> None:
    tokens = block.tokens
    for before, word, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if word == "*":
            wrong, right = "`*` is not in the template language", "compute the value in the application"
        elif before == "|" and word not in ALLOWED_FILTERS:
            wrong, right = f"no filter `{word}`", f"one of: {_said(ALLOWED_FILTERS)}"
        elif before == "|":
            if word != "tojson" or after != "(":
                continue
            wrong, right = "`tojson` takes no arguments here", "write `| tojson`"
        elif after == "(" and before != "is" and _is_word(word) and word not in ALLOWED_WORDS_BEFORE_CALL:
            wrong, right = f"`{word}(...)`: templates call no functions", "pass the value as a variable"
        else:
            continue
        raise LanguageError(wrong, right, line_of(source, block.start))


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
