"""Signatures over thoughts: deterministic, bound to the vendor, this simulator's seed and the signed text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

_VERSION = b"\x01"
_NONCE = 8
_MAC = 24


class Signer:
    """Issues and verifies opaque signatures. One that another simulator (another seed) issued does not verify."""

    def __init__(self, seed: int) -> None:
        self._secret = hashlib.sha256(f"simulator:{seed}".encode()).digest()

    def sign(self, vendor: str, digest: str, signed: str) -> str:
        """Base64 text. The same vendor, digest and signed text give the same signature."""
        nonce = hashlib.sha256(f"{vendor}:{digest}".encode()).digest()[:_NONCE]
        return base64.b64encode(_VERSION + nonce + self._mac(vendor, nonce, signed)).decode()

    def verifies(self, vendor: str, signature: str, signed: str) -> bool:
        """Whether this simulator issued the signature, for this vendor, over this text."""
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        if len(raw) != 1 + _NONCE + _MAC or raw[:1] != _VERSION:
            return False
        nonce = raw[1 : 1 + _NONCE]
        return hmac.compare_digest(raw[1 + _NONCE :], self._mac(vendor, nonce, signed))

    def _mac(self, vendor: str, nonce: bytes, signed: str) -> bytes:
        return hmac.new(self._secret, vendor.encode() + nonce + signed.encode(), "sha256").digest()[:_MAC]
