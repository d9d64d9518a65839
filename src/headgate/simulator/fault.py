"""What a fault is: at which points of an answer's way it interferes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from headgate.simulator.messages import ApiError, Bend, Frame, Reply, Request, Vendor
from headgate.simulator.steps import Pace, Step


@dataclass(frozen=True, slots=True)
class Knobs:
    """A fault's particulars: `after` content events before it strikes, the seconds of a pause and of a period."""

    after: int = 3
    drip_s: float = 29.0
    period_s: float = 30.0
    pace: Pace = field(default_factory=Pace)


Refuse: TypeAlias = "Callable[[Vendor], ApiError]"
Refit: TypeAlias = "Callable[[list[Frame], Vendor, Knobs], list[Frame]]"
Remake: TypeAlias = "Callable[[Reply, Vendor, Request], Reply]"
Act: TypeAlias = "Callable[[Reply, Knobs], Iterator[Step]]"


@dataclass(frozen=True, slots=True)
class Fault:
    """One shape of the catalogue. A request meets the hooks in this order: `refuse` answers in the vendor's place,
    `bend` changes what the model says, `refit` the events of a stream, `remake` the whole reply, `act` its bytes.

    `share` is the part of requests it strikes where nobody says otherwise. `reused` strikes only connections that have
    served a request before, `odd_keys` only half of all keys, `flaps` only every other period. `blind` acts on any
    reply, others leave refusals as they are.
    """

    name: str
    summary: str
    refuse: Refuse | None = None
    bend: Bend | None = None
    refit: Refit | None = None
    remake: Remake | None = None
    act: Act | None = None
    share: float = 1.0
    reused: bool = False
    odd_keys: bool = False
    flaps: bool = False
    blind: bool = False
