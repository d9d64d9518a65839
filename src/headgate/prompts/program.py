"""A compiled prompt: variables in, the exact messages out."""

from __future__ import annotations

from collections.abc import Mapping

import jsonschema_rs
import msgspec
from minijinja import TemplateError

from headgate.core.errors import InvalidRequest
from headgate.core.schemas import refuse_to_fetch
from headgate.core.types import ArtifactRef, Json, JsonObject, as_object
from headgate.prompts.inputs import required_of
from headgate.prompts.template import OUTPUT_CHARS_MAX, Template


class Line(msgspec.Struct, frozen=True):
    """One message of a prompt: its role and its template."""

    role: str
    template: Template


class Contract(msgspec.Struct, frozen=True):
    """What variables have to be: `inputs` is the JSON Schema of their object, `more` what partials ask beyond it."""

    inputs: Mapping[str, Json]
    more: tuple[JsonObject, ...] = ()


class TemplateProgram:
    """Implements `core.ports.PromptProgram`. Templates and schemas are compiled when the prompt is first rendered."""

    __slots__ = ("_allowed", "_contract", "_lines", "_required", "_static", "_validators", "ref", "settings", "uses")

    def __init__(
        self,
        ref: ArtifactRef,
        lines: list[Line],
        contract: Contract,
        settings: Mapping[str, Json],
        uses: tuple[ArtifactRef, ...] = (),
    ) -> None:
        """The schemas are valid ones, and refer to no other document."""
        self.ref = ref
        self.settings = settings
        self.uses = uses
        self._lines = lines
        self._contract = contract
        self._allowed = frozenset(as_object(contract.inputs.get("properties")) or {})
        self._required = required_of(contract.inputs)
        self._validators: list[jsonschema_rs.Validator] | None = None
        self._static: list[tuple[str, str]] | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """Its messages, in order."""
        return tuple(self._lines)

    def render(self, variables: Mapping[str, Json]) -> list[tuple[str, str]]:
        """(role, text) pairs in order.

        Raises InvalidRequest naming a missing, extra or ill-typed variable, or where the text grows over its limit.
        """
        if not variables and self._static is not None:
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
        if not self._allowed:
            self._static = rendered
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
        validators = self._validators
        if validators is None:
            schemas = [self._contract.inputs, *self._contract.more] if self._allowed else []
            validators = self._validators = [
                jsonschema_rs.validator_for(dict(schema), retriever=refuse_to_fetch) for schema in schemas
            ]
        for validator in validators:
            if not validator.is_valid(variables):
                raise self._ill_typed(validator, variables)

    def _ill_typed(self, validator: jsonschema_rs.Validator, variables: Mapping[str, Json]) -> InvalidRequest:
        error = next(validator.iter_errors(variables))
        where = ".".join(str(step) for step in error.instance_path)
        keyword = ".".join(str(step) for step in list(error.schema_path)[-1:])
        return InvalidRequest(  # the value itself may be personal: only its place and the broken rule are told
            f"{self.ref}: the variable `{where}` breaks the rule `{keyword}` of its schema",
            param=f"headgate.variables.{where}",
        )


def _said(error: TemplateError) -> str:
    words = {"OutOfFuel": "too many steps for variables of this size", "UndefinedError": "a variable is undefined"}
    return words.get(error.kind, "the template does not fit the variables")
