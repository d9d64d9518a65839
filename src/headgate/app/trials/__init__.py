"""Trying prompts and releases: calls through the real rooms, made by whoever writes prompts, on record as trials."""

from headgate.app.trials.desk import TrialDesk, handlers

__all__ = ["TrialDesk", "handlers"]
