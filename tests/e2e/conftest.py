"""One set of simulated vendors and one gateway for all end-to-end tests of a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import test_failover
from tests.e2e.gateway import Gateway, Recorder, Vendors
from tests.e2e.workspace import SEEN_MODELS, documents, providers


def pytest_configure(config: pytest.Config) -> None:
    """Registers the mark of tests that install packages; `-m "not slow"` leaves them out."""
    config.addinivalue_line("markers", "slow: installs packages from an index")


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
def recorder() -> Iterator[Recorder]:
    """Vendors within this process: what reached them can be read to the byte."""
    made = Recorder()
    yield made
    made.close()


@pytest.fixture(scope="session")
def gateway(
    vendors: Vendors, slow_vendors: Vendors, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """The gateway. Accounts at the slow vendors are called `VENDOR-slow`, those at the recorder `VENDOR-seen`."""
    seen = providers(recorder.url, "-seen")
    for vendor, model in SEEN_MODELS.items():
        seen[f"{vendor}-seen"]["models"] = {model: {}}
    accounts = {**providers(vendors.url), **providers(slow_vendors.url, "-slow"), **seen}
    for fault in test_failover.ACCOUNT_FAULTS:
        accounts |= providers(vendors.url, f"-{fault}")
    config = {"providers": accounts, "bodies": "full"}
    everything = [*documents(), *test_failover.documents()]
    made = Gateway(tmp_path_factory.mktemp("gateway"), config, everything).start()
    yield made
    made.stop()
