"""What a call holds of the ledger, and what the ledger tells."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from headgate.admission.account import Account

Share: TypeAlias = "tuple[Account, int, int, int, bool]"
"""What a call took of one account: nano-dollars held, the start of the budget's period (NO_PERIOD: no budget), tokens,
whether it is counted as in flight. A plain tuple: a named one takes 0.2 us more to make."""


class Hold:
    """What one call holds, and what it was charged in the end."""

    __slots__ = ("charged", "charged_tokens", "settled", "shares")

    def __init__(self, shares: list[Share]) -> None:
        self.shares = shares
        self.charged = 0
        self.charged_tokens = 0
        self.settled = False


class Notice(NamedTuple):
    """A budget that came to 80 or to 100 percent, told once in its period."""

    account: Account
    percent: int
    spent_nano: int


class Standing(NamedTuple):
    """How an account stands: nano-dollars, calls in flight, units in the buckets of this minute."""

    spent_nano: int = 0
    held_nano: int = 0
    calls: int = 0
    requests: int = 0
    tokens: int = 0
