"""What a dialect can do. One object per dialect, stateless; readers and writers hold the state of one answer.

A dialect is pure: bytes in, types out, and back. It knows nothing of sockets, keys or policy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from headgate.core.chat import Begin, ChatRequest, Delta, Frame
from headgate.core.errors import HeadgateError, InvalidRequest, UpstreamError
from headgate.core.stages import Asked
from headgate.core.types import Header, Json

JSON_DEPTH_MAX = 64
EXTRA_FIELD = "headgate"
SETTING = "prompt.settings."  # before the name of a prompt's setting that was left out
OUTPUT = "prompt.output"  # a prompt's declared output: its name where it was left out, and in `Asked.filled`
_SHORT = 2048
COUNT_MAX = 2**53 - 1  # what JSON numbers hold exactly: no honest token count comes near
CHARS_PER_TOKEN = 4  # a rough measure for reservations and for usage nobody told us
UNREAD = "answer.events"  # `unsaid` of an event that was left out: unreadable, behind all that the answer says
PREFILL = "prefill"  # goes on with a last turn of the assistant
# what `write_request` asks about a target's model, where it is known at all
ABILITIES = frozenset({"images", "documents", "audio", "tools", "json_schema", "reasoning", "sampling", PREFILL})


class Extra(msgspec.Struct, gc=False):
    """The `headgate` extra field of a request: the variables of a registered prompt, the channel to take, and who asks
    within which session: what keeps a person on one side of an experiment."""

    variables: dict[str, Json] | None = None
    channel: str | None = None
    user: str | None = None
    session: str | None = None

    def into(self, asked: Asked) -> None:
        """Put what it says where the page looks for it."""
        asked.variables, asked.channel, asked.user, asked.session = (
            self.variables, self.channel, self.user, self.session,
        )  # fmt: skip


class Carried(msgspec.Struct):
    """A body in a target's dialect, and the names of what could not be carried over."""

    body: bytes
    dropped: list[str]


class Read(msgspec.Struct):
    """A request read into canonical types, and the names of fields that have no canonical place."""

    chat: ChatRequest
    dropped: list[str]


class Sent(msgspec.Struct):
    """What a same-dialect stream has shown its client so far: enough to end it properly by ourselves.

    `begin` is the first Begin delta that went out, `open_block` the content block left open, `content` whether any
    content was shown, `choices` how many there are, `finished` those whose finish went out.
    """

    begin: Begin | None = None
    open_block: int | None = None
    content: bool = False
    choices: int = 1
    finished: Collection[int] = ()


class AnswerMeta(msgspec.Struct):
    """What a writer puts where the provider's answer has no counterpart. `created_s`: Unix seconds.

    `origin` is the dialect the deltas come from: signatures are carried through the client under that name.
    `input_tokens` is an estimate, for a dialect that demands a count where nobody told one.
    """

    call_id: str
    model: str
    created_s: int
    wants_usage: bool = True
    origin: str = ""
    input_tokens: int | None = None


class AnswerReader(Protocol):
    """Reads one provider's answer, streamed or whole, into frames."""

    def feed(self, data: bytes) -> list[Frame]:
        """Frames completed by `data`; a non-streamed body yields none before the end.

        Every provider byte of a streamed answer is in exactly one frame's `wire` (up to `drop`ped frames).
        Raises UpstreamError: malformed_response, server_error, overloaded, rate_limited (an in-band error event),
        response_too_large. An unreadable event is left out (`drop`ped, `unsaid` UNREAD) only where it can hold nothing
        of the answer: every answer asked for has told why it ended, or the event's own name says so.
        """
        ...

    def end(self) -> list[Frame]:
        """The body ended cleanly: the remaining frames.

        Raises UpstreamError: truncated where the dialect's end marker or a finish reason is missing,
        empty_answer where there is no choice, malformed_response where it is not this dialect's JSON.
        """
        ...


class AnswerWriter(Protocol):
    """Renders deltas in its dialect. Streamed: SSE bytes per call. Whole: everything on `end`."""

    def write(self, deltas: Sequence[Delta]) -> bytes:
        """Bytes to send now; may be empty."""
        ...

    def end(self) -> bytes:
        """The closing bytes: terminator of a stream, or the whole body."""
        ...

    def cut(self, error: HeadgateError | None) -> bytes:
        """End early: with the dialect's policy finish where `error` is None, else with its in-band error.

        Whole answers: the complete body (policy finish only; errors of whole answers are `error_body`).
        """
        ...


class Dialect(Protocol):
    """One wire format, both directions, request and answer."""

    name: str

    # -- requests
    def ask(self, body: bytes, path_model: str | None, path_stream: bool) -> Asked:
        """Reads a client's body just far enough. Hot path: one typed decode, nothing else for a plain call.

        Raises InvalidRequest (malformed JSON, invalid UTF-8, wrong types, missing fields, depth over JSON_DEPTH_MAX)
        with `param` naming the field. Unknown fields and unknown content part types pass: the vendor adds new ones
        every month, and they are none of our business where the target speaks the same dialect.
        """
        ...

    def system_text(self, asked: Asked) -> str | None:
        """The system prompt as one string, for the fingerprint of unregistered prompts; None where there is none."""
        ...

    def end_user(self, asked: Asked) -> str | None:
        """Who asks, in the dialect's own field; None where it has none or the caller says nothing.

        Raises InvalidRequest where the field cannot be read.
        """
        ...

    def turns(self, asked: Asked, most: int) -> list[tuple[str, str]]:
        """(role, text) of the first `most` messages behind the leading system messages; roles as ours: user,
        assistant, system. What is no text is left out of a message."""
        ...

    def add_prompt(self, asked: Asked, messages: Sequence[tuple[str, str]], settings: Mapping[str, Json]) -> Carried:
        """The client's body with rendered prompt `messages` (role, text) put before the client's own, and model
        `settings` (canonical names of ChatRequest: temperature, max_tokens, ...) filled in where the client said
        nothing. System texts go where the dialect keeps them. Settings without a place are named as
        `prompt.settings.seed`; the declared output, `json_format` here, as OUTPUT."""
        ...

    def without_output(self, body: bytes, asked: Asked) -> bytes:
        """The client's body without the answer format that the prompt's declared output put in; `body` itself where it
        put in none."""
        ...

    def read_request(self, body: bytes, stream: bool) -> Read:
        """Client body to canonical. Raises InvalidRequest, CannotCarry."""
        ...

    def write_request(self, chat: ChatRequest, model: str, abilities: frozenset[str] | None) -> Carried:
        """Canonical to a body for `model`. What has no place is dropped and named (dotted paths in the CLIENT's
        terms are not known here: use canonical names such as `temperature`, `logprobs`, `reasoning.signature`).

        Raises CannotCarry where the request would lose its meaning (an image to a text-only model, a forced tool
        choice or a JSON schema that the target cannot express, n > 1 where only one answer is possible).
        """
        ...

    def splice_request(self, body: bytes, asked: Asked, model: str) -> Carried:
        """Same dialect: the client's bytes, with the model name replaced where it differs and, on streams, usage
        asked for where the client did not; `body` itself where nothing differs. What the model is known to refuse and
        the client did not say itself is left out and named: a prompt's settings, the reasoning of other vendors."""
        ...

    def takes_prefill(self, model: str) -> bool:
        """Whether the model is known to go on with a last turn of the assistant as the beginning of its answer."""
        ...

    def request_target(self, model: str, stream: bool) -> str:
        """The path below the provider's base URL, `/chat/completions`."""
        ...

    # -- answers
    def reader(self, stream: bool, keep_usage: bool, choices: int = 1) -> AnswerReader:
        """`keep_usage` False: usage frames we asked for are marked `drop`. `choices`: how many answers were asked
        for; a stream that ends without its end mark is truncated where fewer were finished."""
        ...

    def writer(self, stream: bool, meta: AnswerMeta) -> AnswerWriter:
        """Renders another dialect's answer in this one."""
        ...

    def patch(self, frame: Frame) -> bytes:
        """The frame's wire bytes with its deltas' text in place of the original (a guardrail rewrote it).

        Deltas correspond one to one to those the reader produced. Anything that would leak the original text
        (logprobs, citations) is removed.
        """
        ...

    def cut(self, sent: Sent, meta: AnswerMeta, error: HeadgateError | None) -> bytes:
        """Same-dialect stream: the bytes that end it after `sent`, with the dialect's policy finish where `error` is
        None, else with its typed in-band error and no finish reason."""
        ...

    # -- errors
    def error_body(self, error: HeadgateError, call_id: str | None) -> bytes:
        """The JSON body of an error answer as this vendor's SDK expects it. An UpstreamError with `body` set and
        kind client_fault from the same dialect is passed verbatim by the edge, not here."""
        ...

    def read_error(self, status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
        """What this vendor's non-2xx answer means (never raises; HTML and empty bodies included)."""
        ...


def check_depth(body: bytes) -> None:
    """Refuses JSON nested deeper than JSON_DEPTH_MAX, wherever it is.

    Raises InvalidRequest, or what decoding raises.
    """
    if not _is_flat(body):
        limit_depth(body, msgspec.json.decode(body))


def _is_flat(body: bytes) -> bool:
    """True where brackets are too few to nest too deep. In a long body counting them costs more than decoding it."""
    return len(body) <= _SHORT and body.count(b"[") + body.count(b"{") <= JSON_DEPTH_MAX


def limit_depth(body: bytes, tree: object) -> None:
    """Refuses JSON nested deeper than JSON_DEPTH_MAX; `tree` is the body decoded.

    Raises InvalidRequest.
    """
    if _is_flat(body):
        return
    level: list[object] = [tree]
    for _ in range(JSON_DEPTH_MAX):
        below: list[object] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(node.values())  # pyright: ignore[reportUnknownArgumentType] - JSON tree
            elif isinstance(node, list):
                below.extend(node)  # pyright: ignore[reportUnknownArgumentType] - JSON tree
        if not below:
            return
        level = below
    if any(isinstance(node, dict | list) for node in level):
        raise InvalidRequest(f"JSON is nested deeper than {JSON_DEPTH_MAX} levels")


_shallow = msgspec.json.Decoder(dict[str, msgspec.Raw])


def fields_of(body: bytes, asked: Asked) -> dict[str, msgspec.Raw]:
    """The top-level fields of a body of this call, each with its exact bytes; not to be changed.

    A body that `splice` put together is not decoded again, which would cost 0.6 us at 1 KB and 8 us at 30 KB.
    """
    if asked.cut is not None and asked.cut[0] is body:
        return asked.cut[1]
    return _shallow.decode(body)


def splice(body: bytes, asked: Asked, changes: Mapping[str, bytes | None]) -> bytes:
    """Replaces, adds or (None) removes top-level fields of a body of this call; every other value keeps its exact
    bytes. `body` itself where nothing changes."""
    if not changes:
        return body
    fields = dict(fields_of(body, asked))
    for name, value in changes.items():
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = msgspec.Raw(value)
    spliced = msgspec.json.encode(fields)
    asked.cut = (spliced, fields)
    return spliced


def left_out(setting: str) -> str:
    """What a prompt's setting (its canonical name) is called where it was left out."""
    return OUTPUT if setting == "json_format" else SETTING + setting


def filled_in(asked: Asked, names: Iterable[str]) -> list[str]:
    """Which of the top-level fields `names` a prompt's settings put into the body, not the client."""
    filled = asked.filled
    return [name for name in names if name in filled] if filled else []
