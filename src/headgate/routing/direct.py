"""Models addressed by their own name: the target asked for first, then its peers along the tier table."""

from __future__ import annotations

from headgate.core.ports import Deadlines
from headgate.core.snapshot import Route, Target
from headgate.routing.names import usable
from headgate.routing.targets import Account, Targets
from headgate.routing.tiers import TierTable

ROUTES_MAX = 1024
_FAMILIES = (
    ("gpt-", "openai"), ("chatgpt-", "openai"), ("ft:gpt-", "openai"), ("codex-", "openai"),
    ("o1", "openai"), ("o3", "openai"), ("o4", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "google"), ("gemma-", "google"),
)  # fmt: skip


class DirectModels:
    """Routes made on demand from model names, kept up to ROUTES_MAX (`core.snapshot.DirectRoutes`).

    A model of an `openai_compatible` server has no peers: what is sent to a server of one's own does not go to a
    vendor because that server is down.
    """

    __slots__ = ("_attempts", "_continue_with", "_deadlines", "_routes", "_targets", "_tiers")

    def __init__(
        self,
        targets: Targets,
        tiers: TierTable,
        deadlines: Deadlines | None = None,
        attempts: int = 3,
        continue_with: tuple[Target, ...] = (),
    ) -> None:
        self._targets = targets
        self._tiers = tiers
        self._deadlines = deadlines or Deadlines()
        self._attempts = attempts
        self._continue_with = continue_with
        self._routes: dict[str, Route] = {}

    def route(self, model: str) -> Route | None:
        """The requested target first, then its peers; None for a model nobody serves.

        A name is, in this order: one that an account's settings list; `account/model`; one the catalogue knows; one
        of a vendor's family (`gpt-`, `claude-`, `gemini-`, ...), passed on although unknown.
        """
        route = self._routes.get(model)
        if route is None:
            found = self._resolve(model) if usable(model) else None
            if found is None:
                return None
            route = Route(self._chain(*found), None, self._deadlines, self._attempts, self._continue_with)
            if len(self._routes) >= ROUTES_MAX:
                del self._routes[next(iter(self._routes))]
            self._routes[model] = route
        return route

    def models(self) -> list[tuple[str, str]]:
        """(model, provider) pairs known by name: those that accounts list, then the catalogue's."""
        pairs: dict[tuple[str, str], None] = {}
        for account in self._targets.accounts:
            for name in (*account.models, *self._targets.catalogue.models(account.type)):
                pairs[name, account.name] = None
        return list(pairs)

    def _resolve(self, model: str) -> tuple[Account, str] | None:
        accounts = self._targets.accounts
        for account in accounts:
            if model in account.models:
                return account, model
        provider, _, rest = model.partition("/")
        named = self._targets.account(provider)
        if rest:
            # the names of vendors' models hold no slash: it would change the path of a URL
            reachable = named is not None and not (named.type in self._tiers.order and "/" in rest)
            return (named, rest) if named is not None and reachable else None
        for account in accounts:
            if self._targets.catalogue.find(account.type, model) is not None:
                return account, model
        for prefix, kind in _FAMILIES:
            if model.startswith(prefix):
                return next(((account, model) for account in accounts if account.type == kind), None)
        return None

    def _chain(self, account: Account, model: str) -> tuple[Target, ...]:
        """The target, the same model at other accounts of its vendor, then the peers that are configured."""
        pairs = [(account.name, model)]
        vendor = account.type in self._tiers.order
        if vendor:
            pairs += [(other.name, model) for other in self._targets.accounts if other.type == account.type]
            for kind, peer in self._tiers.peers(account.type, model):
                pairs += [(other.name, peer) for other in self._targets.accounts if other.type == kind][:1]
        made = [self._targets.target(*pair) for pair in dict.fromkeys(pairs)]
        return tuple(target for target in made if target is not None)
