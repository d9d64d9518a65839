"""The child that renders a trial: `python -m headgate.prompts.rendering`, a job on stdin, what came of it on stdout.

It bounds itself before it reads anything. Its environment holds no secret, and it opens no file and no connection.
"""

from __future__ import annotations

import resource
import sys

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.errors import ConfigError, InvalidRequest
from headgate.core.types import JsonObject
from headgate.prompts.compile import compile_prompt
from headgate.prompts.partials import Partials

CPU_S = 5
MEMORY_BYTES = 1 << 30
_ENDED = 75  # out of memory


class Job(msgspec.Struct, frozen=True):
    """A prompt, the partials that it pins by `name@1.4.2`, and variables to render it with, one set after the other.
    `show` False: nobody wants to see the text, only whether there is one."""

    prompt: Artifact
    partials: dict[str, Artifact]
    variables: list[JsonObject]
    show: bool = True


class Rendered(msgspec.Struct, frozen=True, omit_defaults=True):
    """(role, text) pairs; or what is wrong, and the parameter at fault where one is."""

    messages: list[tuple[str, str]] = []
    wrong: str | None = None
    param: str | None = None


def render(job: Job) -> list[Rendered]:
    """Compiles, and renders with each set of variables; mistakes are in the answer."""
    partials = Partials(job.partials.get)
    try:
        for partial in job.partials.values():
            partials.compile(partial)
        program = compile_prompt(job.prompt, partials.look)
    except ConfigError as error:
        return [Rendered(wrong=f"{error.where}: {error.wrong} ({error.right})")] * len(job.variables)
    found: list[Rendered] = []
    for variables in job.variables:
        try:
            messages = program.render(variables)
            found.append(Rendered(messages if job.show else []))
        except InvalidRequest as error:
            found.append(Rendered(wrong=error.message, param=error.param))
    return found


def main() -> int:
    """One job. The kernel ends what takes too long or too much."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
        sys.stdout.buffer.write(msgspec.json.encode(render(job)))
    except MemoryError:
        return _ENDED
    return 0


if __name__ == "__main__":
    sys.exit(main())
