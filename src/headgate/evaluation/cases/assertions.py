"""What can be expected of an answer, and whether it holds. Pure: judges are asked elsewhere."""

from __future__ import annotations

from typing import NamedTuple, Protocol, cast

import jsonschema_rs
import msgspec
import re2

from headgate.core.errors import ConfigError
from headgate.core.schemas import refuse_to_fetch
from headgate.core.types import Json, JsonObject

LISTED_MAX = 50  # texts or patterns of one case, each
CRITERIA_MAX = 5  # of one case
TEXT_CHARS_MAX = 20_000
SHOWN_CHARS = 80


class Matcher(Protocol):
    """A compiled regular expression."""

    def search(self, text: str) -> object | None:
        """The first match; None where there is none."""
        ...


class Assertions(msgspec.Struct, frozen=True):
    """All of them must hold; `criteria` are for a judge. `matchers` and `validator` are made by compiling."""

    outcome: str = "ok"
    exact: str | None = None
    contains: list[str] = []
    lacks: list[str] = []
    patterns: list[str] = []
    json: bool = False
    schema: JsonObject | None = None
    criteria: list[str] = []
    not_refused: bool = False
    max_cost_usd: float | None = None
    max_latency_s: float | None = None
    matchers: tuple[Matcher, ...] = ()
    validator: jsonschema_rs.Validator | None = None


class Heard(msgspec.Struct, frozen=True):
    """What a call came to, as its client heard it. `message` says why where the outcome is not ok."""

    text: str
    outcome: str
    declined: bool
    cost_usd: float | None
    seconds: float | None
    message: str | None = None


class Finding(NamedTuple):
    """An assertion that does not hold, or (undecided) of which nobody can say: what was expected, and why not."""

    assertion: str
    why: str
    undecided: bool = False


def compile_assertions(asked: Assertions) -> Assertions:
    """With its expressions and schema compiled. Raises ConfigError whose place is the field (`regex.0`)."""
    lists = {"contains": asked.contains, "lacks": asked.lacks, "regex": asked.patterns, "judge": asked.criteria}
    for field, texts in lists.items():
        if len(texts) > LISTED_MAX or any(not 0 < len(text) <= TEXT_CHARS_MAX for text in texts):
            raise ConfigError(field, f"too many texts, or one too long or empty, in `{field}`", _bounds())
    if len(asked.criteria) > CRITERIA_MAX:
        raise ConfigError("judge", f"{len(asked.criteria)} criteria, and each is a call", f"at most {CRITERIA_MAX}")
    none = not any([*lists.values(), asked.json, asked.not_refused, asked.outcome != "ok"])
    if none and asked.exact is None and asked.max_cost_usd is None and asked.max_latency_s is None:
        raise ConfigError("", "nothing is expected: the case cannot fail", "expect: {contains: ...}")
    validator = None if asked.schema is None else _validator(asked.schema)
    matchers = tuple(_matcher(index, pattern) for index, pattern in enumerate(asked.patterns))
    return msgspec.structs.replace(asked, matchers=matchers, validator=validator)


def findings(asked: Assertions, heard: Heard) -> list[Finding]:
    """Everything that does not hold; empty where all but the judge's criteria does."""
    if heard.outcome != asked.outcome:
        why = heard.outcome + (f": {heard.message}" if heard.message else "")
        return [Finding("answered" if asked.outcome == "ok" else "blocked by a guardrail", why)]
    text = heard.text
    found: list[Finding] = []
    if asked.exact is not None and text != asked.exact:
        found.append(Finding(f"exactly {_quoted(asked.exact)}", f"said {_quoted(text)}"))
    found += [Finding(f"contains {_quoted(one)}", "it does not") for one in asked.contains if one not in text]
    found += [Finding(f"lacks {_quoted(one)}", "it is there") for one in asked.lacks if one in text]
    for pattern, matcher in zip(asked.patterns, asked.matchers, strict=True):
        if matcher.search(text.encode("utf-8", "replace").decode()) is None:
            found.append(Finding(f"matches {_quoted(pattern)}", "it does not"))
    if asked.json:
        found += _json(asked, text)
    if asked.not_refused and heard.declined:
        found.append(Finding("not refused", "the model declined"))
    for name, most, told in (
        ("costs", asked.max_cost_usd, heard.cost_usd), ("takes", asked.max_latency_s, heard.seconds),
    ):  # fmt: skip
        if most is None:
            continue
        unit = f"${most:g}" if name == "costs" else f"{most:g} s"
        if told is None:
            found.append(Finding(f"{name} at most {unit}", "not known", undecided=True))
        elif told > most:
            found.append(Finding(f"{name} at most {unit}", f"${told:.6g}" if name == "costs" else f"{told:.3g} s"))
    return found


def _json(asked: Assertions, text: str) -> list[Finding]:
    try:
        value: Json = msgspec.json.decode(text.encode("utf-8", "replace"))
    except msgspec.DecodeError as error:
        return [Finding("JSON", str(error))]
    if asked.validator is None or asked.validator.is_valid(value):
        return []
    error = next(asked.validator.iter_errors(value))
    where = ".".join(str(step) for step in error.instance_path) or "the whole"
    keyword = ".".join(str(step) for step in list(error.schema_path)[-1:])
    return [Finding("JSON that fits the schema", f"{where} breaks `{keyword}`")]


def _validator(schema: JsonObject) -> jsonschema_rs.Validator:
    """Patterns in it run in linear time: what they are held against is a model's text."""
    try:
        return jsonschema_rs.validator_for(
            schema, retriever=refuse_to_fetch, pattern_options=jsonschema_rs.RegexOptions()
        )
    except ValueError as error:
        first = str(error).partition("\n")[0]
        raise ConfigError("json", f"not a valid JSON Schema: {first}", "see json-schema.org") from error


def _matcher(index: int, pattern: str) -> Matcher:
    options = re2.Options()
    options.log_errors = False
    try:
        return cast("Matcher", re2.compile(pattern, options))  # pyright: ignore[reportUnknownMemberType] - no stubs
    except re2.error as error:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - no stubs
        told = cast("Exception", error).args[0]
        why = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        raise ConfigError(f"regex.{index}", f"not a regular expression: {why}", "RE2 syntax") from error


def _quoted(text: str) -> str:
    return f"`{text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + '...'}`"


def _bounds() -> str:
    return f"at most {LISTED_MAX}, each of 1 to {TEXT_CHARS_MAX} characters"
