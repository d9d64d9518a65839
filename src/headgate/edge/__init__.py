"""HTTP in: the data plane's surfaces, one file each, and the management API."""

from headgate.edge.dataplane import DataPlane

__all__ = ["DataPlane"]
