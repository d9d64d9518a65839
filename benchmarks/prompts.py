"""What prompts cost, in CPU time of one thread and in memory.

    python -m benchmarks.prompts [--json]

`resolve and render` is what the page does for a call with a registered prompt of 1 KB: read the client's body, find
app, channel, release and prompt, check two variables, render, put the text into the body (bar: 15 us). `render alone`
is the program's own part of it. `compile` is what one prompt costs while a snapshot is made, `first render` what it
costs once more when it is first asked for; `10,000 prompts` is the time and the resident memory of as many, pinned and
not yet asked for (bars: 2 s, 200 MB), and with every one of them rendered once.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.ports import Policy
from headgate.core.record import CallRecord
from headgate.core.snapshot import App, Release, Route, Snapshot
from headgate.core.stages import Admitted, Call, KeyInfo
from headgate.core.types import ArtifactRef
from headgate.prompts import Partials, Prompts, TemplateProgram, compile_prompt
from headgate.releases import Releases

ROUNDS = 7
COUNT = 2000
MANY = 10_000
PAGE_KB = 4
VARIABLES = {"product": "the Aurora kettle", "tone": "kind"}
TEXT = (
    "You answer for {{ product }}.{% if tone is defined %} Be {{ tone }}.{% endif %} Answer in a few sentences, from "
    "what you know of the product alone.{% if tone == 'formal' %} Use no contractions.{% endif %} "
)
PAD = "Say so where you do not know, and name the page of the manual where you do. "


def artifact(number: int, partial: bool = False) -> Artifact:
    """A prompt of 1 KB with two variables; no two are alike."""
    text = TEXT + "{% include 'legal' %} " * partial
    text += (PAD * 20)[: 1024 - len(text) - 12] + f" ({number})"
    content: Any = {
        "inputs": {
            "type": "object",
            "properties": {"product": {"type": "string", "maxLength": 200}, "tone": {"type": "string"}},
            "required": ["product"],
        },
        "messages": [{"role": "system", "content": text}],
        "settings": {"max_tokens": 400},
    }
    if partial:
        content["partials"] = {"legal": "legal@1.0.0"}
    return Artifact(ArtifactRef("prompt", f"support-{number}", "1.0.0", f"{number:064x}"), content)


def cost_us(work: Callable[[], object], count: int = COUNT) -> float:
    """The best of several rounds, in CPU microseconds per call."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time_ns()
        for _ in range(count):
            work()
        best = min(best, (time.process_time_ns() - started) / count / 1000)
    return best


def resident_mb() -> float:
    """Memory of this process that is in use now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * PAGE_KB / 1024


def on_the_page() -> Callable[[], object]:
    """One call's way through release and prompt."""
    program = compile_prompt(artifact(1))
    release = Release("support", 1, {"default": program}, Route(()), cast("Policy", None), (program.ref,))
    app = App("support", ("us",), {"production": release}, "production")
    snapshot = Snapshot("d", 0, {"support": app}, cast("Any", None), cast("Policy", None), {})
    body = msgspec.json.encode({
        "model": "support",
        "messages": [{"role": "user", "content": "Where is my kettle?"}],
        "headgate": {"variables": VARIABLES},
    })  # fmt: skip
    key, releases, prompts = KeyInfo("k", "bench", "t"), Releases(), Prompts()

    def call() -> object:
        made = Call("call_1", "openai", snapshot, CallRecord("call_1", 1, "openai"), 0)
        made.body = body
        return prompts.render(releases.select(Admitted(made, key)))

    return call


def many() -> tuple[float, float, float]:
    """Seconds and MB of 10,000 compiled prompts, and MB once each has been rendered."""
    artifacts = [artifact(number) for number in range(MANY)]
    before, started = resident_mb(), time.process_time()
    programs = [compile_prompt(one) for one in artifacts]
    took, compiled = time.process_time() - started, resident_mb() - before
    for program in programs:
        program.render(VARIABLES)
    return took, compiled, resident_mb() - before


def first_render_us() -> float:
    """CPU microseconds of the render that compiles."""
    programs: list[TemplateProgram] = [compile_prompt(artifact(number)) for number in range(COUNT)]
    started = time.process_time_ns()
    for program in programs:
        program.render(VARIABLES)
    return (time.process_time_ns() - started) / COUNT / 1000


def main() -> None:
    """Measure and print."""
    took, compiled, rendered = many()  # first: memory is then nobody else's
    legal = Artifact(ArtifactRef("partial", "legal", "1.0.0", "0"), {"content": "No legal advice is given."})
    look = Partials({"legal@1.0.0": legal}.get).look
    plain, including = artifact(1), artifact(1, partial=True)
    program = compile_prompt(plain)
    rows: list[tuple[str, float, str]] = [
        ("resolve and render, 1 KB (bar 15)", cost_us(on_the_page()), "us"),
        ("render alone", cost_us(lambda: program.render(VARIABLES)), "us"),
        ("compile", cost_us(lambda: compile_prompt(plain), 500), "us"),
        ("compile with a partial", cost_us(lambda: compile_prompt(including, look), 500), "us"),
        ("first render", first_render_us(), "us"),
        ("10,000 prompts, time (bar 2)", took, "s"),
        ("10,000 prompts, memory (bar 200)", compiled, "MB"),
        ("10,000 prompts, memory once all were rendered", rendered, "MB"),
    ]
    if "--json" in sys.argv[1:]:
        print(json.dumps({name: {"value": round(value, 3), "unit": unit} for name, value, unit in rows}, indent=2))
        return
    for name, value, unit in rows:
        print(f"{name:<46} {value:8.2f} {unit}")


if __name__ == "__main__":
    main()
