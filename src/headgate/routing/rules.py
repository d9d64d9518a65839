"""Conditions by task: the first rule whose every condition holds decides, else the route's own strategy."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.core.artifact import Artifact
from headgate.core.stages import Candidate
from headgate.core.types import Json, as_int, as_object, as_text
from headgate.dialects import DIALECTS
from headgate.routing.strategy import Asking, Strategy

RULES_MAX = 32
HEADERS_MAX = 8
CONDITIONS = ("dialect", "header", "input_tokens_over", "input_tokens_under", "prompt", "stream", "tools")


class When(msgspec.Struct, frozen=True):
    """Conditions; None is not asked. `prompt` is the prompt's name within its app, or `app/prompt`; `app` None: any.

    `headers` are (lower-case name, exact value).
    """

    app: str | None = None
    prompt: str | None = None
    tools: bool | None = None
    stream: bool | None = None
    dialect: str | None = None
    over: int | None = None
    under: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def holds(self, asking: Asking) -> bool:
        """Whether all of it is true of the call; the dearest condition is looked at last."""
        selected = asking.screened.grounded.prompted.selected
        call = selected.admitted.call
        if self.prompt is not None and selected.prompt != self.prompt:
            return False
        if self.app is not None and (selected.app is None or selected.app.name != self.app):
            return False
        if self.stream is not None and selected.asked.stream is not self.stream:
            return False
        if self.dialect is not None and call.dialect != self.dialect:
            return False
        if (self.over is not None and asking.input_tokens <= self.over) or (
            self.under is not None and asking.input_tokens >= self.under
        ):
            return False
        if any(call.header(name) != value for name, value in self.headers):
            return False
        if self.tools is None:
            return True
        chat = asking.chat
        return chat is not None and bool(chat.tools) is self.tools


class Rule(msgspec.Struct, frozen=True):
    """One rule. `candidates` where its targets are asked as listed."""

    when: When
    strategy: Strategy | None
    candidates: tuple[Candidate, ...]


class ByRule:
    """Implements `strategy.Strategy`."""

    __slots__ = ("_otherwise", "_rules", "_usual")

    def __init__(self, rules: Sequence[Rule], otherwise: Strategy | None, usual: tuple[Candidate, ...]) -> None:
        self._rules = rules
        self._otherwise = otherwise
        self._usual = usual

    def order(self, asking: Asking) -> tuple[Candidate, ...]:
        """The order of the first rule that holds."""
        for rule in self._rules:
            if rule.when.holds(asking):
                return rule.candidates if rule.strategy is None else rule.strategy.order(asking)
        return self._usual if self._otherwise is None else self._otherwise.order(asking)


def compile_when(artifact: Artifact, at: str, value: Json) -> When:
    """The conditions of a rule. Raises ConfigError with `file:line`."""
    fields = as_object(value)
    if not fields:
        raise artifact.fault(at, "a rule needs `when`", "{prompt: support/summarise}, {tools: true} or the like")
    for name in fields:
        if name not in CONDITIONS:
            right = f"one of: {', '.join(CONDITIONS)}"
            raise artifact.fault(f"{at}.{name}", f"there is no condition `{name}`", right)
    app, slash, prompt = (_text(artifact, at, fields, "prompt") or "").rpartition("/")
    if slash and not app:
        raise artifact.fault(f"{at}.prompt", "`prompt` names no app before the `/`", "support/summarise")
    dialect = _text(artifact, at, fields, "dialect")
    if dialect is not None and dialect not in DIALECTS:
        raise artifact.fault(f"{at}.dialect", f"there is no dialect `{dialect}`", f"one of: {', '.join(DIALECTS)}")
    over, under = (_tokens(artifact, at, fields, f"input_tokens_{side}") for side in ("over", "under"))
    return When(
        app=app or None,
        prompt=prompt or None,
        tools=_flag(artifact, at, fields, "tools"),
        stream=_flag(artifact, at, fields, "stream"),
        dialect=dialect,
        over=over,
        under=under,
        headers=_headers(artifact, f"{at}.header", fields.get("header")),
    )


def _text(artifact: Artifact, at: str, fields: dict[str, Json], name: str) -> str | None:
    if name not in fields:
        return None
    text = as_text(fields[name])
    if not text:
        raise artifact.fault(f"{at}.{name}", f"`{name}` is no text", "a name")
    return text


def _flag(artifact: Artifact, at: str, fields: dict[str, Json], name: str) -> bool | None:
    value = fields.get(name)
    if name in fields and not isinstance(value, bool):
        raise artifact.fault(f"{at}.{name}", f"`{name}` is neither true nor false", "true or false")
    return value if isinstance(value, bool) else None


def _tokens(artifact: Artifact, at: str, fields: dict[str, Json], name: str) -> int | None:
    if name not in fields:
        return None
    count = as_int(fields[name])
    if count is None or count < 0:
        raise artifact.fault(f"{at}.{name}", f"`{name}` is no number of tokens", "a whole number such as 20000")
    return count


def _headers(artifact: Artifact, at: str, value: Json) -> tuple[tuple[bytes, bytes], ...]:
    if value is None:
        return ()
    fields = as_object(value)
    if not fields or len(fields) > HEADERS_MAX:
        raise artifact.fault(at, "`header` is not understood", f"{{x-team: checkout}}, at most {HEADERS_MAX}")
    found: list[tuple[bytes, bytes]] = []
    for name, wanted in fields.items():
        text = as_text(wanted)
        if text is None or not name.isascii() or not text.isascii():
            raise artifact.fault(f"{at}.{name}", f"the value of `{name}` is no ASCII text", "quote it")
        found.append((name.lower().encode(), text.encode()))
    return tuple(found)
