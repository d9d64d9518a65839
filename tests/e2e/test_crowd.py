"""A small crowd of clients that leave at any moment; `make soak` sends ten thousand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.crowd import WAYS, Crowd, descriptors
from tests.e2e.gateway import Gateway, Vendors, until
from tests.e2e.workspace import documents, providers
from tests.support.world import run

AT_ONCE, CALLS = 24, 240
POOLED = AT_ONCE  # connections to the provider that may be kept


@pytest.fixture
def own(vendors: Vendors, slow_vendors: Vendors, tmp_path: Path) -> Iterator[Gateway]:
    accounts = {**providers(vendors.url), **providers(slow_vendors.url, "-slow")}
    made = Gateway(tmp_path, {"providers": accounts}, documents()).start()
    yield made
    made.process.kill()


def test_who_leaves_when_he_likes_hears_nobody_else_and_leaves_nothing_behind(own: Gateway) -> None:
    """The key may have as many calls under way as there are clients: one that leaked would turn a later one away."""
    crowd = Crowd(own, "slow-openai", own.make_key(concurrency=AT_ONCE * 2), seed=7)
    worker = own.worker()
    before = descriptors(worker)
    run(crowd.come(CALLS, AT_ONCE), 60)
    assert crowd.wrong == []
    assert set(crowd.left) == set(WAYS)
    assert crowd.whole == crowd.left["stays"]
    until(lambda: own.api("GET", "/api/workers")["workers"][0]["in_flight"] == 0, 10, "nothing is in flight")
    until(lambda: descriptors(worker) <= before + POOLED + 4, 10, f"about {before} descriptors again")
    until(lambda: "in_flight" not in {call["outcome"] for call in own.calls()}, 15, "every call has ended on record")
    outcomes = [call["outcome"] for call in own.calls()]
    assert outcomes.count("ok") >= crowd.whole
    assert set(outcomes) <= {"ok", "cancelled"}
