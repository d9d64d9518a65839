"""A prompt's declared output at a target that cannot be held to one: left out there, and named on the record.

What the client itself asked for is never left out: a target that cannot carry it is passed over (CannotCarry).
"""

from __future__ import annotations

import msgspec

from headgate.core.chat import ChatRequest
from headgate.core.errors import CannotCarry
from headgate.core.snapshot import Target
from headgate.core.stages import Asked
from headgate.dialects.base import OUTPUT, Carried, Dialect

_PARAMS = ("json_format", "response_format")  # what CannotCarry calls it


def spliced(dialect: Dialect, body: bytes, asked: Asked, target: Target) -> Carried:
    """The client's body for a target of its own dialect."""
    if target.abilities is not None and OUTPUT in asked.filled and "json_schema" not in target.abilities:
        carried = dialect.splice_request(dialect.without_output(body, asked), asked, target.model)
        return Carried(carried.body, list(dict.fromkeys([*carried.dropped, OUTPUT])))
    return dialect.splice_request(body, asked, target.model)


def translated(dialect: Dialect, chat: ChatRequest, asked: Asked, target: Target) -> Carried:
    """The request in another dialect, the target's. Raises CannotCarry where it would lose its meaning."""
    try:
        return dialect.write_request(chat, target.model, target.abilities)
    except CannotCarry as error:
        if OUTPUT not in asked.filled or error.param not in _PARAMS:
            raise
    carried = dialect.write_request(msgspec.structs.replace(chat, json_format=None), target.model, target.abilities)
    return Carried(carried.body, [*carried.dropped, OUTPUT])
