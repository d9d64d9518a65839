"""The data plane's paths: which surface a request is for, and whose error bodies an unknown path gets."""

from __future__ import annotations

import msgspec

from headgate.edge import anthropic_messages, google_generate, health, models, openai_chat
from headgate.edge.anthropic_messages import ANTHROPIC_MESSAGES, ANTHROPIC_SURFACE
from headgate.edge.google_generate import GOOGLE_SURFACE
from headgate.edge.openai_chat import OPENAI_CHAT, OPENAI_SURFACE
from headgate.edge.surface import Match, Surface
from headgate.wire.request import Request

_CALLS: dict[str, Match] = {openai_chat.PATH: OPENAI_CHAT, anthropic_messages.PATH: ANTHROPIC_MESSAGES}
_HEALTH = frozenset((health.LIVE, health.READY))


class Listing(msgspec.Struct, frozen=True, gc=False):
    """A request for the models served, in the form of `surface`; `wanted` names one of them, undecoded."""

    surface: Surface
    wanted: str | None = None


def call_at(path: str, query: str) -> Match | None:
    """The call that a POST to the path makes."""
    return _CALLS.get(path) or google_generate.match(path, query)


def listing_at(request: Request) -> Listing | None:
    """The list of models that a GET of the path asks for."""
    path = request.path
    if google_generate.match(path, request.query) is not None:
        return None  # a method of a model, which is called with POST
    for base in (models.OPENAI_PATH, models.GOOGLE_PATH):
        if path == base or path.startswith(base + "/"):
            wanted = path[len(base) + 1 :] or None
            return Listing(GOOGLE_SURFACE if base == models.GOOGLE_PATH else _form(request), wanted)
    return None


def is_health(path: str) -> bool:
    """`/healthz` or `/readyz`."""
    return path in _HEALTH


def allowed(request: Request) -> str | None:
    """The methods of a path, for `Allow`; None where there is no such path."""
    if is_health(request.path):
        return "GET, HEAD"
    if call_at(request.path, request.query) is not None:
        return "POST"
    listing = listing_at(request)
    if listing is None or ":" in (listing.wanted or ""):  # `models/m:countTokens` is a method nobody has here
        return None
    return "GET, HEAD"


def dialect_of(path: str) -> Surface:
    """Whose error bodies a client of this path most likely understands."""
    if path.startswith(("/v1beta", "/v1alpha")) or google_generate.match(path, "") is not None:
        return GOOGLE_SURFACE
    return ANTHROPIC_SURFACE if path.startswith(anthropic_messages.PATH) else OPENAI_SURFACE


def _form(request: Request) -> Surface:
    for name, _ in request.headers:
        if name == anthropic_messages.VERSION_HEADER:
            return ANTHROPIC_SURFACE
        if name == b"x-goog-api-key":
            return GOOGLE_SURFACE
    return OPENAI_SURFACE
