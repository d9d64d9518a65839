"""Wordings that try to overrule a prompt: a conservative list of our own, English, a signal and no defence.

Four families: telling the model to drop its earlier instructions; asking for its system prompt; declaring it freed of
its limits; and the control tokens of chat templates, which have no business inside a text. Each phrase needs a verb, a
qualifier and a noun of its family, since any one of them is ordinary English.
"""

from __future__ import annotations

from headgate.core.types import JsonObject
from headgate.guardrails.check import Check, Fault

SETTINGS: tuple[str, ...] = ()

_S = r"\s{1,3}"
_FILLER = rf"(?:(?:all|any|each|every|of|the|your|these|those|my|our|its|and|other){_S}){{0,4}}"
_DROP = r"(?:ignore|disregard|forget|override|bypass|discard|neglect|stop\s{1,3}following|do\s{1,3}not\s{1,3}follow)"
_EARLIER = (
    r"(?:previous|previously\s{1,3}given|prior|earlier|above|preceding|foregoing|former|initial|original|existing|"
    r"system|safety|hidden)"
)
_ORDERS = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directions?|directives?|commands?|messages?|orders?|constraints?|"
    r"restrictions?|programming|polic(?:y|ies)|training)"
)
_FAMILIES = (
    rf"{_DROP}{_S}{_FILLER}{_EARLIER}{_S}(?:[a-z]{{1,15}}{_S}){{0,2}}{_ORDERS}\b",
    rf"{_DROP}{_S}(?:everything|anything|all|what){_S}(?:[a-z]{{1,12}}{_S}){{0,3}}(?:above|before|previously|earlier)\b",
    rf"(?:reveal|print|show|repeat|output|display|leak|expose|recite|tell{_S}me|give{_S}me){_S}{_FILLER}"
    rf"(?:(?:full|entire|exact|complete|whole|secret){_S})?(?:system|initial|hidden|original){_S}"
    r"(?:prompts?|instructions?|messages?)\b",
    rf"(?:developer|dan|jailbreak|jailbroken|god|unrestricted|unfiltered){_S}mode{_S}"
    rf"(?:is{_S}|now{_S}){{0,2}}(?:enabled|activated|active|on|engaged|unlocked)\b",
    rf"you{_S}(?:are|have|can){_S}(?:[a-z]{{1,12}}{_S}){{0,4}}(?:freed{_S}from|free{_S}(?:of|from)|without|no{_S}longer"
    rf"{_S}bound{_S}by|not{_S}bound{_S}by|broken{_S}free{_S}(?:of|from)){_S}(?:[a-z]{{1,15}}{_S}){{0,3}}"
    r"(?:restrictions?|limitations?|confines|constraints?|rules|guidelines|filters?|censorship|polic(?:y|ies))\b",
)
_CONTROL = r"<\|(?:im_start|im_end|system|endoftext|eot_id|start_header_id)\|>|<</?sys>>|\[/?inst\]"


def make(settings: JsonObject, fault: Fault) -> Check:
    """Takes no settings."""
    return Check(
        pattern=rf"(?i)\b(?:{'|'.join(_FAMILIES)})|{_CONTROL}",
        longest=160,
        replace="[removed]",
        probe=rf"(?i)\b(?:{'|'.join(_FAMILIES)})|{_CONTROL}".replace(r"\s{1,3}", r"\s+"),
    )
