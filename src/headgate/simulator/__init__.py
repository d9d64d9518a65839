"""The three vendors' wire formats with faults, over real sockets: for demos, drills and tests."""

from headgate.simulator.faults import CATALOGUE
from headgate.simulator.run import run
from headgate.simulator.server import Simulator, serve
from headgate.simulator.settings import SimulatorSettings

__all__ = ["CATALOGUE", "Simulator", "SimulatorSettings", "run", "serve"]
