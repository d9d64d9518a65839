"""The wire formats clients and providers speak: pure functions between bytes and `core.chat` types."""

from headgate.dialects.anthropic_messages import ANTHROPIC
from headgate.dialects.base import Dialect
from headgate.dialects.google_generate import GOOGLE
from headgate.dialects.openai_chat import OPENAI

DIALECTS: dict[str, Dialect] = {"openai": OPENAI, "anthropic": ANTHROPIC, "google": GOOGLE}

__all__ = ["ANTHROPIC", "DIALECTS", "GOOGLE", "OPENAI", "Dialect"]
