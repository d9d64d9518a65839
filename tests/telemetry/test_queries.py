"""What lists, details and provider tables are made of."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from headgate.core.calls import CallFilter
from headgate.core.errors import NotFound
from headgate.core.keys import EVERY_TENANT
from headgate.core.record import AttemptRecord, GapRecord, SkipRecord, VerdictRecord
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.stores.scores_sqlite import SqliteScores
from headgate.telemetry import Queries, fold
from tests.telemetry.builders import NOON, batch, call_id, record, refused

FOREVER = 1 << 62


@pytest.fixture
def store(tmp_path: Path):
    made = SqliteCalls(tmp_path, fold)
    yield made
    made.close()


@pytest.fixture
def scores(tmp_path: Path):
    made = SqliteScores(tmp_path)
    yield made
    made.close()


def test_a_page_of_lines_with_what_was_lost(store: SqliteCalls, scores: SqliteScores) -> None:
    store.write(batch([record(1), refused(2)], gaps=[GapRecord(NOON, NOON + 1, 4, "disk full")]))
    queries = Queries(store, scores)
    first = queries.calls(EVERY_TENANT, CallFilter(), 1)
    assert [(line.id, line.outcome, line.attempts, line.cost_usd) for line in first.calls] == [
        (call_id(2), "refused", 0, None)
    ]
    assert [(gap.lost, gap.why) for gap in first.gaps] == [(4, "disk full")]
    second = queries.calls(EVERY_TENANT, CallFilter(), 1, first.cursor)
    assert [line.id for line in second.calls] == [call_id(1)]
    assert (second.cursor, second.gaps) == (None, [])


def test_a_call_in_full_goes_to_json_and_names_everything(store: SqliteCalls, scores: SqliteScores) -> None:
    full = record(
        1, skipped=[SkipRecord("google", "g", "no vision")], request_body=b'{"x":"\xc3\xbc"}',
        verdicts=[VerdictRecord("card", "input", "flag", "text", 0, 4)], response_body=b"\xff",
        attempts=[AttemptRecord("openai", "m", 1, "first", 2, None, 500, "failed", "server_error", "boom")],
    )  # fmt: skip
    store.write(batch([full]))
    detail = Queries(store, scores).call("acme", call_id(1))
    assert detail.request_body == '{"x":"ü"}'
    assert detail.response_body == "�"
    assert detail.explanation
    data = msgspec.json.decode(msgspec.json.encode(detail))
    assert data["attempts"][0]["error"] == "server_error"
    assert data["skipped"] == [{"provider": "google", "model": "g", "why": "no vision"}]
    assert data["verdicts"][0]["rule"] == "card"
    assert data["call"]["release"] == "support#17"


def test_a_call_of_another_tenant_is_not_there(store: SqliteCalls, scores: SqliteScores) -> None:
    store.write(batch([record(1)]))
    with pytest.raises(NotFound):
        Queries(store, scores).call("globex", call_id(1))


def test_providers_show_success_percentiles_cost_and_errors(store: SqliteCalls, scores: SqliteScores) -> None:
    slow = [AttemptRecord("openai", "m", 0, "first", 900_000, 300_000, 200, "ok", cost_usd=0.5, input_tokens=7)]
    fast = [AttemptRecord("openai", "m", 0, "first", 100_000, 50_000, 200, "ok", cost_usd=0.25, input_tokens=3)]
    lost = [AttemptRecord("openai", "m", 0, "first", 10, None, 500, "failed", "server_error")]
    store.write(
        batch(
            [
                *(record(n, attempts=fast) for n in range(8)),
                record(8, attempts=slow),
                record(9, outcome="failed", attempts=lost, committed=False, cost_usd=None),
                refused(10),
            ]
        )
    )
    (line,) = Queries(store, scores).providers("acme", 0, FOREVER)
    assert (line.provider, line.model, line.attempts, line.calls) == ("openai", "m", 10, 10)
    assert line.success_rate == pytest.approx(0.9)
    assert line.latency_p50_us == pytest.approx(100_000, rel=0.05)
    assert line.latency_p95_us == pytest.approx(900_000, rel=0.05)
    assert line.ttft_p50_us == pytest.approx(50_000, rel=0.05)
    assert (line.cost_usd, line.input_tokens, line.unpriced) == (2.5, 31, 0)
    assert [(top.error, top.count) for top in line.top_errors] == [("server_error", 1)]


def test_a_target_nobody_finished_has_no_success_rate(store: SqliteCalls, scores: SqliteScores) -> None:
    cut = [AttemptRecord("openai", "m", 0, "first", 10, outcome="cancelled")]
    store.write(batch([record(1, attempts=cut)]))
    (line,) = Queries(store, scores).providers("acme", 0, FOREVER)
    assert (line.success_rate, line.latency_p50_us) == (None, None)
