"""Reloads and replaced workers while fifty clients keep asking: no call fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.callers import Callers, reload_often, replace
from tests.e2e.gateway import Gateway, Vendors
from tests.e2e.workspace import MODELS, app, providers, route

CALLERS, RELOADS, REACH_S = 50, 20, 5.0


def test_reloads_and_replacements_drop_no_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vendors = Vendors(tmp_path)
    documents = [route("to-openai", f"openai/{MODELS['openai']}"), app("to-openai", "to-openai")]
    own = Gateway(tmp_path, {"providers": providers(vendors.url), "workers": 3}, documents).start()
    try:
        with Callers(own, CALLERS) as callers:
            took = reload_often(own, RELOADS)
            replace(own, 1, 2, 3, 1, 2)
        with capsys.disabled():
            print(f"\n{callers.answered} calls, {RELOADS} reloads (the longest {max(took):.2f} s), 5 workers replaced")
        assert (callers.failed, callers.raced) == ([], [])
        assert max(took) <= REACH_S
        assert own.stop() == 0
    finally:
        own.process.kill()
        vendors.process.stop()
