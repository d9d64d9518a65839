"""Several workers on one port: they share the load, a dead one is replaced, and nothing drops a call."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.callers import BODY, Callers, configure, reload_often, replace, serving, workers
from tests.e2e.gateway import CALL_S, Gateway, Vendors, fetch, until
from tests.e2e.workspace import MODELS, app, providers, route

WORKERS = 3
CALLERS = 12
REACH_S = 5.0
DOCUMENTS = [route("to-openai", f"openai/{MODELS['openai']}"), app("to-openai", "to-openai")]


@pytest.fixture
def own(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"providers": providers(vendors.url), "workers": WORKERS}
    made = Gateway(tmp_path_factory.mktemp("workers"), config, DOCUMENTS).start()
    yield made
    made.process.kill()


def test_all_of_them_serve(own: Gateway) -> None:
    with Callers(own, CALLERS) as callers:
        until(lambda: callers.answered > 200, CALL_S, "200 answers")
        until(lambda: sum(one["connections"] for one in workers(own)) >= CALLERS, CALL_S, "the roster shows them")
        lines = workers(own)
    assert callers.failed == []
    assert [line["slot"] for line in lines] == [1, 2, 3]
    assert len({line["pid"] for line in lines}) == WORKERS
    assert {line["state"] for line in lines} == {"serving"}
    owners = Counter(name.name.split(".")[0] for name in (own.folder / "state" / "journal").glob("*.hgj"))
    assert sum(owners.values()) == WORKERS
    assert max(line["connections"] for line in lines) < CALLERS  # nobody has them all


def test_a_worker_that_is_killed_is_replaced_and_the_others_serve_on(own: Gateway) -> None:
    first = workers(own)[0]
    with Callers(own, CALLERS) as callers:
        until(lambda: callers.answered > 20, CALL_S, "20 answers")
        os.kill(first["pid"], signal.SIGKILL)
        began = time.monotonic()
        until(lambda: any(one["slot"] == 1 and one["pid"] != first["pid"] for one in workers(own)), CALL_S, "replaced")
        assert time.monotonic() - began < 3.0
        more = callers.answered + 50
        until(lambda: callers.answered > more, CALL_S, "more answers")
    assert len(callers.failed) + len(callers.raced) <= CALLERS  # one call each, at most, was on its way there

    def kept() -> bool:
        found = Counter(one["id"] for one in own.calls() if one["outcome"] == "ok")
        return all(found[call] == 1 for call in callers.answers)

    until(kept, CALL_S, "every answered call is on record, once")


def test_reloads_and_worker_stops_drop_no_call(own: Gateway) -> None:
    with Callers(own, CALLERS) as callers:
        took = reload_often(own, 6)
        replace(own, 1, 2)
    assert max(took) < REACH_S
    assert (callers.failed, callers.raced) == ([], [])
    assert callers.answered > 100


def test_a_new_app_is_served_by_all_and_a_mistake_changes_nothing(own: Gateway) -> None:
    (own.folder / "workspace" / "all.yaml").write_text(yaml.safe_dump_all([*DOCUMENTS, app("fresh", "to-openai")]))
    done = own.cli("reload")
    assert done.returncode == 0, done.stderr
    assert "3 workers are on" in done.stdout
    for _ in range(20):
        assert own.ask({**BODY, "model": "fresh"}).status == 200
    (own.folder / "workspace" / "all.yaml").write_text("kind: app\nname: [")
    done = own.cli("reload")
    assert done.returncode == 2
    assert "all.yaml:" in done.stderr
    assert "nothing changed" in done.stderr
    for _ in range(6):
        assert own.ask({**BODY, "model": "fresh"}).status == 200


def test_their_number_follows_the_file(own: Gateway) -> None:
    configure(own, workers=1)
    own.api("POST", "/api/reload", {})
    until(lambda: len(workers(own)) == 1, CALL_S, "one is left")
    assert own.ask(BODY).status == 200
    configure(own, workers=4)
    own.api("POST", "/api/reload", {})
    until(lambda: len(serving(own)) == 4, CALL_S, "four serve")


def test_what_needs_a_restart_is_said(own: Gateway) -> None:
    configure(own, management="127.0.0.1:9")
    assert own.api("POST", "/api/reload", {})["restart"] == ["management"]


def test_a_revoked_key_is_refused_by_all_within_five_seconds(own: Gateway) -> None:
    secret = own.make_key()
    ask = {"authorization": f"Bearer {secret}"}
    for _ in range(3 * WORKERS):
        assert fetch(own.url + "/v1/chat/completions", BODY, ask).status == 200
    key_id = own.api("GET", "/api/keys")["keys"][-1]["id"]
    own.api("POST", f"/api/keys/{key_id}/revoke")
    began = time.monotonic()
    refused = 0
    while refused < 6 * WORKERS:
        refused = refused + 1 if fetch(own.url + "/v1/chat/completions", BODY, ask).status == 401 else 0
        assert time.monotonic() - began < REACH_S
