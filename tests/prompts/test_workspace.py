"""Prompts and partials of a whole workspace: what `headgate check` says, and what a release pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.app import check, load_config
from headgate.cli.main import main
from headgate.core.errors import InvalidRequest
from headgate.registry.yaml_tree import FILE_BYTES_MAX

CONFIG = "workspace: workspace\nproviders: {openai: {type: openai, key_env: OPENAI_API_KEY}}\n"
FILES = {
    "legal.yaml": "kind: partial\nname: legal\nversion: 1.2.0\nowner: legal-team\ncontent: No advice.\n",
    "support.yaml": """\
kind: prompt
name: support
version: 1.0.0
owner: support-team
partials: {legal: legal@1.2.0}
inputs: {properties: {rows: {type: array}}}
messages:
  - role: system
    content: |
      {% include "legal" %}
      {% for a in rows %}{% for b in rows %}{% for c in rows %}.{% endfor %}{% endfor %}{% endfor %}
""",
    "other.yaml": """\
kind: prompt
name: other
version: 1.0.0
partials: {legal: legal@1.2.0}
messages: [{role: user, content: "{% include 'legal' %}"}]
owner: support-team
""",
    "route.yaml": "kind: route\nname: default\nversion: 1.0.0\ntargets: [openai/gpt-6-luna]\nowner: platform-team\n",
    "app.yaml": """\
kind: app
name: support
owners: [support-team]
releases: [{number: 1, prompts: {a: support@1.0.0, b: other@1.0.0}, route: default@1.0.0}]
channels: {production: 1}
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "headgate.yaml").write_text(CONFIG)
    (tmp_path / "workspace").mkdir()
    for name, text in FILES.items():
        (tmp_path / "workspace" / name).write_text(text)
    return tmp_path


def faults(folder: Path) -> list[str]:
    compiled = check(load_config(folder / "headgate.yaml", {"OPENAI_API_KEY": "k"}, folder))
    return [str(fault) for fault in compiled.faults]


def test_a_release_pins_the_partials_of_its_prompts_once(folder: Path) -> None:
    compiled = check(load_config(folder / "headgate.yaml", {"OPENAI_API_KEY": "k"}, folder))
    assert compiled.snapshot is not None
    release = compiled.snapshot.apps["support"].channels["production"]
    assert [str(pin) for pin in release.pins] == [
        "prompt/support@1.0.0", "prompt/other@1.0.0", "partial/legal@1.2.0", "route/default@1.0.0",
    ]  # fmt: skip


def test_a_template_that_goes_on_and_on_is_stopped(folder: Path) -> None:
    compiled = check(load_config(folder / "headgate.yaml", {"OPENAI_API_KEY": "k"}, folder))
    assert compiled.snapshot is not None
    program = compiled.snapshot.apps["support"].channels["production"].prompts["a"]
    with pytest.raises(InvalidRequest, match="could not be rendered: too many steps"):
        program.render({"rows": list(range(10_000))})


def test_a_partials_mistake_is_told_once(folder: Path) -> None:
    path = folder / "workspace" / "legal.yaml"
    path.write_text(FILES["legal.yaml"].replace("No advice.", "'{{ who }}'"))
    said = f"{path}:5: the template uses `who`, which is not declared (add `who` to inputs.properties)"
    assert faults(folder) == [said]


def test_a_circle_is_told_once_with_its_way(folder: Path) -> None:
    path = folder / "workspace" / "legal.yaml"
    path.write_text(FILES["legal.yaml"].replace("No advice.", "\"{% include 'me' %}\"\npartials: {me: legal@1.2.0}"))
    (found,) = faults(folder)
    assert "legal.yaml:6: partials in a circle: partial/legal@1.2.0 includes partial/legal@1.2.0" in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: prompt\nmessages: [{\n", "bad.yaml:3: not valid YAML"),
        ("kind: prompt\n\tname: x\n", "bad.yaml:2: not valid YAML"),
        ("# " + "x" * 50 * FILE_BYTES_MAX, "bad.yaml: larger than 1048576 bytes"),
    ],
    ids=["open", "tab", "50 MB"],
)
def test_files_that_cannot_be_read(
    folder: Path, text: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    (folder / "workspace" / "bad.yaml").write_text(text)
    assert main(["check", "--config", str(folder / "headgate.yaml")]) == 1
    out = capsys.readouterr().out
    assert said in out
    assert "1 to mend" in out
