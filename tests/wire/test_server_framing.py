"""Where one request ends and the next begins must never be a matter of opinion."""

from __future__ import annotations

import pytest

from headgate.wire.limits import ServerLimits
from tests.support.world import run
from tests.wire.peers import post, served

START = b"POST / HTTP/1.1\r\nHost: a\r\n"

REFUSED = {
    "CL and TE": (400, START + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "TE and CL": (400, START + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    "two CLs that differ": (400, START + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "two CLs that agree": (400, START + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    "a list of CLs": (400, START + b"Content-Length: 3, 3\r\n\r\nabc"),
    "a signed CL": (400, START + b"Content-Length: +3\r\n\r\nabc"),
    "a negative CL": (400, START + b"Content-Length: -3\r\n\r\nabc"),
    "a hexadecimal CL": (400, START + b"Content-Length: 0x3\r\n\r\nabc"),
    "an empty CL": (400, START + b"Content-Length: \r\n\r\nabc"),
    "an underscored CL": (400, START + b"Content-Length: 1_0\r\n\r\n0123456789"),
    "a CL beyond all bounds": (400, START + b"Content-Length: 99999999999999999999\r\n\r\n"),
    "two TEs": (400, START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunked twice": (400, START + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "chunked not last": (400, START + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    "identity": (400, START + b"Transfer-Encoding: identity\r\n\r\n"),
    "almost chunked": (400, START + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "quoted chunked": (400, START + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n'),
    "vertical tab before chunked": (400, START + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "gzip under chunked": (501, START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "TE in HTTP/1.0": (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "space before the colon": (400, START + b"Content-Length : 3\r\n\r\nabc"),
    "tab before the colon": (400, START + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    "a folded line": (400, START + b"X-A: 1\r\n Content-Length: 3\r\n\r\nabc"),
    "a folded first line": (400, b"POST / HTTP/1.1\r\n Host: a\r\n\r\n"),
    "a line without a colon": (400, START + b"Content-Length\r\n\r\n"),
    "a nameless line": (400, START + b": 3\r\n\r\n"),
    "bare LF between headers": (400, b"POST / HTTP/1.1\r\nHost: a\nContent-Length: 3\r\n\r\nabc"),
    "bare LF everywhere": (400, b"POST / HTTP/1.1\nHost: a\n\n"),
    "bare LF at the end": (400, START + b"X-A: 1\n\r\n\r\n"),
    "bare CR in a value": (400, START + b"X-A: 1\rContent-Length: 3\r\n\r\nabc"),
    "NUL in a value": (400, START + b"X-A: 1\x002\r\n\r\n"),
    "NUL in a name": (400, START + b"X\x00A: 1\r\n\r\n"),
    "a control character in a value": (400, START + b"X-A: \x01\r\n\r\n"),
    "a byte over ASCII in a name": (400, START + b"X-\xe9: 1\r\n\r\n"),
    "no Host": (400, b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
    "two Hosts": (400, START + b"Host: b\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /\r\n\r\n"),
    "HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/1.2": (505, b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    "a version that is none": (400, b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n"),
    "lower-case http": (400, b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    "two spaces": (400, b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a tab for a space": (400, b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a space in front": (400, b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a relative target": (400, b"GET x HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a fragment": (400, b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a raw byte in the target": (400, b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT": (400, b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an unknown method": (501, b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an unknown expectation": (417, START + b"Expect: a-miracle\r\nContent-Length: 3\r\n\r\nabc"),
    "a chunk size that is none": (400, START + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "a signed chunk size": (400, START + b"Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n"),
    "a prefixed chunk size": (400, START + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
    "space after a chunk size": (400, START + b"Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"),
    "an enormous chunk size": (400, START + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n"),
    "bare LF after a chunk size": (400, START + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"),
    "bare LF in an extension": (400, START + b"Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n"),
    "an endless extension": (400, START + b"Transfer-Encoding: chunked\r\n\r\n3;" + b"a" * 1000),
    "a chunk longer than said": (400, START + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"),
    "a folded trailer": (400, START + b"Transfer-Encoding: chunked\r\n\r\n0\r\n a: b\r\n\r\n"),
    "an endless trailer": (400, START + b"Transfer-Encoding: chunked\r\n\r\n0\r\na: " + b"b" * 20_000),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_doubtful_request_is_refused_and_nothing_after_it_is_served(name: str) -> None:
    status, wire = REFUSED[name]

    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            await client.say(wire + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            answered, headers, _ = await client.answer()
            assert answered == status
            assert headers["connection"] == "close"
            assert await client.closed() == b""
            assert [request.path for request in here.handler.requests] == []

    run(talk())


SERVED = {
    "plain": (post(b"abc"), b"abc"),
    "chunked": (START + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
    "CHUNKED with extension and trailer": (
        START + b"Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n",
        b"abc",
    ),
    "an empty line in front": (b"\r\n" + post(b"abc"), b"abc"),
    "no spaces around values": (b"POST / HTTP/1.1\r\nHost:a\r\nContent-Length:3\r\n\r\nabc", b"abc"),
    "an absolute target": (b"POST http://other/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    "bytes over ASCII in a value": (START + b"X-A: \xe9\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
}


@pytest.mark.parametrize("name", SERVED)
def test_a_sound_request_is_served_however_it_is_cut(name: str) -> None:
    wire, body = SERVED[name]

    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            await client.say(wire)
            assert (await client.answer())[2] == body
            for piece in wire:
                await client.say(bytes([piece]))
            assert (await client.answer())[2] == body
            half = len(wire) // 2
            await client.say(wire[:half])
            await client.say(wire[half:] + wire)
            assert (await client.answer())[2] == body
            assert (await client.answer())[2] == body

    run(talk())


def test_an_absolute_target_loses_its_authority() -> None:
    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            await client.say(b"GET http://evil/v1/models?a=b HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.answer()
            request = here.handler.requests[0]
            assert (request.path, request.query) == ("/v1/models", "a=b")

    run(talk())


def test_http_1_0_needs_no_host_and_closes() -> None:
    async def talk() -> None:
        async with served() as here:
            client = await here.connect()
            await client.say(b"GET / HTTP/1.0\r\n\r\n")
            status, headers, body = await client.answer()
            assert (status, headers["connection"], body) == (200, "close", b"empty")
            assert await client.closed() == b""

    run(talk())


def test_header_count_is_bounded() -> None:
    async def talk() -> None:
        async with served(limits=ServerLimits(headers=10)) as here:
            client = await here.connect()
            await client.say(START + b"".join(b"X-%d: 1\r\n" % number for number in range(10)) + b"\r\n")
            status, _, body = await client.answer()
            assert (status, body) == (431, b"header_too_large /")

    run(talk())
