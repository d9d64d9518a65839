"""A short outage over real sockets: processes that serve, a provider's process that is killed, and nobody notices."""

from __future__ import annotations

import pytest

from headgate.cli.drill_live import compressed, run_live
from headgate.cli.main import main
from headgate.evaluation import MODES, Outage


def test_nobody_notices_that_a_provider_is_killed() -> None:
    report = run_live(compressed(Outage(providers=("openai",), mode=MODES["refused"], rate=8), 0.2), workers=2)
    assert (report.failures, report.calm_failures) == ({}, 0)
    assert report.calls > 0
    assert report.dead_failed > 0
    assert set(report.answered_by) <= {"openai", "anthropic", "google"}


def test_options_that_do_not_go_together_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "outage", "--provider", "openai", "--live", "--hours", "1"]) == 2
    assert main(["drill", "outage", "--provider", "openai", "--minutes", "1"]) == 2
    assert "--minutes" in capsys.readouterr().err
