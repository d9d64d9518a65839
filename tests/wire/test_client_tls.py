"""TLS to providers: a certificate that is not right is a failure of its own kind, and nothing is sent."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.x509.oid import ExtendedKeyUsageOID

from headgate.core.errors import UpstreamError
from headgate.core.types import Origin
from headgate.wire.client import HttpTransport
from headgate.wire.resolver import Resolver
from tests.support.world import ManualClock, run
from tests.wire.certificates import HOST, Authority
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


def old_protocol(authority: Authority, folder: Path) -> ssl.SSLContext:
    context = authority.issue(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def another(authority: Authority, folder: Path, **wrong: Any) -> ssl.SSLContext:
    """A server whose certificate comes from an authority between, with something wrong about that."""
    between = Authority("between", authority, **wrong)
    return between.issue(folder, chain=between.pem())


# twelve, with the handshake that never ends and the server that speaks no TLS beside them
BAD: dict[str, Callable[[Authority, Path], ssl.SSLContext]] = {
    "expired": lambda authority, folder: authority.issue(folder, valid=(-10, -1)),
    "not yet valid": lambda authority, folder: authority.issue(folder, valid=(1, 10)),
    "for another host": lambda authority, folder: authority.issue(folder, names=("other.example",)),
    "for all hosts of another domain": lambda authority, folder: authority.issue(folder, names=("*.other.example",)),
    "for every host of a top-level domain": lambda authority, folder: authority.issue(folder, names=("*",)),
    "for an address": lambda authority, folder: authority.issue(folder, names=("127.0.0.1",)),
    "host in the subject alone": lambda authority, folder: authority.issue(folder, names=()),
    "from an authority nobody knows": lambda authority, folder: Authority("unknown").issue(folder),
    "a weak key": lambda authority, folder: authority.issue(folder, bits=1024),
    "for clients": lambda authority, folder: authority.issue(folder, usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    "issued by no authority": lambda authority, folder: another(authority, folder, signs=False),
    "issued by an authority that expired": lambda authority, folder: another(authority, folder, valid=(-10, -1)),
    "TLS 1.1 at most": old_protocol,
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_certificates(fault: str, tmp_path: Path) -> None:
    known = Authority("known")
    (tmp_path / "ca.pem").write_bytes(known.pem())
    asked: list[bytes] = []

    async def listen(wire: Wire) -> None:
        asked.append((await wire.request())[0])
        await wire.say(OK)

    async def talk() -> str:
        async with provider(listen, BAD[fault](known, tmp_path)) as there:
            client = transport(str(tmp_path / "ca.pem"))
            with pytest.raises(UpstreamError) as caught:
                await fetch(client, outbound(where(there, HOST)))
            assert client.open_connections() == 0
            return caught.value.kind

    assert run(talk()) == "tls_failed"
    assert asked == []


def test_the_same_authority_s_good_certificate_is_taken(tmp_path: Path) -> None:
    known = Authority("known")
    (tmp_path / "ca.pem").write_bytes(known.pem())

    async def talk() -> None:
        for made in (known.issue(tmp_path), known.issue(tmp_path, bits=2048), another(known, tmp_path)):
            async with provider(play, made) as there:
                client = transport(str(tmp_path / "ca.pem"))
                assert await fetch(client, outbound(where(there, HOST))) == b"ok"
                await client.close()
                await asyncio.sleep(0.01)

    run(talk())


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
