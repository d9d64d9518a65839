"""Alignment and skeletons: what texts have in common, and that nothing of them is lost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.prompts import alignment
from headgate.prompts.alignment import align
from headgate.prompts.skeleton import Skeleton, words_of

WORDS = st.lists(st.sampled_from(list("abcde")), max_size=30)
TEXT = st.text(alphabet=st.sampled_from(list("ab Zß日é\n\t{%}.\u00a0\r'_1")), max_size=60) | st.text(max_size=60)


def longest(left: list[str], right: list[str]) -> int:
    row = [0] * (len(right) + 1)
    for one in left:
        new = [0]
        for index, other in enumerate(right):
            new.append(row[index] + 1 if one == other else max(row[index + 1], new[-1]))
        row = new
    return row[-1]


@given(WORDS, WORDS)
def test_an_alignment_pairs_equal_words_in_order(left: list[str], right: list[str]) -> None:
    pairs = align(left, right)
    assert all(left[x] == right[y] for x, y in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in itertools.pairwise(pairs))
    assert len(pairs) == longest(left, right), "short ones are aligned exactly"


@given(st.lists(st.integers(0, 40).map(str), max_size=80), st.lists(st.integers(0, 40).map(str), max_size=80))
def test_long_ones_are_aligned_by_words_that_stand_once(left: list[str], right: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "CELLS_MAX", 0)
        pairs = align(left, right)
    assert all(left[x] == right[y] for x, y in pairs)
    assert all(a < c and b < d for (a, b), (c, d) in itertools.pairwise(pairs))


def test_an_alignment_of_long_texts_without_anchors_ends_soon() -> None:
    assert len(align(["x", *["a", "b"] * 20_000, "y"], ["x", *["b", "a"] * 20_000, "y"])) >= 2


@given(TEXT)
def test_words_joined_are_the_text(text: str) -> None:
    assert "".join(words_of(text)) == text
    assert Skeleton.of(text).blocks == [text]
    assert Skeleton.of(text).split(text) == []


def woven(skeleton: Skeleton, values: list[str]) -> str:
    first, *rest = skeleton.blocks
    return first + "".join(value + block for value, block in zip(values, rest, strict=True))


@settings(max_examples=300)
@given(st.lists(TEXT, min_size=2, max_size=6))
def test_every_text_that_joined_can_be_split_and_put_together_again(texts: list[str]) -> None:
    skeleton, members = Skeleton.of(texts[0]), [texts[0]]
    for text in texts[1:]:
        made = skeleton.joined(text)
        if made is not None:
            skeleton = made
            members.append(text)
    for text in members:
        values = skeleton.split(text)
        assert values is not None
        assert woven(skeleton, values) == text


PARTS = st.lists(st.text(alphabet="abcdefgh ", min_size=1, max_size=12), min_size=3, max_size=3)


@given(st.lists(PARTS, min_size=2, max_size=8))
def test_texts_made_from_one_template_are_one_group(rows: list[list[str]]) -> None:
    template = "You help {} with questions about {}. Answer in short sentences, and never guess at prices. Today is {}."
    skeleton = Skeleton.of(template.format(*rows[0]))
    for row in rows[1:]:
        text = template.format(*row)
        made = skeleton.joined(text)
        assert made is not None
        skeleton = made
    for row in rows:
        assert skeleton.split(template.format(*row)) is not None


def grouped(*texts: str) -> Skeleton | None:
    skeleton: Skeleton | None = Skeleton.of(texts[0])
    for text in texts[1:]:
        skeleton = None if skeleton is None else skeleton.joined(text)
    return skeleton


def test_the_varying_parts_are_gaps() -> None:
    found = grouped("You help Ann with taxes", "You help Bob with rent", "You help Zoe Smith with long division")
    assert found is not None
    assert found.blocks == ["You help", " with", ""]
    assert found.shown(80) == "You help… with…"
    assert found.shown(10) == "You help……"[:9] + "…"
    assert found.split("You help Max with bread") == [" Max", " bread"]
    assert found.split("I help Max with bread") is None


def test_a_long_context_in_a_fixed_frame_is_one_gap() -> None:
    frame = (
        "You are the assistant of a shop for garden tools. Use nothing but the passages below, and say so where they "
        "do not hold the answer.\n\n{}\n\nAnswer in the language of the question, in at most three sentences."
    )
    first = " ".join(f"the rake{n} of steel is the best for leaf{n}." for n in range(150))
    second = " ".join(f"a hose{n} is the thing for water{n} and the like." for n in range(90))
    found = grouped(frame.format(first), frame.format(second))
    assert found is not None
    assert len(found.blocks) == 2
    assert found.blocks[1].endswith("in at most three sentences.")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("You are a pirate and speak like one, whatever you are asked.", "Translate the text to French."),
        ("", "Translate the text to French."),
        ("Summarise the report in three points for the board.", "Write a poem about the sea, the wind and the gulls."),
    ],
)
def test_other_prompts_are_other_groups(one: str, other: str) -> None:
    assert grouped(one, other) is None
    assert grouped(other, one) is None
