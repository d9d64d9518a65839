"""The composition root: configuration to a running gateway. The only place that knows providers and stores."""

from headgate.app.config import Config, load_config
from headgate.app.supervisor import Address
from headgate.app.up import check, up

__all__ = ["Address", "Config", "check", "load_config", "up"]
