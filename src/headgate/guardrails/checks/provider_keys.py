"""Secrets with a shape of their own: API keys of model providers, clouds and code hosts, and private key headers."""

from __future__ import annotations

from headgate.core.types import JsonObject
from headgate.guardrails.check import Check, Fault

SETTINGS: tuple[str, ...] = ()

_LONGEST = 260

# (shape, the fewest characters that give it away); all begin and end at a word boundary
_SHAPES = (
    (r"sk-[A-Za-z0-9_\-]{20,250}", r"sk-[A-Za-z0-9_\-]{20}"),  # OpenAI, Anthropic (sk-ant-), OpenRouter, DeepSeek
    (r"AIza[A-Za-z0-9_\-]{35}", r"AIza[A-Za-z0-9_\-]{35}"),  # Google
    (r"(?:AKIA|ASIA)[A-Z2-7]{16}", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),  # AWS access key ids
    (r"gh[oprsu]_[A-Za-z0-9]{36,250}", r"gh[oprsu]_[A-Za-z0-9]{36}"),  # GitHub tokens
    (r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", r"github_pat_[A-Za-z0-9]{22}_"),
    (r"xox[abeoprs]-[A-Za-z0-9\-]{10,250}", r"xox[abeoprs]-[A-Za-z0-9\-]{10}"),  # Slack
    (r"hg_[A-Za-z0-9]{56}", r"hg_[A-Za-z0-9]{56}"),  # Headgate's own
    (r"gsk_[A-Za-z0-9]{48,60}", r"gsk_[A-Za-z0-9]{48}"),  # Groq
    (r"hf_[A-Za-z]{34}", r"hf_[A-Za-z]{34}"),  # Hugging Face
    (r"[rs]k_live_[A-Za-z0-9]{16,250}", r"[rs]k_live_[A-Za-z0-9]{16}"),  # Stripe
)
_PRIVATE_KEY = r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"


def make(settings: JsonObject, fault: Fault) -> Check:
    """Takes no settings."""
    shapes = "|".join(shape for shape, _ in _SHAPES)
    hints = "|".join(hint for _, hint in _SHAPES)
    return Check(
        pattern=rf"\b(?:{shapes})|{_PRIVATE_KEY}",
        longest=_LONGEST,
        replace="[key]",
        verify=_verify,
        probe=rf"\b(?:{hints})|-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
    )


def _verify(text: str, start: int, end: int) -> int | None:
    """A key that begins `sk-` is random: lower case, upper case and digits. `sk-` also ends ordinary English words."""
    if not text.startswith("sk-", start):
        return end
    body = text[start + 3 : end]
    mixed = any(c.isdigit() for c in body) and any(c.isupper() for c in body) and any(c.islower() for c in body)
    return end if mixed else None
