"""Plain JSON data as YAML that people read: long text as a block, and what is read back is what was written.

Our reader types unquoted words by rules of its own (`yaml_tree`), which are neither YAML 1.1's nor 1.2's. So text that
either could take for something else is quoted.
"""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from headgate.core.types import Json
from headgate.registry.yaml_tree import plain_value

_WIDTH = 120
_TEXT = "tag:yaml.org,2002:str"


def write_yaml(documents: Iterable[Json]) -> str:
    """The text of a file that holds these documents, in order."""
    return "---\n".join(
        yaml.dump(one, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH) for one in documents
    )


class _Dumper(yaml.SafeDumper):
    """Nothing is shared by anchors; lists stand below their key, indented."""

    def ignore_aliases(self, data: object) -> bool:
        """Always."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Never without."""
        return super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = None
    if "\n" in data and _is_block(data):
        style = "|"
    elif plain_value(data) != data or not data.isprintable():
        style = '"'
    return dumper.represent_scalar(_TEXT, data, style)  # pyright: ignore[reportUnknownMemberType] - stub


def _is_block(text: str) -> bool:
    """Whether a block keeps the text as it is: no spaces before line ends, nothing that would need an escape."""
    return not any(line != line.rstrip() for line in text.split("\n")) and all(
        sign == "\n" or sign.isprintable() for sign in text
    )


_Dumper.add_representer(str, _text)
