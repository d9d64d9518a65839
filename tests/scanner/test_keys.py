"""Keys are found by their form and never shown; placeholders are not keys."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.scanner.keys import keys_in, masked
from tests.scanner.support import only, scanned

SIGNS = string.ascii_letters + string.digits


def made(start: str, length: int, seed: int = 7) -> str:
    """A key of the right form that nobody has: put together here, so that no scanner of ours or others finds it."""
    return f"{start}{''.join(random.Random(seed).choices(SIGNS, k=length - 1))}7"


FORMS = {
    "openai": made("sk-", 48), "openai, project": made("sk-proj-", 60), "anthropic": made("sk-ant-api03-", 80),
    "google": made("AIza", 35), "groq": made("gsk_", 50), "huggingface": made("hf_", 34), "xai": made("xai-", 60),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_key_is_found_and_never_shown(tmp_path: Path, name: str) -> None:
    key = FORMS[name]
    result = scanned(tmp_path, a=f'x = 1\nclient = Client(api_key="{key}", prompt="You are a poet, use {key} please.")')
    found = [one for one in result.findings if one.kind == "hardcoded_key"]
    assert [one.provider for one in found] == [name.partition(",")[0]] * 2
    assert {one.line for one in found} == {2}
    assert all(one.excerpt.endswith(f"…{key[-4:]}") for one in found)
    assert all(key[:-4] not in str(one.public()) for one in result.findings)


@pytest.mark.parametrize(
    "text",
    [
        "sk-your-api-key-goes-here-please", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "sk-test-key-0000000000000000000000",
        "sk-1234567890abcdefghijklmnop", "ask-me-anything-about-this-long-thing-1", "a task-list-of-all-users-2024-01",
        "AIza", "sk-", "sk-aaaaaaaaaaaaaaaaaaaaaaaa1", "disk-usage-of-all-mounted-volumes-9", "",
    ],
)  # fmt: skip
def test_placeholders_and_words_are_not_keys(text: str) -> None:
    assert keys_in(f"{text} and more") == []


def test_a_key_in_a_docstring_is_told_by_its_line(tmp_path: Path) -> None:
    one = only(tmp_path, "hardcoded_key", a=f'def f():\n    """Use\n\n    {FORMS["openai"]}\n    """\n')
    assert one.line == 4


@given(st.text(), st.text())
def test_masking_leaves_the_rest(before: str, after: str) -> None:
    shown = masked(f"{before} {FORMS['anthropic']} {after}")
    assert FORMS["anthropic"] not in shown
    if not keys_in(before + after) and "-" not in before + after and "_" not in before + after:
        assert before.encode(errors="replace").decode() in shown
