"""Releases: which version of everything answers a call."""

from headgate.releases.compile import AppParts, compile_app
from headgate.releases.select import Releases

__all__ = ["AppParts", "Releases", "compile_app"]
