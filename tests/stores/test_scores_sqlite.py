"""The sums over scores, held against sums made by hand; the file's own rules."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headgate.core.errors import ConfigError
from headgate.core.keys import EVERY_TENANT
from headgate.core.scores import CallFacts, GivenScore, Metric, Score, ScoreFilter
from headgate.stores import scores_sqlite
from headgate.stores.scores_sqlite import SqliteScores

SECOND = 10**9


def score(number: int, value: float | str, **fields) -> Score:
    call = fields.pop("call", f"call_{number}")
    plain = {"name": "quality", "source": "user", "author": "ann", "at_ns": number}
    if isinstance(value, str):
        return Score(f"s{number}", call, kind="label", label=value, **{**plain, **fields})
    return Score(f"s{number}", call, kind="number", number=value, **{**plain, **fields})


@pytest.fixture
def store(tmp_path: Path):
    made = SqliteScores(tmp_path)
    yield made
    made.close()


ROW = st.tuples(
    st.sampled_from(["support#1", "support#2"]),
    st.sampled_from([None, "control", "b"]),
    st.sampled_from([None, "u1", "u2", "u3"]),
    st.floats(-100, 100).map(lambda value: round(value, 2)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, max_size=25))
def test_sums_are_those_of_the_units(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    store = SqliteScores(tmp_path_factory.mktemp("s"))
    store.put([
        GivenScore(EVERY_TENANT, score(n, value), n, CallFacts("acme", n, "support", release, None, unit, arm))
        for n, (release, arm, unit, value) in enumerate(rows)
    ])  # fmt: skip
    by_unit: dict[tuple, list[float]] = defaultdict(list)
    for n, (release, arm, unit, value) in enumerate(rows):
        by_unit[release, arm, unit or f"call_{n}"].append(value)
    found = {(one.release, one.arm, one.unit): one for one in store.units("acme", Metric(name="quality"), 1000)}
    assert found.keys() == by_unit.keys()
    for key, values in by_unit.items():
        assert found[key].count == len(values)
        assert math.isclose(found[key].total, sum(values), abs_tol=1e-6)
        assert math.isclose(found[key].squares, sum(v * v for v in values), abs_tol=1e-6)
    for arm in store.sums("acme", Metric(name="quality")):
        units = [values for (release, name, _), values in by_unit.items() if (release, name) == (arm.release, arm.arm)]
        assert (arm.units, arm.count) == (len(units), sum(map(len, units)))
        assert arm.count_squares == sum(len(values) ** 2 for values in units)
        assert math.isclose(arm.total_squares, sum(sum(values) ** 2 for values in units), abs_tol=1e-5)
        assert math.isclose(arm.cross, sum(len(values) * sum(values) for values in units), abs_tol=1e-5)
    store.close()


def facts(number: int, tenant: str = "acme", app: str = "support") -> CallFacts:
    return CallFacts(tenant, number * SECOND, app, f"{app}#1")


def test_a_label_is_a_metric_of_ones_and_zeros(store: SqliteScores) -> None:
    store.put([
        GivenScore(EVERY_TENANT, score(n, label, name="end"), n, facts(n))
        for n, label in enumerate(["resolved", "open", "resolved", "lost"])
    ])  # fmt: skip
    (arm,) = store.sums("acme", Metric(name="end", label="resolved"))
    assert (arm.count, arm.total) == (4, 2.0)
    assert store.sums("acme", Metric(name="end")) == [], "a label has no number"


def test_sums_and_lists_keep_to_tenant_app_source_and_time(store: SqliteScores) -> None:
    store.put([
        GivenScore(EVERY_TENANT, score(1, 1.0), SECOND, facts(1)),
        GivenScore(EVERY_TENANT, score(2, 1.0), 2 * SECOND, facts(2, app="other")),
        GivenScore(EVERY_TENANT, score(3, 1.0), 3 * SECOND, facts(3, "globex")),
        GivenScore(EVERY_TENANT, score(4, 1.0, source="evaluator"), 4 * SECOND, facts(4)),
    ])  # fmt: skip

    def counted(scope: str, **wanted) -> int:
        return sum(arm.count for arm in store.sums(scope, Metric(name="quality", **wanted)))

    assert counted(EVERY_TENANT) == 4
    assert counted("acme") == 3
    assert counted("acme", app="support") == 2
    assert counted("acme", source="user") == 2
    assert counted("acme", since_ns=2 * SECOND, until_ns=4 * SECOND) == 1
    assert [one.score.id for one in store.find("acme", ScoreFilter())] == ["s4", "s2", "s1"]
    assert [one.score.id for one in store.find("acme", ScoreFilter(app="support", since_ns=2 * SECOND))] == ["s4"]
    page = store.find("acme", ScoreFilter(limit=2))
    assert [one.score.id for one in store.find("acme", ScoreFilter(before=page[-1].seq))] == ["s1"]
    with pytest.raises(ValueError, match="tenant"):
        store.find("", ScoreFilter())


def test_a_call_takes_so_many_scores_and_no_more(store: SqliteScores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores_sqlite, "PER_CALL_MAX", 3)
    fates = store.put([GivenScore(EVERY_TENANT, score(n, 1.0, call="call_1"), 1, facts(1)) for n in range(5)])
    assert fates == ["new", "replaced", "replaced", "full", "full"]


def test_the_oldest_give_way_where_there_are_too_many(store: SqliteScores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores_sqlite, "SCORES_MAX", 2)
    store.put([GivenScore(EVERY_TENANT, score(n, 1.0), n, facts(n)) for n in range(5)])
    store.retain(0)
    assert [one.score.id for one in store.find("acme", ScoreFilter())] == ["s4", "s3"]


def test_scores_outlive_the_process(tmp_path: Path) -> None:
    store = SqliteScores(tmp_path)
    store.put([GivenScore("acme", score(1, 0.5), 1, None, look_ns=7)])
    store.close()
    store = SqliteScores(tmp_path)
    (waiting,) = store.due(7, 10)
    assert (waiting.scope, waiting.call) == ("acme", "call_1")
    assert store.due(6, 10) == []
    store.join(waiting, facts(1))
    (kept,) = store.find("acme", ScoreFilter())
    assert (kept.facts, kept.score.number) == (facts(1), 0.5)
    assert store.due(1 << 62, 10) == []
    store.close()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    store = SqliteScores(tmp_path)
    store._connection.execute("PRAGMA user_version=99")
    store.close()
    with pytest.raises(ConfigError, match="newer"):
        SqliteScores(tmp_path)
