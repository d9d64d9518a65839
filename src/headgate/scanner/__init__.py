"""Finds prompts and direct calls to models in code, with no model and no network."""

from headgate.scanner.extract import Extracted, Left, extracted
from headgate.scanner.finding import CONFIDENCES, KINDS, Finding, Prompt, Skipped
from headgate.scanner.project import Scan, at_least, scan

__all__ = [
    "CONFIDENCES",
    "KINDS",
    "Extracted",
    "Finding",
    "Left",
    "Prompt",
    "Scan",
    "Skipped",
    "at_least",
    "extracted",
    "scan",
]
