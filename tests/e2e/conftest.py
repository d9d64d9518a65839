"""One set of simulated vendors and one gateway for all end-to-end tests of a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.gateway import Gateway, Vendors
from tests.e2e.workspace import documents, providers


@pytest.fixture(scope="session")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    made = Vendors(tmp_path_factory.mktemp("vendors"))
    yield made
    made.process.stop()


@pytest.fixture(scope="session")
def gateway(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"providers": providers(vendors.url), "bodies": "full"}
    made = Gateway(tmp_path_factory.mktemp("gateway"), config, documents()).start()
    yield made
    made.stop()
