"""Whom to ask, in which order, and the asking, with failover inside."""

from headgate.routing.catalogue import Catalogue, Facts
from headgate.routing.compile import compile_continue_with, compile_route
from headgate.routing.direct import DirectModels
from headgate.routing.health import Health
from headgate.routing.send import Sending
from headgate.routing.service import Routing
from headgate.routing.targets import Account, TargetFactory, Targets
from headgate.routing.tiers import TierTable

__all__ = [
    "Account",
    "Catalogue",
    "DirectModels",
    "Facts",
    "Health",
    "Routing",
    "Sending",
    "TargetFactory",
    "Targets",
    "TierTable",
    "compile_continue_with",
    "compile_route",
]
