"""The ledger between real processes: no overspend, nothing leaks, whoever is killed or stopped, whenever."""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import random
import signal
import struct
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from headgate.admission import Admission, KeySource, SharedLedger, load_pepper
from headgate.admission.account import NANO, Account
from headgate.admission.holds import Hold
from headgate.admission.memory import LEDGER_FILE, Memory
from headgate.admission.rows import CALLS, CELL, FORMAT, FORMAT_AT, HELD, SPENT, TORN_AT, WANTED_AT
from headgate.core.errors import BudgetExceeded, ConfigError, LimitExceeded, Overloaded
from headgate.core.keys import Limits
from tests.admission.world import Gate
from tests.support.world import ManualClock, SeededEntropy, run

PROCESSES, CALLS_EACH = 4, 1000


class Child:
    """A forked process that runs `work` and says what it returns; told to begin by `go`."""

    def __init__(self, work: Callable[[], object]) -> None:
        told, self._tell = os.pipe()
        self._heard, say = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(told)
            os.close(say)
            return
        status = 1
        try:
            os.close(self._tell)
            os.read(told, 1)
            os.write(say, json.dumps(work()).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def go(self) -> None:
        os.write(self._tell, b"!")

    def result(self):
        said = b""
        while part := os.read(self._heard, 65536):
            said += part
        assert os.waitpid(self.pid, 0)[1] == 0
        self._close()
        return json.loads(said)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._close()

    def stopped(self) -> None:
        assert os.WIFSTOPPED(os.waitpid(self.pid, os.WUNTRACED)[1])

    def _close(self) -> None:
        os.close(self._tell)
        os.close(self._heard)


def budget(usd: float = 5.0, name: str = "acme", **limits) -> Account:
    return Account(f"tenant/{name}", f"tenant `{name}`", Limits(budget_usd=usd, budget_period="total", **limits))


def hold(ledger: SharedLedger, one: Account, nano: int = NANO) -> Hold:
    made = ledger.hold([one], nano, 0, 0)
    assert isinstance(made, Hold)
    return made


def stands(ledger: SharedLedger, one: Account) -> tuple[int, ...]:
    return tuple(ledger.standing(one, 0))[:3]


# -- the race -------------------------------------------------------------------------------------------------------


def spend_in_a_hurry(gate: Gate, secret: str, seed: int) -> dict[str, int]:
    """CALLS_EACH calls at once in one process, each with its own end; what they were charged."""
    admission = Admission(
        KeySource(gate.folder, load_pepper(gate.folder, SeededEntropy(1))),
        gate.clock,
        SharedLedger.open(gate.folder, gate.clock),
    )
    gate.admission = admission
    (tightest,) = [one for one in admission._scopes.all() if one.address == "app/support"]
    chance = random.Random(seed)
    seen = {"charged": 0, "refused": 0, "cancelled": 0}

    async def one_call() -> None:
        while True:  # whom the others leave no room comes again
            record = None
            try:
                record, reservation = gate.reserve(secret, app="support", stream=True)
                with reservation:
                    for _ in range(chance.randrange(4)):
                        await asyncio.sleep(0)
                    record.outcome = "ok"
                    record.cost_usd = chance.randrange(513) / 512  # exact, in binary and in nano-dollars
                    record.input_tokens = record.output_tokens = 1
                    seen["charged"] += round(record.cost_usd * NANO)
                return
            except (BudgetExceeded, LimitExceeded):
                seen["refused"] += 1
                if admission._ledger.standing(tightest, gate.clock.now_ns()).spent_nano > 799 * NANO:
                    return
                await asyncio.sleep(0.002)
            except asyncio.CancelledError:
                seen["cancelled"] += 1
                if record is not None:  # as the witness does it, on every way out
                    record.outcome, record.cost_usd, record.input_tokens = "cancelled", 0.25, 1
                    seen["charged"] += NANO // 4
                    admission.correct(record)
                raise

    async def all_calls() -> None:
        tasks = [asyncio.ensure_future(one_call()) for _ in range(CALLS_EACH)]
        await asyncio.sleep(0)
        for task in chance.sample(tasks, CALLS_EACH // 10):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(all_calls())
    assert admission.held == 0
    admission.close()
    return seen


def test_four_processes_with_a_thousand_calls_each_at_once_do_not_overspend(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    gate.limit("tenant/acme", budget_usd=900.0, budget_period="total", concurrency=3000)
    gate.limit("app/support", budget_usd=800.0, budget_period="month")
    gate.limit("team/acme/shop", budget_usd=5000.0)
    secret = gate.key(team="shop", budget_usd=5000.0, budget_period="day")
    children = [Child(lambda seed=seed: spend_in_a_hurry(gate, secret, seed)) for seed in range(PROCESSES)]
    for child in children:
        child.go()
    seen = [child.result() for child in children]
    gate.limits._ledger = look = SharedLedger.look(tmp_path, gate.clock)
    charged = sum(one["charged"] for one in seen)
    assert sum(one["refused"] for one in seen) > 100
    assert sum(one["cancelled"] for one in seen) > 20
    assert 799 * NANO < charged <= 800 * NANO, "the app's budget is the tightest"
    lines = gate.limits.lines("*")
    assert len(lines) == 4
    for line in lines:
        assert tuple(line.standing)[:3] == (charged, 0, 0)
    look.close()


# -- death ----------------------------------------------------------------------------------------------------------


def test_what_a_killed_process_held_is_charged_and_freed_by_the_others(tmp_path: Path) -> None:
    one = budget(100.0, concurrency=10)

    def work() -> None:
        ledger = SharedLedger.open(tmp_path, ManualClock())
        same = budget(100.0, concurrency=10)
        for _ in range(5):
            hold(ledger, same)
        os.kill(os.getpid(), signal.SIGSTOP)

    ledger = SharedLedger.open(tmp_path, ManualClock())
    mine = hold(ledger, one, 3 * NANO)
    child = Child(work)
    child.go()
    child.stopped()
    assert stands(ledger, one) == (0, 8 * NANO, 6)
    assert ledger.reclaim() == (0, 0), "it lives"
    child.kill()
    assert ledger.reclaim() == (5, 5 * NANO)
    assert stands(ledger, one) == (5 * NANO, 3 * NANO, 1)
    assert ledger.reclaim() == (0, 0)
    ledger.settle(mine, NANO, None)
    assert stands(ledger, one) == (6 * NANO, 0, 0)
    ledger.close()


def test_killed_at_any_moment_nothing_leaks_and_nothing_is_forgotten(tmp_path: Path) -> None:
    """Processes in a hurry die one after the other in the midst of it; each counts what it was told is charged."""
    accounts = [budget(1e6), budget(1e6, "globex"), budget(1e6, "initech", concurrency=100)]
    counters = mmap.mmap(-1, 4096)
    done = memoryview(counters).cast("q")

    def work(number: int) -> None:
        ledger = SharedLedger.open(tmp_path, ManualClock())
        while True:
            made = ledger.hold(accounts, 5, 0, 0)
            assert isinstance(made, Hold)
            ledger.settle(made, 3, 0)
            done[number] += 1

    chance = random.Random(7)
    waiting = [Child(lambda number=number: work(number)) for number in range(12)]
    for child in waiting:
        child.go()
    for number, child in enumerate(waiting):
        while done[number] < 30 + chance.randrange(40):
            os.sched_yield()
        child.kill()
    ledger = SharedLedger.open(tmp_path, ManualClock())
    ledger.reclaim()
    charged = sum(done[:12]) * 3
    for one in accounts:
        spent, held, calls = stands(ledger, one)
        assert (held, calls) == (0, 0)
        # each that died may have been in one call: charged and not counted, held in full, or both (dead in between)
        assert charged <= spent <= charged + 12 * (5 + 3)
    assert ledger._cells[TORN_AT] == 0
    ledger.close()
    done.release()


def test_a_death_inside_the_section_is_mended_by_the_next(tmp_path: Path) -> None:
    one = budget(concurrency=10)

    def work() -> None:
        ledger = SharedLedger.open(tmp_path, ManualClock())
        hold(ledger, one)
        ledger._enter()
        ledger._cells[one.column] += 2 * NANO  # its column is written, the sums are not
        ledger._cells[one.column + 1] += 1
        os.kill(os.getpid(), signal.SIGSTOP)

    ledger = SharedLedger.open(tmp_path, ManualClock())
    child = Child(work)
    child.go()
    child.stopped()
    child.kill()
    hold(ledger, one)
    assert stands(ledger, one) == (0, 4 * NANO, 3)
    assert ledger.reclaim() == (2, 3 * NANO)
    assert stands(ledger, one) == (3 * NANO, NANO, 1)
    ledger.close()


def test_a_stopped_process_hangs_nobody(tmp_path: Path) -> None:
    one = budget()

    def work() -> None:
        SharedLedger.open(tmp_path, ManualClock())._enter()
        os.kill(os.getpid(), signal.SIGSTOP)

    ledger = SharedLedger.open(tmp_path, ManualClock())
    before = hold(ledger, one)
    child = Child(work)
    child.go()
    child.stopped()
    for _ in range(3):
        with pytest.raises(Overloaded, match="stopped process") as refusal:
            ledger.hold([one], 1, 0, 0)
        assert refusal.value.retry_after_s == 1
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("headgate.admission.ledger.SETTLE_IN_TRIES", 1)
        with pytest.raises(ConfigError, match="keeps it locked"):
            SharedLedger.open(tmp_path, ManualClock())
    ledger.settle(before, NANO // 2, None)
    assert stands(ledger, one) == (0, NANO, 0), "reading needs no lock; the charge waits"
    assert ledger.reclaim() == (0, 0)
    child.kill()
    hold(ledger, one, 7)
    assert stands(ledger, one) == (NANO // 2, 7, 0)
    ledger.close()


# -- alone until another comes -----------------------------------------------------------------------------------------


def test_a_sole_process_keeps_the_lock_until_another_wants_it_and_again_when_that_is_gone(tmp_path: Path) -> None:
    one = budget(100.0)

    def work() -> tuple[int, ...]:
        ledger = SharedLedger.open(tmp_path, ManualClock(), sole=True)
        same = budget(100.0)
        ledger.settle(hold(ledger, same), NANO, None)
        seen = stands(ledger, same)
        os.kill(os.getpid(), signal.SIGSTOP)
        return seen

    ledger = SharedLedger.open(tmp_path, ManualClock(), sole=True)
    ledger.reclaim()  # what it does twice a second
    ledger.settle(hold(ledger, one), NANO, None)
    assert ledger._lock.held
    child = Child(work)
    child.go()
    while not ledger._cells[WANTED_AT]:
        os.sched_yield()
    assert ledger._lock.held, "nobody called and no time passed"
    ledger.reclaim()
    child.stopped()
    assert not ledger._lock.held
    assert stands(ledger, one) == (2 * NANO, 0, 0)
    ledger.settle(hold(ledger, one), NANO, None)
    assert not ledger._lock.held, "not alone: it is let go of after every call"
    os.kill(child.pid, signal.SIGCONT)
    assert child.result() == [2 * NANO, 0, 0]
    ledger.reclaim()
    ledger.reclaim()
    hold(ledger, one)
    assert ledger._lock.held
    ledger.close()


# -- restarts and files ---------------------------------------------------------------------------------------------


def test_a_restart_knows_what_was_spent_and_charges_what_was_still_held(tmp_path: Path) -> None:
    one = budget()
    first = SharedLedger.open(tmp_path, ManualClock())
    first.settle(hold(first, one), NANO // 4, None)
    hold(first, one, 2 * NANO)
    first.sync()
    first.close()
    second = SharedLedger.open(tmp_path, ManualClock())
    assert second._memory.slot == 0
    assert stands(second, budget()) == (NANO // 4 + 2 * NANO, 0, 0)
    second.close()
    assert (tmp_path / LEDGER_FILE).stat().st_mode & 0o077 == 0


def test_processes_have_slots_of_their_own_and_there_is_an_end_to_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("headgate.admission.memory.Memory.open.__func__.__defaults__", (64, 2))
    ledgers = [SharedLedger.open(tmp_path, ManualClock()) for _ in range(2)]
    assert [ledger._memory.slot for ledger in ledgers] == [0, 1]
    with pytest.raises(ConfigError, match="2 processes use it already"):
        SharedLedger.open(tmp_path, ManualClock())
    ledgers[0].close()
    third = SharedLedger.open(tmp_path, ManualClock())
    assert third._memory.slot == 0
    one, same = budget(concurrency=5), budget(concurrency=5)
    hold(ledgers[1], one)
    hold(third, same)
    assert stands(third, same) == stands(ledgers[1], one) == (0, 2 * NANO, 2)
    assert third._cells[same.base + HELD] == 2 * NANO
    assert (third._cells[same.base + CALLS], third._cells[same.base + SPENT]) == (2, 0)
    third.close()
    ledgers[1].close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda cells: cells.__setitem__(FORMAT_AT, FORMAT + 1), "newer Headgate"),
        (lambda cells: cells.__setitem__(0, 12345), "not a ledger"),
        (lambda cells: cells.__setitem__(2, 77), "cut short"),
    ],
    ids=["newer", "foreign", "short"],
)
def test_a_file_that_is_no_ledger_of_ours_is_refused_by_name(tmp_path: Path, damage, said: str) -> None:
    memory = Memory.open(tmp_path, 8, 2)
    damage(memory.cells)
    memory.close()
    with pytest.raises(ConfigError, match=said) as refusal:
        Memory.open(tmp_path)
    assert refusal.value.where == str(tmp_path / LEDGER_FILE)


def test_other_bytes_and_a_half_made_file(tmp_path: Path) -> None:
    path = tmp_path / LEDGER_FILE
    path.write_bytes(b"hello, world")
    with pytest.raises(ConfigError, match="not a ledger"):
        Memory.open(tmp_path)
    path.write_bytes(bytes(5000))  # a start that was killed before its mark was set
    Memory.open(tmp_path, 8, 2).close()
    assert struct.unpack_from("q", path.read_bytes(), CELL)[0] == FORMAT


def test_a_full_disk_is_told_at_the_start(tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("headgate.admission.memory.os.posix_fallocate", full)
    with pytest.raises(ConfigError, match="No space left"):
        SharedLedger.open(tmp_path, ManualClock())
    monkeypatch.undo()
    ledger = SharedLedger.open(tmp_path, ManualClock())
    monkeypatch.setattr("headgate.admission.memory.os.posix_fallocate", full)
    with pytest.raises(ConfigError, match="cannot grow"):
        SharedLedger.open(tmp_path, ManualClock())
    ledger.close()
