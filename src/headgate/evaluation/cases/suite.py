"""A file of cases: what a user says to an app, and what is expected of the answer."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from headgate.core.artifact import Artifact, digest
from headgate.core.decode import read
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, Json, JsonObject
from headgate.evaluation.cases.assertions import Assertions, compile_assertions

CASES_MAX = 1_000
REPEAT_MAX = 100
RUNS_MAX = 5_000
MESSAGES_MAX = 100

Texts = str | list[str]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class MessageSource(msgspec.Struct, forbid_unknown_fields=True):
    """One message of the conversation so far."""

    role: Literal["user", "assistant", "system"]
    content: str


class JudgeSource(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """Who judges: `model` (`provider/model`; None: over the release's own route) with `prompt`, a version in the
    registry that takes `question`, `answer` and `criterion`; None: a prompt that comes with Headgate."""

    model: str | None = None
    prompt: str | None = None


class Expect(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is expected of an answer; all of it must hold. Regular expressions are RE2's.

    `json` true: the answer is JSON; an object: JSON that fits this JSON Schema. `judge`: criteria that a model judges
    by. `not_refused`: the model itself did not decline. `outcome` blocked: a guardrail must stop the call.
    """

    outcome: Literal["ok", "blocked"] = "ok"
    exact: str | None = None
    contains: Texts = []
    lacks: Texts = []
    regex: Texts = []
    json: bool | JsonObject = False
    judge: Texts = []
    not_refused: bool = False
    max_cost_usd: Positive | None = None
    max_latency_s: Positive | None = None


class CaseSource(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One case. `prompt` is the name within the app, where it holds several. `user` is short for one message."""

    expect: Expect
    name: str = ""
    prompt: str | None = None
    variables: JsonObject = {}
    user: str | None = None
    messages: list[MessageSource] = []


class SuiteSource(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A file of cases."""

    cases: list[CaseSource]
    name: str = ""
    description: str = ""
    judge: JudgeSource = JudgeSource()


class Case(msgspec.Struct, frozen=True):
    """A case ready to run."""

    name: str
    prompt: str | None
    variables: JsonObject
    messages: list[MessageSource]
    assertions: Assertions


class Suite(msgspec.Struct, frozen=True):
    """All cases of a file. `digest` is the SHA-256 of what decides a result: cases and judge, not names of files."""

    name: str
    digest: str
    judge: JudgeSource
    cases: list[Case]


def compile_suite(content: JsonObject, name: str, file: str, lines: dict[str, int]) -> Suite:
    """The suite of a file's content; `name` where it names none. Raises ConfigError naming file and line."""
    carrier = Artifact(ArtifactRef("cases", name, "", ""), content, file=file, lines=lines)
    source = read(carrier, SuiteSource)
    if not 0 < len(source.cases) <= CASES_MAX:
        raise carrier.fault("cases", f"{len(source.cases)} cases", f"1 to {CASES_MAX}")
    cases: list[Case] = []
    seen: set[str] = set()
    for index, one in enumerate(source.cases):
        case = _case(carrier, index, one)
        if case.name in seen:
            raise carrier.fault(f"cases.{index}.name", f"two cases are named `{case.name}`", "a name of its own")
        seen.add(case.name)
        cases.append(case)
    deciding: dict[str, Json] = {
        "cases": msgspec.to_builtins(source.cases), "judge": msgspec.to_builtins(source.judge),
    }  # fmt: skip
    return Suite(source.name or name, digest(deciding), source.judge, cases)


def _case(carrier: Artifact, index: int, source: CaseSource) -> Case:
    path = f"cases.{index}"
    if source.user is not None and source.messages:
        raise carrier.fault(f"{path}.user", "`user` and `messages` say the same thing", "keep one")
    said = source.messages if source.user is None else [MessageSource("user", source.user)]
    if len(said) > MESSAGES_MAX:
        raise carrier.fault(f"{path}.messages", f"more than {MESSAGES_MAX} messages", "the turns that matter")
    expect = source.expect
    try:
        assertions = compile_assertions(
            Assertions(
                outcome=expect.outcome, exact=expect.exact, contains=_list(expect.contains), lacks=_list(expect.lacks),
                patterns=_list(expect.regex), json=expect.json is not False,
                schema=expect.json if isinstance(expect.json, dict) else None, criteria=_list(expect.judge),
                not_refused=expect.not_refused, max_cost_usd=expect.max_cost_usd, max_latency_s=expect.max_latency_s,
            )
        )  # fmt: skip
    except ConfigError as error:
        raise carrier.fault(f"{path}.expect.{error.where}", error.wrong, error.right) from error
    return Case(source.name or f"case {index + 1}", source.prompt, source.variables, said, assertions)


def _list(texts: Texts) -> list[str]:
    return [texts] if isinstance(texts, str) else texts
