"""Writes src/headgate/data/catalogue.json from the price data of the `genai-prices` package (MIT licence).

Run by a maintainer: `pip install genai-prices && python scripts/refresh_catalogue.py`. Only figures are taken: model
names, context windows, prices in US dollars per million tokens as of the day it runs. Tiered prices keep one step.
"""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

from genai_prices import data, types

OUT = pathlib.Path(__file__).parent.parent / "src/headgate/data/catalogue.json"
VENDORS = ("openai", "anthropic", "google")


def matches(clause: object) -> list[str]:
    """Names as `exact` or `prefix*`; clauses of other kinds are left to the exact id."""
    if isinstance(clause, types.ClauseEquals):
        return [clause.equals]
    if isinstance(clause, types.ClauseStartsWith):
        return [clause.starts_with + "*"]
    if isinstance(clause, types.ClauseOr):
        return [name for part in clause.or_ for name in matches(part)]
    if isinstance(clause, types.ClauseAnd):
        return matches(clause.and_[0])
    return []


def current(prices: object, today: date) -> types.ModelPrice | None:
    """The price in force today."""
    if isinstance(prices, types.ModelPrice):
        return prices
    chosen = None
    for row in prices:
        start = getattr(row.constraint, "start_date", None)
        if row.constraint is None or (start is not None and start <= today):
            chosen = row.prices
    return chosen


def rate(value: object, step: int) -> float | None:
    """step 0: the base rate; step 1: the rate above the first threshold."""
    if isinstance(value, Decimal):
        return float(value)
    if value is None:
        return None
    return float(value.base if step == 0 else value.tiers[0].price)


FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}


def row(vendor: str, model: types.ModelInfo, today: date) -> dict[str, object] | None:
    """One catalogue row, None for models without token prices."""
    price = current(model.prices, today)
    if price is None or price.input_mtok is None or price.output_mtok is None:
        return None
    out: dict[str, object] = {"provider": vendor, "model": model.id, "match": sorted({model.id, *matches(model.match)})}
    if model.context_window:
        out["context"] = model.context_window
    for step, suffix in ((0, ""), (1, "_long")):
        stepped = [getattr(price, name) for name in FIELDS.values() if hasattr(getattr(price, name), "tiers")]
        if step == 1 and not stepped:
            continue
        if step == 1:
            out["long_over"] = stepped[0].tiers[0].start
        for key, name in FIELDS.items():
            value = rate(getattr(price, name), step)
            if value is not None:
                out[key + suffix] = value
    return out


def main() -> int:
    """Writes the file and prints the counts."""
    today = datetime.now(UTC).date()
    rows = [
        made
        for provider in data.providers
        if provider.id in VENDORS
        for model in provider.models
        if not (provider.id == "google" and model.id.startswith("claude"))
        if (made := row(provider.id, model, today)) is not None
    ]
    head = {
        "source": f"genai-prices {importlib.metadata.version('genai-prices')}",
        "licence": "MIT",
        "as_of": today.isoformat(),
    }
    lines = ",\n".join("  " + json.dumps(entry, sort_keys=True) for entry in rows)
    OUT.write_text(json.dumps(head)[:-1] + ', "models": [\n' + lines + "\n]}\n")
    print(f"{len(rows)} models -> {OUT.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
