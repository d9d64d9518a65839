"""Feedback on a real call, by the command and by an application's own key."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.gateway import Gateway, fetch, until

HI = [{"role": "user", "content": "hi"}]


def test_a_call_is_scored_by_command_by_key_and_from_a_file(gateway: Gateway, tmp_path: Path) -> None:
    answer = gateway.ask({"model": "to-openai", "messages": HI})
    call = answer.headers["x-headgate-call-id"]
    said = gateway.cli("score", call, "--name", "thumbs", "--value", "up", "--by", "user-17")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("thumbs up: recorded\n")
    bearer = {"authorization": f"Bearer {gateway.key}"}
    body = {"call": call, "name": "stars", "value": 4, "id": "click-1"}
    for fate in ("new", "known"):
        assert fetch(gateway.management + "/api/scores", body, bearer).json()["fate"] == fate
    assert fetch(gateway.management + "/api/calls", headers=bearer).status == 403
    file = tmp_path / "scores.csv"
    file.write_text(f"call_id,name,value,source\n{call},outcome,resolved,label\nno-call,outcome,open,label\n")
    said = gateway.cli("score", "--csv", str(file))
    assert said.returncode == 1
    assert said.stderr.startswith(f"{file}:3: `no-call` is no call's id")
    gateway.record(call)

    def joined() -> bool:
        return all(not one["waits"] for one in gateway.api("GET", f"/api/scores?call={call}")["scores"])

    until(joined, 15, "all scores joined to their call")
    listed = gateway.cli("calls", "--limit", "5").stdout
    assert "thumbs=up stars=4 outcome=resolved" in listed
    told = gateway.cli("explain", call).stdout
    assert "User user-17 scored `thumbs` up." in told
    assert gateway.api("GET", "/api/scores/sums?name=stars")["arms"][0]["total"] == 4
