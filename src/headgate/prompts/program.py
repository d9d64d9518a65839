"""A compiled prompt: variables in, the exact messages out."""

from __future__ import annotations

from collections.abc import Mapping

import jsonschema_rs
import msgspec
from minijinja import TemplateError

from headgate.core.errors import InvalidRequest
from headgate.core.types import ArtifactRef, Json
from headgate.prompts.template import OUTPUT_CHARS_MAX, Template

_NONE: Mapping[str, Json] = {}


class Line(msgspec.Struct, frozen=True):
    """One message of a prompt: its role and its template."""

    role: str
    template: Template


class TemplateProgram:
    """Implements `core.ports.PromptProgram`."""

    __slots__ = ("_allowed", "_lines", "_required", "_static", "_validate", "ref", "settings")

    def __init__(
        self,
        ref: ArtifactRef,
        lines: list[Line],
        inputs: Mapping[str, Json],
        settings: Mapping[str, Json],
    ) -> None:
        """`inputs` is the JSON Schema of the variables' object. Raises ValueError where it is no valid schema, or
        refers to another document: none is ever fetched."""
        self.ref = ref
        self.settings = settings
        properties = inputs.get("properties")
        required = inputs.get("required")
        self._lines = lines
        self._allowed = frozenset(properties) if isinstance(properties, dict) else frozenset[str]()
        self._required = tuple(name for name in required if isinstance(name, str)) if isinstance(required, list) else ()
        self._validate = (
            jsonschema_rs.validator_for(dict(inputs), retriever=_refuse_to_fetch) if self._allowed else None
        )
        self._static = None if self._allowed else [(line.role, line.template.render(_NONE, 0)) for line in lines]

    def render(self, variables: Mapping[str, Json]) -> list[tuple[str, str]]:
        """(role, text) pairs in order.

        Raises InvalidRequest naming a missing, extra or ill-typed variable, or where the text grows over its limit.
        """
        if self._static is not None and not variables:
            return self._static
        self._check(variables)
        size = len(msgspec.json.encode(variables))
        rendered: list[tuple[str, str]] = []
        chars = 0
        try:
            for line in self._lines:
                text = line.template.render(variables, size)
                chars += len(text)
                rendered.append((line.role, text))
        except TemplateError as error:
            raise InvalidRequest(
                f"{self.ref} could not be rendered: {_said(error)}", param="headgate.variables"
            ) from error
        if chars > OUTPUT_CHARS_MAX:
            raise InvalidRequest(
                f"{self.ref} renders to more than {OUTPUT_CHARS_MAX} characters", param="headgate.variables"
            )
        return rendered

    def _check(self, variables: Mapping[str, Json]) -> None:
        for name in self._required:
            if name not in variables:
                raise InvalidRequest(f"{self.ref} needs the variable `{name}`", param=f"headgate.variables.{name}")
        if not self._allowed.issuperset(variables):
            extra = min(set(variables) - self._allowed)
            raise InvalidRequest(
                f"{self.ref} has no variable `{extra}`; it takes {', '.join(sorted(self._allowed)) or 'none'}",
                param=f"headgate.variables.{extra}",
            )
        if self._validate is not None and not self._validate.is_valid(variables):
            raise self._ill_typed(self._validate, variables)

    def _ill_typed(self, validator: jsonschema_rs.Validator, variables: Mapping[str, Json]) -> InvalidRequest:
        error = next(validator.iter_errors(variables))
        where = ".".join(str(step) for step in error.instance_path)
        keyword = ".".join(str(step) for step in list(error.schema_path)[-1:])
        return InvalidRequest(  # the value itself may be personal: only its place and the broken rule are told
            f"{self.ref}: the variable `{where}` breaks the rule `{keyword}` of its schema",
            param=f"headgate.variables.{where}",
        )


def _refuse_to_fetch(uri: str) -> Json:
    """In place of the library's own retriever, which reads files and asks the network for what a schema names."""
    raise ValueError("a schema refers to itself only")


def _said(error: TemplateError) -> str:
    words = {"OutOfFuel": "too many steps for variables of this size", "UndefinedError": "a variable is undefined"}
    return words.get(error.kind, "the template does not fit the variables")
