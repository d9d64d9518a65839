"""Jinja templates whose optional variables are missing without harm, as ours, which refuse what is missing."""

from __future__ import annotations

from headgate.prompts.template import Block, blocks, line_of

_SIGNS = ("-", "+")
_SAFE = ("default", "d")


class GuardError(Exception):
    """An optional variable is part of a larger expression, where nothing tells what a missing one would mean."""

    def __init__(self, name: str, line: int) -> None:
        super().__init__(name)
        self.name = name
        self.line = line


def with_defaults(source: str, optional: set[str]) -> str:
    """The template with defaults where optional variables are printed, tested or looped over. Raises GuardError."""
    out: list[str] = []
    at = 0
    guards: list[str] = []  # what each open block tested for
    for block in blocks(source):
        text = source[block.start : block.end]
        words = [token for token in block.tokens if token not in _SIGNS]
        for name in optional.intersection(words):
            if name not in guards and not _is_safe(words, name):
                text = _said(source, block, text, name, words)
        if block.tag:
            _follow(guards, block.word, words)
        out += [source[at : block.start], text]
        at = block.end
    return "".join([*out, source[at:]])


def _follow(guards: list[str], word: str, words: list[str]) -> None:
    if word in ("if", "for"):
        guards.append("")
    if word in ("if", "elif") and (len(words) == 2 or words[2:] == ["is", "defined"]):
        guards[-1] = words[1]
    elif word in ("else", "elif") and guards:
        guards[-1] = ""
    elif word in ("endif", "endfor") and guards:
        guards.pop()


def _is_safe(words: list[str], name: str) -> bool:
    """Followed by `is defined` or a default, or a field of another value that has the same name."""
    for at, word in enumerate(words):
        if word != name or (at and words[at - 1] == "."):
            continue
        after = words[at + 1 : at + 4]
        tested = after[:1] == ["is"] and after[-1:] and "defined" in after
        if not tested and not (after[:1] == ["|"] and after[1:2] and after[1] in _SAFE):
            return False
    return True


def _said(source: str, block: Block, text: str, name: str, words: list[str]) -> str:
    if words == [name]:
        said = f'{name}|default("")'
    elif block.tag and words in (["if", name], ["elif", name]):
        said = f"{name}|default(none)"
    elif block.tag and words in (["if", "not", name], ["elif", "not", name]):
        said = f"({name}|default(none))"
    elif block.tag and words[0] == "for" and words[2:] == ["in", name]:
        said = f"{name}|default([])"
    else:
        raise GuardError(name, line_of(source, block.start))
    before, _, after = text.rpartition(name)
    return before + said + after
