"""What the client gets, and when: held until content, whole at the end, cut properly, in each dialect."""

from __future__ import annotations

import asyncio
import json

import pytest

from headgate.core.errors import (
    BudgetExceeded,
    HeadgateError,
    InvalidRequest,
    LimitExceeded,
    Overloaded,
    PolicyBlocked,
    UpstreamError,
)
from headgate.core.stages import Passed
from headgate.dialects import DIALECTS
from tests.edge.gates import KEY, Script, gateway, passed
from tests.edge.wires import PATHS, STREAMS, WHOLE, WHOLE_PATHS, request
from tests.support.world import run
from tests.wire.peers import until

NAMES = ["openai", "anthropic", "google"]


def feeds(dialect: str, count: int = 4, attempt: int = 1) -> list[Passed]:
    """The first `count` reads of a provider's stream, each screened open."""
    reader = DIALECTS[dialect].reader(True, True)
    out: list[Passed] = []
    for wire in STREAMS[dialect][:count]:
        frames = reader.feed(wire)
        out.append(Passed(frames, dialect, attempt, any(frame.content for frame in frames)))
    return out


def scripted(dialect: str, steps: list[Passed | HeadgateError], tail: Passed | None = None) -> Script:
    script = Script(list(steps), tail or Passed([], dialect, 1))
    script.dialect = dialect
    return script


def texts(dialect: str, body: bytes) -> str:
    """The text a stream says, read by the dialect's own reader; no end is demanded."""
    reader = DIALECTS[dialect].reader(True, True)
    deltas = [delta for frame in reader.feed(body) for delta in frame.deltas]
    return "".join(getattr(delta, "text", "") for delta in deltas)


@pytest.mark.parametrize("dialect", NAMES)
def test_a_stream_of_the_same_dialect_passes_byte_for_byte(dialect: str) -> None:
    async def talk() -> None:
        async with gateway(scripted(dialect, feeds(dialect))) as here:
            status, headers, body = await here.ask(PATHS[dialect], request(dialect, True))
            assert (status, body) == (200, b"".join(STREAMS[dialect]))
            assert headers["content-type"] == "text/event-stream; charset=utf-8"
            assert headers["cache-control"] == "private, no-store"
            assert headers["x-headgate-call-id"] == here.script.calls[0].id
            assert headers["x-headgate-release"] == "support#3"
            assert headers["x-headgate-prompt"] == "prompt/support@1.4.2"
            assert headers["x-headgate-provider"] == "acme"
            assert headers["x-headgate-model"] == "m-1"
            assert headers["x-headgate-attempts"] == "1"
            assert "x-headgate-dropped" not in headers
            name = "request-id" if dialect == "anthropic" else "x-request-id"
            assert headers[name] == here.script.calls[0].id

    run(talk())


@pytest.mark.parametrize("dialect", NAMES)
def test_a_whole_answer_of_the_same_dialect_passes_byte_for_byte(dialect: str) -> None:
    async def talk() -> None:
        script = scripted(dialect, [passed(dialect, WHOLE[dialect], stream=False)])
        async with gateway(script) as here:
            status, headers, body = await here.ask(WHOLE_PATHS[dialect], request(dialect, False))
            assert (status, body) == (200, WHOLE[dialect])
            assert headers["content-type"] == "application/json"
            assert headers["content-length"] == str(len(body))

    run(talk())


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("dialect", NAMES)
def test_any_target_is_answered_in_the_client_s_dialect(dialect: str, target: str) -> None:
    async def talk() -> None:
        script = scripted(target, feeds(target))
        script.dropped = ["top_k", "naïve\r\nx-evil: 1"]
        async with gateway(script) as here:
            status, headers, body = await here.ask(PATHS[dialect], request(dialect, True))
            assert status == 200
            reader = DIALECTS[dialect].reader(True, True)
            reader.feed(body)
            reader.end()  # complete by the dialect's own rules
            assert texts(dialect, body) == "one two"
            assert headers["x-headgate-dropped"] == "top_k, na?ve??x-evil: 1"
        script = scripted(target, [passed(target, WHOLE[target], stream=False)])
        async with gateway(script) as here:
            status, _, body = await here.ask(WHOLE_PATHS[dialect], request(dialect, False))
            assert status == 200
            reader = DIALECTS[dialect].reader(False, True)
            frames = [*reader.feed(body), *reader.end()]
            assert "".join(getattr(delta, "text", "") for frame in frames for delta in frame.deltas) == "hi"

    run(talk())


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("dialect", ["openai", "google"])
def test_what_no_delta_says_is_named_where_the_answer_is_translated(dialect: str, streamed: bool) -> None:
    async def talk() -> None:
        parts = [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": "AA=="}}]
        body = json.dumps({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}).encode()
        wire = b"data: " + body + b"\n\n" if streamed else body
        paths = PATHS if streamed else WHOLE_PATHS
        async with gateway(scripted("google", [passed("google", wire, stream=streamed)])) as here:
            _, headers, _ = await here.ask(paths[dialect], request(dialect, streamed))
        assert headers.get("x-headgate-dropped") == (None if dialect == "google" else "answer.media")

    run(talk())


@pytest.mark.parametrize("dialect", NAMES)
def test_nothing_goes_out_before_content_and_the_end_waits_for_the_record(dialect: str) -> None:
    before, content, sealed = asyncio.Event(), asyncio.Event(), asyncio.Event()
    head, one, two, last = feeds(dialect)

    async def talk() -> None:
        script = scripted(dialect, [])
        script.feeds = [head, before.wait, one, content.wait, two, last, sealed.wait]  # type: ignore[list-item]
        async with gateway(script) as here:
            client = await here.connect()
            body = request(dialect, True)
            lines = f"Host: a\r\nx-api-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
            await client.say(f"POST {PATHS[dialect]} HTTP/1.1\r\n{lines}".encode() + body)
            await until(lambda: "opened" in script.events)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.reader.read(1), 0.03)
            before.set()
            shown = await client.reader.readuntil(b"one ")
            assert shown.startswith(b"HTTP/1.1 200")
            content.set()
            shown += await client.reader.readuntil(b"two")
            shown += await client.reader.readuntil(b"\r\n")
            await asyncio.sleep(0.01)
            shown += bytes(client.reader._buffer)  # type: ignore[attr-defined] - all that has come
            if dialect != "google":  # whose streams have no end mark of their own
                assert last.frames[-1].wire not in shown
            assert "sealed" not in script.events
            sealed.set()
            shown += await client.reader.readuntil(b"\r\n0\r\n\r\n")
            assert "sealed" in script.events
            assert script.committed >= 1
            client.writer.close()

    run(talk())


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("dialect", NAMES)
def test_a_new_attempt_before_the_commit_leaves_no_trace_of_the_old(dialect: str, foreign: bool) -> None:
    other = NAMES[(NAMES.index(dialect) + 1) % 3]

    async def talk() -> None:
        abandoned = feeds(other if foreign else dialect, 1)
        script = scripted(dialect, [*abandoned, *feeds(dialect, attempt=2)], Passed([], dialect, 2))
        async with gateway(script) as here:
            _, _, body = await here.ask(PATHS[dialect], request(dialect, True))
            assert body == b"".join(STREAMS[dialect])

    run(talk())


ERRORS: dict[str, tuple[HeadgateError, int, str | None, str | None]] = {
    "a bad request": (InvalidRequest("no"), 400, "false", None),
    "a policy": (PolicyBlocked("blocked", rule="r", direction="input"), 400, "false", None),
    "our rate limit": (LimitExceeded("slow down", retry_after_s=1.2), 429, None, "2"),
    "a spent budget": (BudgetExceeded("spent", retry_after_s=60), 429, "false", "60"),
    "our own overload": (Overloaded("full", retry_after_s=0.1), 503, None, "1"),
    "all providers down": (UpstreamError("server_error", "down"), 502, "false", None),
    "all providers busy": (UpstreamError("rate_limited", "busy", cool_s=7), 429, "false", "7"),
    "a nonsense delay": (UpstreamError("rate_limited", "busy", cool_s=float("nan")), 429, "false", None),
}


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("dialect", NAMES)
def test_errors_before_the_commit_are_http_errors_of_the_dialect(dialect: str, name: str, foreign: bool) -> None:
    error, status, retry, after = ERRORS[name]

    async def talk() -> None:
        target = NAMES[(NAMES.index(dialect) + 1) % 3] if foreign else dialect
        async with gateway(scripted(target, [*feeds(target, 1), error])) as here:
            got, headers, body = await here.ask(PATHS[dialect], request(dialect, True))
            assert got == status
            assert body == DIALECTS[dialect].error_body(error, here.script.calls[0].id)
            assert headers["content-type"] == "application/json"
            assert headers.get("x-should-retry") == retry
            assert headers.get("retry-after") == after

    run(talk())


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("dialect", NAMES)
def test_a_client_s_own_mistake_comes_back_verbatim_from_its_own_vendor_only(dialect: str, foreign: bool) -> None:
    said = b'{"error": {"message": "as the vendor said it", "odd": 1}}'
    error = UpstreamError("client_fault", "the provider refused the request", attempt_status=422, body=said)

    async def talk() -> None:
        target = NAMES[(NAMES.index(dialect) + 1) % 3] if foreign else dialect
        async with gateway(scripted(target, [error])) as here:
            status, _, body = await here.ask(PATHS[dialect], request(dialect, True))
            assert (status, body == said) == (422, not foreign)

    run(talk())


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("dialect", NAMES)
def test_errors_after_the_commit_are_told_in_band_without_a_finish(dialect: str, foreign: bool) -> None:
    error = UpstreamError("truncated", "the answer ended before its end")

    async def talk() -> None:
        target = NAMES[(NAMES.index(dialect) + 1) % 3] if foreign else dialect
        async with gateway(scripted(target, [*feeds(target, 2), error])) as here:
            status, _, body = await here.ask(PATHS[dialect], request(dialect, True))
            assert status == 200
            assert b"truncated" in body
            assert b"one " in body
            for end in (b"[DONE]", b"message_stop", b'"stop"', b"end_turn", b'"STOP"'):
                assert end not in body
            with pytest.raises(UpstreamError):
                reader = DIALECTS[dialect].reader(True, True)
                reader.feed(body)
                reader.end()

    run(talk())


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("shown", [0, 2])
@pytest.mark.parametrize("dialect", NAMES)
def test_a_blocked_stream_ends_with_the_policy_finish(dialect: str, shown: int, foreign: bool) -> None:
    async def talk() -> None:
        target = NAMES[(NAMES.index(dialect) + 1) % 3] if foreign else dialect
        block = Passed([], target, 1, blocked="pii")
        async with gateway(scripted(target, [*feeds(target, shown), block], block)) as here:
            status, headers, body = await here.ask(PATHS[dialect], request(dialect, True))
            assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            reader = DIALECTS[dialect].reader(True, True)
            frames = [*reader.feed(body), *reader.end()]
            finish = [delta for frame in frames for delta in frame.deltas if type(delta).__name__ == "Finish"]
            assert [delta.reason for delta in finish] == ["refusal"]  # type: ignore[union-attr]
            assert texts(dialect, body) == ("one " if shown else "")

    run(talk())


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("dialect", NAMES)
def test_a_block_in_the_held_tail_is_a_policy_finish(dialect: str, foreign: bool) -> None:
    async def talk() -> None:
        target = NAMES[(NAMES.index(dialect) + 1) % 3] if foreign else dialect
        *shown, held = feeds(target, 3)
        held.blocked = "pii"
        async with gateway(scripted(target, [*shown], held)) as here:
            _, _, body = await here.ask(PATHS[dialect], request(dialect, True))
            reader = DIALECTS[dialect].reader(True, True)
            frames = [*reader.feed(body), *reader.end()]
            finish = [delta for frame in frames for delta in frame.deltas if type(delta).__name__ == "Finish"]
            assert [delta.reason for delta in finish] == ["refusal"]  # type: ignore[union-attr]
            assert texts(dialect, body) == "one two"

    run(talk())


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("dialect", NAMES)
def test_a_blocked_whole_answer_is_a_policy_finish_too(dialect: str, foreign: bool) -> None:
    async def talk() -> None:
        target = NAMES[(NAMES.index(dialect) + 1) % 3] if foreign else dialect
        block = Passed([], target, 1, blocked="pii")
        async with gateway(scripted(target, [block], block)) as here:
            status, headers, body = await here.ask(WHOLE_PATHS[dialect], request(dialect, False))
            assert (status, headers["content-type"]) == (200, "application/json")
            reader = DIALECTS[dialect].reader(False, True)
            frames = [*reader.feed(body), *reader.end()]
            finish = [delta for frame in frames for delta in frame.deltas if type(delta).__name__ == "Finish"]
            assert [delta.reason for delta in finish] == ["refusal"]  # type: ignore[union-attr]

    run(talk())


def test_dropped_frames_stay_behind_and_changed_ones_are_patched() -> None:
    async def talk() -> None:
        steps = feeds("openai")
        steps[1].frames[0].changed = True
        steps[1].frames[0].deltas[-1].text = "ONE "  # type: ignore[union-attr]
        steps[2].frames[0].drop = True
        async with gateway(scripted("openai", [*steps])) as here:
            _, _, body = await here.ask(PATHS["openai"], request("openai", True))
            assert b"ONE " in body
            assert b"one " not in body
            assert b"two" not in body
            assert body.endswith(b"data: [DONE]\n\n")

    run(talk())


def test_an_endless_stream_without_content_is_not_held_for_ever() -> None:
    ping = b"event: ping\ndata: " + b'{"type": "ping", "pad": "%b"}' % (b"x" * 100_000) + b"\n\n"

    async def talk() -> None:
        pings = [passed("anthropic", ping) for _ in range(20)]
        async with gateway(scripted("anthropic", [*pings, *feeds("anthropic")])) as here:
            status, _, body = await here.ask(PATHS["anthropic"], request("anthropic", True))
            assert status == 502
            assert b"response_too_large" in body

    run(talk())


def test_google_without_alt_sse_gets_an_array() -> None:
    path = "/v1beta/models/m:streamGenerateContent"

    async def talk() -> None:
        async with gateway(scripted("google", [*feeds("google")])) as here:
            status, headers, body = await here.ask(path, request("google", True))
            assert (status, headers["content-type"]) == (200, "application/json")
            said = [part["candidates"][0]["content"]["parts"][0]["text"] for part in json.loads(body)]
            assert said == ["one ", "two", ""]
        async with gateway(scripted("anthropic", [*feeds("anthropic")])) as here:
            _, _, body = await here.ask(path, request("google", True))
            assert isinstance(json.loads(body), list)
        error = UpstreamError("truncated", "cut")
        async with gateway(scripted("google", [*feeds("google", 2), error])) as here:
            _, _, body = await here.ask(path, request("google", True))
            assert json.loads(body)[-1]["error"]["code"] == 502

    run(talk())


def test_a_client_that_leaves_ends_the_call_at_once() -> None:
    async def talk() -> None:
        script = scripted("openai", [*feeds("openai", 2)])
        script.feeds.append(asyncio.Event().wait)  # type: ignore[arg-type]
        async with gateway(script) as here:
            client = await here.connect()
            body = request("openai", True)
            lines = f"Host: a\r\nx-api-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
            await client.say(f"POST {PATHS['openai']} HTTP/1.1\r\n{lines}".encode() + body)
            await client.reader.readuntil(b"one ")
            client.writer.close()
            await until(lambda: script.events[-3:] == ["let go", "cancelled", "closed"])

    run(talk())


@pytest.mark.parametrize("dialect", NAMES)
def test_a_bug_is_told_with_the_call_id_before_and_after_the_first_content(dialect: str) -> None:
    async def bug() -> None:
        raise ZeroDivisionError("words of a prompt")

    async def talk() -> None:
        for count, status in ((0, 500), (2, 200)):
            script = scripted(dialect, [*feeds(dialect, count)])
            script.feeds.append(bug)
            async with gateway(script) as here:
                got, headers, body = await here.ask(PATHS[dialect], request(dialect, True))
                assert got == status
                assert headers["x-headgate-call-id"] == here.script.calls[0].id
                assert b"an internal error occurred" in body
                assert b"words of a prompt" not in body
                assert b"[DONE]" not in body
                assert script.events[-1] == "closed"

    run(talk())
