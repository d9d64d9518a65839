"""promptfoo's configuration (https://promptfoo.dev): the prompt as chat messages, and a provider that asks Headgate.

Written only. Its templates are Nunjucks, of the same family as ours; filters that it lacks or names otherwise are told.
"""

from __future__ import annotations

import json

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read as decode
from headgate.core.errors import ConfigError
from headgate.core.types import Json, JsonObject, as_object
from headgate.prompts.partials import Partials, expanded, pinned_by
from headgate.prompts.source import PromptSource, written
from headgate.prompts.template import blocks, line_of
from headgate.prompts.translate.draft import Draft, Exported, Given, Written

ABOUT = "promptfoo: a configuration that asks Headgate, and the prompt as chat messages"
SUFFIX = ".yaml"
READS = False
BASE_URL = "http://127.0.0.1:8484/v1"
# our filters that Nunjucks has under the same name; `tojson` is `dump` there
_FILTERS = frozenset({
    "abs", "capitalize", "d", "default", "dictsort", "first", "float", "int", "last", "length", "list", "lower",
    "reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort", "sum", "title", "trim", "upper",
})  # fmt: skip


def offers(given: Given) -> dict[str, str | None]:
    """Nothing: this format is not read."""
    return {}


def includes(given: Given) -> set[str]:
    """Nothing: this format is not read."""
    return set()


def read(given: Given) -> list[Draft]:
    """Raises ConfigError: always."""
    raise ConfigError(given.file, "promptfoo's files are written, not read", "the prompt's own file")


def write(exported: Exported) -> Written:
    """`promptfooconfig.yaml` and `NAME.json`. Raises ConfigError for a filter that Nunjucks lacks."""
    artifact = exported.prompt
    source = decode(artifact, PromptSource)
    pinned = pinned_by(artifact, source.partials, Partials(exported.partial).look)
    messages: list[Json] = [
        {"role": role, "content": _nunjucks(artifact, path, expanded(text, pinned))}
        for path, role, text in written(source)
    ]
    name = artifact.ref.name
    settings = as_object(msgspec.to_builtins(source.settings)) or {}
    config: JsonObject = {"apiBaseUrl": BASE_URL, "apiKeyEnvar": "HEADGATE_API_KEY", **settings}
    if source.output is not None:
        schema: JsonObject = {"name": "answer", "schema": source.output}
        config["response_format"] = {"type": "json_schema", "json_schema": schema}
    example: JsonObject = {
        variable: f"<{variable}>" for variable in as_object(source.inputs.get("properties")) or {}
    }  # fmt: skip
    whole: JsonObject = {
        "description": f"{artifact.ref}",
        "prompts": [f"file://{name}.json"],
        "providers": [{"id": "openai:chat:MODEL", "config": config}],
        "tests": [{"vars": example}],
    }
    remarks = [
        f"{artifact.ref}: put a model of yours in place of MODEL, and values in place of <...>",
        f"{artifact.ref}: the types of inputs are not said there",
    ]
    if pinned:
        remarks.append(f"{artifact.ref}: partials are written out: {', '.join(source.partials.values())}")
    return Written(
        {
            f"promptfooconfig{SUFFIX}": exported.write_yaml(whole),
            f"{name}.json": json.dumps(messages, indent=2, ensure_ascii=False) + "\n",
        },
        remarks,
    )


def _nunjucks(artifact: Artifact, path: str, source: str) -> str:
    out: list[str] = []
    at = 0
    for block in blocks(source):
        text = source[block.start : block.end]
        for before, word in zip(block.tokens, block.tokens[1:], strict=False):
            if before == "|" and word == "tojson":
                text = text.replace("tojson", "dump")
            elif before == "|" and word not in _FILTERS:
                line = line_of(source, block.start)
                right = f"one of: {', '.join(sorted(_FILTERS))}, tojson"
                raise artifact.fault(path, f"line {line} of the template: Nunjucks has no filter `{word}`", right)
        out += [source[at : block.start], text]
        at = block.end
    return "".join([*out, source[at:]])
