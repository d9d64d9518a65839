"""A registry on a real database, without a gateway around it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headgate.core.artifact import Artifact, digest
from headgate.core.errors import ConfigError
from headgate.core.handlers import Actor
from headgate.core.registry import Swapped
from headgate.core.roles import Role, allow
from headgate.core.types import ArtifactRef
from headgate.registry import Published, Registry, publish
from headgate.stores.control import ControlStore
from tests.support.world import ManualClock


class Place:
    """`published` is what would be served now; `wrong` are mistakes that compiling is to find."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.store = ControlStore(folder)
        self.published: Published | None = None
        self.wrong: list[ConfigError] = []
        self.compiled: list[Sequence[Artifact]] = []
        self.registry = Registry(self.store.registry(), self._check, self._publish, self.clock)

    def _check(self, documents: Sequence[Artifact]) -> list[ConfigError]:
        self.compiled.append(documents)
        return list(self.wrong)

    def _publish(self) -> Swapped:
        with self.registry.store.reading() as reading:
            self.published = publish(reading, [])
        return Swapped(1, [], 0.0)

    def served(self, app: str) -> dict[str, Any]:
        """An app as it is served: its channels."""
        assert self.published is not None
        (found,) = [
            one.content["channels"] for one in self.published.documents if one.name == app and one.kind == "app"
        ]
        assert isinstance(found, dict)
        return found

    def log(self) -> list[tuple[str, str, str]]:
        """(who, did, to what), oldest first."""
        with self.registry.store.reading() as reading:
            return [(one.actor, one.action, one.subject) for one in reversed(reading.entries(limit=1000))]


def who(name: str, *roles: Role) -> Actor:
    return Actor(f"key_{name}", name, "*", allow(*roles))


ADMIN = who("ada", "admin")


def prompt(
    version: str, text: str = "Be kind.", owner: str = "team", name: str = "support", **content: Any
) -> Artifact:
    body = {"messages": [{"role": "system", "content": text}], **content}
    return made("prompt", name, version, body, owner)


def inputs(required: Sequence[str] = (), **properties: Any) -> dict[str, Any]:
    return {"inputs": {"type": "object", "properties": properties, "required": list(required)}}


def route(version: str = "1.0.0") -> Artifact:
    return made("route", "default", version, {"targets": ["openai/gpt-6-luna"]}, "team")


def app(releases: dict[int, str], channels: dict[str, Any], name: str = "support", **more: Any) -> Artifact:
    """`releases`: number to the prompt's `name@version`."""
    rows = [{"number": number, "prompt": pin, "route": "default@1.0.0"} for number, pin in releases.items()]
    return made("app", name, "", {"owners": ["team"], "releases": rows, "channels": channels, **more}, "")


def made(kind: str, name: str, version: str, content: dict[str, Any], owner: str) -> Artifact:
    ref = ArtifactRef(kind, name, version, digest(content))
    return Artifact(ref, content, owner=owner, file=f"{kind}s/{name}.yaml", lines={"": 1, "version": 3, "owner": 4})
