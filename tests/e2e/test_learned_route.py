"""A classifier trained by the command, pinned in a release, decides in a real gateway whom to ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.clients import TALKS, Asks
from tests.e2e.gateway import Gateway, Vendors, cli
from tests.e2e.workspace import DEADLINES, MODELS, SMALL, VENDORS, app, providers
from tests.routing.test_learned import graded, saved

EASY = "Please write a warm poem about the river for my friend"
HARD = "Write a function that returns the river"
STRATEGY = {
    "name": "learned",
    "model": "model/tiers@1.0.0",
    "classes": {
        "cheap": [f"openai/{SMALL['openai']}", f"google/{SMALL['google']}"],
        "strong": [f"anthropic/{MODELS['anthropic']}"],
    },
    "default": "strong",
    "min_confidence": 0.7,
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, vendors: Vendors) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("learned")
    data = saved(folder, "calls.jsonl", graded(80))
    trained = cli("route", "train", str(data), "--out", str(folder / "tiers.yaml"), "--name", "tiers", cwd=folder)
    assert trained.returncode == 0, trained.stderr
    documents: list[dict[str, Any]] = [
        {**yaml.safe_load((folder / "tiers.yaml").read_text()), "owner": "tests"},
        {
            "kind": "route", "name": "by-need", "version": "1.0.0", "owner": "tests", "strategy": STRATEGY,
            "deadlines": DEADLINES,
        },
        app("by-need", "by-need"),
    ]  # fmt: skip
    made = Gateway(folder / "gateway", {"providers": providers(vendors.url)}, documents)
    made.folder.mkdir()
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("sdk", VENDORS)
def test_easy_and_hard_prompts_go_where_they_belong(gateway: Gateway, sdk: str) -> None:
    records: dict[str, Any] = {}
    for words, chosen, provider in ((EASY, "cheap", "openai"), (HARD, "strong", "anthropic")):
        answer = TALKS[sdk](gateway, "by-need", Asks(words)).ask(False)
        record = gateway.record(answer.call_id)
        (attempt,) = record["attempts"]
        assert attempt["provider"] == provider
        assert attempt["why"].startswith(f"class `{chosen}`: model/tiers@1.0.0 is ")
        assert any(f"model/tiers@1.0.0 took it for `{chosen}`" in line for line in record["explanation"])
        routed = record["routed"]
        assert (routed["chosen"], routed["found"], routed["model"]) == (chosen, chosen, "model/tiers@1.0.0")
        assert 0.7 <= routed["confidence"] <= 1
        assert record["call"]["cost_usd"] > 0
        records[chosen] = record["call"]
    assert records["cheap"]["cost_usd"] < records["strong"]["cost_usd"]


def test_doubt_takes_the_default(gateway: Gateway) -> None:
    answer = TALKS["openai"](gateway, "by-need", Asks("Hm.")).ask(False)
    (attempt,) = gateway.record(answer.call_id)["attempts"]
    assert attempt["provider"] == "anthropic"
    assert attempt["why"] == "class `strong` by default: model/tiers@1.0.0 is only 64% sure of `cheap`"


def test_a_class_has_fallbacks_of_its_own(gateway: Gateway, vendors: Vendors) -> None:
    with vendors.failing("f1-503", "openai"):
        answer = TALKS["openai"](gateway, "by-need", Asks(EASY)).ask(False)
    record = gateway.record(answer.call_id)
    assert [one["provider"] for one in record["attempts"]] == ["openai", "google"]
    assert record["attempts"][1]["why"] == "fallback 1 of class `cheap`"


def test_the_command_judges_what_it_trained(gateway: Gateway, tmp_path: Path) -> None:
    unseen = saved(tmp_path, "unseen.jsonl", graded(40))
    judged = cli("route", "evaluate", str(gateway.folder.parent / "tiers.yaml"), str(unseen), "--json", cwd=tmp_path)
    told = json.loads(judged.stdout)
    assert told["accuracy"][0] == 1.0
    assert told["trades"][0]["saved"] == pytest.approx(0.45)
    assert judged.returncode == (0 if told["beats_both"] else 1)
