"""Which texts are prompts: by name, by where they go, by how they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headgate.scanner.finding import Confidence
from headgate.scanner.gathered import Candidate, Gathered
from headgate.scanner.prose import (
    WORDS_MIN,
    for_people,
    is_code,
    like_a_prompt,
    like_code,
    prompt_name,
    weak_name,
    words_in,
)  # fmt: skip

FLOW_DEPTH = 4
PROSE_ALONE = 6
_FILE_WORDS = ("prompt", "instruction")


def reached(gathered: Iterable[Gathered]) -> dict[str, int]:
    """Every key that reaches a sink, over assignments and returns: 3 surely, 2 likely; -1 where people are shown it."""
    levels: dict[str, int] = {}
    flows: dict[str, set[str]] = {}
    for one in gathered:
        for key, level in one.uses.items():
            levels[key] = max(level, levels.get(key, 0))
        levels.update(dict.fromkeys(one.shown, -1))
        for key, sources in one.flows.items():
            flows.setdefault(key, set()).update(sources)
    front = dict(levels)
    for _ in range(FLOW_DEPTH):
        found: dict[str, int] = {}
        for key, level in front.items():
            for source in flows.get(key, ()):
                if 0 <= levels.get(source, 0) < level:
                    levels[source] = found[source] = level
        front = found
    return levels


def judged(candidate: Candidate, path: str, levels: Mapping[str, int]) -> Confidence | None:
    """How sure it is that a text is a prompt; None where it is not."""
    text = candidate.draft.text.literal()
    if candidate.silent or words_in(text) < WORDS_MIN or is_code(text):
        return None
    if any(levels.get(key, 0) < 0 for key in candidate.keys):
        return None
    flow = max((levels.get(key, 0) for key in candidate.keys), default=0)
    prose = like_a_prompt(text)
    name = _name(candidate, path)
    if like_code(text) and max(flow, name) < 3:
        return None
    if for_people(text):
        prose -= 3
        if flow < 3 and name < 3 and prose < PROSE_ALONE:
            return None
    if name == 3 or flow == 3:
        return "high" if name + flow >= 3 and prose >= 3 else "medium"
    if name == 2 and (prose >= 1 or flow or (candidate.top and prompt_name(candidate.klass))):
        return "medium"
    if flow == 2 and (prose >= 2 or name):
        return "medium"
    if name == 1 and prose >= 3:
        return "medium" if prose >= 6 else "low"
    return "low" if prose >= PROSE_ALONE else None


def _name(candidate: Candidate, path: str) -> int:
    """3 where the text's own name says prompt, 2 where its surroundings do, 1 where the name may mean one."""
    own = candidate.slot or candidate.callee
    if prompt_name(own) or (not own and prompt_name(candidate.function)):
        return 3
    around = (candidate.function, candidate.klass)
    if any(prompt_name(name) for name in around):
        return 2
    file = path.rpartition("/")[2].lower()
    if any(word in file for word in _FILE_WORDS):
        return 2
    return 1 if weak_name(candidate.slot) or weak_name(candidate.function) else 0
