"""Callers that keep a gateway busy while a test kills parts of it, and what must then be on record."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from dataclasses import dataclass, field

from tests.e2e.gateway import CALL_S, Gateway, until

CALLERS = 8
PAUSE_S = 0.05  # between two calls: what is killed must find a processor to start on
SETTLE_S = 20.0


@dataclass
class Load:
    """Callers that ask one call after the other, half of them streamed.

    `begun` are the ids of calls whose status line came, `whole` of those whose last byte came; `wrong` holds answers
    that came and were not what was asked for, word for word.
    """

    gateway: Gateway
    whole: list[str] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Starts the callers."""
        for number in range(CALLERS):
            self.threads.append(threading.Thread(target=self._calls, args=(number,), daemon=True))
            self.threads[-1].start()

    def end(self) -> None:
        """Stops the callers and waits for them."""
        self.stop.set()
        for thread in self.threads:
            thread.join(CALL_S)
            assert not thread.is_alive()

    def _calls(self, number: int) -> None:
        stream = bool(number % 2)
        while not self.stop.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):  # it was killed, or is not there again yet
                self._call(stream)
            self.stop.wait(PAUSE_S)

    def _call(self, stream: bool) -> None:
        host = self.gateway.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=CALL_S)
        try:
            said = [{"role": "user", "content": "[[long 8]]"}]
            body = json.dumps({"model": "slow-openai", "messages": said, "stream": stream})
            headers = {"authorization": f"Bearer {self.gateway.key}", "content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            call_id = answer.headers["x-headgate-call-id"]
            if call_id is not None:
                self.begun.add(call_id)
            data = answer.read()
            if call_id is not None and answer.status == 200 and data.endswith(b"[DONE]\n\n" if stream else b"}"):
                self.whole.append(call_id)
            else:
                self.wrong.append(f"{answer.status} {data[-200:]!r}")
        finally:
            connection.close()


def settled(gateway: Gateway, load: Load) -> dict[str, str]:
    """Outcomes by id, once nothing is in flight and every call of which a client has a status line or more is there."""

    def done() -> dict[str, str] | None:
        calls = gateway.calls()
        found = {call["id"]: call["outcome"] for call in calls}
        assert len(found) == len(calls), "a call is on record twice"
        if "in_flight" in found.values() or not load.begun <= set(found):
            return None
        return found

    return until(done, SETTLE_S, "every call that had begun is on record, and none in flight")


def check(outcomes: dict[str, str], load: Load) -> None:
    """Nothing that a client has is lost, and what it has not got in whole is told as such."""
    assert load.wrong == []
    assert {outcomes[call] for call in load.whole} == {"ok"}
    assert set(outcomes.values()) <= {"ok", "aborted", "cancelled"}
