"""The document's example is a policy that works as the document says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headgate.core.chat import TextDelta
from headgate.core.errors import PolicyBlocked
from headgate.guardrails import RulePolicy, compile_guardrail
from headgate.guardrails.loading import names
from headgate.registry.workspace import load_workspace
from tests.guardrails.build import CARD, KEY, chat, grounded, record, whole
from tests.support.world import run

DOCUMENT = Path(__file__).parents[2] / "docs" / "guardrails.md"


@pytest.fixture
def example(tmp_path: Path) -> RulePolicy:
    text = DOCUMENT.read_text().partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "standard.yaml").write_text(text)
    found = load_workspace(tmp_path)
    assert found.faults == []
    artifact = found.find("guardrail", "standard@1.0.0")
    assert artifact is not None
    return compile_guardrail(artifact)


def test_the_example_does_what_is_said_of_it(example: RulePolicy) -> None:
    assert str(example.ref) == "guardrail/standard@1.0.0"
    at = grounded(chat("mail bob@example.com or support@example.com about Project X-12"))
    body = json.loads(run(example.screen_input(at)).body)
    assert body["messages"][0]["content"] == "mail [email] or support@example.com about [project]"
    assert [v.action for v in record(at).verdicts] == ["redact", "allow", "redact"]
    run(example.screen_input(grounded(chat(f"my card is {CARD}"))))
    assert whole(example, TextDelta, f"my card is {CARD}").blocked == "card"
    with pytest.raises(PolicyBlocked):
        run(example.screen_input(grounded(chat(f"my key is {KEY}"))))


def test_every_check_is_in_the_document() -> None:
    text = DOCUMENT.read_text()
    assert [name for name in names() if f"| `{name}` |" not in text] == []
