"""Call identifiers: time-ordered, made from the injected clock and entropy (UUIDv7 layout, RFC 9562, in base 32)."""

from __future__ import annotations

from headgate.core.ports import Clock, Entropy

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"  # Crockford: no i, l, o, u
_PAIRS = tuple(bytes((high, low)).decode() for high in _ALPHABET for low in _ALPHABET)
_LETTERS = bytes(_ALPHABET[code & 31] for code in range(256))  # 8 codes a letter: as even as the random bytes are
_RANDOM_CHARS = 16
_IDS_AT_ONCE = 64
_TIME_CHARS = 10
_ID_CHARS = len("call_") + _TIME_CHARS + _RANDOM_CHARS
_CODES = {chr(sign): code for code, sign in enumerate(_ALPHABET)}
_SIGNS = frozenset(_CODES)


class CallIds:
    """Mints `call_` + 26 characters: 48 bits of milliseconds, then 80 random bits. Sorts by time."""

    __slots__ = ("_at", "_clock", "_entropy", "_pool", "_prefix", "_seconds")

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._entropy = entropy
        self._pool = ""
        self._at = 0
        self._seconds = -1  # of 1,024 ms each, spelled out in `_prefix`
        self._prefix = ""

    def mint(self) -> str:
        """A new identifier. Time and entropy are spelled out for many at once: 0.3 us an id, 2 us one by one."""
        at = self._at
        if at >= len(self._pool):
            self._pool = self._entropy.bytes(_RANDOM_CHARS * _IDS_AT_ONCE).translate(_LETTERS).decode()
            at = 0
        self._at = stop = at + _RANDOM_CHARS
        ms = self._clock.now_ns() // 1_000_000
        if ms >> 10 != self._seconds:
            self._seconds = ms >> 10
            self._prefix = "call_" + "".join(_PAIRS[ms >> shift & 1023] for shift in (40, 30, 20, 10))
        return self._prefix + _PAIRS[ms & 1023] + self._pool[at:stop]


def minted_ns(call_id: str) -> int | None:
    """When a call's identifier was minted, wall ns to the millisecond; None for what is no identifier of a call."""
    body = call_id.removeprefix("call_")
    if len(call_id) != _ID_CHARS or len(body) != _ID_CHARS - 5 or not set(body) <= _SIGNS:
        return None
    ms = 0
    for sign in body[:_TIME_CHARS]:
        ms = ms << 5 | _CODES[sign]
    return ms * 1_000_000
