"""kill -9 under load loses no call whose last byte the client had; SIGTERM lets calls under way finish."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.gateway import CALL_S, Gateway, Vendors, fetch, until
from tests.e2e.load import Load, check, settled
from tests.e2e.workspace import documents, providers

ENOUGH = 60


@pytest.fixture
def own(vendors: Vendors, slow_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of one test's own, since it is going to be killed."""
    config = {"providers": {**providers(vendors.url), **providers(slow_vendors.url, "-slow")}}
    made = Gateway(tmp_path_factory.mktemp("killed"), config, documents()).start()
    yield made
    made.process.kill()


def test_a_killed_worker_is_replaced_and_no_finished_call_is_lost(own: Gateway) -> None:
    load = Load(own)
    load.start()
    killed = set()
    for enough in (ENOUGH // 2, ENOUGH):
        until(lambda enough=enough: len(load.whole) >= enough, CALL_S, "enough calls under way")
        worker = own.worker()
        os.kill(worker, signal.SIGKILL)
        killed.add(worker)
        until(lambda: own.ready() and own.worker() not in killed, CALL_S, "a new worker")
    until(lambda: len(load.whole) >= ENOUGH + 20, CALL_S, "calls are answered again")
    load.end()
    outcomes = settled(own, load)
    check(outcomes, load)
    assert "aborted" in outcomes.values()
    aborted = next(call for call, outcome in outcomes.items() if outcome == "aborted")
    record = own.record(aborted)
    assert record["call"]["app"] == "slow-openai"
    assert any("abort" in line or "killed" in line or "restart" in line for line in record["explanation"])


def test_a_killed_tree_knows_every_finished_call_when_it_starts_again(own: Gateway) -> None:
    load = Load(own)
    load.start()
    until(lambda: len(load.whole) >= ENOUGH, CALL_S, "enough calls under way")
    own.process.kill()
    load.end()
    own.start()
    outcomes = settled(own, load)
    check(outcomes, load)
    assert own.ask({"model": "to-openai", "messages": [{"role": "user", "content": "hi"}]}).status == 200
    assert fetch(own.url + "/readyz").status == 200


def test_sigterm_lets_calls_finish_and_takes_no_new_ones(own: Gateway) -> None:
    host = own.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=CALL_S)
    body = {"model": "slow-openai", "messages": [{"role": "user", "content": "[[long 60]]"}], "stream": True}
    headers = {"authorization": f"Bearer {own.key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    call_id = answer.headers["x-headgate-call-id"]
    first = answer.readline()
    own.process.popen.send_signal(signal.SIGTERM)

    def refused() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return fetch(own.url + "/readyz").status == 503
        return True

    until(refused, CALL_S, "no new calls are taken")
    rest = answer.read()
    connection.close()
    assert (first + rest).endswith(b"data: [DONE]\n\n")
    text = "".join(
        (json.loads(line[6:])["choices"] or [{"delta": {}}])[0]["delta"].get("content") or ""
        for line in (first + rest).split(b"\n")
        if line.startswith(b"data: {")
    )
    assert len(text.split()) == 60
    assert own.process.popen.wait(CALL_S) == 0
    own.start()
    assert own.record(call_id)["call"]["outcome"] == "ok"


def test_calls_need_no_control_process(own: Gateway) -> None:
    control = own.control()
    os.kill(control, signal.SIGSTOP)
    try:
        answer = own.ask({"model": "to-openai", "messages": [{"role": "user", "content": "hi"}]})
        assert answer.status == 200
    finally:
        os.kill(control, signal.SIGKILL)
    until(lambda: own.control() not in (0, control), CALL_S, "a new control process")
    until(own.manageable, CALL_S, "the management API answers again")
    assert own.record(answer.headers["x-headgate-call-id"])["call"]["outcome"] == "ok"
    assert own.ask({"model": "to-google", "messages": [{"role": "user", "content": "hi"}]}).status == 200
    later = own.make_key()
    said = {"authorization": f"Bearer {later}"}
    assert fetch(own.url + "/v1/models", headers=said).status == 200


def test_a_control_process_that_cannot_live_leaves_calls_alone(own: Gateway) -> None:
    database = own.folder / "state" / "control.db"
    sound = database.rename(database.with_suffix(".sound"))
    database.mkdir()  # whoever opens it is told no
    worker = own.worker()
    os.kill(own.control(), signal.SIGKILL)
    until(lambda: own.process.said().count("control (process") >= 3, CALL_S, "three deaths are told of")
    assert "control.db" in own.process.said(), "and why"
    assert own.ask({"model": "to-openai", "messages": [{"role": "user", "content": "hi"}]}).status == 200
    assert own.worker() == worker
    database.rmdir()
    sound.rename(database)
    until(own.manageable, CALL_S, "the management API answers again")


def test_a_stop_under_load_loses_nothing(own: Gateway) -> None:
    load = Load(own)
    load.start()
    until(lambda: len(load.whole) >= ENOUGH, CALL_S, "enough calls under way")
    own.process.popen.send_signal(signal.SIGTERM)
    assert own.process.popen.wait(CALL_S) == 0
    load.end()
    own.start()
    check(settled(own, load), load)


def test_the_next_instance_starts_while_the_last_one_finishes_a_call(own: Gateway) -> None:
    connection = http.client.HTTPConnection(own.url.removeprefix("http://"), timeout=CALL_S)
    body = {"model": "slow-openai", "messages": [{"role": "user", "content": "[[long 200]]"}], "stream": True}
    headers = {"authorization": f"Bearer {own.key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    assert answer.readline()
    os.kill(own.process.popen.pid, signal.SIGKILL)
    own.process.popen.wait()
    own.start()
    assert own.ask({"model": "to-openai", "messages": [{"role": "user", "content": "hi"}]}).status == 200
    assert answer.read().endswith(b"[DONE]\n\n")
    connection.close()


def test_ctrl_c_reaches_every_process_and_ends_in_order(own: Gateway) -> None:
    answer = own.ask({"model": "to-openai", "messages": [{"role": "user", "content": "hi"}]})
    os.killpg(own.process.popen.pid, signal.SIGINT)
    assert own.process.popen.wait(CALL_S) == 0
    assert "Traceback" not in own.process.said()
    own.start()
    assert own.record(answer.headers["x-headgate-call-id"])["call"]["outcome"] == "ok"


def test_nothing_is_left_when_it_stops(own: Gateway) -> None:
    children: dict[int, Any] = own.children()
    assert len(children) == 2
    assert own.stop() == 0
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
    assert not (own.folder / "state" / "management.json").exists()


def test_children_do_not_outlive_a_killed_supervisor(own: Gateway) -> None:
    children = own.children()
    os.kill(own.process.popen.pid, signal.SIGKILL)
    own.process.popen.wait()
    until(lambda: not [pid for pid in children if alive(pid)], CALL_S, "the children end by themselves")


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
