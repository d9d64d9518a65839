"""Prompts: templates, and putting the exact text into a call."""

from headgate.prompts.compile import compile_prompt
from headgate.prompts.program import TemplateProgram
from headgate.prompts.render import Prompts

__all__ = ["Prompts", "TemplateProgram", "compile_prompt"]
