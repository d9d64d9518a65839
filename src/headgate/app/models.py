"""What a configuration states of the models of an account, for routing."""

from __future__ import annotations

from headgate.app.config import ModelSource, PriceSource, ProviderSource
from headgate.core.types import Price
from headgate.routing import Facts, Life


def models_of(source: ProviderSource, today: str) -> dict[str, Facts]:
    """What the account states of its models, at the prices of a day."""
    return {name: _facts(model, today) for name, model in source.models.items()}


def lives_of(source: ProviderSource) -> dict[str, Life]:
    """When the account states that its models end."""
    return {
        name: Life(model.retires.isoformat(), model.successor)
        for name, model in source.models.items()
        if model.retires is not None
    }


def dates_of(source: ProviderSource) -> list[str]:
    """The days on which what an account states of its models changes."""
    models = source.models.values()
    prices = [price for model in models for price in _prices(model)]
    return [price.since.isoformat() for price in prices if price.since is not None] + [
        model.retires.isoformat() for model in models if model.retires is not None
    ]


def _prices(model: ModelSource) -> list[PriceSource]:
    if model.price is None:
        return []
    return model.price if isinstance(model.price, list) else [model.price]


def _facts(model: ModelSource, today: str) -> Facts:
    begun = [one for one in _prices(model) if one.since is None or one.since.isoformat() <= today]
    said = max(begun, key=lambda one: "" if one.since is None else one.since.isoformat(), default=None)
    price = None if said is None else Price(said.input, said.output, said.cached_input, said.cache_write)
    abilities = None if model.abilities is None else frozenset(model.abilities)
    return Facts(price, model.context, model.max_output, abilities)
