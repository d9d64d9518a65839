"""Routing over scripted answers in the vendors' own dialects: `House` with the real readers and writers."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.core.errors import UpstreamError
from headgate.core.record import CallRecord
from headgate.core.snapshot import Route, Snapshot
from headgate.core.stages import Admitted, Call, Grounded, KeyInfo, Prompted, Screened, Selected
from headgate.core.types import Header
from headgate.dialects import DIALECTS
from headgate.routing import Routing
from tests.dialects.wires import ask, plain_body
from tests.routing.scripted import House, LineEndpoint
from tests.support.world import SeededEntropy

VENDORS = tuple(DIALECTS)


class SpokenEndpoint(LineEndpoint):
    """Reads errors as its vendor writes them."""

    def failure(self, status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
        return DIALECTS[self.dialect].read_error(status, headers, body)


class SpokenHouse(House):
    """Targets are named as their vendors; `client` is the dialect that the call is made in."""

    def __init__(self) -> None:
        super().__init__()
        self.routing = Routing(self.transport, self.clock, SeededEntropy(), DIALECTS, self)  # type: ignore[arg-type]
        self.endpoints = {name: SpokenEndpoint(name, name) for name in VENDORS}

    def screened(  # type: ignore[override]
        self, route: Route, *, stream: bool = True, client: str = "openai"
    ) -> Screened:
        fields = {"google": {}, "openai": {"stream": stream}, "anthropic": {"stream": stream, "max_tokens": 500}}
        body = plain_body(client, **fields[client])
        asked = ask(client, body)
        asked.stream = stream
        snapshot = Snapshot("", 0, {}, None, None, {})  # type: ignore[arg-type]
        record = CallRecord("call_1", self.clock.now_ns(), client, stream)
        call = Call("call_1", client, snapshot, record, self.clock.monotonic_ns())
        selected = Selected(Admitted(call, KeyInfo("k", "k", "t")), asked, route)
        return Screened(Grounded(Prompted(selected, body), body), body)
