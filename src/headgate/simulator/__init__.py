"""The three vendors' wire formats with faults: over real sockets, or step by step where there are none."""

from headgate.simulator.faults import CATALOGUE
from headgate.simulator.http import BadRequest, take_request
from headgate.simulator.run import run
from headgate.simulator.server import Simulator, build, serve
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.steps import Abort, Close, Hang, Send, Step, Wait

__all__ = [
    "CATALOGUE",
    "Abort",
    "BadRequest",
    "Close",
    "Hang",
    "Send",
    "Simulator",
    "SimulatorSettings",
    "Step",
    "Wait",
    "build",
    "run",
    "serve",
    "take_request",
]
