"""More calls than may be in flight: fast refusals in every dialect, those that matter last, and room again after."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway import Answer, Gateway, Vendors, fetch, until
from tests.e2e.workspace import MODELS, app, providers, route

MOST = 10
SLOW = {"model": "slow", "messages": [{"role": "user", "content": "[[long 40]]"}], "stream": True}
SAID = [{"role": "user", "content": "hello"}]
ASKED = (
    ("/v1/chat/completions", {"model": "slow", "messages": SAID}),
    ("/v1/messages", {"model": "slow", "max_tokens": 9, "messages": SAID}),
    ("/v1beta/models/slow:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}),
)


@pytest.fixture
def own(slow_vendors: Vendors, tmp_path: Path) -> Iterator[Gateway]:
    documents = [route("slow", f"openai/{MODELS['openai']}"), app("slow", "slow")]
    config = {"providers": providers(slow_vendors.url), "max_in_flight": MOST}
    made = Gateway(tmp_path, config, documents).start()
    yield made
    made.process.kill()


def test_too_many_calls_are_told_so_at_once_and_in_their_dialect(own: Gateway) -> None:
    critical = own.make_key(criticality="critical", tenant="shop")

    def call(key: str) -> Answer:
        return fetch(own.url + "/v1/chat/completions", SLOW, {"authorization": f"Bearer {key}"})

    with concurrent.futures.ThreadPoolExecutor(MOST + 2) as pool:
        running = [pool.submit(call, critical) for _ in range(MOST)]

        def full() -> bool:
            return own.api("GET", "/api/workers")["workers"][0]["in_flight"] >= MOST

        until(full, 10.0, "the worker is full")
        for path, body in ASKED:
            refused = own.ask(body, path)
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert "in flight" in refused.json()["error"]["message"]
        sheddable = {"x-headgate-criticality": "sheddable", "authorization": f"Bearer {critical}"}
        assert fetch(own.url + "/v1/chat/completions", SLOW, sheddable).status == 503
        assert fetch(own.url + "/v1/models", headers={"authorization": f"Bearer {critical}"}).status == 200
        assert [one.result().status for one in running] == [200] * MOST
    assert own.ask(SLOW).status == 200

    def kept() -> bool:
        return len([one for one in own.calls("&error=overloaded") if one["outcome"] == "failed"]) >= 4

    until(kept, 10.0, "refusals are on record")
