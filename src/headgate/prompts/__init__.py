"""Prompts: templates, and putting the exact text into a call."""

from headgate.prompts.compile import compile_prompt
from headgate.prompts.partials import Partial, Partials
from headgate.prompts.program import TemplateProgram
from headgate.prompts.render import Prompts

__all__ = ["Partial", "Partials", "Prompts", "TemplateProgram", "compile_prompt"]
