"""Headgate: the control point between applications and the language models they call."""

__version__ = "0.1.0"
