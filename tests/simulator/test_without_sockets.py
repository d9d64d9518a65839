"""The simulator without sockets: requests out of bytes, answers as steps, rules on another clock."""

from __future__ import annotations

import pytest

from headgate.simulator import BadRequest, Send, SimulatorSettings, Wait, build, take_request

BODY = b'{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sim-a\r\ncontent-length: %d\r\n\r\n"
REQUEST = HEAD % len(BODY) + BODY


def test_a_request_is_taken_once_it_is_all_there() -> None:
    for size in range(len(REQUEST)):
        assert take_request(REQUEST[:size]) is None
    taken = take_request(REQUEST + b"POST /next")
    assert taken is not None
    request, rest = taken
    assert (request.method, request.path, request.body, rest) == ("POST", "/v1/chat/completions", BODY, b"POST /next")
    assert request.json == {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(
    "raw", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", b"GET /" + b"a" * 70_000]
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        take_request(raw)


def test_steps_follow_the_rules_of_the_clock_that_was_given() -> None:
    now = 0.0
    simulator = build(SimulatorSettings(first_s=0.5), lambda: now)
    simulator.fault("openai:f1-503,seconds=10")

    def first_line(nth: int) -> bytes:
        taken = take_request(REQUEST)
        assert taken is not None
        steps = list(simulator.steps(taken[0], nth))
        assert steps[0] == Wait(0.5)
        assert isinstance(steps[1], Send)
        return steps[1].data.split(b"\r\n")[0]

    assert first_line(1) == b"HTTP/1.1 503 Service Unavailable"
    now = 10.0
    assert first_line(2) == b"HTTP/1.1 200 OK"
    assert [seen.status for seen in simulator.requests] == [503, 200]
