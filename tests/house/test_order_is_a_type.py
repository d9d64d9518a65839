"""A skipped stage does not type-check: the page's order is held by types, not by care."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "src" / "headgate" / "pipeline.py").read_text()

SKIPS = {
    "the input guardrail": ("gate.routing.plan(screened)", "gate.routing.plan(grounded)"),
    "the output guardrail": ("await reply.write(passed)", "await reply.write(batch)"),
    "admission": ("gate.releases.select(admitted)", "gate.releases.select(call)"),
    "the prompt": ("await gate.retrieval.ground(prompted)", "await gate.retrieval.ground(selected)"),
    "retrieval": ("await gate.guardrails.screen_input(grounded)", "await gate.guardrails.screen_input(prompted)"),
    "the budget": ("gate.routing.send(funded)", "gate.routing.send(planned)"),
    "the end": ("await reply.end(passed)", "await reply.end(screen)"),
}


def errors(source: str, folder: Path) -> list[str]:
    (folder / "page.py").write_text(source)
    settings = {
        "typeCheckingMode": "strict", "venvPath": str(ROOT), "venv": ".venv", "extraPaths": [str(ROOT / "src")],
    }  # fmt: skip
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    pyright = Path(sys.executable).parent / "pyright"
    done = subprocess.run(
        [pyright, "--outputjson", "-p", folder], capture_output=True, text=True, check=False, cwd=folder
    )
    return [d["message"] for d in json.loads(done.stdout)["generalDiagnostics"] if d["severity"] == "error"]


def test_the_page_itself_is_clean(tmp_path: Path) -> None:
    assert errors(PAGE, tmp_path) == []


@pytest.mark.parametrize("skipped", SKIPS)
def test_skipping_a_stage_is_an_error(skipped: str, tmp_path: Path) -> None:
    right, wrong = SKIPS[skipped]
    assert right in PAGE
    found = errors(PAGE.replace(right, wrong), tmp_path)
    assert any("cannot be assigned to parameter" in message for message in found), found


def test_only_the_output_screen_makes_what_the_reply_takes() -> None:
    makers = [
        str(path.relative_to(ROOT / "src" / "headgate"))
        for path in (ROOT / "src" / "headgate").rglob("*.py")
        if "Passed(" in path.read_text()
    ]
    makers = [name for name in makers if name != "core/stages.py"]
    assert makers
    assert all(name.startswith("guardrails/") for name in makers), makers
