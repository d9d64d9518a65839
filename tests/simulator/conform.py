"""Compares a JSON answer with a vendor's published response model, both ways: fields it does not have, required fields
that are missing, and values of the wrong type. SDK models forgive extra fields; this does not."""

from __future__ import annotations

import enum
import types
import typing
from typing import Annotated, Any, Literal, Union

import pydantic


def problems(kind: Any, value: Any, path: str = "$") -> list[str]:
    """What is wrong with `value` as a `kind`; empty where nothing is."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return problems(typing.get_args(kind)[0], value, path)
    if isinstance(kind, typing.TypeAliasType) if hasattr(typing, "TypeAliasType") else False:
        return problems(kind.__value__, value, path)
    if origin in (Union, types.UnionType):
        tried = [problems(one, value, path) for one in typing.get_args(kind)]
        return min(tried, key=len)
    if origin is Literal:
        return [] if value in typing.get_args(kind) else [f"{path}: {value!r} is none of {typing.get_args(kind)}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{path}: no list"]
        (inner,) = typing.get_args(kind)
        return [p for at, one in enumerate(value) for p in problems(inner, one, f"{path}[{at}]")]
    if origin is dict:
        inner = typing.get_args(kind)[1]
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        return [p for name, one in value.items() for p in problems(inner, one, f"{path}.{name}")]
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return _model_problems(kind, value, path)
    return _leaf_problems(kind, value, path)


def _model_problems(kind: type[pydantic.BaseModel], value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: no object for {kind.__name__}"] * 2
    found: list[str] = []
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    for name, one in value.items():
        if name not in fields:
            found.append(f"{path}.{name}: {kind.__name__} has no such field")
        else:
            found += problems(fields[name].annotation, one, f"{path}.{name}")
    for name, field in fields.items():
        if field.is_required() and name not in value:
            found.append(f"{path}.{name}: {kind.__name__} requires it")
    return found


def _leaf_problems(kind: Any, value: Any, path: str) -> list[str]:
    if kind is Any or kind is object:
        return []
    if kind is type(None):
        return [] if value is None else [f"{path}: not null"]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return [] if value in {one.value for one in kind} else [f"{path}: {value!r} is no {kind.__name__}"]
    wanted = {str: str, int: int, float: (int, float), bool: bool}.get(kind, str)
    good = isinstance(value, wanted) and not (isinstance(value, bool) and kind is not bool)
    return [] if good else [f"{path}: {value!r} is no {kind}"]
