"""Workspaces: every mistake is told with file, line and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.artifact import canonical, digest
from headgate.registry import load_workspace
from headgate.registry.versions import newest, parse_version
from headgate.registry.yaml_tree import read_yaml

GOOD = """\
kind: prompt
name: support
version: 1.0.0
owner: support-team
messages:
  - role: system
    content: Be kind.
"""


def faults(folder: Path) -> list[str]:
    return [str(fault).replace(f"{folder}/", "") for fault in load_workspace(folder).faults]


def test_reads_artifacts_and_apps(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "support.yaml").write_text(
        GOOD + "---\n" + GOOD.replace("1.0.0", "1.2.0").replace("kind.", "brief.")
    )
    (tmp_path / "app.yml").write_text("kind: app\nname: support\nowners: [a]\n")
    workspace = load_workspace(tmp_path)
    assert workspace.faults == []
    assert workspace.known("prompt") == ["support@1.0.0", "support@1.2.0"]
    found = workspace.find("prompt", "support@1.0.0")
    assert found is not None
    assert found.owner == "support-team"
    assert found.content == {"messages": [{"role": "system", "content": "Be kind."}]}
    assert found.ref.digest == digest(found.content)
    assert str(workspace.apps["support"].content["owners"]) == "['a']"
    newest_one = workspace.find("prompt", "support")
    assert newest_one is not None
    assert newest_one.ref.version == "1.2.0"
    assert workspace.find("prompt", "support@2") is None


def test_the_digest_covers_content_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    first = load_workspace(tmp_path)
    (tmp_path / "a.yaml").write_text("message: other words about it\n" + GOOD)
    second = load_workspace(tmp_path)
    a, b = first.find("prompt", "support"), second.find("prompt", "support")
    assert a is not None
    assert b is not None
    assert a.ref.digest == b.ref.digest
    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: prompt\nname: x\nversion: 1.0\n", "bad.yaml:3: `1.0` is no version (MAJOR.MINOR.PATCH"),
        ("kind: prompt\nname: x\nversion: 01.0.0\n", "bad.yaml:3: `01.0.0` is no version"),
        ("kind: poem\nname: x\n", "bad.yaml:1: unknown kind `poem`"),
        ("name: x\n", "bad.yaml:1: unknown kind `None`"),
        ("kind: app\nname: Big Name\n", "bad.yaml:2: `Big Name` is no name"),
        ("- 1\n", "bad.yaml:1: a document must be a mapping"),
        ("kind: app\n\tname: x\n", "bad.yaml:2: not valid YAML"),
        ("kind: app\nname: x\na: [1\n", "bad.yaml:4: not valid YAML"),
        ("kind: app\nname: x\nname: y\n", "bad.yaml:3: `name` is there twice"),
        ("kind: app\nname: x\na: &b {c: 1}\nd: *b\n", "bad.yaml:3: YAML aliases are not read here"),
        ("kind: app\nname: x\na: !!python/object:os.system {}\n", "bad.yaml:3: YAML tag"),
        ("kind: app\nname: x\n1: {? [a] : b}\n", "bad.yaml:3: a key is not a string"),
        ("a: " + "[" * 40 + "]" * 40 + "\n", "bad.yaml:1: nested deeper than 32"),
        ("kind: prompt\nname: x\nversion: 1.0.0\nowner: [a]\n", "bad.yaml:4: `owner` is not text"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    found = faults(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(said)


def test_a_mistake_in_one_file_hides_none_in_another(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: poem\nname: x\n")
    (tmp_path / "b.yaml").write_text("x: [")
    (tmp_path / "c.yaml").write_bytes(b"kind: app\nname: \xff\n")
    (tmp_path / "d.yaml").write_text(GOOD)
    found = faults(tmp_path)
    assert [line.partition(":")[0] for line in found] == ["a.yaml", "b.yaml", "c.yaml"]
    assert "c.yaml:2: not UTF-8" in found[2]


def test_a_version_never_changes_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD.replace("kind.", "rude."))
    assert "with other content (a version never changes" in faults(tmp_path)[0]


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a" * (50 * 1024 * 1024))
    assert "larger than" in faults(tmp_path)[0]


def test_words_are_words(tmp_path: Path) -> None:
    tree = next(read_yaml("a: no\nb: 2024-01-01\nc: 0x10\nd: 1e3\ne: 'true'\nf: true\ng: ~\nh: 1_000\ni: .5\n", "f"))
    assert tree.value == {
        "a": "no",
        "b": "2024-01-01", "c": "0x10", "d": 1000.0, "e": "true", "f": True, "g": None, "h": "1_000", "i": 0.5,
    }  # fmt: skip
    assert tree.lines["d"] == 4


json_trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), json_trees, max_size=4))
def test_canonical_json_knows_no_key_order(tree: dict[str, object]) -> None:
    turned = dict(reversed(list(tree.items())))
    assert canonical(tree) == canonical(turned)  # type: ignore[arg-type]
    assert canonical({"a": 1.0}) == canonical({"a": 1})


@given(st.lists(st.tuples(*[st.integers(0, 12)] * 3), min_size=1))
def test_newest_is_the_greatest_of_its_line(versions: list[tuple[int, int, int]]) -> None:
    texts = [".".join(map(str, version)) for version in versions]
    major = versions[0][0]
    best = max(version for version in versions if version[0] == major)
    assert newest(str(major), texts) == ".".join(map(str, best))
    assert newest(texts[0], texts) == texts[0]
    assert parse_version(texts[0]) == versions[0]
