"""Drafts: read by the project's own loader, they render every observed text exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.prompts import compile_prompt
from headgate.prompts.adopt import draft, written
from headgate.prompts.skeleton import Skeleton
from headgate.registry import load_workspace

SIGNS = st.sampled_from(
    [*"ab Zß日é\n\t{}%#.:-'\"|>_10", "{{", "}}", "{%", "{#", " you", " are", "\r\n", "\u2028", "\x85"]
)
TEXT = st.lists(SIGNS, max_size=60).map("".join)
YAML_SAFE = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")


def joined(texts: list[str]) -> tuple[Skeleton, list[str]]:
    skeleton, members = Skeleton.of(texts[0]), [texts[0]]
    for text in texts[1:]:
        made = skeleton.joined(text)
        if made is not None:
            skeleton, members = made, [*members, text]
    return skeleton, members


def check_renders(folder: Path, skeleton: Skeleton, texts: list[str]) -> str:
    made = draft(skeleton, texts)
    file = written(made, "found", None, "Drafted from observed calls.")
    (folder / "found.yaml").write_text(file, newline="")
    workspace = load_workspace(folder)
    assert workspace.faults == []
    artifact = workspace.find("prompt", "found@1.0.0")
    assert artifact is not None
    program = compile_prompt(artifact)
    for index, text in enumerate(texts):
        assert program.render(made.variables(index)) == [("system", text)]
    return file


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=6))
def test_a_draft_renders_every_observed_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    check_renders(tmp_path_factory.mktemp("w"), *joined(texts))


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=2, max_size=6),
    frame=st.lists(TEXT, min_size=4, max_size=4),
)
def test_a_draft_of_any_frame_with_any_values(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], frame: list[str]
) -> None:
    """The frame's parts are marked by words of their own, so that there is something in common."""
    parts = [f"{part} mark{index} of the frame{index} " for index, part in enumerate(frame)]
    texts = [parts[0] + "".join(value + part for value, part in zip(row, parts[1:], strict=True)) for row in rows]
    check_renders(tmp_path_factory.mktemp("w"), *joined(texts))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=YAML_SAFE, max_size=80))
def test_any_text_alone(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    check_renders(tmp_path_factory.mktemp("w"), Skeleton.of(text), [text])


def test_what_varied_becomes_typed_inputs(tmp_path: Path) -> None:
    texts = [
        f"You help {name}, a customer of the {plan} plan.\nOrders: {orders}\nSpeak to {name} with {{respect}}.\n"
        for name, plan, orders in [
            ("Ann", "free", 3), ("Bob", "paid", 17), ("Zoe", "free", 0), ("Max", "paid", 4), ("Eve", "free", 12),
            ("Tom", "paid", 5),
        ]
    ]  # fmt: skip
    file = check_renders(tmp_path, *joined(texts))
    assert file == (
        "kind: prompt\n"
        "name: found\n"
        'version: "1.0.0"\n'
        "message: Drafted from observed calls.\n"
        "inputs:\n"
        "  type: object\n"
        "  properties:\n"
        "    part_1:\n"
        "      type: string\n"
        "    part_2:\n"
        "      type: string\n"
        "      enum:\n"
        "      - free\n"
        "      - paid\n"
        "    orders:\n"
        "      type: integer\n"
        "  required:\n"
        "  - part_1\n"
        "  - part_2\n"
        "  - orders\n"
        "messages:\n"
        "- role: system\n"
        "  content: |\n"
        "    You help {{ part_1 }}, a customer of the {{ part_2 }} plan.\n"
        "    Orders: {{ orders }}\n"
        "    Speak to {{ part_1 }} with {respect}.\n"
    )


def test_a_text_of_another_template_is_an_error() -> None:
    with pytest.raises(ValueError, match="not of the group's template"):
        draft(Skeleton.of("one"), ["two"])
