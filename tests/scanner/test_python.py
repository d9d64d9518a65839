"""What is found in Python, what is not, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.scanner import Finding
from tests.scanner.support import found, only, scanned

CALLS = {
    "openai": (
        "from openai import OpenAI\nclient = OpenAI()\nclient.chat.completions.create(model='gpt-5', messages=m)",
        ("openai", "gpt-5", "high"),
    ),
    "openai, module": (
        "import openai\nx = 1\nopenai.chat.completions.create(model='gpt-5', messages=m)", ("openai", "gpt-5", "high"),
    ),
    "openai before 1.0": (
        "import openai\nx = 1\nopenai.ChatCompletion.create(model='gpt-4', messages=m)", ("openai", "gpt-4", "high"),
    ),
    "openai before 1.0, text": (
        "import openai\nx = 1\nopenai.Completion.create(engine='davinci', prompt=p)", ("openai", "davinci", "high"),
    ),
    "responses": (
        "import openai\nc = openai.AsyncOpenAI()\nawait_ = c.responses.create(model='gpt-5', input=i)",
        ("openai", "gpt-5", "high"),
    ),
    "somebody else's client": (
        "def f(client):\n    m = 1\n    return client.chat.completions.create(model='gpt-5', messages=m)",
        ("openai", "gpt-5", "medium"),
    ),
    "anthropic": (
        "import anthropic\nc = anthropic.Anthropic()\nc.messages.create(model='claude-x', messages=m)",
        ("anthropic", "claude-x", "high"),
    ),
    "anthropic, streamed, in a class": (
        "from anthropic import Anthropic\nclass A:\n def f(self): self.c.messages.stream(model='claude-x')",
        ("anthropic", "claude-x", "medium"),
    ),
    "google": (
        "from google import genai\nc = genai.Client()\nc.models.generate_content(model='gemini-x', contents=q)",
        ("google", "gemini-x", "high"),
    ),
    "google before genai": (
        "import google.generativeai as genai\nm = genai.GenerativeModel('gemini-x')\nm.generate_content(q)",
        ("google", None, "high"),
    ),
    "litellm": (
        "from litellm import completion\nm = 1\ncompletion(model='claude-x', messages=m)",
        ("litellm", "claude-x", "high"),
    ),
    "litellm, renamed": (
        "import litellm as ll\nm = 1\nll.acompletion(model='gpt-5', messages=m)", ("litellm", "gpt-5", "high"),
    ),
    "requests": (
        "import requests\nb = {}\nrequests.post('https://api.openai.com/v1/chat/completions', json=b)",
        ("openai", None, "high"),
    ),
    "httpx, the address elsewhere": (
        "import httpx\nURL = 'https://api.anthropic.com/v1/messages'\nhttpx.post(URL, json={})",
        ("anthropic", None, "high"),
    ),
    "httpx, any method": (
        "import httpx\nc = httpx.Client()\nc.stream('POST', 'https://api.openai.com/v1/responses')",
        ("openai", None, "high"),
    ),
    "handed on": (
        "import asyncio, openai\nc = openai.OpenAI()\nasyncio.to_thread(c.chat.completions.create, model='gpt-5')",
        ("openai", None, "high"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_a_model_are_found(tmp_path: Path, name: str) -> None:
    source, expected = CALLS[name]
    one = only(tmp_path, "sdk_call", a=source)
    assert (one.provider, one.model, one.confidence) == expected
    assert one.line == 3


NO_CALLS = {
    "another service's messages": "from twilio.rest import Client\nclient = Client()\nclient.messages.create(body=b)",
    "a completion of code": "def completion(text):\n    return text\ncompletion('x')",
    "embeddings": "import openai\nc = openai.OpenAI()\nc.embeddings.create(model='e', input=t)",
    "embeddings by HTTP": "import requests\nrequests.post('https://api.openai.com/v1/embeddings', json={})",
    "a route of a server": "@app.post('/v1/chat/completions')\ndef route(): ...",
    "a get": "import httpx\nhttpx.request('GET', 'https://api.openai.com/v1/chat/completions')",
    "another host": "import requests\nrequests.post('https://example.com/v1/things', json={})",
    "another chat": "class Room:\n    def chat(self, text): ...\nRoom().chat('x')",
}


@pytest.mark.parametrize("name", NO_CALLS)
def test_other_calls_are_not(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, a=NO_CALLS[name]) == []


def test_messages_are_one_place_per_list(tmp_path: Path) -> None:
    source = """
        history = [
            {"role": "system", "content": "You are terse."},
            {"role": "user", "content": f"Tell me about {topic} in {n} words."},
        ]
        def more(question):
            history.append({"role": "user", "content": question})
            history.append(dict(role="assistant", content="Understood."))
            return [SystemMessage(content="Be kind."), HumanMessage(question)]
    """
    result = scanned(tmp_path, a=source)
    assert [(f.kind, f.line) for f in result.findings] == [("messages", n) for n in (1, 6, 7, 8)]
    assert result.findings[0].variables == ("topic", "n")
    assert result.findings[0].end_line == 4
    prompt = result.findings[0].prompt
    assert prompt is not None
    assert [(m.role, m.text.plain()) for m in prompt.messages] == [
        ("system", "You are terse."), ("user", "Tell me about {topic} in {n} words."),
    ]  # fmt: skip


NO_MESSAGES = {
    "a copy": "def f(ms):\n    return [{'role': m['role'], 'content': m['content']} for m in ms]",
    "a copy by way of a name": "def f(m):\n    text = m.get('content')\n    return {'role': 'user', 'content': text}",
    "a payload": "socket.send({'type': 'chat', 'role': 'assistant', 'content': text})",
    "a role no model has": "x = {'role': 'admin', 'content': 'all of it'}",
    "an answer": "from langchain_core.messages import AIMessage\ndef parse(a): return AIMessage(content=a)",
    "a screen's": "import gradio as gr\ngr.ChatMessage(role='user', content='hello to all of you')",
    "a role without content": "x = {'role': 'user', 'name': 'n'}",
}


@pytest.mark.parametrize("name", NO_MESSAGES)
def test_what_only_looks_like_messages_is_not(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, a=NO_MESSAGES[name]) == []


def test_templates_are_found_with_their_variables(tmp_path: Path) -> None:
    source = """
        from langchain_core.prompts import ChatPromptTemplate, PromptTemplate, HumanMessagePromptTemplate
        short = PromptTemplate.from_template("Say {greeting} to {name}.")
        long = PromptTemplate(input_variables=["text"], template=BODY + "Text: {text}")
        chat = ChatPromptTemplate.from_messages([
            ("system", "You speak {language}."),
            HumanMessagePromptTemplate.from_template("{question}"),
        ])
        def typed(x: PromptTemplate) -> bool:
            return isinstance(x, PromptTemplate)
    """
    result = scanned(tmp_path, a=source)
    assert [(f.kind, f.line) for f in result.findings] == [("template", 2), ("template", 3), ("template", 4)]
    assert [f.variables for f in result.findings] == [("greeting", "name"), ("BODY", "text"), ("language", "question")]
    prompt = result.findings[2].prompt
    assert prompt is not None
    assert [m.role for m in prompt.messages] == ["system", "user"]


def test_signatures_are_classes_and_strings(tmp_path: Path) -> None:
    source = '''
        import dspy, inspect
        class Summary(dspy.Signature):
            """Summarise the text in one sentence."""
            text = dspy.InputField(desc="what to summarise")
            summary = dspy.OutputField()
        qa = dspy.ChainOfThought("question -> answer")
        again = dspy.Predict(Summary)
        inspect.Signature(parameters=[])
    '''
    result = scanned(tmp_path, a=source)
    assert [(f.kind, f.line) for f in result.findings] == [("signature", 2), ("signature", 6)]
    assert "Summarise the text" in result.findings[0].excerpt
    assert "what to summarise" in result.findings[0].excerpt


def test_signatures_of_others_are_not(tmp_path: Path) -> None:
    assert found(tmp_path, a="from inspect import Signature\nSignature(parameters=[])") == []


PROMPTS = {
    "by its name": 'SYSTEM_PROMPT = "Answer in one short sentence."',
    "a part": 'x = 1\ntone_prompt = f"Write it in a {tone} tone."',
    "returned": 'def get_instructions(name):\n    return f"Greet {name} and ask for the order number."',
    "of a class of prompts": 'class CoderPrompts:\n    go_on = "I committed the changes that you made."',
    "an argument": 'agent = Agent(system_message="You keep the minutes of a meeting.")',
    "a default": 'def ask(q, system_prompt="You are a helpful and careful assistant."): ...',
    "by where it goes": """
        def f(client, city):
            text = "Name three sights of " + city + " and say why."
            return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    """,
    "by how it reads": """
        RULES = (
            "You are an experienced editor. Rewrite the following text so that a child understands it. "
            "Do not add anything. Return only the rewritten text as JSON."
        )
    """,
    "put together": 'prompt = "Translate the following text into " + language + ". " "Keep names as they are."',
    "with format": 'prompt = "Translate {text} into {language}, word for word.".format(text=t, language=lang)',
    "with %": 'prompt = "Translate this text into %s, word for word." % language',
    "dedented": 'from textwrap import dedent\nprompt = dedent("""\\\n    Translate what follows into French.\n    """)',
}


@pytest.mark.parametrize("name", PROMPTS)
def test_prompts_are_found(tmp_path: Path, name: str) -> None:
    kinds = [one.kind for one in scanned(tmp_path, a=PROMPTS[name]).findings]
    assert kinds.count("prompt_string") == 1


NO_PROMPTS = {
    "a question to a person": 'name = input("Please enter the name of your project: ")',
    "one by way of a name": 'prompt = "Do you want to go on with that?"\ninput(prompt)',
    "a log": 'logger.info("Sending the prompt to the model and waiting")',
    "an error": 'raise ValueError("the prompt must not be empty, please pass one")',
    "an error's default": 'class PromptError(Exception):\n def __init__(self, m="The prompt was not long enough"): ...',
    "help": 'parser.add_argument("--prompt", help="the prompt that is sent to the model")',
    "a description": 'class T:\n    description: str = "Runs the code and returns what it printed out."',
    "SQL": 'query = "SELECT name, role FROM users WHERE id = ? ORDER BY name"',
    "markup": 'template = "<div class=prompt>You are a guest here, please respond.</div>"',
    "counts": 'prompt_tokens_text = "tokens that were used by all calls"',
    "a short text": 'prompt = "Name: "',
    "a name": 'PROMPT_MODEL = "meta-llama/Meta-Llama-3.1-70B"',
    "a docstring": '"""You are a helpful assistant that must answer the question."""',
    "a comparison": 'ok = text == "You are a helpful assistant and you answer"',
}


@pytest.mark.parametrize("name", NO_PROMPTS)
def test_text_for_people_is_not(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, a=NO_PROMPTS[name]) == []


def test_constants_are_looked_up_in_other_modules(tmp_path: Path) -> None:
    result = scanned(
        tmp_path,
        app__texts='BASE = "Be brief and polite."\nRULES = f"{BASE} Never guess any price."',
        app__deep__call="""
            from app.texts import RULES
            from .. import texts
            def ask(client, q):
                return client.chat.completions.create(model="m", messages=[
                    {"role": "system", "content": RULES},
                    {"role": "system", "content": texts.BASE},
                    {"role": "user", "content": q},
                ])
        """,
    )
    [messages] = [one for one in result.findings if one.kind == "messages"]
    assert "Be brief and polite. Never guess any price." in messages.excerpt
    assert messages.variables == ("q",)
    assert [(f.path, f.line) for f in result.findings if f.kind == "prompt_string"] == [
        ("app/texts.py", 1), ("app/texts.py", 2),
    ]  # fmt: skip


def test_prompts_read_from_files_are_found(tmp_path: Path) -> None:
    source = """
        def load(name):
            config = open("config.json").read()
            system_prompt = Path(name).read_text()
            other = (FOLDER / "prompts" / "summary.txt").read_text()
            with open(f"{name}.prompt") as file:
                return file.read()
        def save(text):
            open("prompt.txt", "w").write(text)
    """
    assert found(tmp_path, a=source) == [("prompt_file", 3), ("prompt_file", 4), ("prompt_file", 5)]


def test_the_same_place_keeps_its_fingerprint_when_lines_move(tmp_path: Path) -> None:
    def marks(source: str) -> list[Finding]:
        return scanned(tmp_path, a=source).findings

    before = marks('PROMPT = "Answer in one short sentence."')
    after = marks('import os\n\n\nPROMPT = (\n    "Answer in one "\n    "short   sentence."\n)')
    other = marks('PROMPT = "Answer in two short sentences."')
    assert [f.fingerprint for f in before] == [f.fingerprint for f in after]
    assert before[0].line != after[0].line
    assert before[0].fingerprint != other[0].fingerprint
