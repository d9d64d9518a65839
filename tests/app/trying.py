"""A registry with its host and simulated vendors, and no gateway around them: what trials run on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from headgate.app.config import Config, load_config
from headgate.app.operations import Reloaded
from headgate.app.registry import RegistryHost
from headgate.app.trials import Places, Suites, TrialDesk
from headgate.app.trials.views import TrialRequest, TrialView
from headgate.app.worker import JOURNAL_FOLDER
from headgate.core.handlers import Actor
from headgate.core.record import CallRecord
from headgate.core.roles import allow
from headgate.registry import load_workspace
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.stores.control import ControlStore
from headgate.telemetry import Keeper, fold
from headgate.wire.clock import SystemClock, SystemEntropy
from tests.e2e.gateway import PROVIDER_KEY
from tests.e2e.workspace import MODELS, providers, route

ANN = Actor("key_ann", "ann", "*", allow("author"))
BOSS = Actor("local", "local", "*", allow("admin"))


class Place:
    """`url` is where the simulated vendors are."""

    def __init__(self, folder: Path, url: str, documents: list[dict[str, Any]], **config: Any) -> None:
        self.folder = folder
        self.clock = SystemClock()
        file = folder / "headgate.yaml"
        file.write_text(yaml.safe_dump({"providers": providers(url), "state": "state", **config}))
        (folder / "workspace").mkdir()
        (folder / "workspace" / "all.yaml").write_text(yaml.safe_dump_all(documents))

        def read() -> Config:
            return load_config(file, {"E2E_PROVIDER_KEY": PROVIDER_KEY}, folder)

        state = read().state
        state.mkdir()
        self.store = ControlStore(state)
        self.host = RegistryHost(self.store.registry(), read, lambda: Reloaded("", [], [], 0, [], 0.0), self.clock)
        workspace = load_workspace(folder / "workspace")
        outcome = self.host.registry.apply(workspace.documents(), BOSS, quiet=True)
        assert not workspace.faults + outcome.faults, str([*workspace.faults, *outcome.faults][0])
        self.calls = SqliteCalls(state / "calls", fold)
        self.keeper = Keeper(str(state / JOURNAL_FOLDER), self.calls, self.clock)
        self.places = Places()
        self.trials = TrialDesk(self.host, self.places, self.clock, SystemEntropy())
        self.suites = Suites(self.host, self.places, self.clock, SystemEntropy())

    def try_(self, **request: Any) -> TrialView:
        """A trial as its author asks for it."""
        return self.trials.run(msgspec.convert(request, TrialRequest), ANN)

    def record(self, call_id: str) -> CallRecord:
        """What the store has of a call, once the journal is drained."""
        while self.keeper.step():
            pass
        found = self.calls.call("*", call_id)
        assert found is not None
        return found

    def close(self) -> None:
        self.store.close()
        self.calls.close()


def prompt(version: str, text: str, name: str = "kettle", **more: Any) -> dict[str, Any]:
    inputs = {"type": "object", "properties": {"product": {"type": "string"}, **more.pop("properties", {})}}
    return {
        "kind": "prompt", "name": name, "version": version, "owner": "tests", "message": "-", "inputs": inputs,
        "messages": [{"role": "system", "content": text}], "settings": {"max_tokens": 300}, **more,
    }  # fmt: skip


def documents() -> list[dict[str, Any]]:
    """Two versions of a prompt, two routes, a strict policy, and one app that serves the first version."""
    return [
        prompt("1.0.0", "Sell {{ product }}."),
        prompt("1.1.0", "Sell {{ product }} {{ n }} times.", properties={"n": {"type": "integer"}}),
        route("main", f"openai/{MODELS['openai']}"),
        route("other", f"anthropic/{MODELS['anthropic']}"),
        {
            "kind": "guardrail", "name": "strict", "version": "1.0.0", "owner": "tests", "message": "-",
            "rules": [{"check": "card", "action": "block"}, {"check": "email", "action": "redact", "replace": "[e]"}],
        },
        {
            "kind": "app", "name": "support", "owners": ["tests"], "channels": {"production": 1, "staging": 2},
            "releases": [
                {"number": 1, "prompt": "kettle@1.0.0", "route": "main@1.0.0", "guardrail": "strict@1.0.0"},
                {"number": 2, "prompt": "kettle@1.1.0", "route": "main@1.0.0"},
            ],
            "cache": {"ttl_s": 3600},
        },
    ]  # fmt: skip


def case(user: str, name: str = "", **expect: Any) -> dict[str, Any]:
    """A case of an app whose prompt takes a product."""
    return {"user": user, "variables": {"product": "tea"}, "expect": expect, **({"name": name} if name else {})}
