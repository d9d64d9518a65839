"""Call identifiers: time-ordered, made from the injected clock and entropy (UUIDv7 layout, RFC 9562, in base 32)."""

from __future__ import annotations

from headgate.core.ports import Clock, Entropy

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: no i, l, o, u
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)


class CallIds:
    """Mints `call_` + 26 characters: 48 bits of milliseconds, then 80 random bits. Sorts by time."""

    __slots__ = ("_at", "_clock", "_entropy", "_pool")

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._pool = b""
        self._at = 0

    def mint(self) -> str:
        """A new identifier."""
        at = self._at
        if at >= len(self._pool):
            # entropy is fetched for 64 ids at once: a system call each would show in the budget
            self._pool = self._entropy.bytes(640)
            at = 0
        self._at = at + 10
        value = (self._clock.now_ns() // 1_000_000) << 80 | int.from_bytes(self._pool[at : at + 10], "big")
        pairs = _PAIRS
        return "call_" + "".join([pairs[(value >> shift) & 1023] for shift in _SHIFTS])


_SHIFTS = tuple(range(120, -1, -10))
