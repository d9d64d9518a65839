"""Which children the supervisor keeps."""

from __future__ import annotations

from pathlib import Path

from headgate.app.supervisor import CONTROL, Supervisor
from tests.app.test_roster import YAML, generation
from tests.support.world import ManualClock


def test_a_dead_worker_that_is_wanted_no_longer_is_not_started_again(tmp_path: Path) -> None:
    here = generation(tmp_path)
    (tmp_path / "headgate.yaml").write_text(YAML + f"workers: 2\nstate: {tmp_path}\n")
    here.config = here.reread()
    supervisor = Supervisor(here, lambda *_: None, lambda *_: None, ManualClock())
    supervisor._due = {CONTROL: 5, 1: 6, 2: 7}
    (tmp_path / "headgate.yaml").write_text(YAML + f"workers: 1\nstate: {tmp_path}\n")
    supervisor._reload()
    assert supervisor._due == {CONTROL: 5, 1: 6}
