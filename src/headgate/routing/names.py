"""Which model names may be sent on."""

from __future__ import annotations

MODEL_CHARS_MAX = 200
NAME_RULE = f"1 to {MODEL_CHARS_MAX} letters, digits and `.-_:@+/`, without `..` or `//`"
_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:@+/")


def usable(model: str) -> bool:
    """Whether a model's name may stand in a body and in a URL's path; it must not lead to another path."""
    return (
        0 < len(model) <= MODEL_CHARS_MAX
        and _CHARS.issuperset(model)
        and ".." not in model
        and "//" not in model
        and model[0] != "/"
        and model[-1] != "/"
    )
