"""Retirement through a whole gateway: a successor stands in, one that goes early is followed, owners are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway import Gateway, Vendors, until
from tests.e2e.workspace import MODELS, app, providers, route

BODY = {"model": "old", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def own(vendors: Vendors, tmp_path: Path) -> Iterator[Gateway]:
    documents = [
        route("old", "openai/gpt-4-turbo", f"google/{MODELS['google']}"), app("old", "old"),
        route("soon", "openai/soon", f"google/{MODELS['google']}"), app("soon", "soon"),
    ]  # fmt: skip
    accounts = providers(vendors.url)
    accounts["openai"]["models"] = {"soon": {"retires": "2999-01-01", "successor": "gpt-6-luna"}}
    made = Gateway(tmp_path, {"providers": accounts}, documents).start()
    yield made
    made.process.kill()


def test_a_retired_model_is_served_by_its_successor(own: Gateway) -> None:
    answer = own.ask(BODY)
    assert answer.status == 200
    assert answer.headers["x-headgate-model"] == "gpt-5.6-sol"
    record = own.record(answer.headers["x-headgate-call-id"])
    assert "in the place of gpt-4-turbo, retired 2026-10-23" in record["attempts"][0]["why"]


def test_a_model_that_is_gone_before_its_day_is_followed(own: Gateway, vendors: Vendors) -> None:
    with vendors.failing("f6-404", "openai", model="soon"):
        answer = own.ask({**BODY, "model": "soon"})
    assert answer.status == 200
    record = own.record(answer.headers["x-headgate-call-id"])
    assert [one["model"] for one in record["attempts"]] == ["soon", "gpt-6-luna"]
    assert "successor" in record["attempts"][1]["why"]


def test_models_in_use_and_the_catalogue_are_shown(own: Gateway) -> None:
    def listed() -> list[dict[str, Any]]:
        return own.api("GET", "/api/models")["models"]

    lines = {line["target"]: line for line in until(listed, 10.0, "models in use")}
    assert lines["openai/soon"]["successor"] == "gpt-6-luna"
    assert lines["openai/soon"]["days"] > 300_000
    printed = own.cli("providers")
    assert printed.returncode == 0
    assert "openai/soon retires 2999-01-01" in printed.stdout
    shown = own.cli("catalogue", "list", "gpt-5-mini")
    assert "2026-12-11" in shown.stdout
    assert "gpt-6.1-terra" in shown.stdout
