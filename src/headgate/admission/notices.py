"""Budgets that are nearly or wholly spent, as events for operators."""

from __future__ import annotations

from headgate.admission.account import NANO
from headgate.admission.holds import Notice
from headgate.core.events import CRITICAL, WARNING, Event


def event_of(notice: Notice, at_ns: int) -> Event:
    """`budget_warning` at 80 percent, `budget_spent` where calls are refused; once in a period each."""
    account, percent, spent_nano = notice
    limits = account.limits
    spent, budget = spent_nano / NANO, limits.budget_usd or 0.0
    period = "in total" if limits.budget_period == "total" else f"this {limits.budget_period}"
    told = "calls are refused" if percent == 100 else f"{spent / budget:.0%} of it" if budget else ""
    return Event(
        kind="budget_spent" if percent == 100 else "budget_warning",
        at_ns=at_ns,
        subject=account.address,
        text=f"${spent:.2f} of the ${budget:g} of {account.address} are spent {period}: {told}",
        severity=CRITICAL if percent == 100 else WARNING,
        figures={
            "spent_usd": spent,
            "budget_usd": budget,
            "period": limits.budget_period,
            "resets_in_s": account.until_s(at_ns),
        },
    )
