"""Variables as people type them, and rendering in a child of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from headgate.core.artifact import Artifact, digest
from headgate.core.errors import InvalidRequest, Overloaded
from headgate.core.types import ArtifactRef
from headgate.prompts import apart, rendering
from headgate.prompts.apart import render_apart
from headgate.prompts.rendering import Job
from headgate.prompts.typed import typed


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("told", "text", "value"),
    [
        ("string", "3", "3"), ("integer", "3", 3), ("integer", "3.0", 3.0), ("number", "-2.5", -2.5),
        ("boolean", "Yes", True), ("boolean", "false", False), ("array", '["a", 1]', ["a", 1]),
        ("object", '{"a": {}}', {"a": {}}), ("null", "null", None), (["string", "integer"], "7", 7),
        (["integer", "string"], "seven", "seven"), (["null", "string"], "x", "x"), (None, "3", "3"),
    ],
)  # fmt: skip
def test_text_becomes_what_the_schema_says(told: object, text: str, value: object) -> None:
    found = typed(schema(v={} if told is None else {"type": told}), {"v": text})
    assert found == {"v": value}
    assert type(found["v"]) is type(value)


@pytest.mark.parametrize(
    ("told", "text"),
    [("integer", "x"), ("integer", "2.5"), ("integer", "true"), ("boolean", "1"), ("array", "{}"), ("object", "[]"),
     ("number", '"3"'), ("number", "1e999"), ("object", "{"), ("array", "\ud800")],
)  # fmt: skip
def test_text_that_cannot_be_that_is_refused_by_name(told: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=f"`v` is to be {told}"):
        typed(schema(v={"type": told}), {"v": text})


def test_a_variable_that_there_is_not_stays_text_for_rendering_to_name() -> None:
    assert typed(schema(), {"w": "1"}) == {"w": "1"}


def made(kind: str, content: dict[str, Any], name: str = "p") -> Artifact:
    return Artifact(ArtifactRef(kind, name, "1.0.0", digest(content)), content, file="p.yaml", lines={"": 1})


HELLO = made(
    "prompt",
    {
        "inputs": schema(who={"type": "string"}),
        "partials": {"end": "end@1.0.0"},
        "messages": [{"role": "system", "content": 'Hello {{ who }}.\n{% include "end" %}'}],
    },
)
END = made("partial", {"content": "Bye."}, "end")


def test_the_child_renders_a_prompt_with_its_partials() -> None:
    job = Job(HELLO, {"end@1.0.0": END}, [{"who": "you"}, {"who": "me"}])
    assert [one.messages for one in render_apart(job)] == [
        [("system", "Hello you.\nBye.")], [("system", "Hello me.\nBye.")],
    ]  # fmt: skip


def test_what_is_wrong_is_told_of_each_set_of_variables() -> None:
    job = Job(HELLO, {"end@1.0.0": END}, [{"who": "you", "why": "?"}, {"who": "you"}], show=False)
    wrong, right = render_apart(job)
    assert "has no variable `why`" in (wrong.wrong or "")
    assert wrong.param == "headgate.variables.why"
    assert (right.wrong, right.messages) == (None, [])
    (broken,) = render_apart(Job(HELLO, {}, [{}]))
    assert "p.yaml:1: " in (broken.wrong or "")


def test_what_takes_too_much_is_ended_and_nobody_else_feels_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A child that ends otherwise than well stands for one that the kernel ended."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'headgate.prompts.rendering' in sys.orig_argv: os._exit(152)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}")
    with pytest.raises(InvalidRequest, match="within its bounds"):
        render_apart(Job(HELLO, {"end@1.0.0": END}, [{"who": "you"}]))


def test_the_child_bounds_itself_before_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []

    def read() -> bytes:
        done.append("read")
        raise MemoryError

    monkeypatch.setattr(rendering.resource, "setrlimit", lambda which, pair: done.append((which, pair)))
    monkeypatch.setattr(rendering.sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(read=read)))
    assert rendering.main() == 75
    assert (rendering.resource.RLIMIT_CPU, (5, 5)) in done
    assert (rendering.resource.RLIMIT_AS, (1 << 30, 1 << 30)) in done
    assert done[-1] == "read"


def test_the_child_is_given_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, str] = {}

    def run(*_: object, env: dict[str, str], **__: object) -> SimpleNamespace:
        given.update(env)
        return SimpleNamespace(returncode=0, stdout=b'[{"messages":[["system","x"]]}]')

    monkeypatch.setattr(apart.subprocess, "run", run)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert render_apart(Job(HELLO, {}, [{}]))[0].messages == [("system", "x")]
    assert "PATH" in given
    assert "sk-secret" not in given.values()


def test_a_child_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, timeout: float, **__: object) -> None:
        raise apart.subprocess.TimeoutExpired("rendering", timeout)

    monkeypatch.setattr(apart.subprocess, "run", run)
    with pytest.raises(Overloaded, match="after 20 s"):
        render_apart(Job(HELLO, {}, [{}]))
