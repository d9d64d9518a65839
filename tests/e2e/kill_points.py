"""kill -9 of a worker, of control, of the supervisor or of the whole tree, at moments drawn from a seed, under load."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.gateway import CALL_S, Gateway, until
from tests.e2e.load import Load, check, settled
from tests.e2e.workspace import app, providers, route

WORKERS = 2
MODEL = "gpt-6.1-terra"
LIFE_S = 0.6  # the longest that is waited between two kills
BLIND = 0.3  # the share of kills after which nobody waits for what was killed to be back
WORKER_1, WORKER_2, CONTROL = "worker 1", "worker 2", "control"
SUPERVISOR, TREE, START = "supervisor", "tree", "tree, and again while it starts"


@dataclass
class Killing:
    """A gateway that is killed again and again. `restarts_s` is how long what was killed took to be back."""

    gateway: Gateway
    draws: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    restarts_s: dict[str, list[float]] = field(default_factory=dict)
    calls: int = 0
    whole: int = 0

    def round(self, points: int) -> None:
        """So many kills under load, then a look at what is on record."""
        before = len(self.gateway.calls())
        load = Load(self.gateway)
        load.start()
        left = points
        while left > 0:
            left -= self._life(left)
        load.end()
        until(self.gateway.manageable, CALL_S, "the management API answers")
        outcomes = settled(self.gateway, load)
        check(outcomes, load)
        assert len(outcomes) >= before + len(load.whole), "what earlier rounds brought stays"
        self._sums_agree()
        self.calls, self.whole = len(outcomes), self.whole + len(load.whole)

    def figures(self) -> str:
        """What was done and found, in a few lines."""
        lines = [f"{sum(self.kills.values())} kills, {self.calls} calls on record, {self.whole} of them acknowledged"]
        for what, took in sorted(self.restarts_s.items()):
            ordered = sorted(took)
            middle, worst = ordered[len(ordered) // 2], ordered[-1]
            lines.append(f"{what}: {self.kills[what]} kills, back after {middle:.2f} s (median), {worst:.2f} s (worst)")
        return "\n".join(lines)

    def _life(self, most: int) -> int:
        """Kills of each child, in any order and once each, as a child that dies again and again is started ever more
        slowly; then of all. How many kills that were."""
        victims = [WORKER_1, WORKER_2, CONTROL]
        self.draws.shuffle(victims)
        victims = victims[: self.draws.randint(1, 3)]
        victims.append(self.draws.choice((SUPERVISOR, TREE, START)))
        victims = victims[-most:]
        for victim in victims:
            time.sleep(self.draws.uniform(0, LIFE_S))
            self.kills[victim] += 1
            if victim in (SUPERVISOR, TREE, START):
                self._end(victim)
            else:
                self._kill_child(victim)
        return len(victims)

    def _kill_child(self, victim: str) -> None:
        pid = until(lambda: self._pid(victim), CALL_S, f"{victim} runs")
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        if self.draws.random() >= BLIND:
            until(lambda: self._pid(victim) not in (0, pid), CALL_S, f"{victim} is replaced")
            self._back(victim, began)

    def _end(self, victim: str) -> None:
        gateway = self.gateway
        if victim == SUPERVISOR:
            os.kill(gateway.process.popen.pid, signal.SIGKILL)
            gateway.process.popen.wait()
        else:
            gateway.process.kill()
        if victim == START:
            gateway.launch()
            time.sleep(self.draws.uniform(0, LIFE_S))
            gateway.process.kill()
        began = time.monotonic()
        gateway.start()
        self._back(victim, began)

    def _back(self, victim: str, began: float) -> None:
        self.restarts_s.setdefault(victim, []).append(time.monotonic() - began)

    def _pid(self, victim: str) -> int:
        if victim == CONTROL:
            return self.gateway.control() if self.gateway.manageable() else 0
        if not self.gateway.manageable():
            return 0
        lines = self.gateway.api("GET", "/api/workers")["workers"]
        return next((line["pid"] for line in lines if f"worker {line['slot']}" == victim), 0)

    def _sums_agree(self) -> None:
        """A call that was counted twice would show in the sums per target, which are kept beside the records."""
        asked = Counter(call["provider"] for call in self.gateway.calls() if call["provider"] is not None)
        lines = self.gateway.api("GET", "/api/providers")["providers"]
        assert {line["provider"]: line["calls"] for line in lines} == dict(asked)


def killable(folder: Path, vendors_url: str, seed: int) -> Killing:
    """A gateway of WORKERS workers at slow vendors, started, and what kills it."""
    documents = [route("slow-openai", f"openai/{MODEL}"), app("slow-openai", "slow-openai")]
    config = {"providers": providers(vendors_url), "workers": WORKERS}
    return Killing(Gateway(folder, config, documents).start(), random.Random(seed))
