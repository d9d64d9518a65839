"""What every store of calls must do, whatever the engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.core.calls import CallFilter, Retention
from headgate.core.errors import InvalidRequest
from headgate.core.keys import EVERY_TENANT, Spend
from headgate.core.record import AttemptRecord, CallRecord, GapRecord, SkipRecord, VerdictRecord
from headgate.telemetry import CallStore, percentile
from tests.stores.engines import CALL_STORES
from tests.telemetry.builders import DAY_NS, NOON, SECOND, batch, call_id, record, refused

FOREVER = 1 << 62


@pytest.fixture(params=sorted(CALL_STORES))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], CallStore]]:
    """Opens the store of this test, again and again on the same place."""
    opened: list[CallStore] = []

    def open_it() -> CallStore:
        while opened:
            opened.pop().close()
        opened.append(CALL_STORES[request.param](tmp_path))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], CallStore]) -> CallStore:
    return open_store()


def ids(store: CallStore, scope: str = EVERY_TENANT, limit: int = 1000, **wanted) -> list[int]:
    """Numbers of the calls found, in the order given."""
    page = store.calls(scope, CallFilter(**wanted), limit)
    return [int(item.id.removeprefix("call_")) for item in page.records]


# -- writing --------------------------------------------------------------------------------------------------------


def test_a_record_reads_back_whole(store: CallStore) -> None:
    full = record(
        7,
        attempts=[AttemptRecord("openai", "m", 1, "first", 2, None, 500, "failed", "server_error", "boom", "m-1", 3)],
        skipped=[SkipRecord("google", "g", "no vision")],
        verdicts=[VerdictRecord("card", "output", "redact", "text", 3, 9, "guardrail/pii@1.0.0")],
        dropped=["logprobs"], sources=["doc#1"], finish="stop", message="ünïcode ☃", cost_usd=None,
    )  # fmt: skip
    store.write(batch([full]))
    assert store.call(EVERY_TENANT, full.id) == full
    assert store.calls(EVERY_TENANT, CallFilter(), 10).records == [full]


def test_bodies_come_with_the_call_and_never_with_a_list(store: CallStore) -> None:
    store.write(batch([record(1, request_body=b'{"a":1}', response_body=b"\x00\xff"), record(2)]))
    one = store.call("acme", call_id(1))
    assert one is not None
    assert (one.request_body, one.response_body) == (b'{"a":1}', b"\x00\xff")
    assert all(item.request_body is None for item in store.calls("acme", CallFilter(), 10).records)
    two = store.call("acme", call_id(2))
    assert two is not None
    assert two.request_body is None


def test_offsets_are_what_was_written_last(store: CallStore) -> None:
    store.write(batch([record(1)], "a-1.hgj", 200))
    store.write(batch([record(2)], "a-1.hgj", 400))
    store.write(batch([], "b-1.hgj", 96))
    assert dict(store.offsets()) == {"a-1.hgj": 400, "b-1.hgj": 96}
    store.forget(["a-1.hgj", "never.hgj"])
    assert dict(store.offsets()) == {"b-1.hgj": 96}


def test_a_batch_written_again_changes_nothing(store: CallStore) -> None:
    records = [record(n, NOON + (n % 3) * DAY_NS) for n in range(9)]
    for _ in range(3):
        store.write(batch(records, gaps=[]))
    assert len(ids(store)) == 9
    assert sum(rollup.calls for rollup in store.rollups(EVERY_TENANT, 0, FOREVER)) == 9
    assert store.spent_since(0)["key_1"].calls == 9


def test_a_segment_read_again_in_other_portions_changes_nothing(store: CallStore) -> None:
    records = [record(n, NOON + (n % 2) * DAY_NS) for n in range(10)]
    store.write(batch(records[:6], end=664))
    store.write(batch(records[2:8], end=864))
    store.write(batch(records[5:], end=1064))
    assert len(ids(store)) == 10
    assert sum(rollup.calls for rollup in store.rollups(EVERY_TENANT, 0, FOREVER)) == 10


def test_what_was_written_is_there_after_a_restart(open_store: Callable[[], CallStore]) -> None:
    open_store().write(batch([record(1, request_body=b"x")], gaps=[GapRecord(1, 2, 3, "why")]))
    store = open_store()
    assert ids(store) == [1]
    assert store.gaps(0, FOREVER) == [GapRecord(1, 2, 3, "why")]
    assert len(store.offsets()) == 1


def in_flight(number: int, **fields) -> CallRecord:
    return CallRecord(call_id(number), NOON, "openai", tenant="acme", key_id="key_1", model_asked="m", **fields)


def test_a_sealed_record_takes_the_place_of_the_call_in_flight(store: CallStore) -> None:
    store.write(batch([in_flight(1)], end=164))
    assert store.owners() == {"w.1"}
    assert store.spent_since(0) == {}
    store.write(batch([record(1)], end=264))
    assert ids(store, outcome="ok") == [1]
    assert store.owners() == set()


def test_a_call_in_flight_never_takes_the_place_of_a_sealed_record(store: CallStore) -> None:
    store.write(batch([record(1)], "w-2.hgj", 164))
    store.write(batch([in_flight(1)], "w-1.hgj", 164))
    assert ids(store, outcome="ok") == [1]


def test_abort_is_for_one_owner_and_once(store: CallStore) -> None:
    store.write(batch([in_flight(n) for n in range(3)], "w.1-1.hgj", owner="w.1"))
    store.write(batch([in_flight(9)], "v.1-1.hgj", owner="v.1"))
    assert store.abort("w.1") == 3
    assert store.abort("w.1") == 0
    assert ids(store, outcome="aborted") == [2, 1, 0]
    assert store.owners() == {"v.1"}
    (rollup,) = store.rollups(EVERY_TENANT, 0, FOREVER)
    assert (rollup.calls, rollup.unpriced, rollup.uncounted) == (3, 3, 3)
    aborted = store.call("acme", call_id(1))
    assert aborted is not None
    assert (aborted.outcome, aborted.cost_usd) == ("aborted", None)


def test_many_calls_in_flight_are_all_aborted(store: CallStore) -> None:
    store.write(batch([in_flight(n) for n in range(1203)]))
    assert store.abort("w.1") == 1203


def test_forgotten_calls_leave_the_list_unless_they_were_sealed(store: CallStore) -> None:
    store.write(batch([in_flight(1), in_flight(2), record(3)]))
    store.write(batch([], end=900, forgotten=[call_id(1), call_id(3), call_id(99)]))
    assert sorted(ids(store)) == [2, 3]


# -- tenants --------------------------------------------------------------------------------------------------------


def test_a_tenant_sees_only_its_own(store: CallStore) -> None:
    store.write(batch([record(1, tenant="acme"), record(2, tenant="globex", request_body=b"x")]))
    assert ids(store, "acme") == [1]
    assert ids(store, "globex") == [2]
    assert ids(store, EVERY_TENANT) == [2, 1]
    assert store.call("acme", call_id(2)) is None
    assert store.call("globex", call_id(2)) is not None
    assert [rollup.calls for rollup in store.rollups("acme", 0, FOREVER)] == [1]
    assert [rollup.calls for rollup in store.rollups(EVERY_TENANT, 0, FOREVER)] == [2]
    assert ids(store, "*' OR 1=1 --") == []


@pytest.mark.parametrize("ask", ["calls", "call", "rollups"])
def test_no_scope_is_no_answer(store: CallStore, ask: str) -> None:
    asks = {
        "calls": lambda: store.calls("", CallFilter(), 1),
        "call": lambda: store.call("", call_id(1)),
        "rollups": lambda: store.rollups("", 0, FOREVER),
    }
    with pytest.raises(ValueError, match="tenant"):
        asks[ask]()


# -- asking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"app": "support"}, [6, 5, 4, 3, 1]),
        ({"app": "billing"}, [2]),
        ({"release": "support#18"}, [3]),
        ({"provider": "anthropic"}, [3]),
        ({"model": "claude"}, [3]),
        ({"model": "support"}, [6, 5, 4, 3, 2, 1]),
        ({"outcome": "ok"}, [6, 3, 2, 1]),
        ({"outcome": "refused"}, [5]),
        ({"key_id": "key_2"}, [4]),
        ({"prompt": "prompt/support@1.4.2"}, [5, 4, 3, 1]),
        ({"prompt": "prompt/support"}, [6, 5, 4, 3, 1]),
        ({"prompt": "prompt/supp"}, []),
        ({"error": "rate"}, [5]),
        ({"error": "RATE_%"}, []),
        ({"error": "'; DROP TABLE calls; --"}, []),
        ({"min_cost_usd": 0.3}, [2]),
        ({"min_cost_usd": 0.0}, [6, 4, 3, 2, 1]),
        ({"min_latency_us": 500_000}, [4]),
        ({"since_ns": NOON + 3 * SECOND}, [6, 5, 4, 3]),
        ({"until_ns": NOON + 3 * SECOND}, [2, 1]),
        ({"since_ns": NOON + 2 * SECOND, "until_ns": NOON + 2 * SECOND + 1}, [2]),
        ({"outcome": "failed", "min_latency_us": 1, "app": "support", "key_id": "key_2"}, [4]),
        ({"since_ns": FOREVER}, []),
        ({"until_ns": 0}, []),
    ],
)
def test_filters(store: CallStore, wanted: dict[str, object], found: list[int]) -> None:
    store.write(
        batch(
            [
                record(1, NOON + 1 * SECOND),
                record(2, NOON + 2 * SECOND, app="billing", prompt="prompt/bills@1.0.0", cost_usd=0.5),
                record(3, NOON + 3 * SECOND, provider="anthropic", target_model="claude", release="support#18"),
                record(
                    4, NOON + 4 * SECOND, outcome="failed", error="server_error", key_id="key_2", latency_us=600_000
                ),
                refused(5, NOON + 5 * SECOND),
                record(6, NOON + 6 * SECOND, prompt="prompt/support@1.10.0"),
            ]
        )
    )
    assert ids(store, **wanted) == found


def test_pages_cross_days_and_miss_nothing(store: CallStore) -> None:
    times = [NOON + (n // 4) * DAY_NS // 2 for n in range(30)]  # four at each moment, two moments a day
    store.write(batch([record(n, at_ns) for n, at_ns in enumerate(times)]))
    for size in (1, 3, 7, 29, 30, 31):
        seen: list[int] = []
        cursor = None
        for _ in itertools.count():
            page = store.calls("acme", CallFilter(), size, cursor)
            assert len(page.records) <= size
            seen += [int(item.id.removeprefix("call_")) for item in page.records]
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == sorted(range(30), key=lambda n: (times[n], n), reverse=True)


@pytest.mark.parametrize("cursor", ["", "x", "12", "-1.call_1", "1e5.call_1", "9" * 40 + ".call_1"])
def test_a_bad_cursor_is_the_callers_mistake(store: CallStore, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        store.calls("acme", CallFilter(), 5, cursor)
    assert refusal.value.param == "cursor"


def test_gaps_lie_in_their_range(store: CallStore) -> None:
    early, late = GapRecord(10, 20, 1, "a"), GapRecord(30, 40, 2, "b")
    store.write(batch([], end=100, gaps=[late, early]))
    assert store.gaps(0, 100) == [early, late]
    assert store.gaps(20, 30) == [early]
    assert store.gaps(21, 30) == []
    assert store.gaps(41, 100) == []


# -- sums -----------------------------------------------------------------------------------------------------------


def failover(number: int, at_ns: int = NOON) -> CallRecord:
    """OpenAI failed, Anthropic answered."""
    return record(
        number, at_ns, provider="anthropic", target_model="claude", cost_usd=0.5,
        attempts=[
            AttemptRecord("openai", "gpt-4o-mini", 0, "first", 9_000, None, 500, "failed", "server_error"),
            AttemptRecord(
                "anthropic", "claude", 10_000, "next", 210_000, 110_000, 200, "ok", input_tokens=300,
                output_tokens=80, cost_usd=0.5,
            ),
        ],
    )  # fmt: skip


def test_rollups_tell_attempts_from_calls(store: CallStore) -> None:
    store.write(batch([failover(1), failover(2, NOON + DAY_NS), refused(3)]))
    by_target = {rollup.key.provider: rollup for rollup in store.rollups("acme", 0, FOREVER)}
    first, second, nobody = by_target["openai"], by_target["anthropic"], by_target[""]
    assert (first.attempts, first.attempts_ok, first.attempts_failed, first.calls) == (2, 0, 2, 0)
    assert (first.errors, first.latency, first.cost_usd) == ({"server_error": 2}, {}, 0.0)
    assert (second.attempts, second.attempts_ok, second.calls, second.outcomes) == (2, 2, 2, {"ok": 2})
    assert (second.input_tokens, second.output_tokens, second.cost_usd) == (600, 160, 1.0)
    assert percentile(second.latency, 0.5) == pytest.approx(200_000, rel=0.05)
    assert percentile(second.ttft, 0.95) == pytest.approx(100_000, rel=0.05)
    assert (nobody.attempts, nobody.calls, nobody.errors, nobody.unpriced) == (0, 1, {"rate_limited": 1}, 0)


def test_rollups_are_for_an_app_and_a_range(store: CallStore) -> None:
    minute = 60 * SECOND
    store.write(batch([record(1), record(2, NOON + 10 * minute), record(3, NOON + 10 * minute, app=None)]))
    assert [rollup.calls for rollup in store.rollups("acme", NOON, NOON + 5 * minute)] == [1]
    assert [rollup.calls for rollup in store.rollups("acme", NOON + 5 * minute, FOREVER)] == [1, 1]  # no app, and one
    assert [rollup.calls for rollup in store.rollups("acme", 0, FOREVER, "support")] == [2]
    assert store.rollups("acme", 0, FOREVER, "nothing") == []
    (found,) = store.rollups("acme", NOON, FOREVER, "support")
    assert found.key == (NOON, "acme", "support", "openai", "gpt-4o-mini")


def test_spend_by_key(store: CallStore) -> None:
    store.write(
        batch(
            [
                record(1, NOON - DAY_NS, key_id="a", cost_usd=1.0),
                record(2, NOON, key_id="a", cost_usd=2.0),
                record(3, NOON, key_id="b", cost_usd=None),
                refused(4, NOON, key_id="b"),
                record(5, NOON, key_id="", tenant=""),
                in_flight(6),
            ]
        )
    )
    assert store.spent_since(0) == {"a": Spend(0, 3.0, 2, 0, 760), "b": Spend(0, 0.0, 2, 1, 380)}
    start = NOON - DAY_NS // 2
    assert store.spent_since(start)["a"] == Spend(start, 2.0, 1, 0, 380)


def test_what_an_aborted_call_cost_is_unknown(store: CallStore) -> None:
    store.write(batch([in_flight(1)]))
    store.abort("w.1")
    for since_ns in (0, NOON - 1):
        assert store.spent_since(since_ns)["key_1"] == Spend(since_ns, 0.0, 1, 1, 0)


def test_spend_from_the_middle_of_a_day(store: CallStore) -> None:
    store.write(batch([record(1, NOON - SECOND), record(2, NOON), record(3, NOON + DAY_NS)]))
    assert store.spent_since(NOON)["key_1"] == Spend(NOON, 0.5, 2, 0, 760)
    assert store.spent_since(NOON + 1)["key_1"].calls == 1
    assert store.spent_since(NOON + 2 * DAY_NS) == {}


# -- retention ------------------------------------------------------------------------------------------------------


def test_bodies_go_before_records(store: CallStore) -> None:
    store.write(batch([record(n, NOON - n * DAY_NS, request_body=b"x") for n in range(6)]))
    store.retain(NOON, Retention(calls_days=4, bodies_days=1))
    assert ids(store) == [0, 1, 2, 3, 4]
    kept = [store.call("acme", call_id(n)) for n in range(5)]
    assert [item is not None and item.request_body for item in kept] == [b"x", b"x", None, None, None]


def test_spend_outlives_the_records(open_store: Callable[[], CallStore]) -> None:
    store = open_store()
    store.write(batch([record(n, NOON - n * DAY_NS) for n in range(6)]))
    before = store.spent_since(0)
    store.retain(NOON, Retention(calls_days=2, bodies_days=2))
    assert store.spent_since(0) == before
    assert ids(store) == [0, 1, 2]
    late = batch([record(77, NOON - 5 * DAY_NS)], "late-1.hgj")
    store.write(late)  # a straggler for a day that is gone
    assert store.spent_since(0)["key_1"].calls == 7
    store.retain(NOON, Retention(calls_days=2, bodies_days=2))
    assert open_store().spent_since(0)["key_1"].calls == 7


def test_gaps_go_with_the_records_of_their_time(store: CallStore) -> None:
    old, new = GapRecord(NOON - 9 * DAY_NS, NOON - 9 * DAY_NS, 1, "old"), GapRecord(NOON, NOON, 1, "new")
    store.write(batch([], end=100, gaps=[old, new]))
    store.retain(NOON, Retention(3, 3))
    assert store.gaps(0, FOREVER) == [new]


def test_nothing_is_dropped_twice(store: CallStore) -> None:
    store.write(batch([record(1, NOON - 9 * DAY_NS)]))
    assert store.retain(NOON, Retention(3, 3)) > 0
    assert store.retain(NOON, Retention(3, 3)) == 0


# -- against a model ------------------------------------------------------------------------------------------------

calls = st.builds(
    lambda number, hours, tenant, app, outcome, cost: record(
        number, NOON + hours * 3600 * SECOND, tenant=tenant, app=app, outcome=outcome, cost_usd=cost
    ),
    st.integers(0, 10**6), st.integers(0, 72), st.sampled_from(["acme", "globex"]),
    st.sampled_from([None, "support", "billing"]), st.sampled_from(["ok", "failed", "cancelled"]),
    st.sampled_from([None, 0.25, 0.5]),
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(calls, max_size=25, unique_by=lambda item: item.id),
    st.sampled_from(["acme", EVERY_TENANT]), st.sampled_from([None, "support"]),
    st.sampled_from([None, "failed"]), st.sampled_from([None, 0.5]), st.integers(0, 72),
)  # fmt: skip
def test_filters_agree_with_a_list(tmp_path_factory, request, written, scope, app, outcome, cost, hour) -> None:
    since_ns = NOON + hour * 3600 * SECOND
    for name, make in CALL_STORES.items():
        store = make(tmp_path_factory.mktemp(name))
        store.write(batch(written))
        wanted = CallFilter(app=app, outcome=outcome, min_cost_usd=cost, since_ns=since_ns)
        expected = [
            item
            for item in sorted(written, key=lambda item: (item.received_ns, item.id), reverse=True)
            if scope in (EVERY_TENANT, item.tenant)
            and app in (None, item.app)
            and outcome in (None, item.outcome)
            and (cost is None or (item.cost_usd is not None and item.cost_usd >= cost))
            and item.received_ns >= since_ns
        ]
        assert store.calls(scope, wanted, 1000).records == expected
        spent = sum(item.cost_usd or 0.0 for item in written)
        assert sum(spend.usd for spend in store.spent_since(0).values()) == spent
        store.close()


# -- which prompts were used -----------------------------------------------------------------------------------------

HOUR = 3600 * SECOND


def used(store: CallStore, scope: str = EVERY_TENANT, since_ns: int = 0, until_ns: int = FOREVER, app=None):
    return [
        (use.app, use.prompt, use.fingerprint, use.calls, use.call)
        for use in store.prompt_use(scope, since_ns, until_ns, app)
    ]


def test_calls_that_reached_a_model_are_counted_by_prompt(store: CallStore) -> None:
    free = {"app": None, "prompt": None, "fingerprint": "f1"}
    store.write(batch([record(1), record(2, NOON + 5), refused(3), record(4, **free), in_flight(5)]))
    store.write(batch([record(6, NOON + DAY_NS, **free), record(7, prompt=None)], end=2000))
    assert used(store) == [
        (None, None, "f1", 2, call_id(6)),
        ("support", None, None, 1, call_id(7)),
        ("support", "prompt/support@1.4.2", None, 2, call_id(2)),
    ]
    assert used(store, app="support") == used(store)[1:]
    assert used(store, "globex") == []
    assert used(store, "acme") == used(store)


def test_use_is_counted_by_whole_hours(store: CallStore) -> None:
    store.write(batch([record(number, NOON + number * HOUR) for number in range(4)]))
    assert [row[3] for row in used(store, since_ns=NOON + HOUR + 1, until_ns=NOON + 3 * HOUR)] == [2]
    assert [row[3] for row in used(store, since_ns=NOON + HOUR, until_ns=NOON + 2 * HOUR + 1)] == [2]


def test_what_is_read_again_is_not_counted_again(store: CallStore) -> None:
    once = batch([record(1), record(2, fingerprint="f1", prompt=None)])
    for _ in range(3):
        store.write(once)
    assert [row[3] for row in used(store)] == [1, 1]


def test_an_aborted_call_counts_where_it_had_reached_a_model(store: CallStore) -> None:
    store.write(batch([in_flight(1, attempts=[AttemptRecord("openai", "m", 1, "first")]), in_flight(2)]))
    store.abort("w.1")
    assert [row[3:] for row in used(store)] == [(1, call_id(1))]


def test_fingerprints_beyond_a_bound_are_counted_together(store: CallStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headgate.stores.calls_day.USES_MAX", 3)
    store.write(batch([record(n, NOON + n, prompt=None, fingerprint=f"f{n}") for n in range(8)] + [record(9)]))
    store.write(batch([record(10, prompt=None, fingerprint="f0"), record(11, prompt=None, fingerprint="f7")], end=5000))
    assert {row[2]: row[3] for row in used(store)} == {"f0": 2, "f1": 1, "f2": 1, "*": 6, None: 1}
    assert sum(row[3] for row in used(store)) == 11


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from([None, "prompt/a@1.0.0"]), st.sampled_from([None, "f1", "f2"]), st.booleans())),
    st.integers(1, 5),
)
def test_every_call_is_counted_once_however_it_is_portioned(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, str | None, bool]], portion: int
) -> None:
    store = CALL_STORES["sqlite"](tmp_path_factory.mktemp("s"))
    made = [
        (record if reached else refused)(number, prompt=prompt, fingerprint=mark)
        for number, (prompt, mark, reached) in enumerate(rows)
    ]
    for start in range(0, len(made), portion):
        part = made[start : start + portion]
        store.write(batch(part, end=64 + 100 * (start + len(part))))
    uses = store.prompt_use(EVERY_TENANT, 0, FOREVER)
    assert sum(use.calls for use in uses) == sum(reached for _, _, reached in rows)
    assert sum(use.calls for use in uses if use.prompt) == sum(
        reached and prompt is not None for prompt, _, reached in rows
    )
    store.close()
