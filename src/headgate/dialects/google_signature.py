"""Gemini's reasoning signatures in a conversation that other vendors took part in; see `foreign` for the wrapping."""

from __future__ import annotations

from typing import Final

from headgate.dialects.foreign import MARK, MARK_BYTES, Foreign, unwrap_foreign, wrap_foreign

__all__ = ["BYPASS", "MARK", "MARK_BYTES", "Foreign", "unwrap_foreign", "wrap_foreign"]

BYPASS: Final = "skip_thought_signature_validator"  # documented by Google for history that Gemini did not produce
