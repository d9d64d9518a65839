"""Carrying another vendor's reasoning signatures through a client that speaks Google's dialect.

`thoughtSignature` is a bytes field: SDKs decode and re-encode it, in either base64 alphabet. A foreign signature goes in
as base64 of a short marker and a JSON object that names its origin, so it comes back recognisable and is never shown to
Gemini, which answers a signature it did not issue with 400.
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
BYPASS: Final = "skip_thought_signature_validator"  # documented by Google for history that Gemini did not produce


class Foreign(msgspec.Struct, omit_defaults=True):
    """A signature or a redacted block and the dialect that issued it."""

    origin: str
    signature: str | None = None
    redacted: str | None = None


_decoder: Final = msgspec.json.Decoder(Foreign)


def wrap_foreign(foreign: Foreign) -> str:
    """The text for a `thoughtSignature` field."""
    return base64.b64encode(_MARK_RAW + msgspec.json.encode(foreign)).decode()


def unwrap_foreign(text: str) -> Foreign | None:
    """What `wrap_foreign` wrote, in either alphabet; None for a signature of Gemini's own."""
    if not text.startswith(MARK):
        return None
    padded = text.rstrip("=").replace("-", "+").replace("_", "/")
    padded += "=" * (-len(padded) % 4)
    try:
        return _decoder.decode(base64.b64decode(padded)[len(_MARK_RAW) :])
    except (binascii.Error, msgspec.DecodeError):
        return Foreign(origin="unknown", signature=text)
