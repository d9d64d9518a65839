"""Prompts that are strings in code: found, grouped, counted and adopted, with an official SDK through a gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from tests.e2e.gateway import Gateway, Recorder, Vendors, cli, until
from tests.e2e.workspace import SEEN_MODELS, providers

SEEN = SEEN_MODELS["openai"]


@pytest.fixture(scope="module")
def fresh(vendors: Vendors, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has seen no call yet, with a policy that takes e-mail addresses out."""
    policy = {
        "kind": "guardrail", "name": "mail", "version": "1.0.0", "owner": "me",
        "rules": [{"check": "email", "action": "redact", "replace": "[email]"}],
    }  # fmt: skip
    seen = providers(recorder.url, "-seen")
    seen["openai-seen"]["models"] = {SEEN: {}}
    config = {"providers": {**providers(vendors.url), **seen}, "guardrail": "mail@1"}
    made = Gateway(tmp_path_factory.mktemp("coverage"), config, [policy]).start()
    yield made
    made.stop()


def ask(gateway: Gateway, system: str | None, model: str = "gpt-4o-mini") -> None:
    client = openai.OpenAI(base_url=gateway.url + "/v1", api_key=gateway.key, max_retries=0)
    messages: list[Any] = [] if system is None else [{"role": "system", "content": system}]
    client.chat.completions.create(model=model, messages=[*messages, {"role": "user", "content": "hi"}])
    client.close()


def report(gateway: Gateway, calls: int) -> dict[str, Any]:
    """The coverage once so many calls are counted."""

    def counted() -> dict[str, Any] | None:
        found = gateway.api("GET", "/api/coverage")
        return found if found["calls"] >= calls else None

    return until(counted, 15, f"{calls} calls counted")


def test_two_prompts_of_one_template_are_one_group_that_can_be_adopted(fresh: Gateway, tmp_path: Path) -> None:
    nothing = fresh.cli("coverage")
    assert (nothing.returncode, nothing.stderr) == (1, "")
    assert "nothing to judge by" in nothing.stdout
    ask(fresh, "You help Ann with taxes.\nOrders: 3. Write {{ to }} ann@example.com.")
    ask(fresh, "You help Bob with rent.\nOrders: 12. Write {{ to }} bob@example.com.")
    ask(fresh, "You help Bob with rent.\nOrders: 12. Write {{ to }} bob@example.com.")
    ask(fresh, None)
    found = report(fresh, 4)
    assert (found["registered"], found["share"]) == (0, 0.0)
    (group, none) = found["offenders"]
    assert (group["kind"], group["calls"], group["fingerprints"], group["key"]) == ("grouped", 3, 2, "e2e")
    assert (none["kind"], none["calls"]) == ("no system prompt", 1)
    assert "ann@" not in str(found)
    said = fresh.cli("coverage", "--since", "1h", "--min", "95")
    assert said.returncode == 1
    assert said.stdout.startswith("0% of 4 calls that reached a model since ")
    assert "the bar of 95% is missed" in said.stdout
    assert "You help… with…. Orders:…. Write {{ to }} [email]. (2 texts)" in said.stdout
    assert "(no system prompt)" in said.stdout

    workspace = tmp_path / "workspace"
    workspace.mkdir()
    file = workspace / "helper.yaml"
    fingerprint = fresh.record(group["call"])["fingerprint"]
    made = fresh.cli("adopt", fingerprint, "--name", "helper", "--owner", "support-team", "--into", str(file))
    assert (made.returncode, made.stderr) == (0, "")
    assert "renders all 2 observed texts exactly" in made.stdout
    assert "input orders: integer (2 different values seen)" in made.stdout
    (tmp_path / "headgate.yaml").write_text(
        "workspace: workspace\nproviders: {own: {type: openai_compatible, base_url: 'https://models.example'}}\n"
    )
    checked = cli("check", cwd=tmp_path)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    assert "1 of prompt/helper" in checked.stdout
    assert '{{ "{{" }} to }} [email]' in file.read_text()
    again = fresh.cli("adopt", fingerprint, "--into", str(file))
    assert again.returncode == 2
    assert "is there already" in again.stderr
    unknown = fresh.cli("adopt", "0" * 16)
    assert unknown.returncode == 2
    assert "no unregistered prompt" in unknown.stderr


def test_an_adopted_prompt_says_the_same_and_counts_as_registered(fresh: Gateway, recorder: Recorder) -> None:
    system = "You help {} with {}.\nOrders: {}."
    for values in (("Max", "bread", 3), ("Eve", "cheese", 12)):
        ask(fresh, system.format(*values), SEEN)
    sent = recorder.last().body
    fingerprint = until(
        lambda: next(
            (one["fingerprint"] for one in fresh.api("GET", "/api/coverage")["offenders"] if one["model"] == SEEN),
            None,
        ),
        15,
        "the group of the texts",
    )
    workspace = fresh.folder / "workspace"
    made = fresh.cli(
        "adopt", fingerprint, "--name", "helper", "--owner", "me", "--into", str(workspace / "helper.yaml")
    )
    assert (made.returncode, made.stderr) == (0, "")
    app = {
        "kind": "app", "name": "helping", "owners": ["me"], "channels": {"production": 1},
        "releases": [{"number": 1, "prompt": "helper@1.0.0", "route": "seen@1.0.0"}],
    }  # fmt: skip
    route = {"kind": "route", "name": "seen", "version": "1.0.0", "owner": "me", "targets": [f"openai-seen/{SEEN}"]}
    (workspace / "helping.yaml").write_text(yaml.safe_dump_all([app, route]))
    assert fresh.api("POST", "/api/reload")["faults"] == []
    names = yaml.safe_load((workspace / "helper.yaml").read_text())["inputs"]["required"]
    client = openai.OpenAI(base_url=fresh.url + "/v1", api_key=fresh.key, max_retries=0)
    client.chat.completions.create(
        model="helping",
        messages=[{"role": "user", "content": "hi"}],
        extra_body={"headgate": {"variables": dict(zip(names, ("Eve", "cheese", 12), strict=True))}},
    )
    client.close()
    assert json.loads(recorder.last().body)["messages"] == json.loads(sent)["messages"]
    until(lambda: fresh.api("GET", "/api/coverage?app=helping")["calls"], 15, "the call counted")
    said = fresh.cli("coverage", "--app", "helping")
    assert said.returncode == 0
    assert "100% of 1 calls" in said.stdout
