"""What discovery costs: per call on the request path, per text behind it. `python -m benchmarks.discovery [--json]`.

Thread CPU in microseconds, on and off in turn within one run; the lowest tenth of many short rounds, which repeats on a
busy machine.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from tests.support.world import ManualClock
from tests.telemetry.builders import batch, call, funded, journal, record
from tests.telemetry.test_sampling import planned

from benchmarks.telemetry import NoJournal
from headgate.core.discovery import PromptSample
from headgate.core.stages import Funded
from headgate.prompts.groups import Groups
from headgate.prompts.render import fingerprint
from headgate.stores.calls_day import DayWriter
from headgate.stores.calls_sqlite import SqliteCalls
from headgate.telemetry import Telemetry, fold
from headgate.telemetry.sampling import PromptSamples

ROUNDS = 60
SENTENCE = "The lazy brew of a toxic dog makes quick wizards jump over seven brown foxes. "


class Silent(NoJournal):
    """Takes samples as well."""

    def sampled(self, sample: PromptSample) -> bool:
        """Nothing."""
        return True


def lowest(measures: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Each measure in turn, ROUNDS times; the lowest tenth of each."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: sorted(times)[ROUNDS // 10] for name, times in found.items()}


def opening(clock: ManualClock, discovery: bool, mark: str | None) -> Callable[[], float]:
    """Opening the record of a call, with and without a look at its fingerprint."""
    telemetry = Telemetry(Silent(), clock)
    made = funded(call(clock))
    one = made.planned.screened.grounded.prompted.selected.admitted.call
    one.snapshot = msgspec.structs.replace(one.snapshot, discovery=discovery)
    one.record.fingerprint = mark
    telemetry.samples._younger.add(mark or "")

    def measure() -> float:
        witnesses = [telemetry.witness(one) for _ in range(2_000)]
        began = time.thread_time()
        for witness in witnesses:
            witness.open(made)
        return (time.thread_time() - began) / len(witnesses) * 1e6

    return measure


def telling(clock: ManualClock, folder: Path, plan: Funded) -> Callable[[], float]:
    """Telling a real journal of a new text."""
    target = journal(folder, clock, segment_bytes=32 << 20)
    samples = PromptSamples(target, clock)
    number = 0

    def measure() -> float:
        nonlocal number
        clock.advance(10)
        began = time.thread_time()
        for _ in range(100):
            number += 1
            samples.look(f"{number:016x}", plan)
        return (time.thread_time() - began) / 100 * 1e6

    return measure


def keeping(folder: Path) -> tuple[Callable[[], float], Callable[[], float]]:
    """A batch of 2,000 calls into a day's file, with and without counting which prompt was used."""
    store = SqliteCalls(folder, fold)
    counting = DayWriter._add_use
    number = 0

    def writing(add_use: Callable[..., None]) -> float:
        nonlocal number
        items = [
            record(number + n, prompt=None, fingerprint=f"f{n % 50}", key_id=f"key_{n % 10}") for n in range(2_000)
        ]
        number += len(items)
        made = batch(items, segment=f"w.1-{number:08d}.hgj")
        DayWriter._add_use = add_use  # type: ignore[method-assign]
        began = time.thread_time()
        store.write(made)
        return (time.thread_time() - began) / len(items) * 1e6

    return lambda: writing(counting), lambda: writing(lambda *_: None)


def grouping(frame: str, groups: int) -> float:
    """Milliseconds to place one new text of a template among so many groups."""
    clock = 0
    made = Groups([])
    for number in range(groups - 1):
        words = " ".join(f"w{number}x{n}" for n in range(60))
        made.place("t", f"{number:016x}", words, False)
    texts = [frame.replace("NAME", f"Ann{n} Smith").replace("TOPIC", f"tax {n} and rent") for n in range(200)]
    made.place("t", "first", texts[0], False)
    began = time.thread_time()
    for clock, text in enumerate(texts[1:]):
        found = made.place("t", f"x{clock}", text, False)
        assert found is not None
        assert found.id == "first"
    return (time.thread_time() - began) / (len(texts) - 1) * 1e3


def refusing(words: int) -> float:
    """Milliseconds to find that a text of so many words belongs to none of 200 groups with the same vocabulary."""
    made = Groups([])
    texts = [" ".join(f"w{(n * (7 + 2 * number) + n // 9) % words}" for n in range(words)) for number in range(250)]
    for number, text in enumerate(texts[:200]):
        made.place("t", f"{number:016x}", text, False)
    began = time.thread_time()
    for number, text in enumerate(texts[200:]):
        made.place("t", f"x{number}", text, False)
    return (time.thread_time() - began) / 50 * 1e3


def numbers(folder: Path) -> dict[str, float]:
    """All of them."""
    clock = ManualClock()
    text = SENTENCE * 13
    plain, redacted = planned(clock, text), planned(clock, text, "X" * len(text))
    counted, uncounted = keeping(folder / "calls")
    times = lowest({
        "open_off_us": opening(clock, False, "f1"),
        "open_known_us": opening(clock, True, "f1"),
        "tell_1kb_us": telling(clock, folder / "j1", plain),
        "tell_1kb_redacted_us": telling(clock, folder / "j2", redacted),
        "keep_off_us": uncounted,
        "keep_counted_us": counted,
    })  # fmt: skip
    frame = f"You help NAME with TOPIC. {text} Answer NAME in short sentences."
    assert fingerprint(frame) is not None
    return {
        **times,
        "known_prompt_us": times["open_known_us"] - times["open_off_us"],
        "counting_us": times["keep_counted_us"] - times["keep_off_us"],
        "group_1kb_of_10_ms": grouping(frame, 10),
        "group_1kb_of_1000_ms": grouping(frame, 1_000),
        "group_16kb_of_1000_ms": grouping(frame + " " + SENTENCE * 190, 1_000),
        "no_group_16kb_ms": refusing(3_200),
    }


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser()
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = {key: round(value, 3) for key, value in numbers(Path(name)).items()}
    if chosen.json:
        print(json.dumps({"bench": "discovery", **found}))
        return
    for key, value in found.items():
        print(f"{key:28s} {value:10.3f}")


if __name__ == "__main__":
    main()
