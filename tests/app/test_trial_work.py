"""Work that another thread ends: before it begins, in the middle, after it is over."""

from __future__ import annotations

import asyncio
import threading

import pytest

from headgate.app.trials.work import Ended, Work


async def value() -> int:
    return 7


def test_what_is_over_cannot_be_ended() -> None:
    work = Work()
    assert work.run(value()) == 7
    work.end("late")


def test_what_was_ended_does_not_begin() -> None:
    work = Work()
    work.end("first")
    work.end("second")
    with pytest.raises(Ended, match="first"):
        work.run(value())


def test_what_is_ended_cleans_up() -> None:
    work, begun, cleaned = Work(), threading.Event(), threading.Event()

    async def hang() -> None:
        try:
            begun.set()
            await asyncio.get_running_loop().create_future()
        finally:
            cleaned.set()

    def end() -> None:
        assert begun.wait(10)
        work.end("enough")

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(Ended, match="enough"):
        work.run(hang())
    thread.join(10)
    assert cleaned.is_set()


def test_what_the_work_raises_is_raised() -> None:
    async def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Work().run(broken())
