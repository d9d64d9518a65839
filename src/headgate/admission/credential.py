"""The one place that reads a credential from a request, whatever form it came in."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import unquote_plus

from headgate.core.errors import InvalidRequest
from headgate.core.types import Header

CREDENTIAL_CHARS_MAX = 512

_BEARER = b"authorization"
_SHOWING = frozenset((_BEARER, b"x-api-key", b"x-goog-api-key"))


def credential(headers: Sequence[Header], query: str) -> str | None:
    """The credential of a request, or None where it shows none.

    Reads `Authorization: Bearer`, `x-api-key`, `x-goog-api-key` (header names in lower case) and `?key=` of
    the undecoded query. Raises InvalidRequest where two of them disagree, one is malformed, or one is
    longer than CREDENTIAL_CHARS_MAX: which key to hold a call against must never be a guess.
    """
    found: str | None = None
    for name, value in headers:
        if name not in _SHOWING:
            continue
        shown = _bearer(value) if name == _BEARER else value.strip().decode("latin-1")
        if not shown:
            continue
        if found is not None and found != shown:
            raise InvalidRequest("the request shows more than one API key; send exactly one")
        found = shown
    if query and "key=" in query:
        found = _from_query(query, found)
    if found is not None and len(found) > CREDENTIAL_CHARS_MAX:
        raise InvalidRequest(f"the API key is longer than {CREDENTIAL_CHARS_MAX} characters")
    return found


def basic_password(headers: Sequence[Header]) -> str | None:
    """The password of Basic authentication; None where the request shows none.

    Raises InvalidRequest where it is malformed, longer than CREDENTIAL_CHARS_MAX, or there twice.
    """
    shown = [value.strip()[6:] for name, value in headers if name == _BEARER and value.strip()[:6].lower() == b"basic "]
    if not shown:
        return None
    if len(shown) > 1:
        raise InvalidRequest("the request shows more than one API key; send exactly one")
    try:
        _, found, password = base64.b64decode(shown[0].strip(), validate=True).partition(b":")
    except binascii.Error as error:
        raise InvalidRequest("the Authorization header must read `Basic base64(name:key)`") from error
    if not found or len(password) > CREDENTIAL_CHARS_MAX:
        raise InvalidRequest(f"the API key of Basic authentication has at most {CREDENTIAL_CHARS_MAX} characters")
    return password.decode("latin-1")


def _bearer(value: bytes) -> str:
    if value[:7] == b"Bearer ":  # as SDKs write it
        return value[7:].strip().decode("latin-1")
    scheme, _, token = value.strip().partition(b" ")
    if not scheme:
        return ""
    if scheme.lower() != b"bearer":
        raise InvalidRequest("the Authorization header must read `Bearer <key>`")
    return token.strip().decode("latin-1")


def _from_query(query: str, found: str | None) -> str | None:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name != "key":
            continue
        shown = unquote_plus(value).strip()
        if not shown:
            continue
        if found is not None and found != shown:
            raise InvalidRequest("the request shows more than one API key; send exactly one")
        found = shown
    return found
