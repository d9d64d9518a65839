"""Canonical turns as Anthropic's messages: merged, tool results where the vendor demands them, foreign thinking out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final, TypeAlias

from headgate.core.chat import ChatRequest, Media, Message, Part, Reasoning, Text, ToolCall, ToolResult
from headgate.core.errors import CannotCarry
from headgate.dialects.anthropic_models import takes_prefill
from headgate.dialects.anthropic_types import NAME
from headgate.dialects.anthropic_walk import input_object
from headgate.dialects.decoding import shown

_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_ID_MARK: Final = "hg64_"
_NAME_MAX: Final = 128
_ABILITY: Final = {"image": "images", "document": "documents"}

Block: TypeAlias = "dict[str, object]"
Turn: TypeAlias = "tuple[str, list[Block]]"  # role and content
Dropped: TypeAlias = "dict[str, None]"  # names of what was left out, each once, in order


def wire_id(id_: str) -> str:
    """A tool call id in Anthropic's alphabet `[a-zA-Z0-9_-]+`. Other ids, and ours, are encoded: no two become one."""
    if id_ and _CHARS.issuperset(id_) and not id_.startswith(_ID_MARK):
        return id_
    return _ID_MARK + base64.urlsafe_b64encode(id_.encode()).decode().rstrip("=")


def tool_name(name: str) -> str:
    """A tool's name. Raises CannotCarry where Anthropic has no such names: the answer must come back under it."""
    if not (0 < len(name) <= _NAME_MAX and _CHARS.issuperset(name)):
        raise CannotCarry("a tool's name has characters that this vendor does not take", param="tools")
    return name


class Ids:
    """Tool call ids within one request. A vendor that numbers calls afresh in each turn repeats ids; Anthropic demands
    distinct ones, and a result answers the latest call of its id."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def called(self, id_: str) -> str:
        """The wire id of a new call."""
        self._times[id_] = self._times.get(id_, 0) + 1
        return self.answered(id_)

    def answered(self, id_: str) -> str:
        """The wire id of the latest call with that id."""
        times = self._times.get(id_, 0)
        return wire_id(id_) if times <= 1 else wire_id(f"{id_} {times}")


def write_turns(
    chat: ChatRequest, model: str, abilities: frozenset[str] | None, dropped: Dropped
) -> tuple[list[Turn], list[str]]:
    """The turns, and the texts of late system turns: they go to `system`, since only some models take them in place.

    Raises CannotCarry.
    """
    turns = _Turns(abilities, dropped)
    late: list[str] = []
    for turn in chat.messages:
        if turn.role == "system":
            if turn.name is not None:
                dropped["messages.name"] = None
            late += [part.text for part in turn.parts if isinstance(part, Text) and part.text]
        else:
            turns.add(turn)
    if late:
        dropped["messages.system_position"] = None
    messages = turns.done()
    if not messages:
        raise CannotCarry("there is no message that says anything", param="messages")
    if messages[0][0] != "user":
        raise CannotCarry("the first message must be the user's", param="messages")
    _fit_last(*messages[-1], model, dropped)
    return messages, late


def _fit_last(role: str, content: list[Block], model: str, dropped: Dropped) -> None:
    """A last assistant turn is continued by the answer, where the model does that."""
    if role != "assistant":
        return
    if not takes_prefill(model):
        raise CannotCarry("this model does not continue an assistant message", param="messages")
    last = content[-1]
    text = str(last.get("text", ""))
    if text != text.rstrip():
        last["text"] = text.rstrip()  # the vendor refuses trailing white space here
        dropped["messages.trailing_space"] = None


class _Turns:
    """Collects turns of one role into one message."""

    def __init__(self, abilities: frozenset[str] | None, dropped: Dropped) -> None:
        self._abilities = abilities
        self._dropped = dropped
        self._ids = Ids()
        self._out: list[Turn] = []
        self._open: list[str] = []  # calls of the last assistant message that have no result yet

    def add(self, turn: Message) -> None:
        """One user or assistant turn. Raises CannotCarry."""
        if turn.name is not None:
            self._dropped["messages.name"] = None
        blocks = [block for part in turn.parts if (block := self._block(turn.role, part)) is not None]
        if not blocks:
            return
        if not self._out or self._out[-1][0] != turn.role:
            self._settle()
            self._out.append((turn.role, []))
        self._out[-1][1].extend(blocks)
        if turn.role == "assistant":
            self._open += [str(block["id"]) for block in blocks if block["type"] == "tool_use"]

    def done(self) -> list[Turn]:
        """The turns. Raises CannotCarry where a call has no result."""
        self._settle()
        if self._open:
            raise CannotCarry("a tool call has no result", param="messages")
        return self._out

    def _settle(self) -> None:
        """The last message is complete: its results must answer the calls before it, and stand first."""
        if not self._out or self._out[-1][0] != "user":
            return
        blocks = self._out[-1][1]
        results = [block for block in blocks if block["type"] == "tool_result"]
        answered = [str(block["tool_use_id"]) for block in results]
        if sorted(answered) != sorted(self._open):
            raise CannotCarry("tool results do not answer the tool calls of the turn before", param="messages")
        self._open = []
        blocks[:] = results + [block for block in blocks if block["type"] != "tool_result"]

    def _block(self, role: str, part: Part) -> Block | None:
        match part:
            case Text():
                return self._text(part)
            case Media():
                if role != "user":
                    raise CannotCarry("an assistant message cannot hold media", param="messages")
                return self.media(part)
            case ToolCall():
                if part.signature is not None and part.origin != NAME:
                    self._dropped["reasoning.signature"] = None
                input_ = input_object(part.arguments)
                return {
                    "type": "tool_use",
                    "id": self._ids.called(part.id),
                    "name": tool_name(part.name),
                    "input": input_,
                }
            case ToolResult():
                return self._result(part)
            case Reasoning():
                return self._reasoning(part)

    def _text(self, part: Text) -> Block | None:
        """None for a text that the vendor would refuse as empty."""
        if part.text.strip():
            return {"type": "text", "text": part.text}
        if part.text:
            self._dropped["messages.blank_text"] = None
        return None

    def _result(self, part: ToolResult) -> Block:
        content: list[Block] = []
        for one in part.parts:
            block = self._text(one) if isinstance(one, Text) else self.media(one)
            if block is not None:
                content.append(block)
        result: Block = {"type": "tool_result", "tool_use_id": self._ids.answered(part.call_id), "content": content}
        if part.is_error:
            result["is_error"] = True
        return result

    def _reasoning(self, part: Reasoning) -> Block | None:
        """Thinking that Anthropic signed; what others thought is left out, since it would be refused."""
        if part.origin == NAME and part.redacted is not None:
            return {"type": "redacted_thinking", "data": part.redacted}
        if part.origin == NAME and part.signature is not None:
            return {"type": "thinking", "thinking": part.text, "signature": part.signature}
        self._dropped["reasoning" if part.text else "reasoning.signature"] = None
        return None

    def media(self, part: Media) -> Block:
        """An image or a document. Raises CannotCarry."""
        ability = _ABILITY.get(part.kind)
        if ability is None or (self._abilities is not None and ability not in self._abilities):
            raise CannotCarry(f"the model takes no input of kind {part.kind!r}", param="messages")
        if part.detail is not None:
            self._dropped["media.detail"] = None
        if part.file_id is not None and part.data is None and part.url is None:
            raise CannotCarry("a file kept at another vendor cannot be sent", param="messages")
        if part.kind == "document":
            return _document(part)
        if part.name is not None:
            self._dropped["media.name"] = None
        mime = "image/jpeg" if part.mime == "image/jpg" else part.mime
        if part.data is None:
            return {"type": "image", "source": {"type": "url", "url": part.url}}
        if mime not in _IMAGES:
            raise CannotCarry(f"images of type {shown(mime or '')!r} are not taken", param="messages")
        return {"type": "image", "source": {"type": "base64", "media_type": mime, "data": part.data}}


def _document(part: Media) -> Block:
    source: Block
    if part.data is None:
        source = {"type": "url", "url": part.url}
        if part.mime not in (None, "application/pdf"):
            raise CannotCarry(f"documents of type {shown(part.mime or '')!r} are not taken by URL", param="messages")
    elif part.mime == "application/pdf":
        source = {"type": "base64", "media_type": "application/pdf", "data": part.data}
    elif (part.mime or "").startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _plain(part.data)}
    else:
        raise CannotCarry(f"documents of type {shown(part.mime or '')!r} are not taken", param="messages")
    block: Block = {"type": "document", "source": source}
    if part.name is not None:
        block["title"] = part.name
    return block


def _plain(data: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise CannotCarry("a text document is not base64 of UTF-8", param="messages") from error


def loop_without_thinking(turns: Sequence[Turn]) -> bool:
    """Whether the request is in the middle of a tool loop that does not start with thinking: the vendor then refuses
    `thinking: enabled` ("expected thinking, but found tool_use")."""
    first: Block | None = None
    for role, blocks in reversed(turns):
        if role == "assistant":
            first = blocks[0]
        elif blocks[0]["type"] != "tool_result":
            break
    return first is not None and first["type"] not in ("thinking", "redacted_thinking")
