"""What passes between the simulator's parts: a received request, an error, an answer to write, a vendor's desk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

from headgate.simulator.signing import Signer
from headgate.simulator.trees import Tree

FrameKind = Literal["open", "content", "tool", "finish", "usage", "end", "ping"]


@dataclass(slots=True)
class Request:
    """One HTTP request as it came in. Header names are lower case; `json` is None where the body is no JSON.
    `number` counts the simulator's requests from 1, `nth` those of its connection."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    json: object = None
    json_error: str | None = None
    number: int = 0
    nth: int = 1

    def bearer(self) -> str:
        """The token of an `Authorization: Bearer` header; empty where there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(slots=True)
class ApiError(Exception):
    """A refusal in vendor-neutral terms; each vendor renders its own body. `kind` is one of the keys that every
    vendor maps to its error types: invalid, auth, forbidden, missing, large, limited, money, server, overloaded.
    `type` overrides the vendor's word for the kind."""

    status: int
    kind: str
    message: str
    param: str | None = None
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    details: list[Tree] = field(default_factory=list[Tree])
    type: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream as JSON, and its part in the stream; `event` is the SSE event name where there is one."""

    kind: FrameKind
    data: bytes
    event: str = ""


@dataclass(slots=True)
class Reply:
    """An HTTP answer before it is bytes. `frames` is None where it is a single body. `newline` ends every SSE line;
    `array` writes the frames as one JSON array in place of SSE."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    frames: list[Frame] | None = None
    newline: bytes = b"\n"
    array: bool = False

    def without(self, word: str) -> Reply:
        """The reply without the headers whose names hold a word."""
        kept = {name: value for name, value in self.headers.items() if word not in name}
        return replace(self, headers=kept)


@dataclass(frozen=True, slots=True)
class Media:
    """An image, document or sound in the request: its media type and decoded size, or the address it points at."""

    kind: str
    media_type: str
    size: int | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ToolDef:
    """A tool that the model may call: its name and the JSON Schema of its arguments."""

    name: str
    schema: Tree


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """A tool's result that the caller sent back."""

    name: str
    text: str
    is_error: bool = False


@dataclass(slots=True)
class Ask:
    """A valid request in vendor-neutral terms: all that decides the answer.

    `digest` covers the body but for the fields that only choose how it is delivered. `said` is the last user text,
    `stage` counts the tool rounds since it, `received` the messages. `forced` is "" where any tool must be called and
    a tool's name where that one must be. `thinks` says that it must, `may_think` False that it must not.
    `cache_write` is the number of input tokens marked for the prompt cache. `prefill` is the beginning of the answer,
    given by the caller as a last turn of the model: the answer goes on from there."""

    vendor: str
    model: str
    digest: str
    said: str = ""
    system: str = ""
    stage: int = 0
    tools: list[ToolDef] = field(default_factory=list[ToolDef])
    forced: str | None = None
    parallel: bool = True
    schema: Tree | None = None
    any_json: bool = False
    thinks: bool = False
    may_think: bool = True
    media: list[Media] = field(default_factory=list[Media])
    outcomes: list[ToolOutcome] = field(default_factory=list[ToolOutcome])
    max_tokens: int | None = None
    stops: list[str] = field(default_factory=list[str])
    count: int = 1
    input_tokens: int = 0
    cache_write: int = 0
    received: int = 0
    prefill: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the model: its id, the tool's name, and the arguments as JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens. `input` includes cached and written ones, `output` includes thinking."""

    input: int
    output: int
    cached: int = 0
    written: int = 0
    thinking: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says, before a vendor's format. `finish`: stop, length, tool, refusal, filter, blocked, pause,
    sequence, malformed. `raw_finish` overrides the vendor's word for it. `fragments` overrides how the arguments
    stream; a `tool_fault` names a deliberate defect of the calls."""

    ask: Ask
    text: str
    count: Count
    finish: str
    calls: tuple[Call, ...] = ()
    thought: str = ""
    redacted: bool = False
    sequence: str | None = None
    raw_finish: str | None = None
    model: str | None = None
    usage_fault: str = ""
    tool_fault: str = ""
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """What the vendors need to answer: the seed, accepted keys, the signer, the words of a streamed chunk and the
    model names that are known beside the vendors' own."""

    seed: int
    keys: frozenset[str]
    signer: Signer
    words_per_chunk: int
    models: frozenset[str]

    def accepts(self, key: str) -> bool:
        """Whether a key opens the door: any that begins `sim-`, or one that was configured."""
        return key in self.keys or (key.startswith("sim-") and len(key) > len("sim-"))


Bend: TypeAlias = "Callable[[Answer], Answer]"


class Vendor(Protocol):
    """One vendor's API: which paths are its own, how it refuses, how it answers."""

    @property
    def name(self) -> str:
        """openai, anthropic or google."""
        ...

    def key(self, request: Request) -> str:
        """The credential that the request carries; empty where it carries none."""
        ...

    def model(self, request: Request) -> str:
        """The model that the request names; empty where it names none."""
        ...

    def rename(self, request: Request, model: str) -> None:
        """Puts another model's name into the request."""
        ...

    def handle(self, request: Request, desk: Desk, bend: Bend) -> Reply:
        """Answers a request. `bend` may change the answer before it is rendered. Raises ApiError to refuse."""
        ...

    def refuse(self, error: ApiError, request: Request) -> Reply:
        """The vendor's own error answer."""
        ...

    def stream_error(self, error: ApiError) -> Frame:
        """The vendor's own error inside a stream."""
        ...
