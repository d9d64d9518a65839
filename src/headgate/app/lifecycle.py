"""What becomes of the models in use: warnings before one retires, word of a price that changed, and both on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import msgspec

from headgate.app.config import Config
from headgate.app.folder import refuse_newer, write_whole
from headgate.app.published import compile_served
from headgate.app.snapshot import Compiled, day_of
from headgate.core.errors import ConfigError, StoreUnavailable
from headgate.core.events import CRITICAL, INFO, WARNING, Event, Figure
from headgate.core.handlers import Ask, Handler
from headgate.core.keys import EVERY_TENANT
from headgate.core.ports import Clock, EventSink
from headgate.core.roles import allow
from headgate.core.snapshot import Target
from headgate.telemetry import CallQueries

WARN_DAYS = (90, 30, 7, 0)
GRAVE_DAYS = 7
USED_DAYS = 30  # a model that was called within them is in use, though no route names it
TOLD_FILE = "lifecycle.json"
DAY_NS = 86_400_000_000_000


class ModelLine(msgspec.Struct, frozen=True):
    """A model in use. `target` is `account/model`, `retires` the UTC day on which it is taken away and `days` how many
    are left (negative: since), `successor` what follows it. Prices in US dollars per million tokens, None unknown.
    `routed`: a route of the workspace names it; else it was called by its own name."""

    target: str
    retires: str | None
    days: int | None
    successor: str | None
    input: float | None
    output: float | None
    routed: bool


class ModelLines(msgspec.Struct, frozen=True):
    """Every model in use, those that retire first at the top."""

    today: str
    models: list[ModelLine]


class Told(msgspec.Struct):
    """What was told already: by target, the least number of days before its end, and the prices last seen."""

    warned: dict[str, int] = {}
    prices: dict[str, list[float | None]] = {}
    format: int = 1


class LifecycleMonitor:
    """Looks once in a while. What it told is kept in the state folder, so that a restart repeats nothing."""

    def __init__(
        self, reread: Callable[[], Config], calls: CallQueries, state: Path, sink: EventSink, clock: Clock
    ) -> None:
        self._reread = reread
        self._calls = calls
        self._path = state / TOLD_FILE
        self._sink = sink
        self._clock = clock

    def look(self) -> None:
        """Tell what is new. Raises ConfigError, StoreUnavailable, OSError; what was not told is told the next time."""
        told = self._told()
        before = msgspec.json.encode(told, order="sorted")
        for line in self.lines().models:
            self._warn(line, told)
            self._price(line, told)
        after = msgspec.json.encode(told, order="sorted")
        if after != before:
            write_whole(self._path, after)

    def lines(self) -> ModelLines:
        """Every model in use. Raises ConfigError where the configuration cannot be read, StoreUnavailable."""
        compiled = compile_served(self._reread(), self._clock)
        now_ns = self._clock.now_ns()
        today = day_of(now_ns)
        routed = routed_targets(compiled)
        used: dict[str, Target] = {}
        for rollup in self._calls.rollups(EVERY_TENANT, now_ns - USED_DAYS * DAY_NS, now_ns + DAY_NS):
            target = compiled.targets.target(rollup.key.provider, rollup.key.model)
            if target is not None:
                used.setdefault(str(target), target)
        lines = [_line(target, today, True) for target in routed.values()]
        lines += [_line(target, today, False) for name, target in used.items() if name not in routed]
        return ModelLines(today, sorted(lines, key=lambda line: (line.retires or "9", line.target)))

    def _warn(self, line: ModelLine, told: Told) -> None:
        if line.days is None:
            return
        due = [days for days in WARN_DAYS if line.days <= days]
        if not due or told.warned.get(line.target, WARN_DAYS[0] + 1) <= min(due):
            return
        told.warned[line.target] = min(due)
        follows = f"its successor is {line.successor}" if line.successor else "its vendor names no successor"
        when = f"retires in {line.days} days, on {line.retires}" if line.days > 0 else f"retired on {line.retires}"
        severity = CRITICAL if line.days <= GRAVE_DAYS else WARNING
        figures = {"days": line.days, "retires": line.retires, "successor": line.successor}
        self._tell("model_retires", line.target, f"{when}; {follows}", severity, figures)

    def _price(self, line: ModelLine, told: Told) -> None:
        now = [line.input, line.output]
        seen = told.prices.get(line.target)
        told.prices[line.target] = now
        if seen is None or seen == now:
            return
        text = (
            f"${_usd(seen[0])} in and ${_usd(seen[1])} out before, ${_usd(now[0])} and ${_usd(now[1])} now, a million"
        )
        figures = {"input_before": seen[0], "output_before": seen[1], "input": now[0], "output": now[1]}
        self._tell("price_changed", line.target, text, INFO, figures)

    def _tell(self, kind: str, subject: str, text: str, severity: str, figures: Mapping[str, Figure]) -> None:
        self._sink.emit(Event(kind, self._clock.now_ns(), subject, text, severity, figures))

    def _told(self) -> Told:
        try:
            data = self._path.read_bytes()
            refuse_newer(self._path, data, Told().format)
            return msgspec.json.decode(data, type=Told)
        except FileNotFoundError:
            return Told()
        except msgspec.DecodeError as error:
            raise ConfigError(
                str(self._path), f"cannot be read: {error}", "remove it: warnings are told anew"
            ) from error


def routed_targets(compiled: Compiled) -> dict[str, Target]:
    """The targets of every route of the workspace, by name, retired ones under their own."""
    found: dict[str, Target] = {}
    for route in compiled.routes.values():
        for target in (*route.targets, *route.continue_with):
            found.setdefault(str(target), target)
    return found


def handlers(monitor: LifecycleMonitor) -> list[Handler]:
    """What can be asked about models in use."""

    def lines(_ask: Ask) -> ModelLines:
        try:
            return monitor.lines()
        except ConfigError as error:
            raise StoreUnavailable(f"the configuration cannot be read: {error.where}: {error.wrong}") from error

    return [
        Handler(
            "GET", "/api/models", "Models in use: prices, retirement, successors", lines, ModelLines, allow("viewer")
        )
    ]


def _line(target: Target, today: str, routed: bool) -> ModelLine:
    price = target.price
    days = None if target.retires is None else (date.fromisoformat(target.retires) - date.fromisoformat(today)).days
    return ModelLine(
        str(target),
        target.retires,
        days,
        None if target.successor is None else target.successor.model,
        None if price is None else price.input,
        None if price is None else price.output,
        routed,
    )


def _usd(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"
