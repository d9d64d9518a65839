"""Answers kept to be given again: to the very same request, of the same tenant, at the same release.

In memory, per worker, for apps that ask for it. The answer is kept as the provider's bytes: given again it is read
anew and goes through the output screen of that moment.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256

import msgspec

BYTES_MAX = 64 * 1024 * 1024
ANSWER_BYTES_MAX = 512 * 1024
OVERHEAD_BYTES = 512  # what an entry takes beside its bytes


class Kept(msgspec.Struct, frozen=True, gc=False):
    """An answer: its bytes in the target's `dialect`, when (monotonic ns) and by which call it came, what it cost."""

    data: bytes
    dialect: str
    at_ns: int
    call_id: str
    cost_usd: float | None


def digest_of(tenant: str, parts: Iterable[bytes]) -> bytes:
    """What two requests must share to be the same: a tenant, said first and always, and every part."""
    made = sha256()
    for part in (tenant.encode(), *parts):
        made.update(len(part).to_bytes(8, "big"))  # so that no two lists of parts run together
        made.update(part)
    return made.digest()


class Answers:
    """The kept answers, at most `bytes_max` bytes of them; those not used for longest go first."""

    __slots__ = ("_kept", "bytes", "bytes_max")

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self.bytes = 0
        self.bytes_max = bytes_max

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, digest: bytes, since_ns: int) -> Kept | None:
        """The answer kept at or after `since_ns`, monotonic ns."""
        kept = self._kept.get(digest)
        if kept is None or kept.at_ns < since_ns:
            return None
        self._kept.move_to_end(digest)
        return kept

    def keep(self, digest: bytes, kept: Kept) -> None:
        """Keep an answer in place of an older one; one that is larger than ANSWER_BYTES_MAX is not kept."""
        if len(kept.data) > ANSWER_BYTES_MAX:
            return
        before = self._kept.pop(digest, None)
        if before is not None:
            self.bytes -= len(before.data) + OVERHEAD_BYTES
        self._kept[digest] = kept
        self.bytes += len(kept.data) + OVERHEAD_BYTES
        while self.bytes > self.bytes_max:
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= len(oldest.data) + OVERHEAD_BYTES
