"""docs/dialects.md says what the code does, as far as that can be looked up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate.core.chat import FINISH_REASONS
from headgate.dialects import anthropic_types, google_types, openai_write
from headgate.edge import anthropic_messages, google_generate, models, openai_chat

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dialects.md").read_text()
SOURCES = sorted((ROOT / "src" / "headgate" / "dialects").glob("*.py"))
# where a name is written down as dropped: `dropped.append("x")`, `dropped["x"] = None`, `note("x")`
_DROPS = re.compile(r'(?:dropped\.append\(|dropped\[|\.note\(|_UNSAID: Final = )"([a-z_.]+)"')
# fields of a client's own dialect, which keep their own names
_OWN = {
    "cache_control", "citations", "document.context", "document.title", "image.transformations", "output_config.effort",
    "safety_identifier", "thinking.between_tools",
}  # fmt: skip


def test_the_table_of_ends_is_the_codes() -> None:
    table = PAGE.split("## Why an answer ended")[1]
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", table, re.MULTILINE)
    told = {row[0]: row[1:] for row in rows if row[0] in FINISH_REASONS}
    assert told == {
        reason: (
            openai_write.FINISH_BACK[reason] or "null",
            anthropic_types.FINISH_BACK[reason] or "null",
            google_types.FINISH_BACK[reason],
        )
        for reason in FINISH_REASONS
    }


def test_every_name_that_may_be_dropped_is_explained() -> None:
    names = {name for source in SOURCES for name in _DROPS.findall(source.read_text())} - _OWN
    assert {"reasoning.signature", "media.detail", "answer.media"} <= names
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


@pytest.mark.parametrize("path", [openai_chat.PATH, anthropic_messages.PATH, models.OPENAI_PATH, models.GOOGLE_PATH])
def test_paths_are_those_that_are_served(path: str) -> None:
    assert path in PAGE
    assert google_generate.match("/v1beta/models/m:generateContent", "") is not None
