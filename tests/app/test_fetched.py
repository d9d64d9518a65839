"""Which prompt versions were fetched: the last ones, and whether there is anything new."""

from __future__ import annotations

import pytest

from headgate.app import fetched as module
from headgate.app.fetched import Fetched
from headgate.core.registry import Version
from headgate.core.types import ArtifactRef


def version(number: int) -> Version:
    return Version(ArtifactRef("prompt", "support", f"1.{number}.0", "d"), "o", "a", "m", 0, "k")


def test_the_one_fetched_last_comes_first_and_what_is_known_is_no_news() -> None:
    made = Fetched()
    assert (made.latest(), made.news()) == ([], False)
    for number in (1, 2, 1):
        made.saw(version(number))
    assert made.latest() == ["support@1.1.0", "support@1.2.0"]
    assert [made.news(), made.news()] == [True, False]
    made.saw(version(2))
    assert not made.news()
    made.again()
    assert made.news()


def test_the_one_fetched_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FETCHED_MAX", 2)
    made = Fetched()
    for number in (1, 2, 1, 3):
        made.saw(version(number))
    assert made.latest() == ["support@1.3.0", "support@1.1.0"]
