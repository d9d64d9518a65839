"""Rendering apart: in a child with little time and memory, so that no template and no schema of an author holds up
the process that everybody shares.

Templates are bounded by themselves (`template.py`); a `pattern` of a schema is not: its engine may go back and forth
for ever.
"""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec

from headgate.core.errors import InvalidRequest, Overloaded
from headgate.prompts.rendering import CPU_S, MEMORY_BYTES, Job, Rendered

WAIT_S = 20.0  # of wall time: more than CPU_S on a machine that is busy
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")


def render_apart(job: Job) -> list[Rendered]:
    """What a prompt renders to with each set of variables, or what is wrong with them. Blocks.

    Raises InvalidRequest where all of it together goes beyond the child's bounds, Overloaded where the child had no
    chance to run.
    """
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    program = [sys.executable, "-m", "headgate.prompts.rendering"]
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            program, input=msgspec.json.encode(job), capture_output=True, timeout=WAIT_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise Overloaded(f"rendering was not done after {WAIT_S:g} s", retry_after_s=WAIT_S) from None
    except OSError as error:
        raise Overloaded(f"no process for rendering: {error.strerror}", retry_after_s=1.0) from error
    if done.returncode != 0:
        bounds = f"{CPU_S} s of processor time, {MEMORY_BYTES >> 20} MiB of memory"
        raise InvalidRequest(f"{job.prompt.ref} could not be rendered within its bounds ({bounds})")
    return msgspec.json.decode(done.stdout, type=list[Rendered])
