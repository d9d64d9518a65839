"""An evaluation of a classifier in words and tables."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.cli.tables import table, usd
from headgate.routing.learned.evaluate import Evaluation, Share


def told(judged: Evaluation) -> Iterator[str]:
    """Line by line."""
    labels = ", ".join(f"{count:,} {name}" for name, count in judged.labels.items())
    yield f"{judged.model} on {judged.rows:,} labelled calls ({labels}); intervals are 95%"
    rows = [
        ["classifier", _share(judged.accuracy), f"{judged.macro_f1:.3f}", ""],
        ["commonest class", _share(judged.majority), f"{judged.majority_f1:.3f}", _gain(judged.better_than_majority)],
        [f"length: {judged.length_rule}", _share(judged.length), f"{judged.length_f1:.3f}",
         _gain(judged.better_than_length)],
    ]  # fmt: skip
    yield from table(["who", "accuracy", "macro F1", "the classifier is better by"], rows).splitlines()
    yield f"confidence is off by {judged.calibration_error:.3f} on average"
    sure = [[f"{least:.2f}", f"{kept:.1%}", _share(right)] for least, kept, right in judged.sure]
    yield from table(["min_confidence", "calls that sure", "of those right"], sure).splitlines()
    if judged.trades:
        yield "below min_confidence a call goes to the dearest tier; saved and lost are against always asking that:"
        yield from _trades(judged).splitlines()
    verdict = "beats both baselines" if judged.beats_both else "does NOT beat both baselines in accuracy"
    yield f"it {verdict} here"


def _trades(judged: Evaluation) -> str:
    rows = [
        [
            f"{trade.min_confidence:.2f}",
            ", ".join(f"{share:.0%} {name}" for name, share in trade.sent.items()),
            "-" if trade.saved is None else f"{trade.saved:.1%}",
            usd(trade.cost_usd),
            f"{trade.quality:.4f}",
            _gain(trade.quality_lost),
            f"{trade.lot_quality:.4f}",
            f"{trade.length_quality:.4f}",
        ]
        for trade in judged.trades
    ]
    head = ["min_confidence", "calls to", "saved", "cost a call", "quality", "quality lost", "by lot", "by length"]
    return table(head, rows)


def _share(share: Share) -> str:
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _gain(share: Share) -> str:
    return f"{share.value:+.3f} ({share.low:+.3f} to {share.high:+.3f})"
