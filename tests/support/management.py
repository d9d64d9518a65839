"""The management API as the control process makes it, in a folder, with nothing running beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headgate.app.config import Config, load_config
from headgate.app.control import Control
from headgate.app.generation import Generation
from headgate.app.up import check
from headgate.core.handlers import Handler
from headgate.core.roles import ROLES, who_may
from tests.support.world import ManualClock, SeededEntropy

YAML = "providers: {openai: {type: openai, key_env: KEY}}\n"


def control_in(folder: Path) -> Control:
    """The control process's parts on an empty state folder; `close` it."""
    file = folder / "headgate.yaml"
    file.write_text(YAML)

    def read() -> Config:
        return load_config(file, {"KEY": "k"}, folder)

    config, clock = read(), ManualClock()
    snapshot = check(config).snapshot
    assert snapshot is not None
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Control(Generation(config, snapshot, read, clock), clock, SeededEntropy())


def roles_table(handlers: Sequence[Handler]) -> str:
    """Every operation against every role, as `docs/roles.md` shows it."""
    head = ["operation", "what", *ROLES]
    lines = [f"| {' | '.join(head)} |", "|---|---|" + ":-:|" * len(ROLES)]
    for one in sorted(handlers, key=lambda handler: (handler.path, handler.method)):
        enough = who_may(one.roles)
        marks = ["yes" if role in enough else "" for role in ROLES]
        what = one.summary + ("; a key for calls may too, within its tenant" if one.callers else "")
        lines.append(f"| {' | '.join([f'`{one.method} {one.address}`', what, *marks])} |")
    return "\n".join(lines) + "\n"
