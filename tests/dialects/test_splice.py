"""A body that was put together here is not decoded again, and nothing depends on that."""

from __future__ import annotations

import json

from headgate.core.stages import Asked
from headgate.dialects.base import fields_of, splice

BODY = b'{"model": "a",  "messages": [ 1,2 ], "extra": {"b" : 1.50}}'


def test_fields_at_hand_are_those_of_the_bytes() -> None:
    asked = Asked("a", False, BODY, None)
    once = splice(BODY, asked, {"extra": None, "n": b"2"})
    at_hand = fields_of(once, asked)
    asked.cut = None
    assert {name: bytes(raw) for name, raw in at_hand.items()} == {
        name: bytes(raw) for name, raw in fields_of(once, asked).items()
    }
    assert json.loads(once) == {"model": "a", "messages": [1, 2], "n": 2}
    assert b"[ 1,2 ]" in once


def test_another_body_of_the_call_is_read_for_itself() -> None:
    asked = Asked("a", False, BODY, None)
    once = splice(BODY, asked, {"model": b'"b"'})
    redacted = once.replace(b"1.50", b"9")
    assert bytes(fields_of(redacted, asked)["extra"]) == b'{"b" : 9}'
    twice = splice(redacted, asked, {"model": b'"c"'})
    again = splice(redacted, asked, {"model": b'"d"'})  # the next target of a failover
    assert (json.loads(twice)["model"], json.loads(again)["model"]) == ("c", "d")
    assert json.loads(once)["model"] == "b"


def test_no_change_is_the_very_same_body() -> None:
    assert splice(BODY, Asked("a", False, BODY, None), {}) is BODY
