"""Prompts as Langfuse's API gives them, so that its SDKs fetch them unchanged."""
