"""Prompts: templates, putting the exact text into a call, and finding those that nobody registered."""

from headgate.prompts.adoption import Adoption
from headgate.prompts.compile import compile_prompt
from headgate.prompts.coverage import Coverages
from headgate.prompts.discovery import Discovery
from headgate.prompts.handlers import discovery_handlers
from headgate.prompts.langfuse.handlers import langfuse_handlers
from headgate.prompts.partials import Partial, Partials
from headgate.prompts.program import TemplateProgram
from headgate.prompts.recognise import PromptIndex
from headgate.prompts.render import Prompts

__all__ = [
    "Adoption",
    "Coverages",
    "Discovery",
    "Partial",
    "Partials",
    "PromptIndex",
    "Prompts",
    "TemplateProgram",
    "compile_prompt",
    "discovery_handlers",
    "langfuse_handlers",
]
