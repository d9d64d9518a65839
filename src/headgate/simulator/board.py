"""The fault rules in force: set at start, changed at run time, counted as they strike.

Text form: `[VENDOR:]FAULT[@SHARE][,NAME=VALUE ...]`, vendor `openai`, `anthropic`, `google` or `*`; names `count`,
`seconds`, `after`, `period`, `drip`, `key`, `model`; `openai:f1-503@0.25,count=10`. A fault's family alone (`f16`)
means its first shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headgate.simulator.brain import mark
from headgate.simulator.fault import Fault, Knobs
from headgate.simulator.faults import CATALOGUE
from headgate.simulator.messages import Request, Vendor
from headgate.simulator.steps import Pace
from headgate.simulator.trees import Tree

VENDORS = ("openai", "anthropic", "google", "*")
RULES_MAX = 100
_FIGURES = ("share", "count", "seconds", "after", "period", "drip")
_WORDS = ("vendor", "fault", "key", "model")


@dataclass(slots=True)
class Rule:
    """One rule. None: not limited. `seconds` counts from when it was set. `hits` counts strikes, `seen` requests."""

    fault: Fault
    vendor: str = "*"
    share: float = 1.0
    count: int | None = None
    seconds: float | None = None
    key: str | None = None
    model: str | None = None
    after: int | None = None
    period: float | None = None
    drip: float | None = None
    since: float = 0.0
    hits: int = 0
    seen: int = 0

    def shown(self) -> Tree:
        """The rule and its counters as JSON."""
        return {
            "vendor": self.vendor,
            "fault": self.fault.name,
            "share": self.share,
            "count": self.count,
            "seconds": self.seconds,
            "key": self.key,
            "model": self.model,
            "after": self.after,
            "hits": self.hits,
            "seen": self.seen,
        }


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that strikes this request, with its particulars."""

    fault: Fault
    knobs: Knobs


def find(name: str) -> Fault:
    """The fault of that name, or the first of that family. Raises ValueError naming what would be right."""
    wanted = name.lower()
    if wanted in CATALOGUE:
        return CATALOGUE[wanted]
    family = next((one for one in CATALOGUE if one.startswith(wanted + "-")), None)
    if family is None:
        raise ValueError(f"no fault is called {name!r}; see the catalogue: {', '.join(CATALOGUE)}")
    return CATALOGUE[family]


def parse(said: str) -> Rule:
    """A rule in text form. Raises ValueError."""
    head, *options = said.split(",")
    vendor, colon, rest = head.partition(":")
    name, _, share = (rest if colon else head).partition("@")
    given: Tree = {"vendor": vendor if colon else "*", "fault": name}
    if share:
        given["share"] = _figure(share, said)
    for option in options:
        field, _, value = option.partition("=")
        given[field.strip()] = value if field.strip() in _WORDS else _figure(value, said)
    return from_tree(given)


def _figure(value: str, said: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{value!r} in {said!r} is no number") from None


def from_tree(given: Tree) -> Rule:
    """A rule from JSON. Raises ValueError for unknown fields, vendors, faults and wrong types."""
    for field, value in given.items():
        if field not in (*_FIGURES, *_WORDS):
            raise ValueError(f"unknown field {field!r}; known: {', '.join((*_WORDS, *_FIGURES))}")
        wanted = str if field in _WORDS else int | float
        if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise ValueError(f"{field!r} must be {'a string' if field in _WORDS else 'a number'}")
    figures = {name: float(str(given[name])) for name in _FIGURES if given.get(name) is not None}
    words = {name: str(given[name]) for name in _WORDS if given.get(name) is not None}
    fault = find(words.get("fault", ""))
    vendor = words.get("vendor", "*")
    if vendor not in VENDORS:
        raise ValueError(f"no vendor is called {vendor!r}; known: {', '.join(VENDORS)}")
    share = figures.get("share", fault.share)
    if not 0 < share <= 1:
        raise ValueError("share must be above 0 and at most 1")
    rule = Rule(fault, vendor, share, None, figures.get("seconds"), words.get("key"), words.get("model"))
    rule.count = int(figures["count"]) if "count" in figures else None
    rule.after = int(figures["after"]) if "after" in figures else None
    rule.period, rule.drip = figures.get("period"), figures.get("drip")
    return rule


class Board:
    """Holds the rules and decides which strikes a request: its own header or model suffix first, then the rules."""

    def __init__(self, seed: int, knobs: Knobs, now: Callable[[], float]) -> None:
        self._seed = seed
        self._knobs = knobs
        self._now = now
        self._rules: list[Rule] = []
        self.answered = 0
        self.struck = 0

    def add(self, rule: Rule) -> None:
        """Puts a rule in force. Raises ValueError where there are too many."""
        if len(self._rules) >= RULES_MAX:
            raise ValueError(f"more than {RULES_MAX} rules; DELETE them first")
        rule.since = self._now()
        self._rules.append(rule)

    def reset(self) -> None:
        """Takes all rules out of force and counts from zero."""
        self._rules.clear()
        self.answered = self.struck = 0

    def shown(self) -> Tree:
        """Rules and counters as JSON."""
        return {"answered": self.answered, "struck": self.struck, "rules": [rule.shown() for rule in self._rules]}

    def strike(self, vendor: Vendor, request: Request, suffix: str) -> Strike | None:
        """The fault for this request; None where all is well. Raises ValueError for an unknown fault in its header or
        suffix."""
        self.answered += 1
        own = request.headers.get("x-simulator-fault") or suffix
        candidates = [parse(own)] if own else self._rules
        for rule in candidates:
            if self._applies(rule, vendor, request):
                rule.hits += 1
                self.struck += 1
                return Strike(rule.fault, self._tuned(rule))
        return None

    def _tuned(self, rule: Rule) -> Knobs:
        base = self._knobs
        after = base.after if rule.after is None else rule.after
        drip = base.drip_s if rule.drip is None else rule.drip
        pace: Pace = base.pace
        return Knobs(after, drip, rule.period or base.period_s, pace)

    def _applies(self, rule: Rule, vendor: Vendor, request: Request) -> bool:
        age = self._now() - rule.since
        if rule.vendor not in ("*", vendor.name) or (rule.count is not None and rule.hits >= rule.count):
            return False
        if rule.seconds is not None and age >= rule.seconds:
            return False
        if rule.key is not None and rule.key != vendor.key(request):
            return False
        if rule.model is not None and rule.model != vendor.model(request):
            return False
        fault = rule.fault
        if fault.reused and request.nth < 2:
            return False
        if fault.odd_keys and int(mark(vendor.key(request))[0], 16) % 2 == 0:
            return False
        if fault.flaps and int(age / (rule.period or self._knobs.period_s)) % 2:
            return False
        rule.seen += 1
        if rule.share >= 1:
            return True
        return int(mark(self._seed, rule.fault.name, rule.seen)[:8], 16) / 0x1_0000_0000 < rule.share
