"""What a command's `register` is given: argparse's own type for it is private."""

from __future__ import annotations

import argparse
from typing import Protocol


class Commands(Protocol):
    """A place that takes sub-commands."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:
        """A parser for one more command."""
        ...
