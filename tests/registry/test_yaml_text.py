"""What is written is read back the same, and looks as people write it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headgate.registry import read_yaml, write_yaml

WORDS = ["no", "1e5", "1_000", "~", "0x1f", "12:30:45", "+.5", "a: b", "- x", "null", "nan", "<<", "=", "é", ""]
words = st.sampled_from(WORDS)
texts = st.one_of(words, st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30))
lines = st.lists(st.text(st.sampled_from("ab #:-{}%\t'\""), max_size=8), max_size=5).map("\n".join)
numbers = st.one_of(st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts, lines)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(texts, trees, min_size=1, max_size=3), min_size=1, max_size=2))
def test_what_is_written_is_read_back(documents: list[dict[str, object]]) -> None:
    text = write_yaml(documents)  # type: ignore[arg-type]
    assert [tree.value for tree in read_yaml(text, "x.yaml")] == documents


def test_it_reads_as_people_write() -> None:
    document = {
        "kind": "prompt", "messages": [{"role": "system", "content": "One.\nTwo {{ x }}.\n"}],
        "settings": {"temperature": 0.2, "stop": ["no"]},
    }  # fmt: skip
    assert (
        write_yaml([document, {"a": "1.0.0"}])
        == """\
kind: prompt
messages:
  - role: system
    content: |
      One.
      Two {{ x }}.
settings:
  temperature: 0.2
  stop:
    - 'no'
---
a: 1.0.0
"""
    )
