"""Handlebars templates as trees. Parsed by hand: a page of grammar, and every refusal has its line.

Lines on which a block tag, a comment or a partial stands alone are no lines of the text, and `~` takes white space
away, as in https://handlebarsjs.com/guide/expressions.html and Mustache's specification. What is parsed is what
dotprompt's documentation shows; sub-expressions, inline partials, decorators and raw blocks are refused.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from headgate.prompts.translate.draft import Given

NESTED_MAX = 32
TAGS_MAX = 10_000
_CLOSERS = {"{{{": "}}}", "{{!--": "--}}"}
_REFUSED = {
    "{{#>": "partial blocks", "{{#*": "inline partials", "{{*": "decorators", "{{{{": "raw blocks",
}  # fmt: skip
_STANDALONE = frozenset({"#", "^", "/", ">", "!", "else"})


class Word(msgspec.Struct, frozen=True):
    """A path, or a literal: `value` is then what it means."""

    text: str
    literal: bool = False
    value: str | int | float | bool | None = None


class Call(msgspec.Struct, frozen=True):
    """What stands within braces: a path, or a helper with parameters. `names` follow `as`."""

    name: Word
    parameters: tuple[Word, ...] = ()
    named: tuple[tuple[str, Word], ...] = ()
    names: tuple[str, ...] = ()
    line: int = 1


class Text(msgspec.Struct, frozen=True):
    """Text as it stands."""

    text: str


class Comment(msgspec.Struct, frozen=True):
    """A remark."""

    text: str


class Show(msgspec.Struct, frozen=True):
    """`{{name}}`, or a helper's call."""

    call: Call


class Include(msgspec.Struct, frozen=True):
    """`{{> name}}`."""

    call: Call


class Block(msgspec.Struct):
    """`{{#if a}}...{{else}}...{{/if}}`; `otherwise` None: there is no else."""

    call: Call
    inside: list[Text | Comment | Show | Include | Block]
    otherwise: list[Text | Comment | Show | Include | Block] | None = None


Node: TypeAlias = "Text | Comment | Show | Include | Block"


class _Tag(msgspec.Struct):
    """One `{{...}}`; `kind` is its first sign, `else`, or empty."""

    kind: str
    inner: str
    line: int
    trim_before: bool
    trim_after: bool


def parse(given: Given, template: str, first_line: int = 1) -> list[Node]:
    """The tree of a template that begins at a line of the file. Raises ConfigError."""
    items = _scan(given, template, first_line)
    _strip(items)
    nodes, rest = _nest(given, items, 0, [])
    assert rest == len(items)
    return nodes


# -- texts and tags -------------------------------------------------------------------------------------------------


def _scan(given: Given, source: str, first_line: int) -> list[str | _Tag]:
    """Texts and tags in turn: every tag has a text before and after it."""
    out: list[str | _Tag] = []
    text, at = "", 0
    while (start := source.find("{{", at)) >= 0:
        before = source[at:start]
        if before.endswith("\\") and not before.endswith("\\\\"):
            text, at = text + before[:-1] + "{{", start + 2
            continue
        text += before[:-1] if before.endswith("\\\\") else before
        tag, at = _tag(given, source, start, first_line)
        out += [text, tag]
        text = ""
        if len(out) > 2 * TAGS_MAX:
            raise given.fault(tag.line, f"more than {TAGS_MAX} tags", "a shorter template")
    return [*out, text + source[at:]]


def _tag(given: Given, source: str, start: int, first_line: int) -> tuple[_Tag, int]:
    line = first_line + source.count("\n", 0, start)
    trim = source.startswith("~", start + 2)
    opening = source[start : start + 2] + source[start + 2 + trim : start + 7]
    for sign, name in _REFUSED.items():
        if opening.startswith(sign):
            raise given.fault(line, f"{name} are not translated", "write the text out, or make a partial file of it")
    closing = next((end for begin, end in _CLOSERS.items() if opening.startswith(begin)), "}}")
    end = source.find(closing, start + 2)
    if closing == "--}}" and (other := source.find("--~}}", start + 2)) >= 0 and (end < 0 or other < end):
        end, closing = other, "--~}}"
    if end < 0:
        raise given.fault(line, f"`{opening[:3].strip()}` is not closed", f"`{closing}`")
    inner = source[start + 2 + trim : end]
    trim_after = inner.endswith("~") or closing == "--~}}"
    inner = inner.removesuffix("~")
    kind = inner[:1] if inner[:1] in ("#", "^", "/", ">", "!", "&", "{") else ""
    body = inner[len(kind) :].strip()
    if kind == "!":
        body = inner[1:].removeprefix("--").strip()
    elif kind == "" and body.split(maxsplit=1)[:1] == ["else"]:
        kind, body = "else", body[4:].strip()
    elif kind == "^" and not body:
        kind = "else"
    return _Tag(kind, body, line, trim, trim_after), end + len(closing)


def _strip(items: list[str | _Tag]) -> None:
    """Takes away what is no text: the lines of tags that stand alone, and what `~` points at."""
    cuts: list[tuple[int, int]] = []  # of each text: where it begins and ends
    texts = items[0::2]
    for at, text in enumerate(texts):
        assert isinstance(text, str)
        begin, end = 0, len(text)
        if at > 0 and _alone(items, 2 * at - 1):
            begin = len(text) if "\n" not in text else text.index("\n") + 1
        if at + 1 < len(texts) and _alone(items, 2 * at + 1):
            end = text.rfind("\n") + 1
        before = items[2 * at - 1] if at > 0 else None
        after = items[2 * at + 1] if at + 1 < len(texts) else None
        if isinstance(before, _Tag) and before.trim_after:
            begin = max(begin, len(text) - len(text.lstrip()))
        if isinstance(after, _Tag) and after.trim_before:
            end = min(end, len(text.rstrip()))
        cuts.append((begin, end))
    for at, (begin, end) in enumerate(cuts):
        text = texts[at]
        assert isinstance(text, str)
        items[2 * at] = text[begin:end] if begin < end else ""


def _alone(items: list[str | _Tag], at: int) -> bool:
    """Whether the tag stands on its line with white space only."""
    tag, before, after = items[at], items[at - 1], items[at + 1]
    assert isinstance(tag, _Tag)
    assert isinstance(before, str)
    assert isinstance(after, str)
    if tag.kind not in _STANDALONE:
        return False
    begins = not before[before.rfind("\n") + 1 :].strip() and ("\n" in before or at == 1)
    ends = not after.partition("\n")[0].strip() and ("\n" in after or at + 2 == len(items))
    return begins and ends


# -- the tree -------------------------------------------------------------------------------------------------------


def _nest(given: Given, items: list[str | _Tag], at: int, open_: list[_Tag]) -> tuple[list[Node], int]:
    """Nodes up to the tag that ends the open block, and where that is."""
    if len(open_) > NESTED_MAX:
        raise given.fault(open_[-1].line, f"nested deeper than {NESTED_MAX} levels", "make it flatter")
    nodes: list[Node] = []
    while at < len(items):
        item = items[at]
        if isinstance(item, str):
            if item:
                nodes.append(Text(item))
        elif item.kind == "!":
            nodes.append(Comment(item.inner))
        elif item.kind in ("#", "^"):
            block, at = _block(given, items, at, open_)
            nodes.append(block)
        elif item.kind in ("/", "else"):
            if not open_:
                raise given.fault(item.line, f"`{_said(item)}` ends nothing", "a block that it belongs to")
            return nodes, at
        else:
            made = _call(given, item)
            nodes.append(Include(made) if item.kind == ">" else Show(made))
        at += 1
    if open_:
        raise given.fault(
            open_[-1].line, f"`{_said(open_[-1])}` is not closed", f"{{{{/{open_[-1].inner.split()[0]}}}}}"
        )
    return nodes, at


def _block(
    given: Given, items: list[str | _Tag], at: int, open_: list[_Tag], closed_by: str | None = None
) -> tuple[Block, int]:
    """The block that opens at an item, and the item that closes it; `closed_by` where it follows an `else`."""
    tag = items[at]
    assert isinstance(tag, _Tag)
    call = _call(given, tag)
    closed_by = closed_by or tag.inner.split()[0]
    if tag.kind == "^":
        call = Call(Word("unless"), (call.name,), line=call.line)
    block = Block(call, [])
    block.inside, at = _nest(given, items, at + 1, [*open_, tag])
    ending = items[at]
    assert isinstance(ending, _Tag)
    if ending.kind == "else" and ending.inner:
        inner = _Tag("#", ending.inner, ending.line, ending.trim_before, ending.trim_after)
        chained, at = _block(given, [*items[:at], inner, *items[at + 1 :]], at, [*open_, tag], closed_by)
        block.otherwise = [chained]
        return block, at
    if ending.kind == "else":
        block.otherwise, at = _nest(given, items, at + 1, [*open_, tag])
        ending = items[at]
        assert isinstance(ending, _Tag)
        if ending.kind == "else":
            raise given.fault(ending.line, "a second `else`", "one at most")
    if ending.inner != closed_by:
        raise given.fault(ending.line, f"`{_said(ending)}` closes `{_said(tag)}`", f"{{{{/{closed_by}}}}}")
    return block, at


def _said(tag: _Tag) -> str:
    return "{{" + (tag.kind if tag.kind != "else" else "") + (tag.inner or tag.kind) + "}}"


# -- what stands within braces ---------------------------------------------------------------------------------------


def _call(given: Given, tag: _Tag) -> Call:
    words = _words(given, tag)
    names: tuple[str, ...] = ()
    if "as" in words:
        at = words.index("as")
        names = tuple(word.strip("|") for word in words[at + 1 :] if word.strip("|"))
        words = words[:at]
    if not words:
        raise given.fault(tag.line, "an empty tag", "{{name}}")
    plain: list[Word] = []
    named: list[tuple[str, Word]] = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and word[0] not in "\"'":
            named.append((name, _word(given, tag, value)))
        else:
            plain.append(_word(given, tag, word))
    if not plain:
        raise given.fault(tag.line, f"`{_said(tag)}` names nothing", "{{name}}")
    return Call(plain[0], tuple(plain[1:]), tuple(named), names, tag.line)


def _words(given: Given, tag: _Tag) -> list[str]:
    """Words between white space; quotes hold together what is within."""
    words: list[str] = []
    word, quote = "", ""
    for sign in tag.inner:
        if quote:
            word += sign
            quote = "" if sign == quote else quote
        elif sign.isspace():
            words += [word] if word else []
            word = ""
        else:
            quote = sign if sign in "\"'" else ""
            word += sign
    if quote:
        raise given.fault(tag.line, f"a string in `{_said(tag)}` is not closed", f"close it with {quote}")
    return [*words, word] if word else words


def _word(given: Given, tag: _Tag, text: str) -> Word:
    if text[:1] in ("'", '"') and len(text) > 1 and text[-1] == text[0]:
        return Word(text, True, text[1:-1])
    if text in ("true", "false", "null", "undefined"):
        return Word(text, True, None if text[0] in "nu" else text == "true")
    if text[:1].isdigit() or text[:1] == "-":
        try:
            return Word(text, True, float(text) if "." in text else int(text))
        except ValueError as error:
            raise given.fault(tag.line, f"`{text}` is no number", "digits") from error
    if not text or any(sign in "()[]{}|\"'`" for sign in text):
        right = "a path such as `order.items`: compute the rest in the application"
        raise given.fault(tag.line, f"`{text or tag.inner}` is not translated", right)
    return Word(text)
