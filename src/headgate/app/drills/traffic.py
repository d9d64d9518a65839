"""Who calls in a drill, and with what: every dialect, streamed and not, through apps and by a model's own name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from headgate.core.ports import Entropy
from headgate.core.snapshot import App
from headgate.core.types import Header
from headgate.wire.request import Head, Request

_HEADERS: dict[str, tuple[Header, ...]] = {
    "openai": ((b"content-type", b"application/json"),),
    "anthropic": ((b"content-type", b"application/json"), (b"anthropic-version", b"2023-06-01")),
    "google": ((b"content-type", b"application/json"),),
}
_MODELS = {
    "openai": ("gpt-6-luna", "gpt-6.1-terra"),
    "anthropic": ("claude-haiku-5-5", "claude-sonnet-5-5"),
    "google": ("gemini-3.5-flash-lite", "gemini-3.8-flash"),
}
_MAX_TOKENS = 200


class Kind(msgspec.Struct, frozen=True):
    """One kind of call. `first` is the provider that answers it where all is well."""

    dialect: str
    model: str
    stream: bool
    first: str

    @property
    def name(self) -> str:
        """`openai support streamed`."""
        return f"{self.dialect} {self.model} {'streamed' if self.stream else 'whole'}"


def kinds(apps: Mapping[str, str]) -> tuple[Kind, ...]:
    """Every kind of call; `apps` tells the provider that each app's route asks first."""
    found: list[Kind] = []
    for dialect, models in _MODELS.items():
        for model, first in (*apps.items(), *((model, dialect) for model in models)):
            found += [Kind(dialect, model, stream, first) for stream in (False, True)]
    return tuple(found)


class Traffic:
    """When calls come, and of which kind: by chance, after the first ones have taken every kind in turn, so that the
    calm before an outage knows each."""

    __slots__ = ("_chance", "_kinds", "_rate")

    def __init__(self, every: Sequence[Kind], rate: float, chance: Entropy) -> None:
        self._kinds = every
        self._rate = rate
        self._chance = chance

    def gap(self) -> float:
        """Seconds to the next call of a Poisson process of `rate` calls per second."""
        return -math.log(1.0 - self._chance.uniform()) / self._rate

    def kind(self, number: int) -> Kind:
        """The kind of call `number`, from 1."""
        if number <= len(self._kinds):
            return self._kinds[number - 1]
        return self._kinds[int(self._chance.uniform() * len(self._kinds))]


def first_provider(app: App) -> str:
    """The provider that an app's calls go to where all is well."""
    return app.channels[app.default_channel].route.targets[0].provider


def words(number: int) -> str:
    """The text that call `number` asks to be said, and no other call does: whoever hears it knows whose it is."""
    return (
        f"Parcel {number} left the warehouse this morning and will be with you tomorrow before noon; its driver rings "
        f"twice and leaves it with a neighbour where nobody opens, as agreed for order {number}."
    )


def request(kind: Kind, number: int, key: str) -> Request:
    """Call `number` as an SDK of its dialect sends it."""
    said = f"[[say]] {words(number)}"
    headers: Sequence[Header] = (*_HEADERS[kind.dialect], _credential(kind.dialect, key))
    path, query, body = _said(kind, said)
    return Request(Head("POST", path, query, headers), msgspec.json.encode(body), "192.0.2.7")


def _credential(dialect: str, key: str) -> Header:
    if dialect == "openai":
        return (b"authorization", b"Bearer " + key.encode())
    return (b"x-api-key" if dialect == "anthropic" else b"x-goog-api-key", key.encode())


def _said(kind: Kind, said: str) -> tuple[str, str, dict[str, object]]:
    """Path, query and body."""
    messages = [{"role": "user", "content": said}]
    if kind.dialect == "openai":
        return "/v1/chat/completions", "", {"model": kind.model, "messages": messages, "stream": kind.stream}
    if kind.dialect == "anthropic":
        body: dict[str, object] = {"model": kind.model, "max_tokens": _MAX_TOKENS, "messages": messages}
        return "/v1/messages", "", {**body, "stream": kind.stream}
    method = "streamGenerateContent" if kind.stream else "generateContent"
    path = f"/v1beta/models/{kind.model}:{method}"
    return path, "alt=sse" if kind.stream else "", {"contents": [{"role": "user", "parts": [{"text": said}]}]}
