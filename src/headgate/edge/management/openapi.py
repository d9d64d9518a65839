"""The management API's description, made from the handlers' own types (OpenAPI 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect

from headgate.core.handlers import Handler, Text
from headgate.core.roles import who_may

_REF = "#/components/schemas/{name}"


class ErrorDetail(msgspec.Struct):
    """`code` is stable, `message` is for people, `param` names the field at fault."""

    code: str
    message: str
    param: str | None = None


class ErrorBody(msgspec.Struct):
    """Every error answer."""

    error: ErrorDetail


def describe(handlers: Sequence[Handler], version: str) -> dict[str, Any]:
    """The OpenAPI document as JSON data."""
    types = sorted({t for h in handlers for t in (h.answer, h.body) if t not in (None, Text)} | {ErrorBody}, key=str)
    found, components = msgspec.json.schema_components(types, schema_hook=_any, ref_template=_REF)
    schemas: dict[Any, Any] = dict(zip(types, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for handler in handlers:
        paths.setdefault(handler.address, {})[handler.method.lower()] = _operation(handler, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headgate management API", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key with a role"}},
        },
        "security": [{"key": []}],
    }


def _any(kind: type) -> dict[str, Any]:
    """The schema of JSON that may be anything."""
    if kind is object:
        return {"description": "any JSON"}
    raise TypeError(f"{kind} has no JSON form")


def _operation(handler: Handler, schemas: dict[Any, Any]) -> dict[str, Any]:
    if handler.answer is Text:
        content: dict[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": schemas[handler.answer]}}
    out: dict[str, Any] = {
        "summary": handler.summary,
        "operationId": _operation_id(handler),
        "x-headgate-roles": who_may(handler.roles),
        "x-headgate-callers": handler.callers,
        "parameters": [*_path_parameters(handler), *_query_parameters(handler)],
        "responses": {
            str(handler.status): {"description": "done", "content": content},
            "default": {"description": "refused", "content": {"application/json": {"schema": schemas[ErrorBody]}}},
        },
    }
    if handler.body is not None:
        out["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[handler.body]}}}
    return out


def _operation_id(handler: Handler) -> str:
    words = [handler.method.lower(), *handler.address.replace("{", "").replace("}", "").strip("/").split("/")]
    return "_".join(word.replace(".", "_") for word in words)


def _path_parameters(handler: Handler) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in handler.address.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(handler: Handler) -> list[dict[str, Any]]:
    if handler.query is None:
        return []
    info = inspect.type_info(handler.query)
    assert isinstance(info, inspect.StructType)
    schema = msgspec.json.schema_components([handler.query], ref_template=_REF)[1][handler.query.__name__]
    return [
        {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "schema": schema["properties"][field.encode_name],
        }
        for field in info.fields
    ]
