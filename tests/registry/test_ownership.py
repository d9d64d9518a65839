"""What nobody answers for is told before it is served, wherever it is read."""

from __future__ import annotations

from pathlib import Path

from headgate.registry import load_workspace, unowned

ROUTE = "kind: route\nname: r\nversion: 1.0.0\ntargets: [a/b]\n"
APP = (
    "kind: app\nname: x\nowners: {owners}\n"
    "releases: [{{number: 1, route: r@1.0.0, guardrail: g@1.0.0}}]\nchannels: {{production: 1}}\n"
)


def told(folder: Path, *documents: str) -> list[str]:
    (folder / "all.yaml").write_text("---\n".join(documents))
    return [str(fault).replace(f"{folder}/", "") for fault in unowned(load_workspace(folder))]


def test_what_nobody_owns_is_named_with_its_place(tmp_path: Path) -> None:
    assert told(tmp_path, ROUTE) == ["all.yaml:1: nobody owns route/r@1.0.0 (owner: the team that answers for it)"]
    assert told(tmp_path, ROUTE + "owner: a-team\n", APP.format(owners="[a-team]")) == []
    (fault,) = told(tmp_path, APP.format(owners="{prompt: [a-team]}"))
    assert fault.startswith("all.yaml:3: app `x` has a policy that nobody owns")
    (fault,) = told(tmp_path, APP.format(owners="[]"))
    assert fault.startswith("all.yaml:3: nobody owns the prompts of app `x`")


def test_an_app_that_cannot_be_read_is_left_to_the_compiler(tmp_path: Path) -> None:
    assert told(tmp_path, "kind: app\nname: x\nowners: 7\n") == []
