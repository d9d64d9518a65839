"""One set of simulated vendors and one gateway for all end-to-end tests of a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import test_failover
from tests.e2e.gateway import Gateway, Vendors
from tests.e2e.workspace import documents, providers


@pytest.fixture(scope="session")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    made = Vendors(tmp_path_factory.mktemp("vendors"))
    yield made
    made.process.stop()


@pytest.fixture(scope="session")
def slow_vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    """Vendors that take their time over every word of a stream."""
    made = Vendors(tmp_path_factory.mktemp("slow-vendors"), "--interval-ms", "20")
    yield made
    made.process.stop()


@pytest.fixture(scope="session")
def gateway(vendors: Vendors, slow_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The gateway; accounts at the slow vendors are called `VENDOR-slow`."""
    config = {"providers": {**providers(vendors.url), **providers(slow_vendors.url, "-slow")}, "bodies": "full"}
    everything = [*documents(), *test_failover.documents()]
    made = Gateway(tmp_path_factory.mktemp("gateway"), config, everything).start()
    yield made
    made.stop()
