"""TLS to providers: a certificate that is not right is a failure of its own kind, and nothing is sent."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from headgate.core.errors import UpstreamError
from headgate.core.types import Origin
from headgate.wire.client import HttpTransport
from headgate.wire.resolver import Resolver
from tests.support.world import ManualClock, run
from tests.wire.provider import OK, Provider, Wire, fetch, outbound, provider

pytestmark = pytest.mark.usefixtures("both_loops")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return ca, str(path)


def server_side(cert: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    return context


async def play(wire: Wire) -> None:
    while True:
        await wire.request()
        await wire.say(OK)


def transport(ca_file: str | None) -> HttpTransport:
    clock = ManualClock()

    async def lookup(host: str) -> list[str]:
        return ["127.0.0.1"]

    return HttpTransport(clock, Resolver(clock, lookup), ca_file=ca_file)


def where(there: Provider, host: str) -> Origin:
    return there.origin("https", host)


def test_a_good_certificate_serves_and_the_connection_is_pooled(authority: tuple[trustme.CA, str]) -> None:
    ca, path = authority

    async def talk() -> None:
        async with provider(play, server_side(ca.issue_cert("api.example"))) as there:
            client = transport(path)
            for _ in range(3):
                assert await fetch(client, outbound(where(there, "api.example"))) == b"ok"
            assert there.connections == 1
            await client.close()
            await asyncio.sleep(0.01)

    run(talk())


@pytest.mark.parametrize("fault", ["expired", "wrong host", "unknown authority", "broken off", "no TLS at all"])
def test_bad_tls(fault: str, authority: tuple[trustme.CA, str]) -> None:
    ca, path = authority
    past = datetime.now(UTC) - timedelta(days=1)
    cert = ca.issue_cert("api.example", not_after=past) if fault == "expired" else ca.issue_cert("api.example")
    host = "other.example" if fault == "wrong host" else "api.example"

    async def rude(wire: Wire) -> None:
        if fault == "broken off":
            wire.reset()
        else:
            await wire.say(b"HTTP/1.1 400 plain HTTP\r\n\r\n")

    async def talk() -> str:
        plain = fault in ("broken off", "no TLS at all")
        async with provider(rude if plain else play, None if plain else server_side(cert)) as there:
            client = transport(None if fault == "unknown authority" else path)
            with pytest.raises(UpstreamError) as caught:
                await fetch(client, outbound(where(there, host)))
            assert client.open_connections() == 0
            return caught.value.kind

    assert run(talk()) == "tls_failed"


def test_a_handshake_that_never_ends_is_given_up(authority: tuple[trustme.CA, str]) -> None:
    async def silent(wire: Wire) -> None:
        await wire.reader.read()

    async def talk() -> str:
        clock = ManualClock()
        async with provider(silent) as there:
            client = HttpTransport(clock, ca_file=authority[1])
            task = asyncio.ensure_future(client.send(outbound(where(there, "127.0.0.1"))))
            await asyncio.sleep(0.02)
            clock.advance(3.0)
            with pytest.raises(UpstreamError) as caught:
                await task
            return caught.value.kind

    assert run(talk()) == "connect_timeout"


def test_an_authority_file_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        HttpTransport(ManualClock(), ca_file=str(tmp_path / "none.pem"))
