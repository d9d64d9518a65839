"""The same verdicts with the vendors' own bytes: real providers, real dialects, a scripted transport."""

from __future__ import annotations

import json

import pytest

from headgate.core.chat import TextDelta
from headgate.core.errors import UpstreamError
from headgate.core.record import CallRecord
from headgate.core.snapshot import Snapshot
from headgate.core.stages import Admitted, Call, Funded, Grounded, KeyInfo, Prompted, Screened, Selected
from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.dialects.base import Dialect
from headgate.dialects.google_generate import GOOGLE
from headgate.dialects.openai_chat import OPENAI
from headgate.providers import ProviderSettings, Secret, build
from headgate.routing import Account, Catalogue, DirectModels, Routing, Targets, TierTable
from tests.routing.scripted import Reply, ScriptedTransport
from tests.support.world import ManualClock, SeededEntropy, run

DIALECTS: dict[str, Dialect] = {"openai": OPENAI, "anthropic": ANTHROPIC, "google": GOOGLE}
MODELS = {"openai": "gpt-6-luna", "anthropic": "claude-haiku-5-5", "google": "gemini-3.5-flash-lite"}
HOSTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google": "generativelanguage.googleapis.com",
}


def request_body(dialect: str, stream: bool) -> bytes:
    if dialect == "google":
        return json.dumps({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}).encode()
    body = {"model": MODELS[dialect], "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    return json.dumps(body | ({"max_tokens": 9} if dialect == "anthropic" else {})).encode()


def sse(*events: dict[str, object] | str, named: bool = False, newline: str = "\n") -> bytes:
    out = ""
    for event in events:
        text = event if isinstance(event, str) else json.dumps(event)
        name = f"event: {event['type']}{newline}" if named and isinstance(event, dict) else ""
        out += f"{name}data: {text}{newline}{newline}"
    return out.encode()


def chunk(**choice: object) -> dict[str, object]:
    choice = {"index": 0, "delta": {}, "finish_reason": None, **choice}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
           "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1}}  # fmt: skip
OPENAI_STREAM = [
    sse(chunk(delta={"role": "assistant", "content": ""})),
    sse(chunk(delta={"content": "hello"})),
    sse(chunk(finish_reason="stop")),
    sse("[DONE]"),
]
ANTHROPIC_STREAM = [
    sse({"type": "message_start", "message": MESSAGE}, named=True),
    sse(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello"}},
        {"type": "content_block_stop", "index": 0},
        named=True,
    ),
    sse(
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 2}},
        named=True,
    ),
    sse({"type": "message_stop"}, named=True),
]  # fmt: skip
SAID = {"role": "model", "parts": [{"text": "hello"}]}
USAGE = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
GOOGLE_STREAM = [
    sse({"candidates": [{"content": SAID, "index": 0}], "modelVersion": "m"}, newline="\r\n"),
    sse({"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}],
         "usageMetadata": USAGE, "modelVersion": "m"}, newline="\r\n"),
]  # fmt: skip
STREAMS = {"openai": OPENAI_STREAM, "anthropic": ANTHROPIC_STREAM, "google": GOOGLE_STREAM}
WHOLES: dict[str, dict[str, object]] = {
    "openai": {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    },
    "anthropic": {**MESSAGE, "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
                  "usage": {"input_tokens": 3, "output_tokens": 2}},
    "google": {"candidates": [{"content": SAID, "finishReason": "STOP", "index": 0}], "usageMetadata": USAGE},
}  # fmt: skip


class Vendors:
    """Routing to the three vendors' accounts, each scripted by name."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.transport = ScriptedTransport(self.clock)
        self.routing = Routing(self.transport, self.clock, SeededEntropy(), DIALECTS)
        accounts = [
            Account(build(ProviderSettings(name=name, type=name, secret=Secret(f"key-of-{name}"))), name)
            for name in DIALECTS
        ]
        self.targets = Targets(accounts, Catalogue.load())
        self.direct = DirectModels(self.targets, TierTable.load())

    def script(self, provider: str, reply: Reply | UpstreamError) -> None:
        self.transport.replies[HOSTS[provider]] = [reply]

    def good(self, provider: str, stream: bool) -> None:
        whole = json.dumps(WHOLES[provider]).encode()
        self.script(provider, Reply(*STREAMS[provider]) if stream else Reply(whole))

    def screened(self, dialect: str, model: str, stream: bool) -> Screened:
        body = request_body(dialect, stream)
        asked = DIALECTS[dialect].ask(body, MODELS[dialect] if dialect == "google" else None, stream)
        record = CallRecord("call_1", self.clock.now_ns(), dialect)
        call = Call("call_1", dialect, Snapshot("", 0, {}, self.direct, None, {}), record, self.clock.monotonic_ns())  # type: ignore[arg-type]
        route = self.direct.route(model)
        assert route is not None
        selected = Selected(Admitted(call, KeyInfo("k", "k", "t")), asked, route)
        return Screened(Grounded(Prompted(selected, asked.body), asked.body), asked.body)

    async def ask(self, screened: Screened) -> tuple[str, bytes]:
        """Text and wire bytes of the attempt that answered; commits at the first content."""
        text, wire, attempt = "", b"", 0
        async with self.routing.send(Funded(self.routing.plan(screened))) as upstream:
            while (batch := await upstream.read()) is not None:
                if batch.attempt != attempt:
                    text, wire, attempt = "", b"", batch.attempt
                for frame in batch.frames:
                    wire += b"" if frame.drop else frame.wire
                    text += "".join(delta.text for delta in frame.deltas if isinstance(delta, TextDelta))
                if any(frame.content for frame in batch.frames):
                    upstream.commit()
        return text, wire


async def told(vendors: Vendors, screened: Screened) -> tuple[str, UpstreamError | None]:
    """The text of the answer, or the error."""
    try:
        return (await vendors.ask(screened))[0], None
    except UpstreamError as error:
        return "", error


def record_of(screened: Screened) -> CallRecord:
    return screened.grounded.prompted.selected.admitted.call.record


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_any_dialect_reaches_any_provider(client: str, target: str, stream: bool) -> None:
    async def play() -> None:
        vendors = Vendors()
        vendors.good(target, stream)
        screened = vendors.screened(client, MODELS[target], stream)
        text, wire = await vendors.ask(screened)
        assert text == "hello"
        (request,) = vendors.transport.requests
        assert request.origin.host == HOSTS[target]
        assert f"key-of-{target}".encode() in request.head
        sent = json.loads(request.body)
        if target != "google":
            assert sent["model"] == MODELS[target]
        if client == target:
            assert wire == (b"".join(STREAMS[target]) if stream else json.dumps(WHOLES[target]).encode())
        record = record_of(screened)
        assert record.target_dialect == target
        assert [attempt.outcome for attempt in record.attempts] == ["ok"]
        if not stream:
            assert (record.attempts[0].input_tokens, record.attempts[0].output_tokens) == (3, 2)
            assert record.attempts[0].cost_usd is not None
        assert vendors.transport.inbounds[0].fate == "released"

    run(play())


def error(**fields: object) -> bytes:
    return json.dumps({"error": fields}).encode()


def anthropic_error(kind: str, message: str = "m", **more: object) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **more}}).encode()


# vendor, status, body, kind, may another be asked
ANSWERS = [
    ("openai", 429, error(message="m", type="insufficient_quota", code="insufficient_quota"), "quota_exhausted"),
    ("openai", 429, error(message="m", type="tokens", code="rate_limit_exceeded"), "rate_limited"),
    ("openai", 401, error(message="m", code="invalid_api_key"), "auth_failed"),
    ("openai", 404, error(message="m", code="model_not_found"), "model_gone"),
    ("openai", 400, error(message="m", code="context_length_exceeded"), "context_too_long"),
    ("openai", 400, error(message="bad field", type="invalid_request_error", param="x"), "client_fault"),
    ("openai", 503, b"<html>", "overloaded"),
    ("anthropic", 529, anthropic_error("overloaded_error"), "overloaded"),
    ("anthropic", 429, anthropic_error("rate_limit_error"), "rate_limited"),
    ("anthropic", 400, anthropic_error(
        "invalid_request_error", "You have reached your specified API usage limits."), "quota_exhausted"),
    ("anthropic", 400, anthropic_error("invalid_request_error", "messages: bad"), "client_fault"),
    ("anthropic", 400, anthropic_error(
        "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"), "context_too_long"),
    ("google", 503, error(code=503, message="m", status="UNAVAILABLE"), "overloaded"),
    ("google", 400, error(code=400, message="API key not valid.", status="INVALID_ARGUMENT",
                          details=[{"reason": "API_KEY_INVALID"}]), "auth_failed"),
    ("google", 404, error(code=404, message="m", status="NOT_FOUND"), "model_gone"),
    ("google", 400, error(code=400, message="bad field", status="INVALID_ARGUMENT"), "client_fault"),
]  # fmt: skip


@pytest.mark.parametrize(("vendor", "status", "body", "kind"), ANSWERS)
def test_what_a_vendors_error_leads_to(vendor: str, status: int, body: bytes, kind: str) -> None:
    async def play() -> None:
        vendors = Vendors()
        for name in DIALECTS:
            vendors.good(name, True)
        vendors.script(vendor, Reply(body, status=status))
        screened = vendors.screened(vendor, MODELS[vendor], True)
        text, error = await told(vendors, screened)
        if error is not None:
            assert kind in ("client_fault", "context_too_long")
            assert error.kind == kind
            assert error.body == body
            assert vendors.transport.hosts() == [HOSTS[vendor]]
        else:
            assert text == "hello"
            assert kind != "client_fault"
            assert len(vendors.transport.requests) == 2
        assert record_of(screened).attempts[0].error == kind

    run(play())


UNSEEN = [
    ("openai", b"<html>hello</html>"),
    ("openai", b""),
    ("openai", error(message="m", type="server_error")),
    ("openai", sse({"error": {"message": "m", "type": "server_error"}})),
    ("openai", OPENAI_STREAM[0]),
    ("openai", sse("[DONE]")),
    ("openai", sse("{not json")),
    ("anthropic", b""),
    ("anthropic", ANTHROPIC_STREAM[0]),
    ("anthropic", sse({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, named=True)),
    ("anthropic", anthropic_error("api_error")),
    ("google", b""),
    ("google", sse({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}})),
    ("google", sse({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "index": 0}]})),
    ("google", sse({"usageMetadata": USAGE})),
]


@pytest.mark.parametrize(("vendor", "body"), UNSEEN)
def test_a_200_that_is_no_answer_fails_over(vendor: str, body: bytes) -> None:
    async def play() -> None:
        vendors = Vendors()
        for name in DIALECTS:
            vendors.good(name, True)
        vendors.script(vendor, Reply(body))
        screened = vendors.screened(vendor, MODELS[vendor], True)
        text, _ = await vendors.ask(screened)
        assert text == "hello"
        assert [attempt.outcome for attempt in record_of(screened).attempts] == ["failed", "ok"]

    run(play())


@pytest.mark.parametrize("vendor", DIALECTS)
def test_a_cut_stream_is_told_and_never_completed(vendor: str) -> None:
    async def play() -> None:
        for reads in range(len(STREAMS[vendor])):
            vendors = Vendors()
            for name in DIALECTS:
                vendors.good(name, True)
            vendors.script(vendor, Reply(*STREAMS[vendor][:reads]))
            screened = vendors.screened(vendor, MODELS[vendor], True)
            text, error = await told(vendors, screened)
            shown = b"hello" in b"".join(STREAMS[vendor][:reads])
            ended = reads == 3  # the finish was there, only the end mark was not
            if shown and not ended:
                assert error is not None
                assert error.kind == "truncated"
                assert record_of(screened).committed
            else:
                assert text == "hello"
                assert len(record_of(screened).attempts) == (1 if ended else 2)

    run(play())


def test_a_blocked_prompt_is_a_refusal_and_goes_to_nobody_else() -> None:
    async def play() -> None:
        vendors = Vendors()
        for name in DIALECTS:
            vendors.good(name, True)
        vendors.script("google", Reply(sse({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": USAGE})))
        screened = vendors.screened("google", MODELS["google"], True)
        text, _ = await vendors.ask(screened)
        assert text == ""
        assert vendors.transport.hosts() == [HOSTS["google"]]

    run(play())


def test_a_clients_anthropic_version_reaches_anthropic_and_nobody_else() -> None:
    async def play() -> None:
        vendors = Vendors()
        vendors.script("anthropic", Reply(b"", status=500))
        vendors.good("openai", True)
        screened = vendors.screened("anthropic", MODELS["anthropic"], True)
        call = screened.grounded.prompted.selected.admitted.call
        call.headers = [(b"anthropic-version", b"2026-10-21"), (b"x-api-key", b"of-the-client")]
        await vendors.ask(screened)
        first, second = vendors.transport.requests
        assert b"anthropic-version: 2026-10-21\r\n" in first.head
        assert b"anthropic-version" not in second.head
        assert b"of-the-client" not in first.head + second.head

    run(play())


def test_no_key_is_in_any_message_or_on_the_record() -> None:
    async def play() -> None:
        vendors = Vendors()
        for name in DIALECTS:
            vendors.script(name, Reply(error(message=f"bad key key-of-{name}", code="invalid_api_key"), status=401))
        screened = vendors.screened("openai", MODELS["openai"], True)
        with pytest.raises(UpstreamError) as caught:
            await vendors.ask(screened)
        assert caught.value.kind == "auth_failed"
        assert len(vendors.transport.requests) == 3
        for shown in (
            repr(caught.value),
            caught.value.message,
            repr(record_of(screened)),
            repr(vendors.transport.requests),
        ):
            assert "key-of-" not in shown

    run(play())
