"""Bad days of a whole gateway: what is broken around it, and the clear, bounded outcome. docs/bad-days.md lists all."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway import Gateway, Process, Vendors, fetch, until
from tests.e2e.workspace import MODELS, app, providers, route

BODY = {"model": "two", "messages": [{"role": "user", "content": "hello"}]}
DOCUMENTS = [route("two", f"openai/{MODELS['openai']}", f"google/{MODELS['google']}"), app("two", "two")]
MB = 1 << 20
RUBBISH = b"this is no database, and was never one" * 200
LOG_LINES_PER_S = 10


def made(folder: Path, vendors: Vendors, **config: Any) -> Gateway:
    return Gateway(folder, {"providers": providers(vendors.url), **config}, DOCUMENTS)


@pytest.fixture
def own(vendors: Vendors, tmp_path: Path) -> Iterator[Gateway]:
    gateway = made(tmp_path, vendors).start()
    yield gateway
    gateway.process.kill()


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def ok_calls(own: Gateway) -> int:
    return len([one for one in own.calls() if one["outcome"] == "ok"])


def raw(own: Gateway) -> socket.socket:
    host, _, port = own.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10.0)


def head(own: Gateway, *lines: str) -> bytes:
    said = ["POST /v1/chat/completions HTTP/1.1", "host: gate", f"authorization: Bearer {own.key}", *lines]
    return ("\r\n".join(said) + "\r\n\r\n").encode()


# -- its own stores


def test_a_store_that_another_process_locks_stops_no_call(own: Gateway) -> None:
    assert own.ask(BODY).status == 200
    until(lambda: ok_calls(own) == 1, 15.0, "the first call is kept")
    (day,) = (own.folder / "state" / "calls").glob("calls-2*.db")
    lock = sqlite3.connect(day, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    for _ in range(20):
        assert own.ask(BODY).status == 200
    time.sleep(1.0)
    assert own.ready()
    lock.execute("ROLLBACK")
    lock.close()
    until(lambda: ok_calls(own) == 21, 40.0, "the keeper caught up")


def test_a_store_that_is_broken_is_named_and_calls_are_served_without_it(own: Gateway) -> None:
    own.stop()
    folder = own.folder / "state" / "calls"
    for file in folder.glob("calls-2*.db*"):
        file.unlink()
    day = folder / time.strftime("calls-%Y-%m-%d.db", time.gmtime())
    day.write_bytes(RUBBISH)
    own.start()
    said = own.process.said()
    assert f"no management API: {day}: not a usable database" in said
    assert "move it away" in said
    assert "Traceback" not in said
    answer = own.ask(BODY)
    assert answer.status == 200
    day.unlink()
    until(own.manageable, 60.0, "control is back")
    assert own.record(answer.headers["x-headgate-call-id"])["call"]["outcome"] == "ok"


def test_control_that_comes_back_to_a_broken_store_says_so_and_calls_go_on(own: Gateway) -> None:
    assert own.ask(BODY).status == 200
    until(lambda: ok_calls(own) == 1, 15.0, "the first call is kept")
    files = list((own.folder / "state" / "calls").glob("calls-2*.db*"))
    os.kill(own.control(), signal.SIGKILL)
    for file in files:
        file.write_bytes(RUBBISH)
    until(lambda: "not a usable database" in own.process.said(), 20.0, "the broken file is named")
    for _ in range(20):
        assert own.ask(BODY).status == 200
    for file in files:
        file.unlink(missing_ok=True)  # SQLite threw rubbish beside the store away itself
    until(own.manageable, 40.0, "control is back")
    until(lambda: ok_calls(own) == 20, 20.0, "what was in the journal followed, into a new file")


# -- descriptors


def test_out_of_descriptors_it_sheds_says_little_and_recovers(vendors: Vendors, tmp_path: Path) -> None:
    gateway = made(tmp_path, vendors)
    original = Process.__init__

    def limited(self: Process, program: Any, *rest: Any) -> None:
        original(self, ["bash", "-c", 'ulimit -n 160; exec "$@"', "-", *program], *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Process, "__init__", limited)
        gateway.start()
    try:
        assert gateway.ask(BODY).status == 200
        held = []
        for _ in range(400):
            with contextlib.suppress(OSError):
                held.append(raw(gateway))
        began, before = time.monotonic(), len(gateway.process.said().splitlines())
        time.sleep(2.0)
        lines = len(gateway.process.said().splitlines()) - before
        assert lines <= LOG_LINES_PER_S * (time.monotonic() - began)
        for one in held:
            one.close()
        until(lambda: gateway.ask(BODY).status == 200, 20.0, "calls are served again")
        assert not [line for line in gateway.process.said().splitlines() if "Traceback" in line]
    finally:
        gateway.process.kill()


# -- clients that mean ill


def test_two_gigabytes_are_refused_early_whether_declared_or_not(own: Gateway) -> None:
    worker = own.worker()
    before = memory_mb(worker)
    with raw(own) as client:
        client.sendall(head(own, f"content-length: {2 << 30}"))
        assert b" 413 " in client.recv(4096).split(b"\r\n")[0]
    with raw(own) as client:
        client.sendall(head(own, "transfer-encoding: chunked"))
        chunk = b"100000\r\n" + b"x" * MB + b"\r\n"
        sent, answer = 0, b""
        client.settimeout(5.0)
        with contextlib.suppress(OSError):
            while sent < 2 << 30:
                client.sendall(chunk)
                sent += MB
        with contextlib.suppress(OSError):
            answer = client.recv(4096)
    assert sent <= 256 * MB  # what is thrown away after the refusal, and what the sockets hold
    assert answer == b"" or b" 413 " in answer.split(b"\r\n")[0]
    assert memory_mb(worker) - before < 64
    assert own.ask(BODY).status == 200


def test_slow_heads_bodies_and_readers_keep_nobody_waiting(own: Gateway) -> None:
    """200 connections that drip; healthy calls go on beside them, and the drips are let go of in time."""
    slow = [raw(own) for _ in range(200)]
    for number, client in enumerate(slow):
        client.sendall(b"POST /v1/chat" if number % 2 else head(own, "content-length: 5000") + b"{")
    began = time.monotonic()
    for _ in range(20):
        assert own.ask(BODY).status == 200
    assert time.monotonic() - began < 10.0
    for client in slow[::2]:
        with contextlib.suppress(OSError):
            client.sendall(b" ")

    def all_closed() -> bool:
        return own.api("GET", "/api/workers")["workers"][0]["connections"] <= 5

    until(all_closed, 60.0, "the slow ones are gone")
    for client in slow:
        client.close()


def test_an_answer_that_nobody_reads_is_bounded(slow_vendors: Vendors, tmp_path: Path) -> None:
    gateway = made(tmp_path, slow_vendors).start()
    try:
        said = [{"role": "user", "content": "[[long 20000]]"}]
        body = json.dumps({"model": "two", "messages": said, "stream": True}).encode()
        worker, clients = gateway.worker(), []
        before = memory_mb(worker)
        for _ in range(20):
            client = raw(gateway)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(head(gateway, f"content-length: {len(body)}", "content-type: application/json") + body)
            clients.append(client)
        time.sleep(3.0)
        assert memory_mb(worker) - before < 64
        left = slow_vendors.state()["left"]
        for client in clients:
            client.close()
        until(lambda: slow_vendors.state()["left"] >= left + 20, 5.0, "the provider's side is let go of")
    finally:
        gateway.process.kill()


# -- providers on a bad day


@pytest.mark.parametrize("fault", ["f19-html", "f36-gzip-bomb", "f36-huge-header", "f36-many-headers", "f36-flood"])
def test_a_provider_that_sends_rubbish_is_followed_by_the_next(own: Gateway, vendors: Vendors, fault: str) -> None:
    worker = own.worker()
    before = memory_mb(worker)
    with vendors.failing(fault, "openai"):
        answer = own.ask(BODY)
    assert answer.status == 200
    assert answer.headers["x-headgate-provider"] == "google"
    assert memory_mb(worker) - before < 64


# -- everything at once, and health beside it


def test_health_is_told_while_control_is_dead(own: Gateway) -> None:
    control = own.control()
    stop = threading.Event()
    failures: list[int] = []

    def calls() -> None:
        while not stop.is_set():
            status = own.ask(BODY).status
            if status != 200:
                failures.append(status)

    thread = threading.Thread(target=calls)
    thread.start()
    os.kill(control, signal.SIGKILL)
    until(lambda: own.control() not in (0, control) and own.manageable(), 30.0, "control is back")
    stop.set()
    thread.join(30.0)
    assert failures == []
    assert fetch(own.url + "/healthz").status == 200
