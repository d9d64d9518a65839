"""Prompt templates of LangChain and LlamaIndex, and DSPy signatures."""

from __future__ import annotations

import ast

from headgate.scanner.finding import Message, Prompt
from headgate.scanner.messages import ROLES, content_text, parts_of
from headgate.scanner.names import Module, dotted, last, origin
from headgate.scanner.site import Site, read_text, resolved
from headgate.scanner.text import Text, joined, split_format

_TEMPLATES = frozenset({
    "PromptTemplate", "ChatPromptTemplate", "FewShotPromptTemplate", "FewShotChatMessagePromptTemplate",
    "SystemMessagePromptTemplate", "HumanMessagePromptTemplate", "AIMessagePromptTemplate",
    "ChatMessagePromptTemplate", "PipelinePromptTemplate", "StringPromptTemplate", "ImagePromptTemplate",
    "RichPromptTemplate", "LangchainPromptTemplate", "QuestionAnswerPrompt", "RefinePrompt", "SummaryPrompt",
    "SimpleInputPrompt", "StructuredPrompt",
})  # fmt: skip
_MAKERS = frozenset(
    {"from_template", "from_messages", "from_examples", "from_file", "from_strings", "from_role_strings"}
)
_ROLE_OF = {"System": "system", "Human": "user", "AI": "assistant"}
_TEXT_WORDS = ("template", "prefix", "suffix", "prompt", "template_str", "messages", "message_templates")
_SIGNED = frozenset({
    "Predict", "ChainOfThought", "ReAct", "ProgramOfThought", "MultiChainComparison", "ChainOfThoughtWithHint",
    "Signature", "TypedPredictor", "TypedChainOfThought", "CodeAct", "BestOfN", "make_signature", "RLM",
})  # fmt: skip


def is_template(node: ast.Call) -> bool:
    """Whether a call makes a prompt template."""
    words = dotted(node.func).split(".")
    if words[-1] in _TEMPLATES:
        return bool(node.args or node.keywords)
    return len(words) > 1 and words[-1] in _MAKERS and words[-2] in _TEMPLATES


def template_prompt(node: ast.Call, site: Site) -> Prompt:
    """The messages of a template as far as they are spelled out; `{name}` are variables."""
    words = dotted(node.func).split(".")
    made = next((word for word in reversed(words) if word in _TEMPLATES), "")
    role = next((role for start, role in _ROLE_OF.items() if made.startswith(start)), "user")
    values = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg in _TEXT_WORDS)]
    messages: list[Message] = []
    for value in values:
        items = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
        for item in items:
            messages += _messages(item, role, site)
    return Prompt(tuple(messages), site.slot)


def _messages(node: ast.expr, role: str, site: Site) -> list[Message]:
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:
        said = node.elts[0]
        word = str(said.value).lower() if isinstance(said, ast.Constant) else ""
        return [Message(ROLES.get(word, role), variables(resolved(node.elts[1], site)))]
    if isinstance(node, ast.Call) and is_template(node):
        return list(template_prompt(node, site).messages)
    parts = parts_of(node, site)
    if parts:
        return [Message(part.role, variables(content_text(part.content, site))) for part in parts]
    if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp | ast.Name | ast.Attribute | ast.Call):
        return [Message(role, variables(resolved(node, site)))]
    return []


def variables(text: Text) -> Text:
    """A template's text with its `{name}` as holes; as it is where braces mean something else."""
    if text.formatted:
        return text
    pieces: list[Text] = []
    for part in text.parts:
        split = split_format(part) if isinstance(part, str) else Text((part,))
        if split is None:
            return text
        pieces.append(split)
    return joined(pieces)


def is_signature_class(node: ast.ClassDef, module: Module) -> bool:
    """Whether a class is a DSPy signature."""
    for base in node.bases:
        name = dotted(base)
        if last(name) == "Signature" and (origin(module, name).startswith("dspy") or _uses_dspy(module)):
            return True
    return False


def signature_text(node: ast.ClassDef, site: Site) -> Text:
    """The instructions of a signature class and the descriptions of its fields."""
    texts = [Text((ast.get_docstring(node) or node.name,))]
    for statement in node.body:
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call) and last(dotted(value.func)) in ("InputField", "OutputField"):
            for keyword in value.keywords:
                if keyword.arg in ("desc", "prefix"):
                    found = read_text(keyword.value, site)
                    texts += [] if found is None else [Text(("\n",)), found]
    return joined(texts)


def signature_call(node: ast.Call, module: Module) -> bool:
    """Whether a call holds a signature: `Signature(...)`, or `question -> answer` as the first argument."""
    name = dotted(node.func)
    word = last(name)
    if word not in _SIGNED or not (origin(module, name).startswith("dspy") or _uses_dspy(module)):
        return False
    if origin(module, name).startswith("inspect"):
        return False
    if word in ("Signature", "make_signature"):
        return bool(node.args or node.keywords)
    first = node.args[0] if node.args else next((k.value for k in node.keywords if k.arg == "signature"), None)
    return isinstance(first, ast.Constant) and isinstance(first.value, str) and "->" in first.value


def _uses_dspy(module: Module) -> bool:
    return bool(module.roots & {"dspy", "dsp"})
