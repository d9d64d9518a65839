"""No room for another journal file: calls go on or are refused, as configured, and it is over when there is room.

The room is taken by a limit on the size of files (RLIMIT_FSIZE), which needs no privilege and strikes one process.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.gateway import Answer, Gateway, Vendors, until
from tests.e2e.workspace import documents, providers

LARGE = {"model": "guarded-openai", "messages": [{"role": "user", "content": "word " * 50_000}]}  # kept in full
SMALL = {"model": "to-openai", "messages": [{"role": "user", "content": "hello"}]}
ENOUGH = 200  # of the large ones fill every journal file that is there


@contextmanager
def filled(vendors: Vendors, folder: Path, policy: str) -> Iterator[tuple[Gateway, list[Answer]]]:
    """A gateway whose worker may make no file longer than a page, and its answers until that was felt."""
    accounts = {**providers(vendors.url), **providers(vendors.url, "-slow")}
    made = Gateway(folder, {"providers": accounts, "journal_full": policy}, documents()).start()
    worker = made.worker()
    _, most = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (4096, most))
    answers: list[Answer] = []
    try:
        for _ in range(ENOUGH):
            answers.append(made.ask(LARGE))
            if answers[-1].status != 200 or _lost(made):
                break
        yield made, answers
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (most, most))
        until(lambda: made.ask(SMALL).status == 200 and not _lost(made), 20, "there is room again, and the loss told")
        made.record(made.ask(SMALL).headers["x-headgate-call-id"])
        assert made.worker() == worker
    finally:
        made.process.kill()


def _lost(made: Gateway) -> int:
    return made.api("GET", "/api/workers")["workers"][0]["pending_lost"]


def test_calls_go_on_and_what_is_lost_is_counted(vendors: Vendors, tmp_path: Path) -> None:
    with filled(vendors, tmp_path, "serve") as (made, answers):
        assert {answer.status for answer in answers} == {200}
        assert until(lambda: _lost(made), 10, "the loss is told while it lasts") > 0
        assert made.ask(SMALL).status == 200


def test_calls_are_refused_where_every_record_counts(vendors: Vendors, tmp_path: Path) -> None:
    with filled(vendors, tmp_path, "refuse") as (made, answers):
        assert [answer.status for answer in answers[:-1]] == [200] * (len(answers) - 1)
        assert answers[-1].status == 503
        assert "journal" in answers[-1].json()["error"]["message"]
        assert made.ask(SMALL).status == 503
