"""A user's own expression, in RE2 syntax: linear in the length of the text, whatever the expression."""

from __future__ import annotations

from headgate.core.types import JsonObject, as_int, as_text
from headgate.guardrails.check import Check, Fault
from headgate.guardrails.expression import BadExpression, read

SETTINGS: tuple[str, ...] = ("pattern", "max_length")

LENGTH_MAX = 1024


def make(settings: JsonObject, fault: Fault) -> Check:
    """`pattern` is the expression; `max_length` bounds a match in characters, needed where the pattern has no bound."""
    source = as_text(settings.get("pattern"))
    if not source:
        raise fault("pattern", "a pattern rule without an expression", 'pattern: "project \\\\d{1,4}"')
    try:
        expression = read(source)
    except BadExpression as error:
        raise fault("pattern", error.wrong, error.right) from None
    longest = expression.longest
    if "max_length" in settings:
        longest = as_int(settings["max_length"])
        if longest is None or not expression.shortest <= longest <= LENGTH_MAX:
            raise fault(
                "max_length", "max_length is out of range", f"a whole number from {expression.shortest} to {LENGTH_MAX}"
            )
    if longest is None:
        raise fault(
            "pattern", "the expression has no longest match", "use {n,m} in place of * and +, or say max_length"
        )
    if longest > LENGTH_MAX:
        raise fault(
            "pattern", f"the expression may match {longest} characters", f"at most {LENGTH_MAX}; say max_length"
        )
    return Check(pattern=source, longest=longest, replace="[removed]")
