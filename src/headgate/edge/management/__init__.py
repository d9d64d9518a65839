"""The management API: rooms' handlers over HTTP, authenticated, described by `/openapi.json`."""

from headgate.edge.management.application import Authenticate, management_app
from headgate.edge.management.openapi import describe

__all__ = ["Authenticate", "describe", "management_app"]
