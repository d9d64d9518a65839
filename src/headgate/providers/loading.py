"""Finds a provider type: a file of this folder by its name, else an entry point of the group `headgate.providers`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TypeAlias, cast

from headgate.core.errors import ConfigError
from headgate.core.ports import Endpoint
from headgate.providers.settings import ProviderSettings

GROUP = "headgate.providers"
Build: TypeAlias = "Callable[[ProviderSettings], Endpoint]"
_SUPPORT = frozenset({"endpoint", "loading", "settings"})  # files of the folder that are no provider


def shipped() -> list[str]:
    """The provider types of this folder, sorted; nothing is imported."""
    package = importlib.import_module(__package__ or "headgate.providers")
    return sorted({found.name for found in pkgutil.iter_modules(package.__path__)} - _SUPPORT)


def available() -> list[str]:
    """All provider types that can be loaded, sorted: shipped ones and installed plug-ins."""
    return sorted({*shipped(), *(entry.name for entry in entry_points(group=GROUP))})


def load(type_name: str, where: str = "providers") -> Build:
    """The builder of a provider type. Raises ConfigError at `where`, naming the types there are."""
    if type_name in shipped():
        return _builder(importlib.import_module(f"headgate.providers.{type_name}"), type_name, where)
    for entry in entry_points(group=GROUP, name=type_name):
        try:
            return _builder(entry.load(), type_name, where)
        except ImportError as error:
            raise ConfigError(where, f"the provider plug-in `{type_name}` cannot be imported",
                              f"an installed package; it lacks `{error.name}`") from error  # fmt: skip
    raise ConfigError(where, f"there is no provider type `{type_name[:64]}`", f"one of {', '.join(available())}")


def _builder(plugin: object, type_name: str, where: str) -> Build:
    """`build` of a module, or the plug-in itself where it is a function."""
    made = getattr(plugin, "build", plugin)
    if not callable(made):
        raise ConfigError(where, f"the provider plug-in `{type_name}` has no `build`", "a `build(settings)` function")
    return cast("Build", made)


def build(settings: ProviderSettings) -> Endpoint:
    """The endpoint of one configured account. Raises ConfigError."""
    return load(settings.type, settings.where)(settings)
