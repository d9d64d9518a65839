"""JSON trees with text in them: which of it rules look at, and the tree with redactions.

Every string counts, in whatever field. Left out are files in base64, as `files` tells them; those that are text are
looked at decoded. Inside objects whose shape is the caller's own (arguments, schemas, metadata) nothing is left out:
their keys and numbers count too. JSON text inside a string is looked at in its unescaped form as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec

from headgate.core.types import Json
from headgate.guardrails.channel import Channel, JsonChannel, TextChannel, rewrite
from headgate.guardrails.files import PLACES, File, file_in
from headgate.guardrails.jsontext import looks_like_json
from headgate.guardrails.patterns import RuleSet, encoded
from headgate.guardrails.prose import without_escapes
from headgate.guardrails.verdicts import VERDICTS_MAX, Verdicts
from headgate.guardrails.window import Finding

_RAW_BYTES_MAX = 64 * 1024  # longer bodies mostly hold media, which no rule looks at
BETWEEN = "\x1f"  # no word character: boundaries hold at the ends of each text

OWN_SHAPE = frozenset({
    "input", "args", "arguments", "response", "parameters", "input_schema", "parametersJsonSchema",
    "parameters_json_schema", "schema", "responseSchema", "responseJsonSchema", "metadata",
})  # fmt: skip
_ESCAPES_MAX = 50_000  # each costs about a microsecond to follow
_PLAIN_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b'"': b'"'}
_JSON_OPENERS = ("{", "[", '"')


def gather(tree: Json, texts: list[str], own: bool) -> int:
    """Collects every text a rule may look at; returns how many quotation marks a body with these strings has.

    `own` where the tree is JSON text out of a string: then all of it is content, and nothing further is opened.
    """
    quotes = 0
    stack: list[tuple[Json, bool]] = [(tree, own)]
    while stack:
        node, free = stack.pop()
        if isinstance(node, str):
            quotes += 2 + node.count('"')
            texts.append(node)
            if "\\" in node:
                texts.append(without_escapes(node))
            if not own and "\\" in node and (inner := inner_json(node)) is not None:
                gather(inner, texts, True)
        elif isinstance(node, dict):
            quotes += 2 * len(node)
            for key, value in node.items():
                if '"' in key:
                    quotes += key.count('"')
                if free:
                    texts.append(key)
                elif isinstance(value, str) and key in PLACES and (file := file_in(node, key, value)) is not None:
                    quotes += 2 + value.count('"')
                    _gather_file(value, file, texts)
                    continue
                stack.append((value, free or key in OWN_SHAPE))
        elif isinstance(node, list):
            stack.extend([(item, free) for item in node])
        elif free and _is_number(node):
            texts.append(str(node))
    return quotes


def _gather_file(value: str, file: File, texts: list[str]) -> None:
    texts.append(value if file.short else value[: file.start])
    if file.text:
        gather(file.text, texts, False)


def is_plainly_clean(body: bytes, clean: Callable[[bytes], bool]) -> bool:
    """Whether a JSON body whose strings are unescaped in place is `clean` as a whole. False: look closer.

    Bodies with other escapes than line breaks, tabs and quotes are not judged here.
    """
    if len(body) > _RAW_BYTES_MAX:
        return False
    if b"\\" in body:
        first, *parts = body.split(b"\\")
        plain = [first]
        for part in parts:
            said = _PLAIN_ESCAPES.get(part[:1])
            if said is None:
                return False
            plain += (said, part[1:])
        body = b"".join(plain)
    return clean(body)


def is_clean(body: bytes, rules: RuleSet) -> bool:
    """Whether no rule can match in any text of a whole answer. Raises what decoding raises.

    False, the safe answer, where text begins like JSON, has escapes and cannot be read.
    """
    if is_plainly_clean(body, rules.clean):
        return True
    texts: list[str] = []
    gather(cast("Json", msgspec.json.decode(body)), texts, False)
    if not rules.clean(encoded(BETWEEN.join(texts))):
        return False
    return not any("\\" in text and looks_like_json(text) and inner_json(text) is None for text in texts)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def inner_json(text: str) -> Json:
    """What a string holds as JSON text; None where it is none (or says null)."""
    if not text.lstrip().startswith(_JSON_OPENERS):
        return None
    try:
        return cast("Json", msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


class Walk:
    """One pass over a body that may hold something: names each text by its path, judges it, rewrites it."""

    def __init__(self, rules: RuleSet, verdicts: Verdicts) -> None:
        self.blocked: str | None = None
        self.changed = False
        self._rules = rules
        self._verdicts = verdicts
        self._findings: Sequence[Finding] = ()  # of the text looked at last

    def node(self, node: Json, path: str, own: bool) -> Json:
        """The node with redactions; `own` inside objects of the caller's own shape, whose keys are content."""
        if isinstance(node, str):
            return self._text(node, path, path.endswith(".arguments"))
        if isinstance(node, dict):
            if own:
                return {self._text(key, path, False): self.node(value, path, True) for key, value in node.items()}
            return {key: self._field(node, key, value, path) for key, value in node.items()}
        if isinstance(node, list):
            return [self.node(item, path if own else f"{path}[{at}]", own) for at, item in enumerate(node)]
        if own and _is_number(node):
            text = str(node)
            said = self._text(text, path, False)
            return node if said == text else said
        return node

    def _field(self, node: Mapping[str, Json], key: str, value: Json, path: str) -> Json:
        at = f"{path}.{key}" if path else key
        if isinstance(value, str) and key in PLACES and (file := file_in(node, key, value)) is not None:
            return self._file(value, file, at)
        return self.node(value, at, key in OWN_SHAPE)

    def _file(self, value: str, file: File, path: str) -> str:
        """What stands before a file is text; so is the file itself where it can be read as such."""
        plain = value if file.short else value[: file.start]
        said = self._text(plain, path, False)
        if said != plain:
            value = said + value[len(plain) :]
            if file.short:
                return value
            file = file._replace(start=len(said))
        if file.text is None:
            return value
        text = self._text(file.text, path, False)
        return value if text == file.text else file.rewritten(value, text)

    def _text(self, text: str, path: str, arguments: bool) -> str:
        """One text. Tool-call arguments are judged value by value; other JSON text as it stands and unescaped."""
        if arguments and (inner := inner_json(text)) is not None:
            return self._json(text, inner, path)
        inner = inner_json(text) if "\\" in text else None
        if inner is None:
            return self._plain(text, path)
        said = self._json(text, inner, path)
        return self._apply(TextChannel(self._rules), said, path, self._findings if said == text else ())

    def _json(self, text: str, inner: Json, path: str) -> str:
        """JSON text, rewritten in place; from its tree where that would take too long."""
        if text.count("\\") <= _ESCAPES_MAX:
            return self._apply(JsonChannel(self._rules), text, path)
        changed, self.changed = self.changed, False
        tree = self._own(inner, path)
        said = msgspec.json.encode(tree).decode() if self.changed else text
        self.changed = self.changed or changed
        self._findings = ()
        return said

    def _own(self, node: Json, path: str) -> Json:
        """A tree out of a string: its strings are plain text."""
        if isinstance(node, dict):
            return {self._plain(key, path): self._own(value, path) for key, value in node.items()}
        if isinstance(node, list):
            return [self._own(item, path) for item in node]
        if isinstance(node, str):
            return self._plain(node, path)
        if _is_number(node):
            said = self._plain(str(node), path)
            return node if said == str(node) else said
        return node

    def _plain(self, text: str, path: str) -> str:
        return self._apply(TextChannel(self._rules), text, path)

    def _apply(self, channel: Channel, text: str, path: str, known: Sequence[Finding] = ()) -> str:
        """The text with a channel's redactions. A finding that meets a `known` one of its rule is on record already."""
        findings = channel.end(text)
        self._findings = findings
        if findings:
            news = findings
            if len(findings) <= VERDICTS_MAX and len(known) <= VERDICTS_MAX:  # else the record is full anyway
                news = [finding for finding in findings if not any(_meet(finding, other) for other in known)]
            blocked = self._verdicts.add(path, news)
            self.blocked = self.blocked or blocked
        if not channel.edits:
            return text
        self.changed = True
        return rewrite(text, 0, channel.edits)


def _meet(one: Finding, other: Finding) -> bool:
    return one.rule == other.rule and one.start < other.end and other.start < one.end
