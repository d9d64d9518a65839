"""The simulator as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request

import pytest

SERVE = """
from headgate.simulator import SimulatorSettings, run
run(SimulatorSettings(faults=("openai:f1-503",)), lambda simulator: print(simulator.url, flush=True))
"""


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_serves_until_told_to_stop(sign: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/__control", timeout=10) as shown:
            assert b'"fault":"f1-503"' in shown.read()
        process.send_signal(sign)
        assert process.wait(10) == 0
