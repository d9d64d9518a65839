"""Experiments on made-up traffic of which the truth is known. `python -m benchmarks.experiments --reps 2000`.

Every verdict is the shipped code's, asked at every look. Rates come with exact 95% intervals (Clopper and Pearson);
same seed, same figures. `--only WORD` runs the lines whose name holds the word.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from random import Random

from headgate.core.assign import resplit, split
from headgate.evaluation.experiments import (
    ArmData,
    Bandit,
    Experiment,
    Metric,
    Stage,
    UnitSums,
    bandit_step,
    judge,
    mismatch,
)
from headgate.evaluation.experiments.proportion import rate_interval

A, B = "A", "B"
HALF = {A: 0.5, B: 0.5}
TENTH = {A: 0.9, B: 0.1}

RESOLVED = Metric("resolved", "binary", "score:resolved", 0.02)
COST = Metric("cost", "mean", "cost_usd", 0.1, better="lower", relative=True)
PER_TASK = Metric("cost per task", "ratio", "cost_usd", 0.1, better="lower", relative=True, over="score:tasks")
ERRORS = Metric("errors", "binary", "error", 0.005, better="lower")

Arms = dict[str, UnitSums]
Looks = Iterator[Arms]


def yes(random: Random, rate: float, sums: UnitSums, units: int) -> None:
    """Adds units of one yes-or-no call each."""
    ones = [random.random() < rate for _ in range(units)].count(True)
    sums.units += units
    sums.x += units
    sums.xx += units
    sums.y += ones
    sums.yy += ones
    sums.xy += ones


def binary(rates: tuple[float, float], weights: dict[str, float]) -> Callable[[Random, int, int], Looks]:
    """Yes-or-no calls, one a unit; `step` units of both arms together between two looks."""

    def looks(random: Random, count: int, step: int) -> Looks:
        sums = {A: UnitSums(), B: UnitSums()}
        for _ in range(count):
            for (arm, one), rate in zip(sums.items(), rates, strict=True):
                yes(random, rate, one, round(step * weights[arm]))
            yield sums

    return looks


def skewed(sigma: float, weights: dict[str, float], factor: float = 1.0) -> Callable[[Random, int, int], Looks]:
    """Costs, lognormal: at sigma 1 the largest of 10,000 is some 25 times the mean. Those of B are `factor` as high."""

    def looks(random: Random, count: int, step: int) -> Looks:
        sums = {A: UnitSums(), B: UnitSums()}
        for _ in range(count):
            for (arm, one), times in zip(sums.items(), (1.0, factor), strict=True):
                for _ in range(round(step * weights[arm])):
                    one.add(times * math.exp(sigma * random.gauss(0.0, 1.0)))
            yield sums

    return looks


def ratios(random: Random, count: int, step: int) -> Looks:
    """Cost per task: a user has some tasks (geometric, 3 on average), and dear ones where there are many."""
    sums = {A: UnitSums(), B: UnitSums()}
    for _ in range(count):
        for one in sums.values():
            for _ in range(step // 2):
                tasks = 1 + int(math.log(1.0 - random.random()) / math.log(2 / 3))
                one.add(tasks * (1 + 0.2 * tasks) * math.exp(random.gauss(0.0, 1.0)), float(tasks))
        yield sums


def clustered(random: Random, count: int, step: int) -> Looks:
    """Calls of users who come back: a user's calls are alike (rates Beta(1.8, 0.2): mean .9, correlation 1/3). Every
    third call is a new user's, so users have three on average and the first ones more."""
    sums = {A: UnitSums(), B: UnitSums()}
    users: dict[str, list[list[float]]] = {A: [], B: []}
    for _ in range(count):
        for arm, one in sums.items():
            known = users[arm]
            for _ in range(step // 2):
                if not known or random.random() < 1 / 3:
                    known.append([random.betavariate(1.8, 0.2), 0.0, 0.0])
                    user = known[-1]
                    one.units += 1
                else:
                    user = known[int(random.random() * len(known))]
                rate, y, x = user
                more = float(random.random() < rate)
                user[1:] = [y + more, x + 1]
                one.y += more
                one.x += 1
                one.yy += more * (2 * y + more)
                one.xy += (y + more) * (x + 1) - y * x
                one.xx += 2 * x + 1
        yield sums


def stage(metric: Metric, sums: Arms, weights: dict[str, float]) -> Stage:
    """One stage of one metric."""
    return Stage(weights, {arm: ArmData(one.units, one.units, 0, {metric.name: one}) for arm, one in sums.items()})


def runs(name: str, chosen: argparse.Namespace) -> Iterator[Random]:
    """One seeded source of chance a repetition, whatever else is run."""
    return (Random(f"{chosen.seed}:{name}:{number}") for number in range(chosen.reps))


def decided(
    name: str,
    metric: Metric,
    world: Callable[[Random, int, int], Looks],
    chosen: argparse.Namespace,
    weights: dict[str, float] = HALF,
    step: int = 100,
) -> dict[str, object]:
    """How often, when and for whom a metric is decided."""
    experiment = Experiment(name, (A, B), metric)
    winners = {A: 0, B: 0}
    at: list[int] = []
    for random in runs(name, chosen):
        for number, sums in enumerate(world(random, chosen.looks, step), 1):
            verdict = judge(experiment, [stage(metric, sums, weights)])
            if verdict.state == "winner":
                winners[verdict.arm or ""] += 1
                at.append(number * step)
                break
    return {"decided": sum(winners.values()), **{f"for {arm}": count for arm, count in winners.items()}, **mean(at)}


def naive(name: str, rates: tuple[float, float], chosen: argparse.Namespace, calls: bool = False) -> dict[str, object]:
    """What the usual z-test says, looked at every time, and once at the end. `calls`: over the calls of users who come
    back, as though they were independent."""
    peeked = ended = 0
    for random in runs(name, chosen):
        found, last = False, False
        world = clustered if calls else binary(rates, HALF)
        for sums in world(random, chosen.looks, 100):
            one, two = sums[A], sums[B]
            pooled = (one.y + two.y) / (one.x + two.x)
            deviation = math.sqrt(pooled * (1 - pooled) * (1 / one.x + 1 / two.x))
            last = deviation > 0 and abs(two.y / two.x - one.y / one.x) > 1.959964 * deviation
            found = found or last
        peeked += found
        ended += last
    return {"decided": peeked, "at the end alone": ended}


def three_arms(name: str, chosen: argparse.Namespace) -> dict[str, object]:
    """Two arms against a control, all alike."""
    experiment = Experiment(name, (A, B, "C"), RESOLVED)
    won = 0
    for random in runs(name, chosen):
        sums = {arm: UnitSums() for arm in experiment.arms}
        for _ in range(chosen.looks):
            for one in sums.values():
                yes(random, 0.9, one, 50)
            one_stage = stage(RESOLVED, sums, dict.fromkeys(sums, 1.0))
            if judge(experiment, [one_stage]).state == "winner":
                won += 1
                break
    return {"decided": won}


def bandit(name: str, rates: tuple[float, float], chosen: argparse.Namespace, drift: float = 0.0) -> dict[str, object]:
    """Weights follow the outcomes, 200 units between two looks; both rates fall by `drift` over the whole run. Staged
    is the shipped verdict; pooled is the same with all stages thrown together."""
    experiment = Experiment(name, (A, B), RESOLVED)
    rule = Bandit(floor=0.1, units_min=100)
    staged, pooled, least, moved, to_better = {A: 0, B: 0}, 0, 1.0, 0, 0.0
    for random in runs(name, chosen):
        weights = dict(HALF)
        stages: list[Stage] = []
        sums = {A: UnitSums(), B: UnitSums()}
        done = {"staged": False, "pooled": False}
        units = {A: 0, B: 0}
        for look in range(chosen.looks):
            for (arm, one), rate in zip(sums.items(), rates, strict=True):
                size = round(200 * weights[arm])
                units[arm] += size
                yes(random, rate - drift * look / chosen.looks, one, size)
            present = [*stages, stage(RESOLVED, sums, weights)]
            verdict = judge(experiment, present)
            if verdict.state == "winner" and not done["staged"]:
                done["staged"] = True
                staged[verdict.arm or ""] += 1
            if not done["pooled"]:
                together = {arm: UnitSums() for arm in sums}
                for part in present:
                    together = {arm: one.plus(part.arms[arm].metrics["resolved"]) for arm, one in together.items()}
                done["pooled"] = (
                    judge(experiment, [stage(RESOLVED, together, units_as_weights(units))]).state == "winner"
                )
            following = bandit_step(rule, experiment, present, verdict)
            if following.act == "shift" and following.weights != weights:
                stages, sums, weights = present, {A: UnitSums(), B: UnitSums()}, dict(following.weights)
                moved += 1
            least = min(least, *weights.values())
        pooled += done["pooled"]
        to_better += units[B] / (units[A] + units[B])
    return {
        "decided": sum(staged.values()), **{f"for {arm}": count for arm, count in staged.items()}, "pooled": pooled,
        "least share": round(least, 4), "shifts a run": round(moved / chosen.reps, 1),
        "share of B": round(to_better / chosen.reps, 3),
    }  # fmt: skip


def units_as_weights(units: dict[str, int]) -> dict[str, float]:
    """So that the test of the split has nothing to say."""
    return {arm: float(count) for arm, count in units.items()}


def srm(name: str, share: float, chosen: argparse.Namespace) -> dict[str, object]:
    """Units of which `share` come to A where half was declared, 200 between two looks, each an independent toss."""
    fired: list[int] = []
    for random in runs(name, chosen):
        units = {A: 0, B: 0}
        for look in range(1, chosen.looks + 1):
            first = [random.random() < share for _ in range(200)].count(True)
            units[A] += first
            units[B] += 200 - first
            seen = Stage(HALF, {arm: ArmData(count, count) for arm, count in units.items()})
            if mismatch((A, B), [seen], Experiment("", (A, B), RESOLVED).srm_alpha).fired:
                fired.append(look * 200)
                break
    return {"decided": len(fired), **mean(fired)}


def safety(
    name: str,
    metric: Metric,
    world: Callable[[Random, int, int], Looks],
    chosen: argparse.Namespace,
    weights: dict[str, float] = HALF,
) -> dict[str, object]:
    """How often and when harm is found, and how often its absence is."""
    experiment = Experiment(name, (A, B), RESOLVED, safety=(metric,))
    harmed: list[int] = []
    fine: list[int] = []
    for random in runs(name, chosen):
        for look, sums in enumerate(world(random, chosen.looks, 100), 1):
            verdict = judge(experiment, [stage(metric, sums, weights)])
            state = verdict.safety[0].state
            if state != "unknown":
                (harmed if state == "harmed" else fine).append(look * 100)
                break
    return {"decided": len(harmed), **mean(harmed), "no harm shown": len(fine), **mean(fine, "mean units to that")}


def assignment(chosen: argparse.Namespace) -> dict[str, object]:
    """200,000 users over a layout of 10, 30 and 60%, and how many move when it becomes 20, 30 and 50."""
    first = split(f"salt {chosen.seed}", {A: 0.1, B: 0.3, "C": 0.6})
    second = resplit(first, {A: 0.2, B: 0.3, "C": 0.5})
    users = 200_000
    held = dict.fromkeys((A, B, "C"), 0)
    moved = 0
    for number in range(users):
        arm = first.arm_of(f"user-{number}")
        held[arm] += 1
        moved += arm != second.arm_of(f"user-{number}")
    return {"shares": {arm: round(count / users, 4) for arm, count in held.items()}, "moved": round(moved / users, 4)}


def mean(values: list[int], name: str = "mean units to that, both arms") -> dict[str, object]:
    """Unknown where there are none."""
    return {name: round(sum(values) / len(values)) if values else None}


Case = tuple[str, Callable[[str, argparse.Namespace], dict[str, object]]]
CASES: tuple[Case, ...] = (
    ("A/A binary .9", lambda n, c: decided(n, RESOLVED, binary((0.9, 0.9), HALF), c)),
    ("A/A binary .9, 90 to 10", lambda n, c: decided(n, RESOLVED, binary((0.9, 0.9), TENTH), c, TENTH)),
    ("A/A binary .01 (errors)", lambda n, c: decided(n, ERRORS, binary((0.01, 0.01), HALF), c)),
    ("A/A binary .9, a look at every unit", lambda n, c: decided(n, RESOLVED, binary((0.9, 0.9), HALF), c, step=2)),
    ("A/A binary .5, a look at every unit", lambda n, c: decided(n, RESOLVED, binary((0.5, 0.5), HALF), c, step=2)),
    ("A/A mean, lognormal sigma 1", lambda n, c: decided(n, COST, skewed(1.0, HALF), c)),
    ("A/A mean, lognormal sigma 1, 90 to 10", lambda n, c: decided(n, COST, skewed(1.0, TENTH), c, TENTH)),
    (
        "A/A mean, lognormal sigma 1.5, 90 to 10",
        lambda n, c: decided(n, COST, skewed(1.5, TENTH), c, TENTH),
    ),
    ("A/A mean, lognormal sigma 1.5", lambda n, c: decided(n, COST, skewed(1.5, HALF), c)),
    ("A/A ratio, cost per task", lambda n, c: decided(n, PER_TASK, ratios, c)),
    ("A/A clustered by user", lambda n, c: decided(n, RESOLVED, clustered, c)),
    ("A/A three arms", three_arms),
    ("A/A bandit", lambda n, c: bandit(n, (0.9, 0.9), c)),
    ("A/A bandit, both fall from .95 to .85", lambda n, c: bandit(n, (0.95, 0.95), c, drift=0.1)),
    ("A/A z-test at every look (not ours)", lambda n, c: naive(n, (0.9, 0.9), c)),
    ("A/A z-test over calls of users (not ours)", lambda n, c: naive(n, (0.9, 0.9), c, calls=True)),
    (".90 against .93", lambda n, c: decided(n, RESOLVED, binary((0.9, 0.93), HALF), c)),
    (".90 against .92", lambda n, c: decided(n, RESOLVED, binary((0.9, 0.92), HALF), c)),
    (".90 against .93, bandit", lambda n, c: bandit(n, (0.9, 0.93), c)),
    ("split 50/50 as declared", lambda n, c: srm(n, 0.5, c)),
    ("split 52/48 for 50/50", lambda n, c: srm(n, 0.52, c)),
    ("safety: cost as before", lambda n, c: safety(n, COST, skewed(1.0, HALF), c)),
    ("safety: cost up by the 10% allowed", lambda n, c: safety(n, COST, skewed(1.0, HALF, 1.1), c)),
    (
        "safety: cost up by the 10% allowed, 90 to 10",
        lambda n, c: safety(n, COST, skewed(1.0, TENTH, 1.1), c, TENTH),
    ),
    ("safety: cost up by 30%", lambda n, c: safety(n, COST, skewed(1.0, HALF, 1.3), c)),
    ("safety: cost three times as high", lambda n, c: safety(n, COST, skewed(1.0, HALF, 3.0), c)),
    ("safety: errors .01, .015 allowed", lambda n, c: safety(n, ERRORS, binary((0.01, 0.015), HALF), c)),
    ("safety: errors .01 to .03", lambda n, c: safety(n, ERRORS, binary((0.01, 0.03), HALF), c)),
    ("assignment of 200,000 users", lambda _, c: assignment(c)),
)


def main() -> int:
    """Prints a line a case, or JSON lines with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=200)
    parser.add_argument("--reps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if not chosen.json:
        print(f"{chosen.reps} repetitions, {chosen.looks} looks each, seed {chosen.seed}; alpha 0.05")
    for name, run in CASES:
        if chosen.only not in name:
            continue
        found = run(name, chosen)
        count = found.get("decided")
        if isinstance(count, int):
            low, high = rate_interval(count, chosen.reps)
            found = {"rate": round(count / chosen.reps, 4), "low": round(low, 4), "high": round(high, 4), **found}
        if chosen.json:
            print(json.dumps({"benchmark": "experiments", "case": name, **found}), flush=True)
        else:
            told = ", ".join(f"{key} {value}" for key, value in found.items() if key not in ("rate", "low", "high"))
            rate = f"{found['rate']:7.2%} ({found['low']:.2%} to {found['high']:.2%})" if "rate" in found else ""
            print(f"{name:44} {rate:28} {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
