"""A desk and one worker's admission on one folder; keys and limits kept in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from headgate.admission import Admission, KeyDesk, KeySource, LimitDesk, NewKey, SharedLedger, load_pepper
from headgate.core.calls import Rollup, RollupKey
from headgate.core.errors import HeadgateError
from headgate.core.events import Event
from headgate.core.keys import EVERY_TENANT, ScopeLimits, Spend, StoredKey
from headgate.core.snapshot import App, Target
from headgate.core.stages import Admitted, Call, Planned
from headgate.core.types import Price
from tests.support.world import ManualClock, SeededEntropy
from tests.telemetry.builders import call, funded, target

DOLLAR = Price(0.0, 10_000.0)  # 100 tokens of answer at most: one dollar


class MemoryKeys:
    """Implements `admission.KeyStore`."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredKey] = {}
        self.scopes: dict[str, ScopeLimits] = {}

    def add(self, key: StoredKey) -> None:
        self.stored[key.info.id] = key

    def keys(self, scope: str) -> Sequence[StoredKey]:
        return [key for key in self.stored.values() if scope in (EVERY_TENANT, key.info.tenant)]

    def revoke(self, key_id: str, scope: str, at_ns: int) -> StoredKey | None:
        key = self.stored.get(key_id)
        if key is None or scope not in (EVERY_TENANT, key.info.tenant):
            return None
        if key.revoked_ns is None:
            info = msgspec.structs.replace(key.info, revoked=True)
            self.stored[key_id] = msgspec.structs.replace(key, info=info, revoked_ns=at_ns)
        return self.stored[key_id]

    def limits(self, scope: str) -> Sequence[ScopeLimits]:
        return [one for _, one in sorted(self.scopes.items()) if scope in (EVERY_TENANT, one.tenant)]

    def set_limits(self, limits: ScopeLimits) -> None:
        self.scopes.pop(limits.address, None)
        if not limits.limits.none:
            self.scopes[limits.address] = limits


class Spendings:
    """Implements `admission.SpendSource`."""

    def __init__(self) -> None:
        self.spent: dict[str, Spend] = {}
        self.apps: dict[str, float] = {}
        self.asked: list[int] = []

    def spent_since(self, since_ns: int) -> Mapping[str, Spend]:
        self.asked.append(since_ns)
        return self.spent

    def rollups(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> Sequence[Rollup]:
        assert scope == EVERY_TENANT
        return [Rollup(RollupKey(since_ns, scope, name, "p", "m"), cost_usd=usd) for name, usd in self.apps.items()]


class Heard:
    """Implements `core.ports.EventSink`."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


class Gate:
    """A desk and one worker on one folder. Calls cost a dollar at worst unless their targets say otherwise."""

    def __init__(self, folder: Path, shared: bool = False) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.store = MemoryKeys()
        self.spending = Spendings()
        self.heard = Heard()
        peppered = load_pepper(folder, SeededEntropy(1))
        self.desk = KeyDesk(self.store, folder, peppered, self.clock, SeededEntropy(2), self.spending)
        self.desk.publish()
        self.ledger = SharedLedger.open(folder, self.clock) if shared else SharedLedger.alone(self.clock)
        self.admission = Admission(KeySource(folder, peppered), self.clock, self.ledger, self.heard)
        self.limits = LimitDesk(self.store, self.desk, self.ledger, self.clock)
        self.count = 0
        self.id = ""

    def key(self, **fields) -> str:
        made = self.desk.create(NewKey(**{"name": "k", "tenant": "acme", **fields}), "tests")
        self.admission.refresh()
        self.id = made.key.info.id
        return made.secret

    def limit(self, address: str, **change) -> None:
        self.limits.set(address, change, EVERY_TENANT, "tests")
        self.admission.refresh()

    def stands(self, address: str | None = None):
        """How a limited scope stands; the key made last unless said otherwise."""
        wanted = address or f"key/{self.id}"
        return next(line.standing for line in self.limits.lines(EVERY_TENANT) if line.address == wanted)

    def call(self, secret: str | None) -> Call:
        self.count += 1
        made = call(self.clock, self.count)
        made.credential = secret
        return made

    def plan(self, admitted: Admitted, *targets: Target, app: str | None = None, stream: bool = False) -> Planned:
        chosen = targets or (target(price=DOLLAR),)
        of = None if app is None else App(app, (), {}, "production")
        admitted.call.record.stream = stream
        return planned_for(funded(admitted.call, *chosen, app=of, stream=stream).planned, admitted)

    def reserve(self, secret: str, *targets: Target, app: str | None = None, stream: bool = False):
        """The record of a call and its reservation."""
        admitted = self.admission.admit(self.call(secret))
        plan = self.plan(admitted, *targets, app=app, stream=stream)
        try:
            return admitted.call.record, self.admission.reserve(plan)
        except HeadgateError:
            self.admission.correct(admitted.call.record)  # a refused call is over, as the gateway says of every record
            raise

    def spend(self, secret: str, usd: float, *targets: Target, app: str | None = None) -> None:
        """A whole call that costs so much."""
        record, reservation = self.reserve(secret, *targets, app=app)
        with reservation:
            record.cost_usd, record.input_tokens, record.output_tokens, record.outcome = usd, 10, 5, "ok"


def planned_for(planned: Planned, admitted: Admitted) -> Planned:
    """The plan, as made for this caller."""
    replace = msgspec.structs.replace
    grounded = planned.screened.grounded
    selected = replace(grounded.prompted.selected, admitted=admitted)
    grounded = replace(grounded, prompted=replace(grounded.prompted, selected=selected))
    return replace(planned, screened=replace(planned.screened, grounded=grounded))
