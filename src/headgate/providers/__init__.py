"""Where each vendor listens, how it wants its key, and which dialect it speaks.

One file per provider type; `build` finds it by its name.
"""

from headgate.providers.loading import available, build, load, shipped
from headgate.providers.settings import ProviderSettings, Secret

__all__ = ["ProviderSettings", "Secret", "available", "build", "load", "shipped"]
