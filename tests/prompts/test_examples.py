"""Examples are said as a conversation after the leading system messages, with the prompt's own variables."""

from __future__ import annotations

import pytest

from headgate.core.errors import ConfigError, InvalidRequest
from headgate.prompts import compile_prompt
from headgate.prompts.compile import EXAMPLES_MAX
from tests.prompts.test_prompts import artifact

PROMPT = """\
inputs: {properties: {product: {type: string}}, required: [product]}
messages:
  - {role: system, content: "Sort questions."}
  - {role: system, content: "About {{ product }}."}
  - {role: user, content: "Ready?"}
  - {role: system, content: "Go."}
examples:
  - {user: "Is my {{ product }} safe?", assistant: "safety"}
  - user: Where is it?
    assistant: "{% if product == 'kettle' %}delivery{% else %}other{% endif %}"
"""


def test_examples_follow_the_leading_system_messages() -> None:
    assert compile_prompt(artifact(PROMPT)).render({"product": "kettle"}) == [
        ("system", "Sort questions."),
        ("system", "About kettle."),
        ("user", "Is my kettle safe?"),
        ("assistant", "safety"),
        ("user", "Where is it?"),
        ("assistant", "delivery"),
        ("user", "Ready?"),
        ("system", "Go."),
    ]


def test_without_a_system_message_they_come_first() -> None:
    text = "messages: [{role: user, content: Q}]\nexamples: [{user: a, assistant: b}]\n"
    assert compile_prompt(artifact(text)).render({}) == [("user", "a"), ("assistant", "b"), ("user", "Q")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("my {{ product }} safe", "my {{ produce }} safe", "support.yaml:8: the template uses `produce`"),
        ("{% else %}", "{% elze %}", "support.yaml:10: line 1 of the template: the tag `elze`"),
        ('assistant: "safety"', 'model: "safety"', "support.yaml:8: unknown field `model` (one of: user, assistant)"),
        (', assistant: "safety"', "", "support.yaml:8: `assistant` is missing"),
    ],
)
def test_mistakes_in_examples(old: str, new: str, said: str) -> None:
    assert old in PROMPT
    with pytest.raises(ConfigError) as caught:
        compile_prompt(artifact(PROMPT.replace(old, new, 1)))
    assert said in str(caught.value)


def test_too_many_examples() -> None:
    text = "messages: [{role: user, content: Q}]\nexamples:\n" + "  - {user: a, assistant: b}\n" * (EXAMPLES_MAX + 1)
    with pytest.raises(ConfigError, match=f"support.yaml:2: more than {EXAMPLES_MAX} examples"):
        compile_prompt(artifact(text))


def test_one_variable_serves_all_messages() -> None:
    with pytest.raises(InvalidRequest, match="needs the variable `product`"):
        compile_prompt(artifact(PROMPT)).render({})
