"""Reading what a client sent: one typed decode, and what to tell it where the body is not what the format says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from headgate.core.errors import InvalidRequest
from headgate.core.types import Json, as_object
from headgate.dialects.base import check_depth

T = TypeVar("T")
fields_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SHOWN_CHARS_MAX: Final = 64
_tree_decoder: Final = msgspec.json.Decoder()


def read_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The body as the decoder's type. Hot path.

    Raises InvalidRequest: malformed JSON, invalid UTF-8 anywhere, wrong types, missing fields, too deep.
    """
    try:
        if not body.isascii():
            body.decode()  # a typed decode does not look into strings that it skips
        told = decoder.decode(body)
        check_depth(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise invalid_body(error) from error
    return told


def reread(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw) -> T:
    """A part of a body that `read_body` took, now looked at closer: what it skipped may still be wrong (`1e400`).

    Raises InvalidRequest.
    """
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise invalid_body(error) from error


def tree_of(raw: bytes | msgspec.Raw) -> Json:
    """The same, as a plain tree. Raises InvalidRequest."""
    return reread(_tree_decoder, raw)


def invalid_body(error: Exception) -> InvalidRequest:
    """What to tell the client about a body that did not decode; `param` is the field's path, `messages[0].role`."""
    if isinstance(error, RecursionError):
        return InvalidRequest("the JSON body is nested too deeply")
    if isinstance(error, UnicodeError):
        return InvalidRequest("the body is not valid UTF-8")
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return InvalidRequest(f"the body is not valid JSON: {text}")
    what, _, where = text.partition(" - at `$")
    path = where.rstrip("`").removeprefix(".")
    missing = what.removeprefix("Object missing required field `")
    if missing != what:
        path = f"{path}.{missing.rstrip('`')}".removeprefix(".")
    at = f"'{path}': " if path else ""
    return InvalidRequest(f"invalid request body: {at}{what}", param=path or None)


def shown(text: str) -> str:
    """A client's own word, short enough for a message."""
    return text if len(text) <= _SHOWN_CHARS_MAX else text[: _SHOWN_CHARS_MAX - 1] + "…"


def unread(objects: Iterable[Json], known: frozenset[str]) -> dict[str, None]:
    """Names of fields, once each, that some of the objects hold and nobody reads; null says nothing."""
    found: dict[str, None] = {}
    for item in objects:
        tree = as_object(item)
        if tree is not None and not known.issuperset(tree):
            found.update((name, None) for name, value in tree.items() if name not in known and value is not None)
    return found
