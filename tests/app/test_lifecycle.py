"""The monitor of models in use, and taking over a newer catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from headgate.app.catalogue import changes, fetched, store, suspicious
from headgate.app.config import Config, load_config
from headgate.app.lifecycle import LifecycleMonitor
from headgate.app.snapshot import compile_snapshot
from headgate.core.calls import Rollup, RollupKey
from headgate.core.errors import ConfigError
from headgate.core.events import Event
from headgate.routing import Catalogue, shipped
from tests.support.world import ManualClock

DAY_NS = 86_400_000_000_000
NOVEMBER = 1_795_564_800_000_000_000  # 2026-11-25, midnight UTC
YAML = """
workspace: workspace
providers:
  openai:
    type: openai
    key_env: KEY
    models:
      mine:
        price: [{input: 1, output: 2}, {input: 3, output: 4, since: 2026-12-01}]
        retires: 2027-02-23
        successor: gpt-6-luna
"""
ROUTE = """
kind: route
name: r
version: 1.0.0
owner: o
message: m
targets: [openai/gpt-5, openai/mine, openai/gpt-6-luna]
"""


class Calls:
    """A store of calls in which `direct` models were called."""

    def __init__(self, *direct: str) -> None:
        self.direct = direct

    def rollups(self, scope: str, since_ns: int, until_ns: int, app: str | None = None) -> list[Rollup]:
        return [Rollup(RollupKey(since_ns, scope, "", "openai", model)) for model in self.direct]


class Heard:
    """Keeps events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def take(self) -> list[tuple[str, str, str]]:
        found = [(event.kind, event.subject, event.severity) for event in self.events]
        self.events.clear()
        return found


class World:
    def __init__(self, folder: Path, *direct: str, now_ns: int = NOVEMBER) -> None:
        (folder / "workspace").mkdir(exist_ok=True)
        (folder / "workspace" / "r.yaml").write_text(ROUTE)
        (folder / "headgate.yaml").write_text(YAML)
        (folder / ".headgate").mkdir(exist_ok=True)
        self.folder = folder
        self.clock = ManualClock(now_ns)
        self.heard = Heard()
        self.calls = Calls(*direct)

    def config(self) -> Config:
        return load_config(self.folder / "headgate.yaml", {"KEY": "k"}, self.folder)

    def monitor(self) -> LifecycleMonitor:
        state = self.folder / ".headgate"
        return LifecycleMonitor(self.config, self.calls, state, self.heard, self.clock)  # type: ignore[arg-type]

    def look(self) -> list[tuple[str, str, str]]:
        self.monitor().look()  # a new one each time: what was told survives a restart
        return self.heard.take()


def test_each_warning_comes_once_and_in_time(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.look() == [
        ("model_retires", "openai/gpt-5", "warning"),  # 16 days: the warning of 30
        ("model_retires", "openai/mine", "warning"),  # 90 days
    ]
    assert world.look() == []
    world.clock.advance(9 * 86_400)
    assert world.look() == [("model_retires", "openai/gpt-5", "critical"), ("price_changed", "openai/mine", "info")]
    world.clock.advance(7 * 86_400)
    assert [kind for kind, _, _ in world.look()] == []  # retired: the successor stands in the route
    lines = {line.target: line for line in world.monitor().lines().models}
    assert "openai/gpt-5" not in lines
    assert "openai/gpt-6.1-sol" in lines


def test_a_model_called_by_its_own_name_is_in_use_too(tmp_path: Path) -> None:
    world = World(tmp_path, "gpt-4o", "gpt-6-luna")
    world.look()
    lines = {line.target: line for line in world.monitor().lines().models}
    assert lines["openai/gpt-4o"].routed is False
    assert (lines["openai/gpt-4o"].days, lines["openai/gpt-4o"].successor) == (50, "gpt-6-luna")
    assert lines["openai/gpt-6-luna"].days is None


def test_a_price_change_is_told_with_both_prices(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.look()
    world.clock.advance(6 * 86_400)
    world.monitor().look()
    (event,) = [event for event in world.heard.events if event.kind == "price_changed"]
    assert event.figures == {"input_before": 1.0, "output_before": 2.0, "input": 3.0, "output": 4.0}


def test_a_damaged_memory_is_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / ".headgate" / "lifecycle.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        world.monitor().look()


def test_a_snapshot_knows_when_it_is_out_of_date(tmp_path: Path) -> None:
    world = World(tmp_path)
    made = compile_snapshot(world.config(), world.clock)
    assert made.snapshot is not None
    assert made.snapshot.changes_ns == NOVEMBER + 6 * DAY_NS
    world.clock.advance(6 * 86_400)
    after = compile_snapshot(world.config(), world.clock).snapshot
    assert after is not None
    assert after.digest == made.snapshot.digest
    mine = next(one for one in made.routes["r@1.0.0"].targets if one.model == "mine")
    assert mine.price is not None
    assert mine.price.input == 1.0


# -- the catalogue


def newer(**change: Any) -> bytes:
    file = shipped()
    row = msgspec.structs.replace(next(row for row in file.models if row.model == "gpt-6-luna"), **change)
    rows = [row if one.model == "gpt-6-luna" else one for one in file.models if one.model != "gpt-6-astra"]
    return msgspec.json.encode(msgspec.structs.replace(file, as_of="2026-12-24", models=rows))


def test_what_changes_is_told_and_taken_over(tmp_path: Path) -> None:
    source = tmp_path / "new.json"
    source.write_bytes(newer(input=0.2))
    after = fetched(str(source))
    assert [(one.model, one.what) for one in changes(shipped(), after)] == [
        ("openai/gpt-6-astra", "gone"), ("openai/gpt-6-luna", "price"),
    ]  # fmt: skip
    assert suspicious(changes(shipped(), after)) == []
    for _ in range(3):
        path = store(tmp_path, after)
    assert (tmp_path / "catalogue.json.2").exists()
    facts = Catalogue.load("2026-12-24", path).find("openai", "gpt-6-luna")
    assert facts is not None
    assert facts.price is not None
    assert facts.price.input == 0.2


def test_an_older_one_does_not_win_over_what_ships(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(shipped(), as_of="2020-01-01", models=[])))
    assert Catalogue.load("", path).find("openai", "gpt-6-luna") is not None


def test_a_leap_of_a_price_is_suspicious(tmp_path: Path) -> None:
    (tmp_path / "new.json").write_bytes(newer(input=999.0))
    assert [one.model for one in suspicious(changes(shipped(), fetched(str(tmp_path / "new.json"))))] == [
        "openai/gpt-6-luna"
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not a catalogue"), (b"[]", "not a catalogue"),
        (b'{"source":"x","as_of":"y","models":[],"format":9}', "format 9"),
    ],
    ids=["broken", "another shape", "newer"],
)  # fmt: skip
def test_what_is_no_catalogue_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "new.json").write_bytes(data)
    with pytest.raises(ConfigError, match=said):
        fetched(str(tmp_path / "new.json"))


@pytest.mark.parametrize("source", ["http://example.com/x.json", "file:///etc/passwd", "ftp://x/y"])
def test_nothing_but_https_is_fetched(source: str) -> None:
    with pytest.raises(ConfigError, match="only https"):
        fetched(source)


@pytest.mark.parametrize("text", ['{"format": 2}', '{"format": 2, "warned": []}'])
def test_a_newer_memory_is_refused_and_left(tmp_path: Path, text: str) -> None:
    world = World(tmp_path)
    file = tmp_path / ".headgate" / "lifecycle.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match="format 2 is a newer"):
        world.look()
    assert file.read_text() == text
