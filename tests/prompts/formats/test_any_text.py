"""Whatever a file holds, it is read or refused with its place, and what is read goes out or is refused."""

from __future__ import annotations

import json

from hypothesis import given as when
from hypothesis import settings
from hypothesis import strategies as st

from headgate.core.errors import ConfigError
from headgate.prompts.formats import dotprompt, langfuse, litellm_prompt
from tests.prompts.formats.support import given, program, written

BITS = [
    "---\n", "input:\n  schema:\n    a?: string\n", "output: {schema: {b: integer}}\n", "config: 7\n", "name: []\n",
    "headgate.examples: 1\n", "{{a}}", "{{#if a}}", "{{else}}", "{{else if a}}", "{{/if}}", "{{#each a}}", "{{/each}}",
    "{{this}}", '{{role "user"}}', "{{> legal}}", "{% if a %}", "{% endif %}", "{% for x in a %}", "{% endfor %}",
    "{{ a|upper }}", "{% raw %}", "{% endraw %}", "{{", "}}", "{%", "%}", "{#", "#}", "System: ", "User:", "\n", "x",
    "\\", "~", "'", '"', "@@@langfusePrompt:name=", "|version=1", "@@@", "as |", "=",
]  # fmt: skip
texts = st.lists(st.sampled_from(BITS), max_size=12).map("".join)


def told(text: str) -> list[ConfigError]:
    """Every refusal on the way in and out; nothing else may happen."""
    whole = json.dumps({"name": "x", "prompt": text})
    refusals: list[ConfigError] = []
    for module, file in ((dotprompt, text), (litellm_prompt, text), (langfuse, whole), (langfuse, text)):
        try:
            (draft,) = module.read(given(file))
            program(draft)
            for other in (dotprompt, langfuse, litellm_prompt):
                written(other, draft.content)
        except ConfigError as error:
            refusals.append(error)
    return refusals


@settings(max_examples=400, deadline=None)
@when(texts)
def test_it_is_read_or_refused(text: str) -> None:
    assert all(error.where and error.right for error in told(text))
