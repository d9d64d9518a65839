"""`.prompt` files: YAML between two lines of dashes, then a template."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.core.types import Json, JsonObject, as_object
from headgate.prompts.translate.draft import FILE_CHARS_MAX, Given, Lines

MARK = "---"


class Front(msgspec.Struct):
    """What stands in front, with its lines; the template, and the line of the file that it begins at."""

    fields: JsonObject
    lines: Lines
    template: str
    first_line: int

    def line(self, path: str) -> int:
        """The line of the file for a dotted path; 1 where it is not known."""
        return self.lines.get(path, 1)

    def mapping(self, given: Given, name: str) -> JsonObject:
        """A field that is a mapping; empty where it is not there. Raises ConfigError where it is something else."""
        value = self.fields.get(name)
        found = {} if value is None else as_object(value)
        if found is None:
            raise given.fault(self.line(name), f"`{name}` is not a mapping", f"{name}: {{...}}")
        return found


def split(given: Given) -> Front:
    """The two halves of a file. Comments and a licence may stand before the first mark. Raises ConfigError."""
    text = given.text.replace("\r\n", "\n")
    if len(text) > FILE_CHARS_MAX:
        raise given.fault(1, f"longer than {FILE_CHARS_MAX} characters", "one prompt to a file")
    rows = text.split("\n")
    opening = next((at for at, row in enumerate(rows) if row.strip() and not row.startswith("#")), None)
    if opening is None or rows[opening].rstrip() != MARK:
        return Front({}, {}, text, 1)
    closing = next((at for at in range(opening + 1, len(rows)) if rows[at].rstrip() == MARK), None)
    if closing is None:
        raise given.fault(opening + 1, "the front matter does not end", f"a line `{MARK}` before the template")
    # blank lines in front keep the line numbers those of the file
    value, lines = given.parse("\n" * (opening + 1) + "\n".join(rows[opening + 1 : closing]))
    fields = {} if value is None else as_object(value)
    if fields is None:
        raise given.fault(opening + 2, "the front matter is not a mapping", "model: openai/gpt-6-luna")
    body = "\n".join(rows[closing + 1 :])
    blank = len(body) - len(body.lstrip())
    first = closing + 2 + body.count("\n", 0, blank)
    return Front(fields, lines, body.strip(), first)


def joined(fields: Mapping[str, Json], template: str, yaml: str) -> str:
    """The text of a file; `yaml` is the front matter as YAML."""
    return f"{MARK}\n{yaml}{MARK}\n{template}" if fields else template
