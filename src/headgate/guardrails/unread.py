"""What a frame of an answer carries beside the text of its deltas, where it goes out as it came.

Readers give deltas of what every dialect can say. A client of the same dialect also gets the rest: citations, results
of a provider's own tools and their input, executed code, transcripts, token probabilities, events that are newer than
we are. Every string of a frame that no delta accounts for is looked at here, but for the words a dialect is made of
and media in base64.

A string is judged by itself, within its frame. Strings that come in pieces (a `delta` of text) are handed back, to be
judged over the whole answer like the text of deltas. Token probabilities repeat the text: where a rule may take
text out, they pass only where their tokens spell the text they stand beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import msgspec

from headgate.core.chat import Frame
from headgate.core.types import Json, JsonObject, as_list, as_object, as_text
from headgate.guardrails.files import PLACES, file_in
from headgate.guardrails.patterns import RuleSet, encoded
from headgate.guardrails.tree import BETWEEN, OWN_SHAPE, Walk, gather
from headgate.guardrails.verdicts import Verdicts
from headgate.wire.sse import parse

UNREADABLE_RULE: Final = "unreadable"

_DELTA: Final = "delta"
_CHOICES: Final = ("choices", "candidates")
_PIECES: Final = frozenset({
    "text", "content", "thinking", "reasoning", "reasoning_content", "refusal", "partial_json", "arguments", "input",
    "transcript", "code", "output", "summary",
})  # fmt: skip
_OPAQUE: Final = frozenset({
    "role", "type", "model", "id", "call_id", "tool_call_id", "tool_use_id", "mime_type", "mimeType", "media_type",
    "signature", "thoughtSignature", "thought_signature", "encrypted_content", "object", "b64_json", "encrypted_index",
    "encrypted_stdout", "created_at",
})  # fmt: skip
_LOGPROBS: Final = ("logprobs", "logprobsResult")
_TWICE: Final = ("reasoning", "reasoning_content")
_DIGITS: Final = b"0123456789"
_PADDING: Final = b'"obfuscation":"'  # random letters that hide the length of a chunk
_BACKSLASH: Final = 0x5C


# a whole string (or an object of the caller's own shape): its holder, its place there, its path, which of the two
_Whole: TypeAlias = "tuple[dict[str | int, Json], str | int, str, bool]"


class Spot:
    """A piece of streamed text that no delta accounts for, in `holder[place]` of its frame's JSON `tree`."""

    __slots__ = ("_holder", "_place", "_tree", "choice", "path", "text")

    def __init__(self, tree: Json, holder: JsonObject, place: str, path: str, choice: int) -> None:
        self._tree = tree
        self._holder = holder
        self._place = place
        self.path = path
        self.choice = choice
        self.text = str(holder[place])

    def put(self, text: str, frame: Frame) -> None:
        """Another text in its place; the frame is encoded anew."""
        self.text = text
        self._holder[self._place] = text
        frame.wire = _framed(frame.wire, self._tree)


class Unread:
    """Looks at the frames of one answer, one after another."""

    __slots__ = ("_foot", "_head", "_rules", "_shape", "_verdicts", "blocked")

    def __init__(self, rules: RuleSet, verdicts: Verdicts) -> None:
        self.blocked: str | None = None
        self._rules = rules
        self._verdicts = verdicts
        self._head = b""  # a frame that was looked at, before and after the one text in it
        self._foot = b""
        self._shape = b""

    def is_like_the_last(self, wire: bytes, text: str) -> bool:
        """Whether a frame differs from one that was looked at in nothing but its text, the text of its one delta.

        So it is with most frames, and comparing bytes costs little.
        """
        head = self._head
        if not head or not wire.startswith(head):
            return False
        start = len(head)
        stop = wire.find(b'"', start)
        if stop <= start:
            return False
        if wire[stop - 1] == _BACKSLASH:
            said = msgspec.json.encode(text)
            stop = start + len(said) - 2
            if not wire.startswith(said[1:-1], start):
                return False
        foot = wire[stop:]
        if foot == self._foot:
            return True
        # counts and padding differ from frame to frame
        return b"\\" not in foot and _shape(foot) == self._shape and self._rules.clean(foot)

    def look(self, frame: Frame, texts: Sequence[str]) -> Sequence[Spot]:
        """Judges what stands beside `texts`, those of the frame's deltas; streamed pieces are handed back.

        `blocked` names the rule that ends the answer.
        """
        wire = frame.wire
        data = parse(wire).data if wire[:1] != b"{" else wire
        if not data:
            frame.drop = frame.drop or not self._rules.clean(wire)  # a comment means nothing to anybody
            return ()
        if data == b"[DONE]":
            return ()
        try:
            tree = cast("Json", msgspec.json.decode(data))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self.blocked = self.blocked or self._verdicts.failed(UNREADABLE_RULE, self._rules.error_action)
            return ()
        found = _Strings(tree, texts, self._rules.changes)
        changed = found.cut
        if found.whole and self._judge(found.whole):
            changed = True
        if changed:
            frame.wire = _framed(wire, tree)
        elif len(texts) == 1 and not found.streams:
            self._remember(wire, texts[0])
        return found.spots

    def _remember(self, wire: bytes, text: str) -> None:
        said = msgspec.json.encode(text)
        if wire.count(said) == 1:
            at = wire.find(said)
            self._head, self._foot = wire[: at + 1], wire[at + len(said) - 1 :]
            self._shape = _shape(self._foot)

    def _judge(self, strings: Sequence[_Whole]) -> bool:
        """Judges whole strings and puts redactions in their place; True where there are any."""
        texts: list[str] = []
        for holder, place, _, own in strings:
            gather(holder[place], texts, own)
        if self._rules.clean(encoded(BETWEEN.join(texts))):
            return False
        walk = Walk(self._rules, self._verdicts)
        for holder, place, path, own in strings:
            holder[place] = walk.node(holder[place], path, own)
        self.blocked = self.blocked or walk.blocked
        return walk.changed


class _Strings:
    """The strings of a frame that its deltas' texts do not account for.

    `whole` are those judged by themselves, `spots` the streamed pieces. `streams` is True where a frame of this form
    may hold such pieces, `cut` where token probabilities were taken out.
    """

    def __init__(self, tree: Json, texts: Sequence[str], cut: bool) -> None:
        self.whole: list[_Whole] = []
        self.spots: list[Spot] = []
        self.streams = False
        self.cut = False
        self._tree = tree
        self._texts = Counter(texts)
        self._said = texts
        self._may_cut = cut
        top = as_object(tree)
        index = top.get("index") if top is not None else None
        self._stack: list[tuple[Json, str, int, bool]] = [(tree, f"[{index}]" if index is not None else "", 0, False)]
        while self._stack:
            node, path, choice, live = self._stack.pop()
            if (fields := as_object(node)) is not None:
                self._object(fields, path, choice, live)
            elif (items := as_list(node)) is not None:
                self._list(items, path, choice, live)

    def _object(self, node: JsonObject, path: str, choice: int, live: bool) -> None:
        for key, value in list(node.items()):
            if value is None or isinstance(value, bool | int | float):
                continue
            at = f"{path}.{key}" if path else key
            if isinstance(value, str):
                self._string(node, key, value, (at, choice, live))
            elif key in _LOGPROBS:
                self.streams = True  # they differ from frame to frame
                if self._may_cut and not self._spells(value):
                    node[key] = None
                    self.cut = True
            elif key in OWN_SHAPE:
                if value and not self._is_arguments(value):
                    self._note(node, key, at, True)
            else:
                self._stack.append((value, at, choice, live or key == _DELTA))

    def _list(self, items: list[Json], path: str, choice: int, live: bool) -> None:
        for place, item in enumerate(items):
            fields = as_object(item)
            number = fields.get("index", place) if fields is not None else place
            number = number if isinstance(number, int) else place
            at = f"{path}[{number}]"
            if isinstance(item, str):
                self._note(items, place, at)
            else:
                self._stack.append((item, at, number if path in _CHOICES else choice, live))

    def _string(self, node: JsonObject, key: str, value: str, where: tuple[str, int, bool]) -> None:
        at, choice, live = where
        if key in _OPAQUE or at.endswith("audio.data"):
            return
        if key in PLACES and (file := file_in(node, key, value)) is not None and not file.short:
            return
        if key in _TWICE and _repeats(node, key, value):
            return
        if self._texts.get(value):
            self._texts[value] -= 1
        elif live and key in _PIECES:
            self.streams = True
            if value:
                self.spots.append(Spot(self._tree, node, key, at, choice))
        elif value:
            self._note(node, key, at)

    def _note(self, holder: JsonObject | list[Json], place: str | int, path: str, own: bool = False) -> None:
        self.whole.append((cast("dict[str | int, Json]", holder), place, path, own))

    def _is_arguments(self, value: Json) -> bool:
        """Whether a delta accounts for an object: the arguments of a tool call, as JSON text."""
        for text in self._said:
            if text.startswith(("{", "[")):
                try:
                    if msgspec.json.decode(text) == value:
                        return True
                except msgspec.DecodeError:
                    continue
        return False

    def _spells(self, probabilities: Json) -> bool:
        """Whether the tokens spell nothing but texts of the frame's deltas."""
        fields = as_object(probabilities) or {}
        for tokens in (fields.get("content"), fields.get("refusal"), fields.get("chosenCandidates")):
            said = "".join([as_text((as_object(token) or {}).get("token")) or "" for token in as_list(tokens) or ()])
            if said and said not in self._said:
                return False
        return True


def _repeats(node: JsonObject, key: str, value: str) -> bool:
    """Whether reasoning is said once more beside its blocks, or under its other name: patches rewrite them alike."""
    blocks = as_list(node.get("headgate_reasoning"))
    if blocks:
        return value == "".join([as_text((as_object(block) or {}).get("text")) or "" for block in blocks])
    return key == "reasoning" and value == node.get("reasoning_content")


def _shape(foot: bytes) -> bytes:
    """The end of a frame without its digits and padding."""
    at = foot.find(_PADDING)
    if at >= 0:
        stop = foot.find(b'"', at + len(_PADDING))
        foot = foot[:at] + foot[stop:]
    return foot.translate(None, _DIGITS)


def _framed(wire: bytes, tree: Json) -> bytes:
    """The tree as a frame of the kind that `wire` is: a whole body, or an event."""
    body = msgspec.json.encode(tree)
    if wire.lstrip()[:1] == b"{":
        return body
    name = parse(wire).name
    return (b"event: " + name + b"\n" if name else b"") + b"data: " + body + b"\n\n"
