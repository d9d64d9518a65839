"""Ten thousand calls whose clients leave at any moment: nobody hears another, nothing stays behind.

Upstream is let go of within a second, measured by itself on a quiet gateway.
"""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import pytest

from tests.e2e.crowd import Crowd, descriptors, resident_mb, threads
from tests.e2e.gateway import CALL_S, Gateway, Vendors, until
from tests.e2e.workspace import documents, providers
from tests.support.world import run

CALLS, AT_ONCE, WARM = 10_000, 64, 500
POOLED = AT_ONCE  # connections to the provider that may be kept
LET_GO_S = 1.0
SINGLE = 40
GROWN_MB = 20.0


def test_ten_thousand_clients_leave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vendors = Vendors(tmp_path, "--interval-ms", "20")
    accounts = {**providers(vendors.url), **providers(vendors.url, "-slow")}
    own = Gateway(tmp_path, {"providers": accounts}, documents()).start()
    try:
        took = [let_go(own, vendors, True) for _ in range(SINGLE // 2)]
        with vendors.failing("f14-hang", "openai"):
            took = sorted(took + [let_go(own, vendors, False) for _ in range(SINGLE // 2)])
        # as many calls at once as there are clients, and as many again whose end is being noticed
        crowd = Crowd(own, "slow-openai", own.make_key(concurrency=AT_ONCE * 2), seed=20261125)
        worker = own.worker()
        run(crowd.come(WARM, AT_ONCE), 120)
        fds, memory, strings = descriptors(worker), resident_mb(worker), threads(worker)
        run(crowd.come(CALLS - WARM, AT_ONCE), 900)
        until(lambda: own.api("GET", "/api/workers")["workers"][0]["in_flight"] == 0, 10, "nothing is in flight")
        until(lambda: descriptors(worker) <= fds + POOLED, 10, f"about {fds} descriptors again")
        until(lambda: "in_flight" not in {call["outcome"] for call in own.calls()}, 60, "all calls ended on record")
        grown = resident_mb(worker) - memory
        with capsys.disabled():
            print(
                f"\n{CALLS} calls, left {dict(crowd.left)}, {crowd.whole} whole; {len(crowd.wrong)} wrong; "
                f"descriptors {fds} -> {descriptors(worker)}, {grown:+.1f} MB; upstream let go of after "
                f"{took[len(took) // 2] * 1000:.0f} ms (median), {took[-1] * 1000:.0f} ms (longest of {SINGLE})"
            )
        assert crowd.wrong == []
        assert crowd.whole == crowd.left["stays"]
        assert own.worker() == worker
        assert threads(worker) == strings
        assert grown <= GROWN_MB
        assert took[-1] <= LET_GO_S
    finally:
        own.process.kill()
        vendors.process.stop()


def let_go(own: Gateway, vendors: Vendors, stream: bool) -> float:
    """Seconds from a client's leaving until the provider saw its connection closed."""
    left, answered = vendors.state()["left"], vendors.state()["answered"]
    connection = http.client.HTTPConnection(own.url.removeprefix("http://"), timeout=CALL_S)
    said = [{"role": "user", "content": "[[long 400]]"}]
    body = json.dumps({"model": "slow-openai", "messages": said, "stream": stream})
    headers = {"authorization": f"Bearer {own.key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    if stream:
        assert connection.getresponse().read(100)
    else:
        until(lambda: vendors.state()["answered"] > answered, 10, "the provider is asked")
    began = time.monotonic()
    connection.close()
    until(lambda: vendors.state()["left"] > left, 10, "the provider is let go of")
    return time.monotonic() - began
