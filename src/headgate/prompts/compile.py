"""A `prompt` artifact to a program: the one way in."""

from __future__ import annotations

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.decode import read
from headgate.core.types import as_object
from headgate.prompts.inputs import check_needs, check_schema, properties_of, undeclared
from headgate.prompts.output import answer_format
from headgate.prompts.partials import Look, check_included, needs, pinned_by, placed, uses_of
from headgate.prompts.program import Contract, Line, TemplateProgram
from headgate.prompts.source import PromptSource, written

MESSAGES_MAX = 100
EXAMPLES_MAX = 100


def compile_prompt(artifact: Artifact, partial: Look = lambda pinned: None) -> TemplateProgram:
    """The program of a prompt; `partial` gives the partials that it pins. Raises ConfigError naming file and line."""
    source = read(artifact, PromptSource)
    if not 0 < len(source.messages) <= MESSAGES_MAX:
        raise artifact.fault("messages", f"a prompt has 1 to {MESSAGES_MAX} messages", "add `- role: system`")
    if len(source.examples) > EXAMPLES_MAX:
        raise artifact.fault("examples", f"more than {EXAMPLES_MAX} examples", "keep those that teach the most")
    properties = properties_of(artifact, source.inputs)
    pinned = pinned_by(artifact, source.partials, partial)
    rows = written(source)
    lines = [Line(role, placed(artifact, path, text, pinned)) for path, role, text in rows]
    check_included(artifact, pinned, [text for _, _, text in rows])
    free = frozenset[str]().union(*(line.template.variables for line in lines))
    checks = needs(pinned, free)
    check_needs(artifact, source.inputs, checks)
    for (path, _, _), line in zip(rows, lines, strict=True):
        missing = undeclared(line.template.variables, properties)
        if missing is not None:
            raise artifact.fault(path, *missing)
    if source.inputs:
        check_schema(artifact, "inputs", source.inputs)
    settings = as_object(msgspec.to_builtins(source.settings)) or {}
    return TemplateProgram(
        artifact.ref,
        lines,
        Contract(source.inputs, tuple(check.schema() for check in checks if check.asks_more(properties))),
        {**settings, **answer_format(artifact, source.output)},
        uses_of(pinned),
    )
