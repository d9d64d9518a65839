"""Carrying one vendor's reasoning signatures through a client that speaks another vendor's dialect.

Signature fields are opaque to clients but must come back recognisable, and must never be shown to a vendor that did not
issue them (it answers 400). A foreign signature travels as base64 of a short marker and a JSON object that names its
origin. Base64 because Google's `thoughtSignature` is a bytes field: SDKs decode and re-encode it, in either alphabet.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

# base64 of the nine bytes b"headgate.": nine bytes are twelve characters exactly, so the prefix survives encoding
MARK: Final = "aGVhZGdhdGUu"
MARK_BYTES: Final = MARK.encode()
_MARK_RAW: Final = b"headgate."


class Foreign(msgspec.Struct, omit_defaults=True):
    """A signature or a redacted block and the dialect that issued it; `call` is the tool call that it belongs to."""

    origin: str
    signature: str | None = None
    redacted: str | None = None
    call: str | None = None


_decoder: Final = msgspec.json.Decoder(Foreign)


def wrap_foreign(foreign: Foreign) -> str:
    """The text for a signature field."""
    return base64.b64encode(_MARK_RAW + msgspec.json.encode(foreign)).decode()


def unwrap_foreign(text: str) -> Foreign | None:
    """What `wrap_foreign` wrote, in either alphabet; None for a signature of the dialect's own vendor."""
    if not text.startswith(MARK):
        return None
    padded = text.rstrip("=").replace("-", "+").replace("_", "/")
    padded += "=" * (-len(padded) % 4)
    try:
        return _decoder.decode(base64.b64decode(padded)[len(_MARK_RAW) :])
    except (binascii.Error, msgspec.DecodeError, UnicodeError):
        return Foreign(origin="unknown", signature=text)
