"""Payment card numbers: 13 to 19 digits in groups, a network's prefix and length, and the Luhn checksum.

Prefixes and lengths are those of ISO/IEC 7812 ranges as the networks publish them: Visa, Mastercard, American Express,
Discover, Diners Club, JCB, UnionPay, Maestro, Mir. Digits may be in groups of three or more, parted by a space, a
hyphen or their typographic kin; shorter groups are number series, not cards.
"""

from __future__ import annotations

from headgate.core.types import JsonObject
from headgate.guardrails.check import Check, Fault

SETTINGS: tuple[str, ...] = ()

_GROUP_DIGITS_MIN = 3
_BREAK = r"[ \-\x{A0}\x{2010}-\x{2013}\x{202F}]?"

_ROUND = "0" * 11  # a sum or a span of time in small units, not an account

# (first prefix, last prefix, lengths); prefixes are compared over their own number of digits
_NETWORKS: tuple[tuple[int, int, range | tuple[int, ...]], ...] = (
    (4, 4, (13, 16, 19)),
    (51, 55, (16,)),
    (2221, 2720, (16,)),
    (34, 34, (15,)),
    (37, 37, (15,)),
    (6011, 6011, range(16, 20)),
    (644, 649, range(16, 20)),
    (65, 65, range(16, 20)),
    (300, 305, range(14, 20)),
    (36, 36, range(14, 20)),
    (38, 39, range(14, 20)),
    (3528, 3589, range(16, 20)),
    (1800, 1800, (15,)),  # JCB cards of the first series
    (2131, 2131, (15,)),
    (62, 62, range(16, 20)),
    (2200, 2204, range(16, 20)),
    (50, 50, range(13, 20)),
    (56, 58, range(13, 20)),
    (63, 63, range(13, 20)),
    (67, 67, range(13, 20)),
)


def make(settings: JsonObject, fault: Fault) -> Check:
    """Takes no settings."""
    return Check(
        pattern=rf"\b(?:[2-6](?:{_BREAK}\d){{12,18}}|1800(?:{_BREAK}\d){{11}})\b",
        longest=19 + 18,
        replace="[card]",
        verify=_verify,
    )


def _verify(text: str, start: int, end: int) -> int | None:
    """The longest beginning of the candidate that ends with a group and is a card number."""
    if text[max(start - 1, 0) : start] in (".", ","):
        return None  # the digits of a fraction
    digits = ""
    found: int | None = None
    group = 0
    for at in range(start, end):
        if not text[at].isdigit():
            if group < _GROUP_DIGITS_MIN:
                break
            group = 0
            continue
        digits += text[at]
        group += 1
        closed = at + 1 == end or not text[at + 1].isdigit()
        if closed and group >= _GROUP_DIGITS_MIN and _known(digits) and _luhn(digits):
            found = at + 1
    return found


def _known(digits: str) -> bool:
    size = len(digits)
    if digits.endswith(_ROUND):
        return False
    return any(first <= int(digits[: len(str(first))]) <= last for first, last, lengths in _NETWORKS if size in lengths)


def _luhn(digits: str) -> bool:
    """The checksum of ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) << (place & 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
