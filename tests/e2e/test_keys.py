"""Keys through the whole gateway, and the commands an operator has, as processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.gateway import Answer, Gateway, cli, fetch, until

HI = [{"role": "user", "content": "hi"}]
NOTICED_S = 4.0  # within 2 s where the machine has time
PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"model": "to-openai", "messages": HI}),
    "anthropic": ("/v1/messages", {"model": "to-openai", "max_tokens": 20, "messages": HI}),
    "google": (
        "/v1beta/models/to-openai:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    ),
}
FORMS = {
    "bearer": ({"authorization": "Bearer KEY"}, ""),
    "lower-case-bearer": ({"authorization": "bearer KEY"}, ""),
    "x-api-key": ({"x-api-key": "KEY"}, ""),
    "x-goog-api-key": ({"x-goog-api-key": "KEY"}, ""),
    "query": ({}, "?key=KEY"),
    "twice-the-same": ({"authorization": "Bearer KEY", "x-api-key": "KEY"}, ""),
}


def ask(gateway: Gateway, key: str, model: str = "to-openai", dialect: str = "openai", form: str = "bearer") -> Answer:
    path, body = PATHS[dialect]
    headers, query = FORMS[form]
    if dialect != "google":
        body = {**body, "model": model}
    said = {name: value.replace("KEY", key) for name, value in headers.items()}
    return fetch(gateway.url + path + query.replace("KEY", key), body, said)


def made(gateway: Gateway, **fields: object) -> tuple[str, str]:
    answer = gateway.api("POST", "/api/keys", {"name": "test", **fields})
    return answer["secret"], answer["key"]["id"]


def code(answer: Answer, dialect: str = "openai") -> str:
    """The code that our own errors carry, wherever the dialect has a place for it."""
    error = answer.json()["error"]
    return str(error) if dialect != "openai" else str(error["code"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dialect", PATHS)
def test_every_form_of_showing_a_key(gateway: Gateway, dialect: str, form: str) -> None:
    assert ask(gateway, gateway.key, dialect=dialect, form=form).status == 200


@pytest.mark.parametrize("dialect", PATHS)
def test_no_key_a_wrong_one_and_two_are_refused(gateway: Gateway, dialect: str) -> None:
    path, body = PATHS[dialect]
    for headers, status in (
        ({}, 401),
        ({"authorization": "Bearer hg_wrong"}, 401),
        ({"authorization": f"Bearer {gateway.key}", "x-api-key": "hg_other"}, 400),
        ({"authorization": f"Basic {gateway.key}"}, 400),
    ):
        answer = fetch(gateway.url + path, body, headers)
        assert answer.status == status
        assert gateway.key not in answer.body.decode()
        record = gateway.record(answer.headers["x-headgate-call-id"])
        assert record["call"]["outcome"] == "refused"


def test_a_new_key_works_at_once_and_a_revoked_one_stops(gateway: Gateway) -> None:
    secret, key_id = made(gateway)
    assert ask(gateway, secret).status == 200
    gateway.api("POST", f"/api/keys/{key_id}/revoke", {})
    refused = until(lambda: _not_200(ask(gateway, secret)), NOTICED_S, "the revoked key is refused")
    assert refused.status == 401
    assert code(refused) == "unauthenticated"


def _not_200(answer: Answer) -> Answer | None:
    return answer if answer.status != 200 else None


def test_an_expired_key_is_refused(gateway: Gateway) -> None:
    at = datetime.now(UTC) + timedelta(seconds=2)
    secret, key_id = made(gateway, expires=at.isoformat())
    assert ask(gateway, secret).status == 200
    refused = until(lambda: _not_200(ask(gateway, secret)), 2 + NOTICED_S, "the key has expired")
    assert refused.status == 401
    (line,) = [key for key in gateway.api("GET", "/api/keys")["keys"] if key["id"] == key_id]
    assert line["state"] == "expired"


@pytest.mark.parametrize("dialect", PATHS)
def test_requests_per_minute(gateway: Gateway, dialect: str) -> None:
    secret, key_id = made(gateway, rpm=2)
    assert [ask(gateway, secret, dialect=dialect).status for _ in range(2)] == [200, 200]
    refused = ask(gateway, secret, dialect=dialect)
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers.get("x-should-retry") is None
    assert "rate" in code(refused, dialect).lower()
    record = gateway.record(refused.headers["x-headgate-call-id"])
    assert (record["call"]["outcome"], record["call"]["error"]) == ("refused", "rate_limited")
    assert record["call"]["key_id"] == key_id


def test_the_sdk_is_told_of_a_limit_in_its_own_words(gateway: Gateway) -> None:
    secret, _ = made(gateway, rpm=1)
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key=secret, max_retries=0) as sdk:
        sdk.chat.completions.create(model="to-openai", messages=HI)  # type: ignore[arg-type]
        with pytest.raises(openai.RateLimitError):
            sdk.chat.completions.create(model="to-openai", messages=HI)  # type: ignore[arg-type]


def test_a_budget_is_not_overdrawn(gateway: Gateway) -> None:
    secret, key_id = made(gateway, budget_usd=0.000001)
    refused = ask(gateway, secret)
    assert refused.status == 429
    assert code(refused) == "budget_exhausted"
    assert refused.headers["x-should-retry"] == "false"
    record = gateway.record(refused.headers["x-headgate-call-id"])
    assert (record["call"]["outcome"], record["call"]["attempts"]) == ("refused", 0)
    rich, _ = made(gateway, budget_usd=5)
    assert ask(gateway, rich).status == 200
    assert gateway.api("POST", f"/api/keys/{key_id}/revoke", {})["state"] == "revoked"


def test_what_was_spent_is_shown(gateway: Gateway) -> None:
    secret, key_id = made(gateway, budget_usd=5)
    cost = gateway.record(ask(gateway, secret).headers["x-headgate-call-id"])["call"]["cost_usd"]

    def spent() -> bool:
        (line,) = [key for key in gateway.api("GET", "/api/keys")["keys"] if key["id"] == key_id]
        return line["spent_usd"] == pytest.approx(cost)

    assert until(spent, 15, "the spend of a key")


def test_a_key_for_some_models(gateway: Gateway) -> None:
    secret, _ = made(gateway, models=["to-openai"])
    assert ask(gateway, secret).status == 200
    refused = ask(gateway, secret, "to-google")
    assert refused.status == 403
    assert code(refused) == "forbidden"
    listed = fetch(gateway.url + "/v1/models", headers={"authorization": f"Bearer {secret}"})
    assert [model["id"] for model in listed.json()["data"]] == ["to-openai"]


def test_a_key_for_calls_manages_nothing(gateway: Gateway) -> None:
    answer = fetch(gateway.management + "/api/keys", headers={"authorization": f"Bearer {gateway.key}"})
    assert answer.status == 403
    assert fetch(gateway.management + "/api/keys").status == 401


# -- commands


def told(gateway: Gateway, *arguments: str) -> Any:
    done = gateway.cli(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_life_of_a_key_on_the_command_line(gateway: Gateway) -> None:
    done = gateway.cli("keys", "create", "cli app", "--rpm", "60", "--budget", "2.5", "--model", "to-openai")
    assert done.returncode == 0, done.stderr
    secret = done.stdout.splitlines()[0]
    assert ask(gateway, secret).status == 200
    shown = told(gateway, "keys", "list")
    (key,) = [one for one in shown["keys"] if one["name"] == "cli app"]
    assert (key["rpm"], key["budget_usd"], key["models"], key["state"]) == (60, 2.5, ["to-openai"], "active")
    assert secret not in json.dumps(shown)
    table = gateway.cli("keys", "list").stdout
    assert "cli app" in table
    assert key["id"] in table
    done = gateway.cli("keys", "revoke", key["id"])
    assert (done.returncode, key["id"] in done.stdout) == (0, True)
    assert told(gateway, "keys", "revoke", key["id"])["state"] == "revoked"
    assert until(lambda: ask(gateway, secret).status == 401, NOTICED_S, "revoked")


def test_a_role_holds_on_the_running_gateway(gateway: Gateway) -> None:
    secret, key_id = made(gateway, roles=["viewer"])
    shown = {"authorization": f"Bearer {secret}"}
    who = fetch(gateway.management + "/api/whoami", headers=shown).json()
    assert (who["id"], who["roles"]) == (key_id, ["viewer"])
    assert fetch(gateway.management + "/api/calls", headers=shown).status == 200
    assert fetch(gateway.management + "/api/reload", {}, shown).status == 403
    assert ask(gateway, secret).status == 200, "it makes calls like any other key"
    reach = ("--url", gateway.management, "--admin-key", secret)
    refused = gateway.cli("keys", "revoke", key_id, *reach)
    assert (refused.returncode, "takes the role admin" in refused.stderr) == (2, True)
    gateway.api("POST", f"/api/keys/{key_id}/revoke", {})
    assert fetch(gateway.management + "/api/whoami", headers=shown).status == 401


def test_calls_explain_and_providers_on_the_command_line(gateway: Gateway) -> None:
    body = {"model": "kettle-google", "messages": HI, "headgate": {"variables": {"product": "the Aurora kettle"}}}
    answer = gateway.ask(body)
    call_id = answer.headers["x-headgate-call-id"]
    gateway.record(call_id)
    listed = told(gateway, "calls", "--app", "kettle-google", "--since", "1h", "--limit", "5")
    assert call_id in [call["id"] for call in listed["calls"]]
    human = gateway.cli("calls", "--app", "kettle-google", "--outcome", "ok").stdout
    assert call_id in human
    assert "kettle@1.2.0" in human
    explained = gateway.cli("explain", call_id)
    assert explained.returncode == 0
    for word in ("kettle-google", "kettle@1.2.0", "google", "gemini-3.8-flash"):
        assert word in explained.stdout
    assert told(gateway, "explain", call_id)["call"]["id"] == call_id
    assert "google/gemini-3.8-flash" in gateway.cli("providers").stdout
    lines = told(gateway, "providers", "--since", "1h")["providers"]
    (line,) = [one for one in lines if (one["provider"], one["model"]) == ("google", "gemini-3.8-flash")]
    assert line["attempts"] >= 1
    assert line["cost_usd"] > 0
    assert gateway.cli("calls", "--app", "nobody").stdout.strip() == "no calls"


def test_check_on_the_command_line(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E_PROVIDER_KEY", "sim-x")
    config = str(gateway.folder / "headgate.yaml")
    sound = cli("check", "--config", config, cwd=tmp_path)
    assert (sound.returncode, "all sound" in sound.stdout) == (0, True), sound.stdout
    assert json.loads(cli("check", "--config", config, "--json", cwd=tmp_path).stdout) == {"faults": []}
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "bad.yaml").write_text(
        "kind: route\nname: r\nversion: 1.0.0\ntargets:\n  - nobody/model\nowner: a-team\n"
    )
    text = (gateway.folder / "headgate.yaml").read_text().replace("workspace: workspace", "workspace: w")
    (tmp_path / "headgate.yaml").write_text(text)
    bad = cli("check", cwd=tmp_path)
    assert bad.returncode == 1
    assert "bad.yaml:5" in bad.stdout
    assert "would be right" in bad.stdout
    (fault,) = json.loads(cli("check", "--json", cwd=tmp_path).stdout)["faults"]
    assert fault["where"].endswith("bad.yaml:5")
    refused = cli("up", cwd=tmp_path)
    assert refused.returncode == 2
    assert "bad.yaml:5" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("explain", "call_nobody"), 2, "call_nobody"),
        (("keys", "revoke", "key_nobody"), 2, "key_nobody"),
        (("calls", "--cursor", "nonsense"), 2, "cursor"),
        (("calls", "--since", "yesterday"), 2, "is no time"),
        (("calls", "--nonsense"), 2, "--nonsense"),
        (("keys", "create", "x", "--expires", "2001-01-01T00:00:00Z"), 2, "expire"),
        (("keys", "create", "x", "--rpm", "-1"), 2, "rpm"),
        (("nonsense",), 2, "nonsense"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_input_is_told_in_a_line(gateway: Gateway, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = gateway.cli(*arguments, state="state" if arguments != ("nonsense",) else None)
    assert done.returncode == status, (done.stdout, done.stderr)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_where_no_gateway_runs(tmp_path: Path) -> None:
    done = cli("calls", cwd=tmp_path)
    assert done.returncode == 2
    assert "no gateway runs" in done.stderr
    done = cli("keys", "list", "--url", "http://127.0.0.1:9", "--admin-key", "hg_x", cwd=tmp_path)
    assert done.returncode == 2
    assert "no answer" in done.stderr


def test_a_second_gateway_on_the_same_state_is_refused(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E_PROVIDER_KEY", "sim-x")
    done = cli("up", "--config", "headgate.yaml", cwd=gateway.folder)
    assert done.returncode == 2
    assert "another Headgate" in done.stderr
