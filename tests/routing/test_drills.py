"""The whole gateway in virtual time against a provider that fails for an hour: what its users notice."""

from __future__ import annotations

import pytest

from headgate.app.drills import run_outage
from headgate.evaluation import MODES, PROVIDERS, Outage, Report
from headgate.evaluation.report import ADDED_P99, ATTEMPTS_PER_CALL, DEAD_SHARE, FAILURES


def drill(mode: str, *providers: str, seed: int) -> Report:
    return run_outage(
        Outage(providers=providers, mode=MODES[mode], hours=1.0, seed=seed, rate=1.0, lead_s=60.0, tail_s=400.0)
    )


@pytest.mark.parametrize(("mode", "seed"), [("hang", 1), ("503", 2), ("reset", 3), ("silent", 4), ("429", 5)])
def test_an_hour_without_a_provider_goes_unnoticed(mode: str, seed: int) -> None:
    provider = PROVIDERS[seed % 2]
    report = drill(mode, provider, seed=seed)
    assert report.calls > 3000
    assert [bar.name for bar in report.bars] == [FAILURES, ADDED_P99, ATTEMPTS_PER_CALL, DEAD_SHARE]
    assert [bar.name for bar in report.bars if not bar.met] == []
    assert report.recover_s is not None


def test_calls_that_wait_at_a_silent_provider_are_called_off() -> None:
    report = drill("hang", "openai", seed=9)
    assert report.dead_errors.get("called_off", 0) >= 1
    assert (report.added_ms.max or 0) < 35_000  # their own deadlines are 60 and 300 s


@pytest.mark.parametrize(
    ("provider", "rate", "seed"), [("openai", 1.0, 10), ("google", 0.5, 3), ("anthropic", 0.2, 2), ("google", 0.2, 3)]
)
def test_a_slow_provider_is_left_alone_however_few_call_it(provider: str, rate: float, seed: int) -> None:
    hour = Outage(providers=(provider,), mode=MODES["slow"], hours=1.0, seed=seed, rate=rate, tail_s=400.0)
    report = run_outage(hour)
    assert [bar.name for bar in report.bars if not bar.met] == []
    assert report.dead_failed == 0
    assert report.detect_s is not None
    assert report.dead_tries <= 7
    assert report.recover_s is not None


def test_a_brownout_is_noticed() -> None:
    report = drill("brownout", "openai", seed=11)
    assert [bar.name for bar in report.bars if not bar.met] == []
    assert report.detect_s is not None
    assert report.detect_s < 400
    assert report.dead_tries < report.calls * 0.2


def test_a_provider_that_comes_and_goes_goes_unnoticed() -> None:
    report = drill("flap", "openai", seed=6)
    assert [bar.name for bar in report.bars if not bar.met] == []
    assert report.dead_failed < report.calls * 0.03


def test_with_everyone_down_the_load_is_not_multiplied_and_all_come_back() -> None:
    report = drill("503", *PROVIDERS, seed=7)
    assert [bar.name for bar in report.bars if not bar.met] == []
    assert report.failed >= report.calls
    assert report.recover_s is not None


def test_streams_that_break_are_left_alone_though_whole_answers_come() -> None:
    report = drill("eof", "openai", seed=8)
    assert report.failed <= 10
    assert report.dead_tries <= report.calls * 0.01
