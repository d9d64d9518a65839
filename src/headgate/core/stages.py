"""The types a call passes through. Each stage of the page takes one and returns the next: order is a type.

Call -> Admitted -> Selected -> Prompted -> Grounded -> Screened -> Planned -> Funded -> Batch -> Passed

`Passed` is made by the output screen only (a test holds every other maker against this rule).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.chat import Frame
from headgate.core.record import CallRecord
from headgate.core.snapshot import App, Release, Route, Snapshot, Target
from headgate.core.types import Header, Json


class Call:
    """One client request as it came off the wire, and the record being kept of it.

    `path_model` and `path_stream` are set where the dialect says them in the URL (Google). `query` is undecoded.
    `credential` is what the client showed, whatever header it came in.
    """

    __slots__ = (
        "body", "credential", "dialect", "headers", "id", "path_model", "path_stream", "peer", "query", "received_ns",
        "record", "snapshot", "started_ns",
    )  # fmt: skip

    def __init__(self, id: str, dialect: str, snapshot: Snapshot, record: CallRecord, started_ns: int) -> None:
        self.id = id
        self.dialect = dialect
        self.snapshot = snapshot
        self.record = record
        self.received_ns = record.received_ns
        self.started_ns = started_ns
        self.path_model: str | None = None
        self.path_stream = False
        self.query = ""
        self.headers: Sequence[Header] = ()
        self.body = b""
        self.credential: str | None = None
        self.peer = ""

    def header(self, name: bytes) -> bytes | None:
        """The first header of that lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class KeyInfo(msgspec.Struct, frozen=True):
    """What an API key stands for. Limits None: not limited. `models` empty: any.

    `rpm` and `tpm` are requests and tokens per minute, `concurrency` calls at once. `budget_usd` holds for one
    `budget_period`: day, month (both UTC calendar) or total; `unpriced` says whether calls whose price is not known may
    be made under it (allow) or not (deny). `team` is a team of the tenant. `criticality`: critical, default or
    sheddable, which are turned away first where there are too many.
    """

    id: str
    name: str
    tenant: str
    admin: bool = False
    models: frozenset[str] = frozenset()
    expires_ns: int | None = None
    revoked: bool = False
    rpm: int | None = None
    tpm: int | None = None
    budget_usd: float | None = None
    budget_period: str = "month"
    concurrency: int | None = None
    team: str | None = None
    unpriced: str = "deny"
    criticality: str = "default"


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A call whose key is good and within its request rate."""

    call: Call
    key: KeyInfo


class Asked(msgspec.Struct, gc=False):
    """What the body asks for, read just far enough. `variables`, `channel`, `user` and `session` come from the
    `headgate` extra field.

    `body` is the client's body without that extra field; `document` the dialect's own typed reading of it.
    `input_chars` is a cheap measure for token estimates. `choices` is how many answers were asked for (n).
    `filled` names the fields that a prompt's settings put into the body, `cut` is the body put together last and the
    fields it was made of (`dialects.base.fields_of`).
    """

    model: str
    stream: bool
    body: bytes
    document: object
    max_tokens: int | None = None
    variables: dict[str, Json] | None = None
    channel: str | None = None
    user: str | None = None
    session: str | None = None
    wants_usage: bool = True
    input_chars: int = 0
    choices: int = 1
    filled: Sequence[str] = ()
    cut: tuple[bytes, dict[str, msgspec.Raw]] | None = None


class Selected(msgspec.Struct, frozen=True, gc=False):
    """Which app, release and channel answer; `release` None where a model is addressed directly.

    `prompt` is the prompt's name within the app."""

    admitted: Admitted
    asked: Asked
    route: Route
    app: App | None = None
    release: Release | None = None
    prompt: str | None = None


class Prompted(msgspec.Struct, frozen=True, gc=False):
    """The exact text: `body` is the request in the client's dialect with the rendered prompt in place."""

    selected: Selected
    body: bytes


class Grounded(msgspec.Struct, frozen=True, gc=False):
    """The prompt with what we know; `sources` name the passages that were sent."""

    prompted: Prompted
    body: bytes
    sources: tuple[str, ...] = ()


class Screened(msgspec.Struct, frozen=True, gc=False):
    """A request that may leave. `body` has redactions applied."""

    grounded: Grounded
    body: bytes


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A target in the order it would be asked, and why it stands there. `held`: it is in trouble, and a last resort."""

    target: Target
    why: str
    held: bool = False


class Planned(msgspec.Struct, frozen=True, gc=False):
    """Whom to ask, in order; `estimate_usd` is the worst case of the first candidate, None where no price is known."""

    screened: Screened
    candidates: tuple[Candidate, ...]
    route: Route
    input_tokens: int
    output_tokens: int
    estimate_usd: float | None


class Funded(msgspec.Struct, frozen=True, gc=False):
    """A plan whose worst case is reserved against the key's limits and budget."""

    planned: Planned


class Passed(msgspec.Struct, gc=False):
    """Frames that may reach the client. `commits` is set once they show content: from then on no silent failover.

    `blocked` names the rule that ended the answer; the reply then closes it with the dialect's own policy finish.
    """

    frames: list[Frame]
    dialect: str
    attempt: int
    commits: bool = False
    blocked: str | None = None
