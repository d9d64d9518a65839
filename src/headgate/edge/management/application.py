"""Mounts handlers on Starlette. Every mounted route asks who is there first: what is not public needs an actor."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headgate.admission import basic_password, credential
from headgate.core.errors import Forbidden, HeadgateError, InvalidRequest, NotFound, TooLarge
from headgate.core.handlers import Actor, Ask, Handler, Text
from headgate.core.roles import in_order, who_may
from headgate.core.types import Header
from headgate.edge.management.openapi import ErrorBody, ErrorDetail, describe

Authenticate = Callable[[str | None], Actor]
_HEADERS = {"cache-control": "private, no-store", "x-content-type-options": "nosniff"}

log = logging.getLogger(__name__)


def management_app(
    handlers: Sequence[Handler], authenticate: Authenticate, hosts: Sequence[str], version: str
) -> Starlette:
    """The ASGI app. `authenticate` turns a credential into an actor or raises Unauthenticated.

    `hosts` are the Host names answered to: a web page elsewhere cannot reach this API through a name of its own.
    """
    document = msgspec.json.encode(describe(handlers, version))

    async def openapi(_request: Request) -> Response:
        return Response(document, media_type="application/json")

    async def health(_request: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json", headers=_HEADERS)

    routes = [Route("/openapi.json", openapi), Route("/healthz", health)]
    routes += [Route(h.path, _endpoint(h, authenticate), methods=[h.method]) for h in handlers]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
        exception_handlers={404: _no_path, 405: _no_path, Exception: _unexpected},
    )


def _endpoint(handler: Handler, authenticate: Authenticate) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            actor = await run_in_threadpool(authenticate, _credential(request, handler))
            _permit(handler, actor)
            body = None if handler.body is None else _read(await _body(request, handler.body_bytes_max), handler.body)
            query = None if handler.query is None else _query(request, handler.query)
            ask = Ask(actor, dict(request.path_params), query, body)
            answer = await run_in_threadpool(handler.handle, ask)
        except HeadgateError as error:
            return _refusal(error)
        if isinstance(answer, Text):
            return Response(answer.body, handler.status, _HEADERS, answer.media_type)
        return Response(msgspec.json.encode(answer), handler.status, _HEADERS, "application/json")

    return endpoint


def _permit(handler: Handler, actor: Actor) -> None:
    if not actor.roles and not handler.callers:
        raise Forbidden("this API key is for calls; the management API takes keys with a role")
    if not actor.roles:
        return
    if not actor.has(*handler.roles):
        held = ", ".join(in_order(actor.roles)) or "none"
        enough = " or ".join(who_may(handler.roles))
        raise Forbidden(f"{handler.method} {handler.path} takes the role {enough}; {actor.id} has {held}")


def _credential(request: Request, handler: Handler) -> str | None:
    headers: list[Header] = list(request.scope["headers"])
    password = basic_password(headers) if handler.basic else None
    return password if password is not None else credential(headers, request.url.query)


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLarge(f"the body is larger than {most} bytes")
    return bytes(body)


def _read(body: bytes, into: type[object]) -> object:
    try:
        return msgspec.json.decode(body, type=into)
    except msgspec.DecodeError as error:
        raise _invalid(error) from error


def _query(request: Request, into: type[object]) -> object:
    try:
        return msgspec.convert(dict(request.query_params), into, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: msgspec.DecodeError) -> InvalidRequest:
    what, _, where = str(error).partition(" - at `$")
    return InvalidRequest(what, param=where.rstrip("`").strip(".") or None)


def _refusal(error: HeadgateError) -> Response:
    headers = dict(_HEADERS)
    if error.retry_after_s is not None:
        headers["retry-after"] = str(int(error.retry_after_s) + 1)
    body = ErrorBody(ErrorDetail(error.reason, error.message, error.param))
    return Response(msgspec.json.encode(body), error.status, headers, "application/json")


async def _no_path(request: Request, error: Exception) -> Response:
    if getattr(error, "status_code", 404) == 405:
        refused = InvalidRequest(f"{request.url.path} does not take {request.method}; see /openapi.json")
        refused.status = 405
        return _refusal(refused)
    return _refusal(NotFound(f"there is nothing at {request.url.path}; see /openapi.json"))


async def _unexpected(request: Request, error: Exception) -> Response:
    # the message may hold what must not be told; the type says enough to find it
    log.error(
        "management %s %s failed: %s", request.method, ascii(request.url.path), type(error).__name__, exc_info=error
    )
    return _refusal(HeadgateError("an error of ours; the log has its type and place"))
