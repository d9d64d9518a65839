"""The drill's client: only a whole, right answer passes."""

from __future__ import annotations

import pytest

from headgate.app.drills.client import ClientExchange, failure, told
from headgate.core.record import CallRecord
from headgate.dialects import DIALECTS
from tests.support.world import ManualClock

OPENAI = DIALECTS["openai"]
HEADERS = b"content-type: text/event-stream\r\nx-headgate-call-id: call_7\r\nx-headgate-attempts: 1\r\n"
FIRST = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}\n\n'
SECOND = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":" you"},"finish_reason":null}]}\n\n'
STOP = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
CUT = b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\n'
ERROR = b'data: {"error":{"message":"m","type":"server_error","param":null,"code":null}}\n\n'
DONE = b"data: [DONE]\n\n"


def streamed(*parts: bytes, finish: bool = True) -> ClientExchange:
    exchange = ClientExchange(ManualClock())
    exchange.begin(200, HEADERS)
    for part in parts:
        exchange.write(part)
    if finish:
        exchange.finish()
    return exchange


def seen(exchange: ClientExchange) -> str | None:
    return failure(exchange, OPENAI, True, "Hello you")


def test_the_whole_right_answer_passes() -> None:
    exchange = streamed(FIRST, SECOND, STOP, DONE)
    assert seen(exchange) is None
    assert exchange.call_id == "call_7"


@pytest.mark.parametrize(
    ("exchange", "wanted"),
    [
        (streamed(FIRST), "stream ended by an error (truncated)"),
        (streamed(FIRST, SECOND, ERROR), "stream ended by an error (server_error)"),
        (streamed(FIRST, STOP, DONE), "wrong answer"),
        (streamed(FIRST, SECOND, CUT, DONE), "wrong answer"),
        (streamed(FIRST, SECOND, SECOND, STOP, DONE), "wrong answer"),
        (streamed(FIRST, SECOND, STOP, DONE, finish=False), "connection cut"),
    ],
    ids=["truncated", "in-band", "invented-stop", "length", "doubled", "unfinished"],
)
def test_anything_else_does_not(exchange: ClientExchange, wanted: str) -> None:
    assert seen(exchange) == wanted


def test_a_refused_call_is_told_by_its_status() -> None:
    exchange = ClientExchange(ManualClock())
    exchange.send(503, HEADERS, b"{}")
    assert seen(exchange) == "HTTP 503"
    assert seen(ClientExchange(ManualClock())) == "no answer"


def test_a_failure_on_record_as_a_success_is_told_apart() -> None:
    record = CallRecord("call_7", 1, "openai")
    record.outcome, record.error = "failed", "idle_timeout"
    assert told("HTTP 504", record) == "HTTP 504: idle_timeout"
    assert told(None, record) == "a good answer, on record as failed"
    record.outcome, record.error = "ok", None
    assert told("wrong answer", record) == "wrong answer, on record as ok"
    assert told(None, record) is None
    assert told(None, None) == "a good answer, and no record"
