"""What is extracted is a sound prompt file that says what the code said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.cli.main import main
from headgate.cli.scan_extract import prompts_of, write_prompts
from headgate.prompts import compile_prompt
from headgate.prompts.template import Template
from headgate.registry import load_workspace
from headgate.scanner import Extracted, extracted
from tests.scanner.support import scanned
from tests.scanner.test_keys import FORMS

CODE = '''
    import dspy
    from langchain_core.prompts import ChatPromptTemplate
    RULES = "Never guess any price, and be kind."
    def ask(client, product, question, loop):
        return client.chat.completions.create(model="m", temperature=0.5, messages=[
            {"role": "system", "content": f"{RULES} The product is {product.name}, in {{braces}} and {{{{more}}}}."},
            {"role": "assistant", "content": f"I know of {loop}."},
            {"role": "user", "content": question},
        ])
    spoken = "You speak {language}, as in {{'a': 1}}."
    chat = ChatPromptTemplate.from_messages([("system", spoken), ("human", "{text}")])
    class Summary(dspy.Signature):
        """Summarise the text in one sentence."""
        text = dspy.InputField(desc="what to summarise")
    JSON_PROMPT = 'Answer as JSON: {"a": {"b": 1}} {% if %} {# no comment #}'
'''


def made(folder: Path, **files: str) -> dict[str, Extracted]:
    out, _ = extracted(scanned(folder, **files).findings)
    return {one.name: one for one in out}


def test_every_file_is_sound_and_says_what_the_code_said(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    files, left = prompts_of(scanned(tmp_path / "code", shop=CODE).findings, "shop-team")
    write_prompts(tmp_path / "out", files)
    workspace = load_workspace(tmp_path / "out")
    assert workspace.faults == []
    found = {name: versions["1.0.0"] for (kind, name), versions in workspace.artifacts.items() if kind == "prompt"}
    assert set(found) == {"shop-ask", "shop-chat", "shop-summary", "shop-json-prompt"}
    assert [one.why for one in left] == ["part of a prompt that is written"] * 2
    values = {"name": "Aurora", "value_loop": "you", "language": "French", "text": "x"}
    said = {}
    for name, artifact in found.items():
        assert artifact.owner == "shop-team"
        compile_prompt(artifact)
        messages = artifact.content["messages"]
        assert isinstance(messages, list)
        said[name] = [(m["role"], Template(m["content"]).render(values, 100)) for m in messages]  # type: ignore[index,call-overload,arg-type]
    assert said["shop-ask"] == [
        ("system", "Never guess any price, and be kind. The product is Aurora, in {braces} and {{more}}."),
        ("assistant", "I know of you."),
    ]
    assert said["shop-chat"] == [("system", "You speak French, as in {'a': 1}.")]
    assert said["shop-summary"] == [("system", "Summarise the text in one sentence.\nwhat to summarise")]
    assert said["shop-json-prompt"] == [("system", 'Answer as JSON: {"a": {"b": 1}} {% if %} {# no comment #}')]


def test_names_are_unique_and_come_from_code(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        a__prompts='SYSTEM_PROMPT = "Answer in one short sentence."',
        b__prompts='SYSTEM_PROMPT = "Answer in two short sentences."',
        a__other='SYSTEM_PROMPT = "Answer in three short sentences."\ndef f(): return [{"role": "user", "content": q}]',
    )
    assert set(found) == {"a-system-prompt", "b-system-prompt", "other-system-prompt"}


def test_a_text_with_a_key_is_not_written(tmp_path: Path) -> None:
    out, left = extracted(scanned(tmp_path, a=f'PROMPT = "Call the service with {FORMS["openai"]} please."').findings)
    assert out == []
    assert [one.why for one in left] == ["a provider's key is in it"]


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text('PROMPT = "Answer in one short sentence."\n')
    command = ["scan", str(tmp_path), "--extract", str(tmp_path / "out")]
    assert main(command) == 0
    assert "from a.py:1" in capsys.readouterr().out
    before = (tmp_path / "out" / "a-prompt.yaml").read_bytes()
    assert main(command) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "out" / "a-prompt.yaml").read_bytes() == before


TEXT = st.text(alphabet="ab {}%#\\'\"\n", max_size=30)


@given(st.lists(TEXT, min_size=2, max_size=4), st.text(max_size=8))
@settings(max_examples=150, deadline=None)
def test_an_f_string_comes_out_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], value: str
) -> None:
    start = "Tell me all there is about this: "
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "{": "{{", "}": "}}"}
    body = "{x}".join("".join(escapes.get(sign, sign) for sign in text) for text in texts)
    source = f'prompt = f"{start}{body}"\n'
    folder = tmp_path_factory.mktemp("f")
    (folder / "a.py").write_text(source, encoding="utf-8")
    files, _ = prompts_of(scanned(folder).findings, None)
    [(one, text)] = files
    (folder / "out").mkdir()
    (folder / "out" / "a.yaml").write_text(text, encoding="utf-8")
    workspace = load_workspace(folder / "out")
    assert workspace.faults == []
    artifact = workspace.artifacts["prompt", one.name]["1.0.0"]
    [message] = artifact.content["messages"]  # type: ignore[misc,union-attr]
    rendered = Template(message["content"]).render({"x": value}, 100)  # type: ignore[index,arg-type,call-overload]
    assert rendered == start + value.join(texts)
