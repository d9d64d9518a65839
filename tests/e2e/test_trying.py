"""Trying prompts on a running gateway, from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.app.trying import documents
from tests.e2e.gateway import Gateway, Vendors
from tests.e2e.workspace import providers


@pytest.fixture(scope="module")
def gateway(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway(tmp_path_factory.mktemp("trying"), {"providers": providers(vendors.url)}, documents()).start()
    yield made
    made.stop()


def test_a_file_is_tried_against_what_is_live_and_is_on_record(gateway: Gateway) -> None:
    (gateway.folder / "next.yaml").write_text(
        "kind: prompt\nname: kettle\nversion: 1.0.1\nowner: me\nsettings: {max_tokens: 50}\n"
        "inputs: {type: object, properties: {product: {type: string}}}\n"
        "messages: [{role: system, content: 'Praise {{ product }}.'}]\n"
    )
    said = ["--var", "product=tea", "--user", "[[system]]"]
    done = gateway.cli("prompt", "run", "next.yaml", "--against", "1.0.0", *said)
    assert done.returncode == 0, done.stderr
    for words in ("kettle@1.0.1, from the file", "Praise tea.", "Sell tea.", "main@1.0.0 under strict@1.0.0"):
        assert words in done.stdout
    calls = [word for line in done.stdout.splitlines() if line.startswith("call ") for word in line.split()[1:]]
    record = gateway.record(calls[0])
    assert (record["call"]["app"], record["call"]["tenant"], record["call"]["outcome"]) == ("trial", "system", "ok")
    assert any("answered for channel trial" in line for line in record["explanation"])
    assert len(calls) == 2


def test_who_may_not_write_prompts_may_not_try_them(gateway: Gateway) -> None:
    made = gateway.api("POST", "/api/keys", {"name": "rob", "roles": ["reviewer"]})
    done = gateway.cli("prompt", "run", "kettle", "--url", gateway.management, "--admin-key", made["secret"])
    assert done.returncode == 2
    assert "takes the role admin or author" in done.stderr


def test_trials_are_no_traffic(gateway: Gateway) -> None:
    done = gateway.cli("prompt", "run", "kettle@1.0.0", "--var", "product=x", "--user", "hi", "--json")
    gateway.record(json.loads(done.stdout)["sides"][0]["answer"]["call"])
    coverage = gateway.cli("coverage", "--since", "1h", "--json")
    assert json.loads(coverage.stdout)["calls"] == 0
