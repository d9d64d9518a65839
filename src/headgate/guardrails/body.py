"""A request body: its texts are judged, and rewritten where need be. Every string counts, as `tree` says."""

from __future__ import annotations

from typing import cast

import msgspec

from headgate.core.errors import InvalidRequest
from headgate.core.types import Json
from headgate.guardrails.patterns import RuleSet, encoded
from headgate.guardrails.tree import BETWEEN, Walk, gather, is_plainly_clean
from headgate.guardrails.verdicts import Verdicts


def screen_body(body: bytes, rules: RuleSet, verdicts: Verdicts) -> tuple[bytes, str | None]:
    """The body with redactions, the very same bytes where nothing is to change, and the rule that blocks, if any.

    A body that says a key twice goes on as it was read, so that nobody behind us can read the other value.
    Raises InvalidRequest where the body is not JSON.
    """
    if is_plainly_clean(body, rules.clean_body):
        return body, None
    try:
        tree = cast("Json", msgspec.json.decode(body))
    except msgspec.DecodeError as error:
        raise InvalidRequest("the body is not valid JSON") from error
    texts: list[str] = []
    strings = gather(tree, texts, False)
    joined = BETWEEN.join(texts)
    if rules.clean(encoded(joined)):
        return (msgspec.json.encode(tree) if _says_twice(body, strings) else body), None
    walk = Walk(rules, verdicts)
    tree = walk.node(tree, "", False)
    if walk.blocked is None and (walk.changed or _says_twice(body, strings)):
        body = msgspec.json.encode(tree)
    return body, walk.blocked


def _says_twice(body: bytes, quotes: int) -> bool:
    """Whether the body has more strings than were read from it, or might have (a quote written as an escape)."""
    return body.count(b'"') != quotes or b"u0022" in body
