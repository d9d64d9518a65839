"""What it costs to know prompts again that callers put together: `python -m benchmarks.recognition [--prompts N]`.

An index over N templates of about 1 KB, every fourth without variables, a tenth of them alike at both ends.
Prints one JSON line: seconds and MB to build it, and thread CPU in microseconds a call, the lowest 5% of many rounds:
of a system prompt that was seen before, of new renderings, of new texts that are nobody's, of renderings of those that
are alike, and of texts that are nobody's and begin and end like these.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Sequence

from headgate.core.artifact import Artifact, digest
from headgate.core.types import ArtifactRef
from headgate.prompts import PromptIndex, TemplateProgram, compile_prompt
from headgate.prompts.recognise import CANDIDATES_MAX, REMEMBERED

ROUNDS = 200
CALLS = 50
WORDS = "The assistant answers questions on orders, deliveries and invoices of the shop in plain words. "


def program(number: int, text: str) -> TemplateProgram:
    """One prompt of one version."""
    content: dict[str, object] = {
        "messages": [{"role": "system", "content": text}],
        "inputs": {"type": "object", "properties": {"product": {"type": "string"}, "tone": {"type": "string"}}},
    }
    return compile_prompt(Artifact(ArtifactRef("prompt", f"p{number}", "1.0.0", digest(content)), content))


def text_of(number: int) -> str:
    """About 1 KB. number % 4 == 0 has no variables; those with number % 10 == 1 differ in their middle alone."""
    alike = number % 10 == 1
    begin = WORDS * 4 if alike else f"Prompt {number} of the shop. " + WORDS * 4
    middle = "It is kind. " if number % 4 == 0 else "It speaks of {{ product }} in a {{ tone }} tone. "
    told = f"It is number {number} of many. " if alike else ""
    end = WORDS if alike else f"It ends as number {number}."
    return f"{begin}{middle}{told}{'It knows {{ product }}. ' if alike else ''}{WORDS * 4}{end}"


def rendered(number: int, call: int) -> str:
    """A rendering of that prompt that no other call has."""
    return text_of(number).replace("{{ product }}", f"kettle {call}").replace("{{ tone }}", "friendly")


def lowest(one: Callable[[int], object]) -> float:
    """Microseconds of thread CPU a call."""
    rounds: list[float] = []
    for turn in range(ROUNDS):
        begin = time.thread_time_ns()
        for call in range(CALLS):
            one(turn * CALLS + call)
        rounds.append((time.thread_time_ns() - begin) / CALLS / 1000)
    return sorted(rounds)[ROUNDS // 20]


def nothing(_most: int) -> Sequence[tuple[str, str]]:
    """No messages behind the system prompt."""
    return ()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=10_000)
    count = parser.parse_args().prompts
    programs = [program(number, text_of(number)) for number in range(count)]
    gc.collect()
    begin = time.thread_time_ns()
    index = PromptIndex(programs, frozenset())
    build_s = (time.thread_time_ns() - begin) / 1e9
    tracemalloc.start()
    again = PromptIndex(programs, frozenset())
    megabytes = tracemalloc.get_traced_memory()[0] / 1e6
    tracemalloc.stop()
    del again
    calls = ROUNDS * CALLS
    templates = [number for number in range(count) if number % 4 and number % 10 != 1]
    alike = [number for number in range(count) if number % 10 == 1][:CANDIDATES_MAX]
    ones = [rendered(templates[call % len(templates)], call) for call in range(calls)]
    others = [f"Somebody's own prompt, number {call}. {WORDS * 10}" for call in range(calls)]
    worst = [f"{WORDS * 4}It speaks of {call}. {WORDS * 5}" for call in range(calls)]
    crowded = [rendered(alike[call % len(alike)], call) for call in range(calls)]
    said = {
        "prompts": count,
        "build_s": round(build_s, 3),
        "index_mb": round(megabytes, 1),
        "left_out": index.left_out,
        "seen_before_us": lowest(lambda call: index.by_system(ones[call % 64], f"seen {call % 64}", nothing)),
        "new_rendering_us": lowest(lambda call: index.by_system(ones[call], f"one {call}", nothing)),
        "nobodys_us": lowest(lambda call: index.by_system(others[call], f"other {call}", nothing)),
        "nobodys_like_many_us": lowest(lambda call: index.by_system(worst[call], f"worst {call}", nothing)),
        "one_of_many_alike_us": lowest(lambda call: index.by_system(crowded[call], f"crowd {call}", nothing)),
        "remembered": REMEMBERED,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main()
