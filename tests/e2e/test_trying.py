"""Trying prompts on a running gateway, from the command line."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from tests.app.trying import documents
from tests.e2e.gateway import Answer, Gateway, Vendors, until
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


CASES = """\
name: basics
cases:
  - {name: size, user: '[[say]] two litres', variables: {product: tea}, expect: {contains: litres, judge: short}}
  - {name: card, user: 4111 1111 1111 1111, variables: {product: tea}, expect: {outcome: blocked}}
"""


def test_a_release_goes_live_once_it_is_tested(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = documents()
    made[-1]["review"] = {"self_approval": True, "tests": {"cases": "basics", "days": 1}}
    made[-1]["channels"] = {"staging": 1}
    made[-1]["default_channel"] = "staging"
    made[-1]["releases"] = [made[-1]["releases"][0]]
    folder = tmp_path_factory.mktemp("tested")
    gateway = Gateway(folder, {"providers": providers(vendors.url)}, made).start()
    try:
        (folder / "cases.yaml").write_text(CASES.replace(", judge: short", ""))
        (folder / "judged.yaml").write_text(CASES)
        assert gateway.cli("review", "approve", "support#1").returncode == 0
        refused = gateway.cli("promote", "support", "production", "1")
        assert refused.returncode == 2
        assert "`headgate test support --release 1 --cases FILE`" in refused.stderr
        before = vendors.state()["answered"]
        tested = gateway.cli("test", "support", "--release", "1", "--cases", "cases.yaml", "--repeat", "3")
        assert tested.returncode == 0, tested.stderr
        assert vendors.state()["answered"] - before == 3  # the app caches, and no run came out of it
        assert "support#1: 6 of 6 runs passed: 100.0%, at 95% between 54.1% and 100.0%" in tested.stdout
        assert gateway.cli("promote", "support", "production", "1").returncode == 0
        judged = gateway.cli("test", "support", "--cases", "judged.yaml", "--min-pass", "0.5", "--json")
        report = json.loads(judged.stdout)
        assert report["tally"]["judge_usd"] > 0
        assert report["tally"]["cases"][0]["rulings"][0].startswith(("pass: ", "fail: "))
        assert "6 of 6 passed" in gateway.cli("history", "--subject", "support#1").stdout
        assert gateway.cli("test", "support", "--cases", "nowhere.yaml").returncode == 2
    finally:
        gateway.stop()


def test_a_gateway_that_stops_waits_for_no_trial_and_leaves_its_record(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    own = Vendors(tmp_path_factory.mktemp("hanging"))
    gateway = Gateway(tmp_path_factory.mktemp("stopping"), {"providers": providers(own.url)}, documents()).start()
    try:
        with own.failing("f14-hang"):
            trial = {"prompt": "kettle@1.0.0", "texts": {"product": "tea"}, "user": "hi"}
            answers: list[Answer] = []
            asking = threading.Thread(target=lambda: answers.append(gateway.api_answer("POST", "/api/trials", trial)))
            asking.start()
            case = {"user": "hi", "variables": {"product": "tea"}, "expect": {"contains": "x"}}
            body = {"name": "n", "content": {"cases": [case]}}
            assert gateway.api_answer("POST", "/api/apps/support/tests", body).status == 202
            until(lambda: own.state()["rules"][0]["hits"] == 2, 15, "both calls are at the vendor")
            assert gateway.stop() == 0
        asking.join(20)
        assert [(one.status, one.json()["error"]["message"]) for one in answers] == [
            (503, "the gateway is about to stop")
        ]
        gateway.start()
        calls = until(lambda: [one for one in gateway.calls() if one["outcome"] != "in_flight"], 15, "on record")
        assert sorted((one["app"], one["outcome"]) for one in calls) == [
            ("support", "cancelled"),
            ("trial", "cancelled"),
        ]
    finally:
        gateway.stop()
        own.process.stop()
