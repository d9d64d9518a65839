"""Messages of a text in which a line that begins with a role's name begins a message."""

from __future__ import annotations

from headgate.prompts.template import blocks
from headgate.prompts.translate.draft import Given

LABELS = {"system": "System:", "user": "User:", "assistant": "Assistant:"}


def turns(given: Given, template: str, first_line: int) -> list[tuple[str, str, int]]:
    """(role, template, line of the file) of each message; what comes before the first label is the user's.

    Lines are stripped, as LiteLLM does after rendering. Raises ConfigError for a label inside a block.
    """
    found: list[tuple[str, str, int]] = []
    role, begin = "user", 0
    for start, end, label in _labels(given, template, first_line):
        _close(found, role, template[begin:start], first_line + template.count("\n", 0, begin))
        role, begin = label, end
    _close(found, role, template[begin:], first_line + template.count("\n", 0, begin))
    if not found:
        raise given.fault(first_line, "the template says nothing", "User: ...")
    return found


def _close(found: list[tuple[str, str, int]], role: str, text: str, line: int) -> None:
    kept = "\n".join(row.strip() for row in text.split("\n"))
    if kept.strip():
        blank = len(kept) - len(kept.lstrip("\n"))
        found.append((role, kept.strip(), line + blank))


def _labels(given: Given, template: str, first_line: int) -> list[tuple[int, int, str]]:
    """Where labels stand, tags before them on their line aside."""
    found: list[tuple[int, int, str]] = []
    hidden = [" "] * len(template)
    at = 0
    depth_at: list[tuple[int, int]] = []
    depth = 0
    for block in blocks(template):
        hidden[at : block.start] = template[at : block.start]
        at = block.end
        if block.tag and block.word in ("if", "for"):
            depth += 1
        elif block.tag and block.word in ("endif", "endfor"):
            depth -= 1
        depth_at.append((block.end, depth))
    hidden[at:] = template[at:]
    start = 0
    for row in "".join(hidden).split("\n"):
        bare = row.lstrip()
        place = start + len(row) - len(bare)
        start += len(row) + 1
        role = next((role for role, label in LABELS.items() if bare.startswith(label)), None)
        if role is None:
            continue
        if next((depth for end, depth in reversed(depth_at) if end <= place), 0):
            line = first_line + template.count("\n", 0, place)
            raise given.fault(line, f"`{LABELS[role]}` inside a block", "say the message always, or make two prompts")
        found.append((place, place + len(LABELS[role]), role))
    return found
