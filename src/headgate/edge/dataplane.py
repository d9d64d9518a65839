"""The data plane: a request becomes a call, the page answers it, errors are told in the client's dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headgate.admission import credential
from headgate.core.errors import GatewayError, HeadgateError, InvalidRequest, NotFound, Overloaded, TooLarge
from headgate.core.ids import CallIds
from headgate.core.ports import Clock
from headgate.core.record import CallRecord
from headgate.core.snapshot import Snapshot
from headgate.core.stages import Call
from headgate.dialects.base import Dialect
from headgate.edge import headers, routes
from headgate.edge.failure import send_failure
from headgate.edge.health import answer_health
from headgate.edge.models import models_body
from headgate.edge.reply import ClientReply
from headgate.edge.surface import JSON, Match, Surface
from headgate.pipeline import Gate, answer
from headgate.wire.exchange import Exchange, Rendered
from headgate.wire.request import Refusal, Request


def _always_ready() -> str | None:
    return None


class DataPlane:
    """Implements `wire.exchange.Handler`. `not_ready` says why no calls are wanted, or None."""

    def __init__(
        self,
        gate: Gate,
        snapshots: Callable[[], Snapshot],
        ids: CallIds,
        clock: Clock,
        dialects: Mapping[str, Dialect],
        not_ready: Callable[[], str | None] = _always_ready,
    ) -> None:
        self._gate = gate
        self._snapshots = snapshots
        self._ids = ids
        self._clock = clock
        self._not_ready = not_ready
        self._dialects = dialects

    async def serve(self, request: Request, exchange: Exchange) -> None:
        """Answer one request."""
        if request.method == "POST":
            match = routes.call_at(request.path, request.query)
            if match is not None:
                await self._call(request, exchange, match)
                return
        elif request.method in ("GET", "HEAD"):
            if routes.is_health(request.path):
                answer_health(request.path, exchange, self._not_ready)
                return
            listing = routes.listing_at(request)
            if listing is not None:
                self._list(request, exchange, listing)
                return
        self._lost(request, exchange)

    def refuse(self, refusal: Refusal) -> Rendered:
        """The body of an answer that the server gives before there is a call. Where it is known that there would have
        been one, it goes on record."""
        error, request = _as_error(refusal), refusal.request
        later = _LATER if refusal.status == 503 else b""
        match = None
        if request is not None and request.method == "POST":
            match = routes.call_at(request.path, request.query)
        if request is None or match is None:
            dialect = self._dialects[routes.dialect_of(refusal.target).dialect]
            return Rendered(headers.plain(JSON) + later, dialect.error_body(error, None))
        surface = match.surface
        call = self._made(request, surface)
        call.record.model_asked = match.model or ""
        self._gate.telemetry.refused(call, error)
        body = self._dialects[surface.dialect].error_body(error, call.id)
        return Rendered(headers.answered(surface, call.record, JSON) + later, body)

    async def _call(self, request: Request, exchange: Exchange, match: Match) -> None:
        surface = match.surface
        call = self._made(request, surface)
        call.path_model = match.model
        call.path_stream = match.stream
        call.body = request.body
        reply = ClientReply(exchange, call, surface, self._dialects)
        try:
            _uncompressed(call)
            call.credential = credential(call.headers, call.query)
        except InvalidRequest as error:
            self._gate.telemetry.refused(call, error)
            await reply.fail(error)
            return
        try:
            await answer(self._gate, call, reply)
        except HeadgateError as error:
            await reply.fail(error)
        except Exception:
            # a bug of ours, on record by its type: the client learns the call's id, the server logs the place
            if not exchange.finished:
                await reply.fail(GatewayError("an internal error occurred"))
            raise

    def _list(self, request: Request, exchange: Exchange, listing: routes.Listing) -> None:
        surface = listing.surface
        call = self._made(request, surface)
        try:
            call.credential = credential(call.headers, call.query)
            key = self._gate.admission.identify(call).key
            body = models_body(call.snapshot, key, surface.dialect, listing.wanted)
        except HeadgateError as error:
            send_failure(exchange, surface, self._dialects[surface.dialect], error, call.record)
            return
        exchange.send(200, headers.plain(JSON), body)

    def _lost(self, request: Request, exchange: Exchange) -> None:
        """404, or 405 with the methods that there are."""
        methods = routes.allowed(request)
        error: HeadgateError = NotFound("there is nothing at this path")
        lines = headers.plain(JSON)
        if methods is not None:
            error = InvalidRequest(f"this path takes {methods}")
            error.status = 405
            lines += f"allow: {methods}\r\n".encode()
        dialect = self._dialects[routes.dialect_of(request.path).dialect]
        exchange.send(error.status, lines, dialect.error_body(error, None))

    def _made(self, request: Request, surface: Surface) -> Call:
        clock = self._clock
        record = CallRecord(self._ids.mint(), clock.now_ns(), surface.dialect)
        call = Call(record.id, surface.dialect, self._snapshots(), record, clock.monotonic_ns())
        call.headers = request.headers
        call.query = request.query
        call.peer = request.peer
        return call


def _uncompressed(call: Call) -> None:
    """Nobody unpacks what a client sent before it is known: a small body could become a large one. Raises
    InvalidRequest (415)."""
    if (call.header(b"content-encoding") or b"identity") != b"identity":
        error = InvalidRequest("compressed bodies are not taken: send it without content-encoding")
        error.status = 415
        raise error


def _as_error(refusal: Refusal) -> HeadgateError:
    kind = _ERRORS.get(refusal.status, InvalidRequest)
    error = kind(refusal.message)
    error.status = refusal.status
    return error


_LATER = b"retry-after: 1\r\n"
_ERRORS: dict[int, type[HeadgateError]] = {413: TooLarge, 431: TooLarge, 500: GatewayError, 503: Overloaded}
