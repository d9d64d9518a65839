"""Files that cannot be read are named and passed over; nothing of a project is run; limits hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.errors import ConfigError
from headgate.scanner import project, scan
from headgate.scanner.python import read_python
from tests.scanner.support import scanned

PROMPT = 'PROMPT = "Answer in one short sentence."\n'


def test_what_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "FILE_BYTES_MAX", 1_000)
    (tmp_path / "project").mkdir()
    folder = tmp_path / "project"
    (tmp_path / "outside.py").write_text(PROMPT)
    (folder / "link.py").symlink_to(tmp_path / "outside.py")
    (folder / "gone.py").symlink_to(folder / "nowhere.py")
    (folder / "latin.py").write_bytes(b"x = 1\ny = '\xe9'\n")
    (folder / "claims.py").write_bytes(b"# coding: klingon\n")
    (folder / "large.py").write_text("#" * 1_001)
    (folder / "null.py").write_bytes(b"x = 1\x00")
    (folder / "broken.py").write_text("def f(:\n")
    (folder / "deep.py").write_text("x = " + "-" * 900 + "1")
    (folder / "good.py").write_text(PROMPT)
    result = scan(folder)
    assert [one.path for one in result.findings] == ["good.py"]
    skipped = {one.path: (one.line, one.why) for one in result.skipped}
    assert skipped["latin.py"] == (2, "not UTF-8 text")
    assert skipped["broken.py"][0] == 1
    assert "outside the folder" in skipped["link.py"][1]
    assert "larger than" in skipped["large.py"][1]
    assert set(skipped) == {
        "link.py", "gone.py", "latin.py", "claims.py", "large.py", "null.py", "broken.py", "deep.py",
    }  # fmt: skip


def test_other_encodings_that_a_file_names_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes('# coding: latin-1\nPROMPT = "Réponds en une seule phrase."\n'.encode("latin-1"))
    assert scan(tmp_path).findings[0].excerpt == "Réponds en une seule phrase."


def test_more_files_than_allowed_are_left_out_aloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "FILES_MAX", 2)
    result = scanned(tmp_path, a=PROMPT, b=PROMPT, c=PROMPT)
    assert result.files == 2
    assert "more than 2 source files" in result.skipped[0].why


def test_nothing_of_a_project_is_imported_or_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "project").mkdir()
    source = f"open({str(mark)!r}, 'w')\nfrom openai import OpenAI\nOpenAI().responses.create(model='m', input='x')\n"
    (tmp_path / "project" / "sitecustomize.py").write_text(source)
    (tmp_path / "project" / "openai.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "headgate.cli", "scan", "."],
        cwd=tmp_path / "project", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert not mark.exists()


def test_folders_of_others_are_left_out(tmp_path: Path) -> None:
    assert scanned(tmp_path, node_modules__a=PROMPT, a__site__b=PROMPT).files == 1


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        scan(tmp_path / "nowhere")


def test_a_chain_of_a_thousand_pieces_is_read_or_named(tmp_path: Path) -> None:
    result = scanned(tmp_path, a="PROMPT = " + " + ".join(f'"Answer number {n}. "' for n in range(1_000)))
    assert len(result.findings) + len(result.skipped) == 1


EXPRESSIONS = st.recursive(
    st.sampled_from(
        ['"You are a poet. Answer in verse only."', "x", "1", "f'{x} and {y!r:>{n}}'", "None", "'\\ud800'"]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda t: f"({t[0]} + {t[1]})"),
        inner.map(lambda e: f"[{{'role': 'user', 'content': {e}}}]"),
        inner.map(lambda e: f"c.chat.completions.create(messages={e}, **x)"),
        inner.map(lambda e: f"PromptTemplate(template={e})"),
        inner.map(lambda e: f"'{{}} {{a}}'.format({e}, a={e})"),
        inner.map(lambda e: f"' '.join([{e}, *x])"),
        inner.map(lambda e: f"dict(role={e}, content={e})"),
        inner.map(lambda e: f"(lambda q={e}: {e})"),
        inner.map(lambda e: f"[{e} for x in y if {e}]"),
        inner.map(lambda e: f"open({e})"),
    ),
    max_leaves=12,
)


@given(st.lists(EXPRESSIONS, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_any_expression_is_read(expressions: list[str]) -> None:
    source = "\n".join(f"def prompt_{n}(a, x={e}):\n    y = {e}\n    return {e}" for n, e in enumerate(expressions))
    gathered = read_python("a.py", source)
    assert gathered.skipped is None
    lines = source.count("\n") + 1
    assert all(1 <= d.line <= d.end_line <= lines for d in gathered.drafts)


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_named(source: str) -> None:
    read_python("a.py", source)
