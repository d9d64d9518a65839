"""What is found in JavaScript and TypeScript."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.scanner import project
from headgate.scanner.script import read_script
from tests.scanner.support import scanned

CALLS = {
    "openai": (
        'import OpenAI from "openai";\nconst client = new OpenAI();\n'
        'await client.chat.completions.create({model: "gpt-5", messages});',
        ("openai", "gpt-5", "high"),
    ),
    "openai, required": (
        'const OpenAI = require("openai");\nconst client = new OpenAI();\n'
        'client.responses.create({model: `gpt-5`, input});',
        ("openai", "gpt-5", "high"),
    ),
    "anthropic, in a class": (
        'import Anthropic from "@anthropic-ai/sdk";\nclass A { constructor() { this.c = new Anthropic(); }\n'
        'ask() { return this.c.messages.stream({model: "claude-x", messages: m as any}); } }',
        ("anthropic", "claude-x", "high"),
    ),
    "google": (
        'import {GoogleGenAI} from "@google/genai";\nconst ai = new GoogleGenAI({});\n'
        'ai.models.generateContentStream({model: "gemini-x", contents: q});',
        ("google", "gemini-x", "high"),
    ),
    "ai": (
        'import {generateText as g, streamText} from "ai";\nimport {anthropic} from "@ai-sdk/anthropic";\n'
        'streamText({model: anthropic("claude-x"), prompt: `Tell ${name} a story`});',
        ("anthropic", "claude-x", "high"),
    ),
    "fetch": (
        'const body = 1;\nconst h = 2;\nfetch("https://api.openai.com/v1/chat/completions", {method: "POST"});',
        ("openai", None, "high"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("ending", ["ts", "tsx"])
def test_calls_of_a_model_are_found(tmp_path: Path, name: str, ending: str) -> None:
    source, expected = CALLS[name]
    result = scanned(tmp_path, **{f"a.{ending}": source})
    [one] = [f for f in result.findings if f.kind == "sdk_call"]
    assert (one.provider, one.model, one.confidence) == expected
    assert one.line == 3
    assert result.skipped == []


NO_CALLS = {
    "another service": 'import twilio from "twilio"; const c = twilio(); c.messages.create({body: "x"});',
    "embeddings": 'fetch("https://api.openai.com/v1/embeddings", {method: "POST"})',
    "another generateText": 'import {generateText} from "./mine"; generateText({a: 1});',
    "a log": 'console.log("You are a helpful assistant that answers the question below");',
    "a copy": "const m = all.map(x => ({role: x.role, content: x.content}));",
    "a payload": 'send({type: "chat", role: "user", content: "hello to all of you"});',
    "an error": 'throw new Error("the system prompt must not be empty, please pass one");',
}


@pytest.mark.parametrize("name", NO_CALLS)
def test_what_only_looks_so_is_not(tmp_path: Path, name: str) -> None:
    assert scanned(tmp_path, **{"a.js": NO_CALLS[name]}).findings == []


def test_messages_templates_and_prompts(tmp_path: Path) -> None:
    source = """
        import { PromptTemplate } from "@langchain/core/prompts";
        const SYSTEM_PROMPT = `You are a guide for ${city}.\\nAnswer in ${n} words.`;
        export const messages = [
          { role: "system", content: SYSTEM_PROMPT },
          { role: 'user', content: "Where is " + place + "?" },
        ];
        const t = PromptTemplate.fromTemplate("Say {greeting} to {name}.");
        function greetingPrompt(name) { return "Greet the guest by name: " + name; }
        const el = <p title="You are a helpful assistant, answer the question">hi</p>;
    """
    result = scanned(tmp_path, **{"a.jsx": source})
    assert [(f.kind, f.line) for f in result.findings] == [
        ("prompt_string", 2), ("messages", 3), ("template", 7), ("prompt_string", 8),
    ]  # fmt: skip
    assert [f.variables for f in result.findings] == [
        ("city", "n"), ("SYSTEM_PROMPT", "place"), ("greeting", "name"), ("name",),
    ]  # fmt: skip
    assert result.findings[0].excerpt == "You are a guide for {city}. Answer in {n} words."


def test_a_syntax_error_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    result = scanned(tmp_path, **{"a.ts": 'const PROMPT = "Answer in one short sentence.";\nfunction ( {\n'})
    assert [one.kind for one in result.findings] == ["prompt_string"]
    assert result.skipped[0].line == 2


def test_without_the_extra_scripts_are_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "SCRIPT_READER", "headgate.scanner.no_such_reader")
    result = scanned(tmp_path, **{"a.ts": "x", "b.js": "y", "c": "z = 1"})
    assert (result.files, result.scripts_unread) == (1, 2)


@given(st.text(alphabet="abc {}()[]`'\"$\\/+=>.,:;\nrole content", max_size=120))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read(source: str) -> None:
    gathered = read_script("a.tsx", source)
    assert all(1 <= d.line <= d.end_line for d in gathered.drafts)
