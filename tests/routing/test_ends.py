"""A finish that nobody knows is an answer; one that is known to mean broken is none before the commit."""

from __future__ import annotations

import pytest

from tests.routing.scripted import GOOD, House, Reply
from tests.support.world import run


@pytest.mark.parametrize(("word", "provider"), [("other", "a"), ("error", "b")])
def test_only_what_is_known_to_be_broken_fails_over(word: str, provider: str) -> None:
    async def play() -> None:
        house = House()
        house.script("a", Reply(b"begin:m-1\ntext:hello\nfinish:" + word.encode() + b"\nlast\n"))
        house.script("b", Reply(GOOD))
        told = await house.ask(house.route("a", "b"), commit=False)
        assert told.error is None
        assert told.record.provider == provider

    run(play())
