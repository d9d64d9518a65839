"""Rewritten calls send, with the prompt rendered, what they sent before; what is not certain is left and told."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headgate.cli.main import main
from headgate.prompts.template import Template
from headgate.registry import load_workspace
from headgate.scanner import extracted
from headgate.scanner.rewrite import rewritten
from tests.scanner.support import scanned

CODE = '''\
"""A shop that answers."""
RULES = (
    "You answer questions about kettles. "
    'Never guess "a" price.'
)


def ask(client, product, question, price):
    # the model is asked here   
    return client.chat.completions.create(
        model="gpt-4o",  # cheap
        messages=[
            {"role": "system", "content": RULES},
            {"role": "system", "content": f"Größe: {product.name} costs {price:.2f} Euro {{net}}, {question!r}."},
            {"role": "user", "content": question},
        ],
        temperature=0.2,
    )


def one_line(client, question, tone):
    x = 1;  return client.chat.completions.create(model='m', messages=[{'role': 'system', 'content': f'Keep a {tone} tone in every word.'}, {'role': 'user', 'content': question}])
'''  # noqa: E501, W291


def sent(source: str, function: str, *arguments: Any) -> dict[str, Any]:
    """What a function of our own fixture above hands to the SDK."""
    caught: dict[str, Any] = {}
    client = SimpleNamespace(
        chat=SimpleNamespace(completions=SimpleNamespace(create=lambda **given: caught.update(given)))
    )
    names: dict[str, Any] = {}
    exec(compile(source, "fixture", "exec"), names)
    names[function](client, *arguments)
    return caught


def test_a_rewritten_call_sends_what_it_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "code").mkdir()
    file = tmp_path / "code" / "shop.py"
    file.write_text(CODE, encoding="utf-8")
    file.chmod(0o755)
    command = ["scan", str(tmp_path / "code"), "--extract", str(tmp_path / "out"), "--rewrite"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "2 calls would be rewritten" in shown
    assert '+        model="shop-ask",  # cheap' in shown
    assert file.read_text(encoding="utf-8") == CODE
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    assert main([*command, "--write"]) == 0
    assert "2 calls rewritten" in capsys.readouterr().out
    after = file.read_text(encoding="utf-8")
    assert file.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in (tmp_path / "code").iterdir()] == ["shop.py"]
    prompts = load_workspace(tmp_path / "out").artifacts
    product = SimpleNamespace(name="Aurora")
    for function, arguments in (("ask", (product, "How much?", 3.14159)), ("one_line", ("Why?", "kind"))):
        old, new = sent(CODE, function, *arguments), sent(after, function, *arguments)
        content = prompts["prompt", new["model"]]["1.0.0"].content
        variables = new.pop("extra_body")["headgate"]["variables"]
        rendered = [
            {"role": m["role"], "content": Template(m["content"]).render(variables, 100)}  # type: ignore[index,call-overload,arg-type]
            for m in content["messages"]  # type: ignore[union-attr]
        ]
        assert rendered + new["messages"] == old["messages"]
        assert {**new, "model": None, "messages": None} == {**old, "model": None, "messages": None}
    changed = {line for line in CODE.split("\n") if line not in after.split("\n")}
    assert len(changed) == 4


LEFT = {
    "**options": ('create(model="m", **o, messages=[S, u])', "not named"),
    "extra_body": (
        'create(model="m", extra_body={}, messages=[S, u])', "of its own",
    ),
    "no message left": (
        'create(model="m", messages=[{"role": "user", "content": "Tell me of the weather."}])',
        "no message would be left",
    ),
    "no model": ('create(messages=[S, u])', "does not name its model"),
    "computed": (
        'create(model="m", messages=[{"role": "system", "content": "Be brief and be kind." + x}, u])', "computed",
    ),
    "two values of one name": (
        'create(model="m", messages=[{"role": "system", "content": f"Be {a.x} and be {b.x} today."}, u])', "two values",
    ),
    "a shadowed constant": (
        'create(model="m", messages=[{"role": "system", "content": P}, u])\nP = "Be brief and be kind."\ndef f(P): ...',
        "computed, or defined elsewhere",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_certain_is_left_and_told(tmp_path: Path, name: str) -> None:
    system = '{"role": "system", "content": "Be brief and be kind."}'
    source = f"u = {{}}\nclient.chat.completions.{LEFT[name][0].replace('S, u', system + ', u')}\n"
    prompts, _ = extracted(scanned(tmp_path, a=source).findings)
    made = rewritten(source, prompts)
    assert made.source == source
    assert made.calls == 0
    assert any(LEFT[name][1] in one.why and one.line == 2 for one in made.kept)


def test_templates_and_lone_texts_are_told_of(tmp_path: Path) -> None:
    source = (
        "from langchain_core.prompts import PromptTemplate\nimport anthropic\nc = anthropic.Anthropic()\n"
        't = PromptTemplate.from_template("Say {greeting} to the guest {name}.")\n'
        'PROMPT = "Answer in one short sentence."\n'
        'c.messages.create(model="m", messages=[{"role": "user", "content": "Tell me of the weather."}, u])\n'
    )
    prompts, _ = extracted(scanned(tmp_path, a=source).findings)
    made = rewritten(source, prompts)
    assert (made.source, made.calls) == (source, 0)
    assert [one.line for one in made.kept] == [4, 5, 6]
    assert "point its model at Headgate" in made.kept[0].why
    assert "only calls of `chat.completions.create`" in made.kept[2].why


def test_options_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", str(tmp_path), "--rewrite"]) == 2
    assert main(["scan", str(tmp_path), "--extract", str(tmp_path / "x"), "--write"]) == 2
    assert "all three together" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_the_result_is_python(tmp_path: Path) -> None:
    prompts, _ = extracted(scanned(tmp_path, a=CODE).findings)
    ast.parse(rewritten(CODE, prompts).source)
    with pytest.raises(ValueError, match="cannot be parsed"):
        rewritten("def f(:", prompts)
