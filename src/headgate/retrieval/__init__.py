"""Retrieval: what we know about a question, and which of it fits."""

from headgate.retrieval.ground import Retrieval

__all__ = ["Retrieval"]
