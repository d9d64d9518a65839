"""Outage drills, short ones: what users may notice, what they must not, and that the drill would tell."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from headgate.app.drills import run_outage
from headgate.evaluation import MODES, PROVIDERS, Outage, Report

# these strike after content has gone out to the client, which is then told; or later than a call may take at all
TOLD = {"stall", "drip", "cut", "eof", "in-band", "abort"}
TOO_FEW = {"brownout", "flap"}  # so few calls fail within so short a time that the provider may stay first choice


def drill(mode: str, *providers: str, seed: int = 1, hours: float = 0.05, config: Path | None = None) -> Report:
    outage = Outage(providers=providers, mode=MODES[mode], hours=hours, seed=seed, rate=1.0, lead_s=60.0, tail_s=300.0)
    return run_outage(outage, config)


def encoded(report: Report) -> bytes:
    return msgspec.json.encode(report)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode(mode: str) -> None:
    """With two providers left no user notices what can be hidden; what cannot is told, never passed off as whole."""
    provider = PROVIDERS[list(MODES).index(mode) % 3]
    report = drill(mode, provider, seed=7)
    assert report.calls > 120
    assert report.calm_failures == 0
    assert report.dead_failed > 0 or mode == "slow"
    if mode in TOLD:
        assert all(": " in seen and "record" not in seen and "wrong" not in seen for seen in report.failures)
    else:
        assert report.failures == {}
    assert mode in TOO_FEW or report.detect_s is not None


def test_same_seed_same_report_and_another_seed_another() -> None:
    first = drill("flap", "openai", seed=3)
    assert encoded(drill("flap", "openai", seed=3)) == encoded(first)
    assert encoded(drill("flap", "openai", seed=4)) != encoded(first)


def test_two_of_three_down_and_nobody_notices() -> None:
    report = drill("503", "openai", "google")
    assert report.failed == 0
    assert report.answered_by == {"anthropic": report.calls}


def test_with_everyone_down_users_are_told_fast() -> None:
    report = drill("503", *PROVIDERS)
    assert report.noticed
    assert report.failed >= report.calls - 3
    assert list(report.failures) == ["HTTP 503: overloaded"]
    assert report.failed_ms.max is not None
    assert report.failed_ms.max <= 3 * 400
    assert report.recover_s is not None


def test_without_failover_the_drill_notices(tmp_path: Path) -> None:
    shutil.copytree(Path(str(files("headgate"))) / "data" / "drill", tmp_path / "drill")
    route = tmp_path / "drill" / "workspace" / "routes" / "default.yaml"
    text = route.read_text()
    assert "attempts: 3" in text
    route.write_text(text.replace("attempts: 3", "attempts: 1"))
    report = drill("503", "openai", config=tmp_path / "drill" / "headgate.yaml")
    assert report.noticed
    assert set(report.failures) == {"HTTP 503: overloaded"}


def test_money_and_keys_are_not_tried_again_and_again() -> None:
    for mode in ("quota", "auth"):
        report = drill(mode, "openai")
        assert report.failed == 0
        assert report.dead_tries < 12
