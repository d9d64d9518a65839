"""Finds a format by its name: a file in `formats/`, else an entry point of group `headgate.prompt_formats`."""

from __future__ import annotations

import importlib
from importlib import metadata
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import cast

from headgate.prompts import formats
from headgate.prompts.translate.draft import Format

ENTRY_POINTS = "headgate.prompt_formats"


def names() -> list[str]:
    """Every format that can be named, sorted: `litellm-prompt` is the file `litellm_prompt.py`."""
    own = {module.name.replace("_", "-") for module in iter_modules(formats.__path__)}
    return sorted(own | {point.name for point in metadata.entry_points(group=ENTRY_POINTS)})


def find(name: str) -> Format | None:
    """The format of that name, imported now; None where there is none."""
    module = f"{formats.__name__}.{name.replace('-', '_')}"
    if name.replace("-", "_").isidentifier() and find_spec(module) is not None:
        return cast("Format", importlib.import_module(module))
    for point in metadata.entry_points(group=ENTRY_POINTS, name=name):
        return cast("Format", point.load())
    return None
