"""Clients on kept connections, and what operators do to a gateway of several workers meanwhile."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import yaml

from tests.e2e.gateway import CALL_S, Gateway, until

BODY = {"model": "to-openai", "messages": [{"role": "user", "content": "hello"}]}


@dataclass
class Callers:
    """Clients that keep their connection and ask one call after the other.

    `answers` are the ids of calls that went well, `failed` holds what went wrong, word for word. `raced` are kept
    connections that ended just as a call was sent, and before any of its answer came: such a client opens another and
    asks again, as the SDKs do.
    """

    gateway: Gateway
    count: int
    answers: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    raced: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """How many calls went well."""
        return len(self.answers)

    def __enter__(self) -> Callers:
        for _ in range(self.count):
            self.threads.append(threading.Thread(target=self._run, daemon=True))
            self.threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(CALL_S)
            assert not thread.is_alive()

    def _run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self.stopped.is_set():
            fresh = connection is None
            connection = connection or self._connection()
            if self._call(connection, fresh):
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.gateway.url.removeprefix("http://"), timeout=CALL_S)

    def _call(self, connection: http.client.HTTPConnection, fresh: bool) -> bool:
        """One call; whether the connection is of no more use."""
        headers = {"authorization": f"Bearer {self.gateway.key}", "content-type": "application/json"}
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(BODY), headers)
            answer = connection.getresponse()
        except ConnectionError as error:  # RemoteDisconnected is one
            (self.failed if fresh else self.raced).append(repr(error))
            return True
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(repr(error))
            return True
        try:
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(repr(error))
            return True
        if answer.status == 200 and data.endswith(b"}"):
            self.answers.append(answer.headers["x-headgate-call-id"])
        else:
            self.failed.append(f"{answer.status} {data[:200]!r}")
        return answer.headers.get("connection") == "close"


def workers(own: Gateway) -> list[dict[str, Any]]:
    """The roster."""
    return own.api("GET", "/api/workers")["workers"]


def serving(own: Gateway) -> set[int]:
    """The processes that take calls."""
    return {one["pid"] for one in workers(own) if one["state"] == "serving"}


def configure(own: Gateway, **fields: object) -> None:
    """Writes fields into the configuration file."""
    file = own.folder / "headgate.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **fields}))


def reload_often(own: Gateway, times: int) -> list[float]:
    """So many reloads of a changed configuration, each until every worker is on it; how long each took, in seconds."""
    count, took = len(workers(own)), list[float]()
    for turn in range(times):
        configure(own, retention_days=7 + turn)
        done = own.api("POST", "/api/reload", {})
        assert (done["faults"], done["behind"], done["workers"]) == ([], [], count)
        took.append(done["seconds"])
    return took


def replace(own: Gateway, *slots: int) -> None:
    """SIGTERM to the worker of each slot, one after the other, each until another serves in its place."""
    for slot in slots:
        before = serving(own)
        pid = next(one["pid"] for one in workers(own) if one["slot"] == slot)
        os.kill(pid, signal.SIGTERM)
        until(partial(_replaced, own, pid, len(before)), CALL_S, "another serves")


def _replaced(own: Gateway, pid: int, count: int) -> bool:
    now = serving(own)
    return pid not in now and len(now) == count
