"""The published parameters as data, against the SDKs' own parameter types: no field more, none less, at every level."""

from __future__ import annotations

import typing
from typing import Annotated, Any, Union

import anthropic.types as at
import pytest
import typing_extensions
from google.genai import types as gt
from openai.types.chat import completion_create_params as op

from headgate.simulator import anthropic_shapes, google_shapes, openai_shapes
from headgate.simulator.shape import Array, Either, Enum, Later, Map, Null, Object, Spec, Tagged

# what the vendors' SDKs leave out or name otherwise, each with its reason
ALLOWED = {
    "stream": "the SDKs have it in a second class",
    "anthropic.temperature": "version 2023-06-01 takes it; the newest SDK left it out",
    "anthropic.top_p": "as temperature",
    "anthropic.top_k": "as temperature",
    "openai.messages[].assistant.annotations": "answers hold it, and callers send answers back",
}


LISTS = ("Iterable", "list", "Sequence", "SequenceNotStr")


def spec_objects(spec: Spec, path: str, seen: set[int]) -> dict[str, Object]:
    """Every object of a shape by its path; cases of a tagged object by their tag."""
    if id(spec) in seen:
        return {}
    if isinstance(spec, Null):
        return spec_objects(spec.of, path, seen)
    if isinstance(spec, Array):
        return spec_objects(spec.of, path + "[]", seen)
    if isinstance(spec, Map):
        return spec_objects(spec.of, path + "{}", seen)
    if isinstance(spec, Later):
        return spec_objects(spec.table[spec.name], path, seen | {id(spec)})
    found: dict[str, Object] = {}
    if isinstance(spec, Either):
        for one in spec.choices:
            found |= spec_objects(one, path, seen)
    if isinstance(spec, Tagged):
        for tag, case in spec.cases.items():
            found |= spec_objects(case, f"{path}.{tag}", seen)
    if isinstance(spec, Object):
        found[path] = spec
        for name, inner in {**spec.required, **spec.optional}.items():
            found |= spec_objects(inner, f"{path}.{name}", seen | {id(spec)})
    return found


def plain(hint: Any) -> Any:
    """The type within Required."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is typing_extensions.Required else hint


def typed_objects(kind: Any, path: str, tags: tuple[str, ...], depth: int = 0) -> dict[str, tuple[set[str], set[str]]]:
    """Every TypedDict below a type by its path: its required and optional keys."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if depth > 12:
        return {}
    if origin is Annotated or origin in (typing_extensions.Required, typing.Required):
        return typed_objects(args[0], path, tags, depth)
    if origin is Union:
        found: dict[str, tuple[set[str], set[str]]] = {}
        for one in args:
            found |= typed_objects(one, path, tags, depth + 1)
        return found
    if origin is not None and args and getattr(origin, "__name__", "") in LISTS:
        return typed_objects(args[0], path + "[]", tags, depth + 1)
    if not typing_extensions.is_typeddict(kind):
        return {}
    hints = typing_extensions.get_type_hints(kind, include_extras=True)
    where = path
    for tag in tags:
        options = typing.get_args(plain(hints[tag])) if tag in hints else ()
        if options and all(isinstance(one, str) for one in options):
            where = f"{path}.{options[0]}"
            break
    required = {name for name, hint in hints.items() if typing.get_origin(hint) is typing_extensions.Required}
    found = {where: (required, set(hints) - required)}
    for name, hint in hints.items():
        found |= typed_objects(hint, f"{where}.{name}", tags, depth + 1)
    return found


def differences(vendor: str, body: Spec, kind: Any, tags: tuple[str, ...]) -> list[str]:
    """Paths known to both whose fields differ. Tag levels that only one side has are tried without."""
    ours, theirs = spec_objects(body, vendor, set()), typed_objects(kind, vendor, tags)
    found: list[str] = []
    matched = 0
    for path, spec in ours.items():
        typed = theirs.get(path)
        if typed is None:
            continue
        matched += 1
        required, optional = typed
        names = set(spec.required) | set(spec.optional)
        found += [f"{path}.{name}: not the vendor's" for name in names - required - optional]
        found += [f"{path}.{name}: missing here" for name in (required | optional) - names]
        found += [f"{path}.{name}: required differs" for name in required ^ set(spec.required) if name in names]
    assert matched > 15, sorted(ours) + sorted(theirs)
    return [one for one in found if not any(one.startswith((f"{key}:", f"{vendor}.{key}:")) for key in ALLOWED)]


def test_openai_parameters() -> None:
    assert differences("openai", openai_shapes.BODY, op.CompletionCreateParamsBase, ("role", "type")) == []


def test_anthropic_parameters() -> None:
    kind = at.message_create_params.MessageCreateParamsBase
    assert differences("anthropic", anthropic_shapes.BODY, kind, ("type",)) == []


GOOGLE = [
    ("google.contents[]", gt.Content, set()),
    ("google.contents[].parts[].functionCall", gt.FunctionCall, {"partialArgs", "willContinue"}),
    ("google.contents[].parts[].functionResponse", gt.FunctionResponse, set()),
    ("google.contents[].parts[]", gt.Part, set()),
    ("google.tools[].functionDeclarations[]", gt.FunctionDeclaration, set()),
    ("google.tools[].functionDeclarations[].parameters", gt.Schema, {"title"}),
    ("google.generationConfig.thinkingConfig", gt.ThinkingConfig, set()),
    ("google.toolConfig.functionCallingConfig", gt.FunctionCallingConfig, {"streamFunctionCallArguments"}),
    ("google.safetySettings[]", gt.SafetySetting, {"method"}),
    ("google.toolConfig", gt.ToolConfig, set()),
    (
        "google.tools[]",
        gt.Tool,
        {"retrieval", "enterpriseWebSearch", "parallelAiSearch", "exaAiSearch"},
    ),
]


@pytest.mark.parametrize(("path", "model", "enterprise"), GOOGLE, ids=[row[0] for row in GOOGLE])
def test_google_parameters(path: str, model: Any, enterprise: set[str]) -> None:
    """`enterprise` names fields that the SDK refuses to send to the Gemini API."""
    ours = spec_objects(google_shapes.BODY, "google", set())[path]
    theirs = {field.alias or name for name, field in model.model_fields.items()}
    assert set(ours.optional) - {"title"} == theirs - enterprise - {"title"}


def test_google_generation_config() -> None:
    ours = set(spec_objects(google_shapes.BODY, "google", set())["google.generationConfig"].optional)
    sent = {field.alias or name for name, field in gt.GenerateContentConfig.model_fields.items()}
    known = {field.alias or name for name, field in gt.GenerationConfig.model_fields.items()}
    assert ours <= sent | known


def test_choices_are_the_vendors_own() -> None:
    effort = openai_shapes.BODY.optional["reasoning_effort"]
    assert isinstance(effort, Null)
    assert isinstance(effort.of, Enum)
    hints = typing_extensions.get_type_hints(op.CompletionCreateParamsBase)["reasoning_effort"]
    literal = next(one for one in typing.get_args(hints) if typing.get_origin(one) is typing.Literal)
    assert set(effort.of.options) == set(typing.get_args(literal))
