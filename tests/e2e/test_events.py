"""What operators should hear of: from a worker to the log, the API, the command and a webhook."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway import Gateway, Vendors, until
from tests.e2e.workspace import MODELS, app, providers, route

SECRET = "a-shared-secret"
BODY = {"model": "two", "messages": [{"role": "user", "content": "hello"}]}


class Receiver:
    """A real HTTP server that takes events; the first one it refuses, to see it again."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.refused = 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if not receiver.refused:
                    receiver.refused += 1
                    self.send_response(503)
                else:
                    receiver.got.append((self.headers["x-headgate-signature"], body))
                    self.send_response(204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def own(vendors: Vendors, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setenv("E2E_HOOK_SECRET", SECRET)
    hook = {"url": receiver.url, "secret_env": "E2E_HOOK_SECRET", "allow_http": True, "allow_private": True}
    documents = [route("two", f"openai/{MODELS['openai']}", f"google/{MODELS['google']}"), app("two", "two")]
    config = {"providers": providers(vendors.url), "events": {"webhook": hook}}
    made = Gateway(tmp_path, config, documents).start()
    yield made
    made.process.kill()


def test_a_breaker_that_opens_is_heard_of_everywhere(own: Gateway, vendors: Vendors, receiver: Receiver) -> None:
    with vendors.failing("f1-503", "openai"):
        for _ in range(6):
            assert own.ask(BODY).status == 200
    subject = f"openai/{MODELS['openai']}"

    def kept() -> list[dict[str, Any]]:
        return own.api("GET", "/api/events?kind=breaker_opened")["events"]

    (event,) = until(kept, 15.0, "the event is kept")
    assert (event["subject"], event["severity"]) == (subject, "warning")
    assert event["figures"]["error"] in ("overloaded", "server_error")
    assert f"breaker_opened {subject}" in own.process.said()
    printed = own.cli("events", "--severity", "warning")
    assert printed.returncode == 0
    assert subject in printed.stdout
    assert own.api("GET", "/api/trouble")["troubled"][0]["subject"] == subject
    assert f"{subject} is in trouble since" in own.cli("providers").stdout
    assert (
        'headgate_events_total{kind="breaker_opened",severity="warning"} 1'
        in own.api_answer("GET", "/metrics").body.decode()
    )
    until(lambda: receiver.got, 20.0, "the webhook has it, after a refusal")
    told, body = receiver.got[0]
    assert json.loads(body) == event
    at, _, mac = told.removeprefix("t=").partition(",v1=")
    assert mac == hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert receiver.refused == 1
    assert own.api("GET", "/api/events?severity=critical")["events"] == []
    assert own.api("GET", "/api/events?limit=1")["more"] is False


def test_a_webhook_in_a_private_network_must_be_allowed(vendors: Vendors, tmp_path: Path) -> None:
    hook = {"url": "http://127.0.0.1:1/hook", "allow_http": True}
    made = Gateway(tmp_path, {"providers": providers(vendors.url), "events": {"webhook": hook}}, [])
    with pytest.raises(AssertionError, match="ended with 2"):
        made.start()
    assert "private network" in made.process.said()
