"""What a fault drill runs: a shape, who is struck by it, who asks, and the app that is set up for that."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.app.drills.shapes import Expected, Shape
from headgate.app.drills.stand import Account, Scene
from headgate.simulator.brain import mark

VENDORS = ("openai", "anthropic", "google")
LONG = {"connect_s": 8.0, "first_token_s": 10.0, "idle_s": 10.0, "total_s": 20.0}
BRIEF = {"connect_s": 1.0, "first_token_s": 0.6, "idle_s": 0.6, "total_s": 10.0}
SMALL_TOKENS, LARGE_TOKENS = 200_000, 2_000_000  # context windows


class Case(msgspec.Struct, frozen=True):
    """A shape, the vendor that is struck, and the client's dialect and kind of answer."""

    shape: Shape
    vendor: str
    dialect: str
    stream: bool
    expected: Expected


class Choice(msgspec.Struct, frozen=True):
    """Which cases: clients' dialects, and kinds of answer (streamed or not)."""

    dialects: Sequence[str] = VENDORS
    streams: Sequence[bool] = (False, True)


EVERY = Choice()


def cases(found: Sequence[Shape], choice: Choice = EVERY) -> list[Case]:
    """Every case of some shapes: each client's own vendor is struck, and the others where the shape is `cross`."""
    return [
        Case(shape, vendor, dialect, stream, expected)
        for shape in found
        for dialect in choice.dialects
        for vendor in (VENDORS if shape.cross else (dialect,))
        for stream in choice.streams
        if (expected := shape.expected(vendor, stream)) is not None
    ]


def app_of(number: int) -> str:
    """The app that case `number` calls."""
    return f"case-{number}"


def scene(number: int, case: Case) -> Scene:
    """Who is asked in a case, and which of the simulator's rules make the shape."""
    shape, first = case.shape, VENDORS.index(case.vendor)
    order = [VENDORS[(first + at) % len(VENDORS)] for at in range(len(VENDORS))]
    if shape.others == "key":
        order = [case.vendor, case.vendor]
    accounts = [
        Account(f"{vendor}-{number}-{at}", vendor, _key(number, at, at == 0), shape.name if odd else None)
        for at, vendor in enumerate(order)
        for odd in [shape.by == "network" and at == 0]
    ]
    struck = {"two": 2, "none": 3, "key": 2}.get(shape.others, 1)
    accounts = accounts[: max(struck, 3 if shape.others == "two" else 2)]
    if shape.others == "larger":
        sizes = (SMALL_TOKENS, LARGE_TOKENS)
        accounts = [msgspec.structs.replace(one, context=size) for one, size in zip(accounts, sizes, strict=True)]
    rules = [f"{one.vendor}:{shape.made_by},key={one.key}{shape.knobs}" for one in accounts[:struck]]
    deadlines = BRIEF if shape.brief else LONG
    return Scene(app_of(number), accounts, deadlines, rules if shape.by == "simulator" else [])


def _key(number: int, at: int, odd: bool) -> str:
    """A provider's key; `odd`: it is of the half of all keys that the simulator's skew strikes."""
    salt = 0
    while bool(int(mark(f"sim-{number}-{at}-{salt}")[0], 16) % 2) is not odd:
        salt += 1
    return f"sim-{number}-{at}-{salt}"
