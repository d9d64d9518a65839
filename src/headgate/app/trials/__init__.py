"""Trying prompts and releases: calls through the real rooms, made by whoever writes prompts, on record as trials."""

from headgate.app.trials.desk import Places, TrialDesk, handlers
from headgate.app.trials.suites import Suites, suite_handlers

__all__ = ["Places", "Suites", "TrialDesk", "handlers", "suite_handlers"]
