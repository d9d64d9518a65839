"""Whom to ask, in which order, and the asking, with failover inside."""

from headgate.routing.catalogue import Catalogue, CatalogueFile, Facts, Row, read_catalogue, shipped
from headgate.routing.compile import compile_continue_with, compile_route
from headgate.routing.direct import DirectModels
from headgate.routing.health import Health
from headgate.routing.learned.classifier import compile_model
from headgate.routing.lifecycle import Life, Lifecycle
from headgate.routing.send import Sending
from headgate.routing.service import Routing
from headgate.routing.targets import Account, TargetFactory, Targets
from headgate.routing.tiers import TierTable

__all__ = [
    "Account",
    "Catalogue",
    "CatalogueFile",
    "DirectModels",
    "Facts",
    "Health",
    "Life",
    "Lifecycle",
    "Routing",
    "Row",
    "Sending",
    "TargetFactory",
    "Targets",
    "TierTable",
    "compile_continue_with",
    "compile_model",
    "compile_route",
    "read_catalogue",
    "shipped",
]
