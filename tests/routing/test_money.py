"""What an answer cost: unknown where a price that matters is, and never more exact than that."""

from __future__ import annotations

import pytest

from headgate.core.types import Price, Usage, money


def test_cached_tokens_without_a_price_of_theirs_have_no_known_cost() -> None:
    price = Price(1.0, 2.0)
    assert money(price, Usage(1000, 10, cached=400)) is None
    assert money(price, Usage(1000, 10, cache_write=400)) is None
    assert money(price, Usage(1000, 10, cached=0, cache_write=0)) == pytest.approx(0.00102)


def test_one_unknown_price_does_not_matter_where_there_are_no_such_tokens() -> None:
    assert money(Price(1.0, 2.0, cached_input=0.5), Usage(1000, 10, cached=400)) == pytest.approx(0.00082)
    assert money(Price(1.0, 2.0, cache_write=2.0), Usage(1000, 10, cache_write=400)) == pytest.approx(0.00142)
    assert money(Price(1.0, 2.0, cached_input=0.5), Usage(1000, 10, cached=1, cache_write=1)) is None
