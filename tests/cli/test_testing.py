"""`headgate test`: files of cases, what is sent and awaited, what is shown, the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headgate.cli import test as command
from headgate.cli.client import Client
from headgate.cli.main import main
from headgate.cli.suite_files import read_suite
from headgate.core.errors import ConfigError
from headgate.evaluation.cases import compile_suite

REACH = ["--url", "http://localhost:1", "--admin-key", "k"]
YAML = "name: basics\ncases:\n  - user: hi\n    expect: {contains: x}\n"


def line(name: str, passes: int, runs: int, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "runs": runs, "passes": passes, "undecided": 0, "low": 0.1, "high": 0.9, "rulings": [],
        "flaky": 0 < passes < runs, "failures": [], **more,
    }  # fmt: skip


def report(passed: bool, *cases: dict[str, Any], **more: Any) -> dict[str, Any]:
    runs, passes = (sum(one[name] for one in cases) for name in ("runs", "passes"))
    added = {
        "runs": runs, "passes": passes, "undecided": 0, "rate": passes / runs if runs else None, "low": 0.2,
        "high": 0.95, "flaky": [one["name"] for one in cases if one["flaky"]], "cost_usd": 0.5, "judge_usd": 0.25,
        "unpriced": 0, "cases": list(cases),
    }  # fmt: skip
    return {
        "app": "support", "release": "support#3", "cases": "basics", "digest": "abcdef0123456789", "repeat": 2,
        "min_pass": 0.9, "passed": passed, "stopped": None, "evidence": True, "seconds": 1.25, "judge": None,
        "tally": added, **more,
    }  # fmt: skip


class Api:
    """Takes the place of the management API: a test that is over at the third look."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.report: dict[str, Any] | None = report(True, line("a", 2, 2))
        self.looks = 0

    def state(self, over: bool) -> dict[str, Any]:
        return {
            "id": "test_1", "app": "support", "release": "support#3", "cases": "basics", "done": self.looks, "total": 2,
            "spent_usd": 0.1, "over": over, "report": self.report if over else None,
            "wrong": "no disk" if over else None,
        }  # fmt: skip

    def post(self, path: str, body: Any) -> Any:
        self.sent.append((path, body))
        return self.state(False)

    def get(self, path: str) -> Any:
        assert path == "/api/tests/test_1"
        self.looks += 1
        return self.state(self.looks == 3)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Api:
    made = Api()
    monkeypatch.setattr(Client, "post", lambda _self, path, body: made.post(path, body))
    monkeypatch.setattr(Client, "get", lambda _self, path: made.get(path))
    monkeypatch.setattr(command.time, "sleep", lambda _seconds: None)
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(YAML)
    return made


def test_everything_that_is_asked_is_sent_with_the_lines_of_the_file(api: Api) -> None:
    arguments = ["--release", "support#3", "--repeat", "2", "--min-pass", "0.9", "--max-usd", "3", "--unpriced"]
    assert main(["test", "support", "--cases", "c.yaml", *arguments, *REACH]) == 0
    ((path, body),) = api.sent
    assert path == "/api/apps/support/tests"
    assert body.pop("lines")["cases.0.expect.contains"] == 4
    assert body == {
        "content": {"name": "basics", "cases": [{"user": "hi", "expect": {"contains": "x"}}]}, "name": "c",
        "file": "c.yaml", "release": 3, "channel": None, "repeat": 2, "min_pass": 0.9, "max_usd": 3.0, "unpriced": True,
    }  # fmt: skip
    assert api.looks == 3


def test_what_failed_is_shown_once_where_it_is_alike(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    failure = {"why": ["contains `x`: it does not"], "answer": "no\x1b[31m", "call": "call_1"}
    failures = [failure, {**failure, "call": "call_2"}, {**failure, "why": ["JSON: no"], "call": "call_3"}]
    cases = [line("a", 2, 2), line("wobbles", 1, 4, failures=failures), line("b", 0, 1, undecided=1), line("c", 0, 0)]
    api.report = report(False, *cases, judge="p@1.0.0 over openai/m")
    assert main(["test", "support", "--cases", "c.yaml", *REACH]) == 1
    out = capsys.readouterr().out
    assert out == (
        "CASE     PASSED  RATE (95%)\n"
        "a        2/2     10% to 90%  ok\n"
        "wobbles  1/4     10% to 90%  FLAKY\n"
        "b        0/1     10% to 90%  UNDECIDED\n"
        "c        0/0     -           not run\n"
        "\n"
        "wobbles (call_1 and 1 more alike)\n"
        "  contains `x`: it does not\n"
        "  said: no\\x1b[31m\n"
        "\n"
        "wobbles (call_3)\n"
        "  JSON: no\n"
        "  said: no\\x1b[31m\n"
        "\n"
        "flaky: wobbles passed some of 2 runs, not all\n"
        "cost $0.75, of which $0.25 for the judge (p@1.0.0 over openai/m), 1.2 s\n"
        "support#3: 3 of 7 runs passed: 42.9%, at 95% between 20.0% and 95.0% for these cases\n"
        "is below the bar of 90.0%; kept as evidence, cases basics (abcdef012345)\n"
    )


def test_a_test_that_stopped_proves_nothing(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.report = report(False, line("a", 0, 0), stopped="this call may cost $3 at worst", evidence=False)
    assert main(["test", "support", "--cases", "c.yaml", *REACH]) == 1
    said = capsys.readouterr()
    assert "proves nothing: this call may cost" in said.err
    assert "evidence" not in said.out


def test_a_registry_that_was_down_is_said(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.report = report(True, line("a", 2, 2), evidence=False)
    assert main(["test", "support", "--cases", "c.yaml", *REACH]) == 0
    assert "meets the bar of 90.0%; could not be kept as evidence" in capsys.readouterr().out


def test_json_is_the_report(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "support", "--cases", "c.yaml", "--json", *REACH]) == 0
    assert json.loads(capsys.readouterr().out) == api.report


def test_an_interrupt_stops_the_test_on_the_gateway(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", interrupt)
    assert main(["test", "support", "--cases", "c.yaml", *REACH]) == 130
    assert [path for path, _ in api.sent] == ["/api/apps/support/tests", "/api/tests/test_1/stop"]


def test_what_broke_is_told(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.report = None
    assert main(["test", "support", "--cases", "c.yaml", *REACH]) == 2
    assert "test of support#3: no disk" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "cases", "where"),
    [
        ("c.yaml", "- user: a\n  expect: {json: true}\n- user: b\n", 2, {"cases.1": 3, "cases.1.user": 3}),
        ("c.json", '{"cases": [{"user": "a"}]}', 1, {"cases.0": 1}),
        ("c.jsonl", '{"user": "a"}\n\n{"user": "b"}\n', 2, {"cases.0": 1, "cases.1": 3}),
    ],
)
def test_files_of_cases(tmp_path: Path, name: str, text: str, cases: int, where: dict[str, int]) -> None:
    (tmp_path / name).write_text(text)
    found = read_suite(tmp_path / name)
    assert len(found.content["cases"]) == cases  # type: ignore[arg-type]
    assert where.items() <= found.lines.items()
    assert found.name == "c"


def test_the_cases_of_the_page_are_cases(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "trying.md").read_text()
    (tmp_path / "basics.yaml").write_text(page.partition("```yaml\n# cases/basics.yaml")[2].partition("```")[0])
    found = read_suite(tmp_path / "basics.yaml")
    suite = compile_suite(found.content, found.name, "basics.yaml", found.lines)
    assert [case.name for case in suite.cases] == ["size", "order", "case 3"]


@pytest.mark.parametrize(
    ("name", "data", "place", "words"),
    [
        ("c.yaml", b"a\n", "", "not a list"), ("c.yaml", b"---\na: 1\n---\nb: 1\n", "", "2 documents"),
        ("c.yaml", b"", "", "0 documents"), ("c.yaml", b"cases: [\n", ":", "not valid YAML"),
        ("c.yaml", b"\xff", "", "cannot be read"), ("c.jsonl", b'{"a": 1}\n[1]\n', ":2", "not a case"),
        ("c.jsonl", b'{"a": 1}\n\n{"a"\n', ":3", "not JSON"), ("c.jsonl", b"[" * 100_000, ":1", "nested too deep"),
        ("c.jsonl", b" " * (4 * 1024 * 1024 + 1), "", "larger than"),
    ],
)  # fmt: skip
def test_files_that_are_none(tmp_path: Path, name: str, data: bytes, place: str, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=words) as caught:
        read_suite(tmp_path / name)
    assert caught.value.where.startswith(str(tmp_path / name) + place)


@pytest.mark.parametrize(
    "arguments",
    [["--repeat", "0"], ["--min-pass", "1.5"], ["--release", "1", "--channel", "staging"], ["--max-usd", "-1"]],
)
def test_wrong_use_is_refused_by_the_command_line(api: Api, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["test", "support", "--cases", "c.yaml", *arguments, *REACH])
    assert api.sent == []
