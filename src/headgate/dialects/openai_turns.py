"""The messages of an OpenAI request, both ways."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from headgate.core.chat import ChatRequest, Media, Message, Part, Reasoning, Text, ToolCall, ToolResult
from headgate.core.errors import CannotCarry, InvalidRequest
from headgate.core.types import Json, JsonObject, as_object, as_text
from headgate.dialects.openai_media import read_media, write_media
from headgate.dialects.openai_models import is_openai
from headgate.dialects.openai_types import WireCall, WireFunction, WireMessage

NAME: Final = "openai"
_MEDIA: Final = frozenset({"image_url", "file", "input_audio"})
_PART_FIELDS: Final = frozenset({"type", "text", "refusal", *_MEDIA})

_object_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


# -- reading ----------------------------------------------------------------------------------------------------------


class TurnReader:
    """Reads messages in order. `system` are the texts before the first other turn."""

    def __init__(self, dropped: list[str]) -> None:
        self.system: list[Text] = []
        self.turns: list[Message] = []
        self._dropped = dropped
        self._called: dict[str, str] = {}  # call id -> tool name
        self._legacy: dict[str, deque[str]] = {}  # tool name -> made-up ids of deprecated calls that wait for a result

    def add(self, message: WireMessage, at: str) -> None:
        """Reads the message at path `at`. Raises InvalidRequest, CannotCarry."""
        if message.role in ("system", "developer"):
            texts = self._texts(message.content, at)
            if self.turns:
                self._turn("system", [*texts], message.name)
            else:
                self.system += texts
                if message.name is not None:
                    self._dropped.append("messages.name")
        elif message.role == "user":
            self._turn("user", self._parts(message.content, at, media=True), message.name)
        elif message.role == "assistant":
            self._turn("assistant", self._assistant(message, at), message.name)
        elif message.role == "tool":
            self._result(message, message.tool_call_id, at)
        elif message.role == "function":
            waiting = self._legacy.get(message.name or "")
            self._result(message, waiting.popleft() if waiting else None, at)
        else:
            raise InvalidRequest(f"'{at}.role' is no role of this format", param=f"{at}.role")

    def _turn(self, role: str, parts: list[Part], name: str | None) -> None:
        if parts:  # other vendors refuse empty turns, and they say nothing
            self.turns.append(Message(role, parts, name))

    def _parts(self, content: str | list[dict[str, object]] | None, at: str, *, media: bool) -> list[Part]:
        if content is None:
            return []
        if isinstance(content, str):
            return [Text(content)] if content else []
        parts: list[Part] = []
        for index, raw in enumerate(content):
            where = f"{at}.content[{index}]"
            part = as_object(raw) or {}
            kind = as_text(part.get("type"))
            self._dropped += [f"messages.content.{name}" for name in part if name not in _PART_FIELDS]
            if kind in ("text", "refusal"):
                text = as_text(part.get(kind))
                if text is None:
                    raise InvalidRequest(f"'{where}.{kind}' must be a string", param=f"{where}.{kind}")
                if text:
                    parts.append(Text(text))
            elif kind in _MEDIA:
                if not media:
                    raise InvalidRequest(f"'{where}': only text may stand here", param=where)
                parts.append(read_media(part, where))
            else:
                raise CannotCarry(f"'{where}': content of this type cannot be said to another vendor", param=where)
        return parts

    def _texts(self, content: str | list[dict[str, object]] | None, at: str) -> list[Text]:
        return [part for part in self._parts(content, at, media=False) if isinstance(part, Text)]

    def _assistant(self, message: WireMessage, at: str) -> list[Part]:
        if message.audio is not None:
            raise CannotCarry("spoken answers are kept with their vendor", param=f"{at}.audio")
        parts: list[Part] = []
        if message.headgate_reasoning:
            blocks = message.headgate_reasoning
            parts += [Reasoning(block.text, block.signature, block.redacted, block.origin) for block in blocks]
        elif message.reasoning_content:
            parts.append(Reasoning(message.reasoning_content, origin=NAME))
        parts += self._texts(message.content, at)
        if message.refusal:
            parts.append(Text(message.refusal))
        for index, call in enumerate(message.tool_calls or ()):
            parts.append(self._call(call, f"{at}.tool_calls[{index}]"))
        if message.function_call is not None:
            made = f"call_function_{len(self._called)}"
            self._legacy.setdefault(message.function_call.name, deque()).append(made)
            self._called[made] = message.function_call.name
            arguments = _arguments(message.function_call, f"{at}.function_call")
            parts.append(ToolCall(made, message.function_call.name, arguments))
        return parts

    def _call(self, call: WireCall, at: str) -> ToolCall:
        if call.function is None:
            raise CannotCarry("only function calls can be said to another vendor", param=at)
        if not call.id:
            raise InvalidRequest(f"'{at}.id' is missing", param=f"{at}.id")
        self._called[call.id] = call.function.name
        signature, origin = _signature(call.extra_content)
        return ToolCall(call.id, call.function.name, _arguments(call.function, f"{at}.function"), signature, origin)

    def _result(self, message: WireMessage, call_id: str | None, at: str) -> None:
        if call_id is None or call_id not in self._called:
            what = "does not answer any tool call before it"
            raise InvalidRequest(f"'{at}': the {message.role} message {what}", param=f"{at}.tool_call_id")
        texts: list[Text | Media] = [*self._texts(message.content, at)]
        result = ToolResult(call_id, texts, self._called[call_id])
        last = self.turns[-1] if self.turns else None
        if last is not None and last.role == "user" and isinstance(last.parts[-1], ToolResult):
            last.parts.append(result)
        else:
            self.turns.append(Message("user", [result]))


def _arguments(function: WireFunction, at: str) -> str:
    """The arguments as JSON text of an object; none at all is an empty one. Raises InvalidRequest."""
    text = function.arguments
    if not text.strip():
        return "{}"
    try:
        _object_decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"'{at}.arguments' must be a JSON object as text", param=f"{at}.arguments") from error
    return text


def _signature(extra: dict[str, object] | None) -> tuple[str | None, str | None]:
    """(signature, the dialect that issued it). What Google's OpenAI endpoint signs was signed in this dialect."""
    if not extra:
        return None, None
    ours, google = as_object(extra.get("headgate")), as_object(extra.get("google"))
    if ours is not None:
        return as_text(ours.get("signature")), as_text(ours.get("origin"))
    signature = as_text(google.get("thought_signature")) if google is not None else None
    return signature, NAME if signature is not None else None


# -- writing ----------------------------------------------------------------------------------------------------------


def write_turns(chat: ChatRequest, model: str, abilities: frozenset[str] | None, dropped: list[str]) -> list[Json]:
    """`messages`. What was thought and signed in this dialect goes back to compatible servers; OpenAI itself refuses
    such fields. Raises CannotCarry.
    """
    origin = "" if is_openai(model) else NAME
    out: list[Json] = []
    if chat.system:
        out.append({"role": "system", "content": _content([{"type": "text", "text": t.text} for t in chat.system])})
    for turn in chat.messages:
        if turn.role == "assistant":
            message = _write_assistant(turn, origin, dropped)
            if len(message) > 2 or message["content"]:  # nothing may be left of a turn that only held thinking
                out.append(message)
        else:
            out += _write_turn(turn, abilities, dropped)
    return out


def _content(parts: list[Json]) -> Json:
    """One text as a plain string, which every compatible server understands."""
    if not parts:
        return ""
    first = as_object(parts[0])
    if len(parts) == 1 and first is not None and first.get("type") == "text":
        return first["text"]
    return parts


def _named(message: JsonObject, turn: Message) -> JsonObject:
    if turn.name is not None:
        message["name"] = turn.name
    return message


def _write_turn(turn: Message, abilities: frozenset[str] | None, dropped: list[str]) -> list[Json]:
    """A user or system turn: tool results first, each its own message, then what else was said."""
    out: list[Json] = []
    parts: list[Json] = []
    shown: list[Json] = []
    for part in turn.parts:
        match part:
            case Text(text):
                parts.append({"type": "text", "text": text})
            case Media():
                parts.append(write_media(part, abilities, dropped))
            case ToolResult():
                texts: list[Json] = [{"type": "text", "text": t.text} for t in part.parts if isinstance(t, Text)]
                pictures = [write_media(m, abilities, dropped) for m in part.parts if isinstance(m, Media)]
                if pictures:  # tool messages hold text only: the rest is shown right after them
                    dropped.append("tool_result.media")
                    shown += pictures
                if part.is_error:
                    dropped.append("tool_result.is_error")
                out.append({"role": "tool", "tool_call_id": part.call_id, "content": _content(texts)})
            case _:
                raise CannotCarry(f"a {turn.role} turn cannot hold this", param="messages")
    parts = shown + parts
    if parts or not out:
        out.append(_named({"role": turn.role, "content": _content(parts)}, turn))
    return out


def _write_assistant(turn: Message, own: str, dropped: list[str]) -> JsonObject:
    texts: list[Json] = []
    calls: list[Json] = []
    thoughts: list[Reasoning] = []
    for part in turn.parts:
        match part:
            case Text(text):
                texts.append({"type": "text", "text": text})
            case ToolCall():
                calls.append(_write_call(part, own, dropped))
            case Reasoning(origin=origin) if origin == own:
                thoughts.append(part)
            case Reasoning():
                dropped.append("reasoning" if part.text else "reasoning.signature")
            case _:
                raise CannotCarry("OpenAI chat takes only text and tool calls from an assistant", param="messages")
    message: JsonObject = {"role": "assistant", "content": _content(texts) if texts else (None if calls else "")}
    if calls:
        message["tool_calls"] = calls
    if any(thought.signature or thought.redacted for thought in thoughts):
        message["headgate_reasoning"] = [_write_thought(at, thought) for at, thought in enumerate(thoughts)]
    elif thoughts:
        message["reasoning_content"] = "".join(thought.text for thought in thoughts)
    return _named(message, turn)


def _write_thought(index: int, thought: Reasoning) -> JsonObject:
    block: JsonObject = {"index": index, "type": "thinking", "origin": NAME}
    for name in ("text", "signature", "redacted"):
        if getattr(thought, name):
            block[name] = getattr(thought, name)
    return block


def _write_call(call: ToolCall, own: str, dropped: list[str]) -> JsonObject:
    said: JsonObject = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature is not None:
        if call.origin == own:
            said["extra_content"] = {"google": {"thought_signature": call.signature}}
        else:
            dropped.append("reasoning.signature")
    return said
