"""What one installation is told: `headgate.yaml`, or the vendors' key variables where there is no file.

Secrets are never in the file: it names the environment variable or the file that holds one.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from headgate.app.webhook import WebhookSettings
from headgate.core.artifact import Artifact
from headgate.core.decode import read
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, Json
from headgate.providers import ProviderSettings, Secret
from headgate.providers.settings import address
from headgate.registry import read_yaml

FILE = "headgate.yaml"
LISTEN = "127.0.0.1:8484"
SECRET_BYTES_MAX = 16 * 1024
PORT_MAX = 65_535
RETENTION_DAYS_MAX = 3650
WORKERS_MAX = 64
IN_FLIGHT_MOST = 100_000
VENDOR_KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
}


Money = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Ability = Literal["images", "documents", "audio", "tools", "json_schema", "reasoning", "sampling", "prefill"]


class PriceSource(msgspec.Struct, forbid_unknown_fields=True):
    """Your own price of a model, in US dollars per million tokens; None is unknown, never free. `since`: the UTC day
    from which it holds, where there are several."""

    input: Money
    output: Money
    cached_input: Money | None = None
    cache_write: Money | None = None
    since: date | None = None


class ModelSource(msgspec.Struct, forbid_unknown_fields=True):
    """What you know of a model; it wins over the shipped catalogue. `context` and `max_output` in tokens.

    `abilities`: what it can do (see docs/providers.md); None is unknown, and nothing is refused. `retires`: the UTC day
    on which it is taken away, `successor` the model of this account that follows it.
    """

    price: PriceSource | list[PriceSource] | None = None
    context: Count | None = None
    max_output: Count | None = None
    abilities: list[Ability] | None = None
    retires: date | None = None
    successor: str | None = None


class ProviderSource(msgspec.Struct, forbid_unknown_fields=True):
    """One provider account in the file. `key_env` or `key_file` says where its API key is.

    `models` are models of this account by name: ones the catalogue does not know, or facts that win over it.
    """

    type: str
    base_url: str | None = None
    key_env: str | None = None
    key_file: str | None = None
    headers: dict[str, str] = {}
    allow_http: bool = False
    allow_private: bool = False
    models: dict[str, ModelSource] = {}


class WebhookSource(msgspec.Struct, forbid_unknown_fields=True):
    """Where events are posted. `secret_env` names the variable that holds what they are signed with."""

    url: str
    secret_env: str | None = None
    min_severity: Literal["info", "warning", "critical"] = "warning"
    allow_http: bool = False
    allow_private: bool = False


class EventsSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of events beside the log and the record."""

    webhook: WebhookSource | None = None


class Source(msgspec.Struct, forbid_unknown_fields=True):
    """The content of `headgate.yaml`. Paths are relative to the file."""

    listen: str = LISTEN
    management: str | None = None
    state: str = ".headgate"
    workspace: str | None = None
    guardrail: str | None = None
    bodies: Literal["none", "full"] = "none"
    journal_full: Literal["serve", "refuse"] = "serve"
    retention_days: int = 30
    discovery: Literal["on", "off"] = "on"
    exposed: bool = False
    management_hosts: list[str] = []
    ca_file: str | None = None
    continue_with: list[str] = []
    workers: int = 1
    max_in_flight: int | None = None
    events: EventsSource = EventsSource()
    providers: dict[str, ProviderSource] = {}


class Config(msgspec.Struct, frozen=True):
    """A checked configuration. `artifact` is kept for the place of later mistakes; addresses are (host, port)."""

    source: Source
    artifact: Artifact
    listen: tuple[str, int]
    management: tuple[str, int]
    state: Path
    workspace: Path | None
    providers: tuple[ProviderSettings, ...]
    ca_file: Path | None = None
    workers: int = 1
    webhook: WebhookSettings | None = None


def load_config(
    file: Path | None, environment: Mapping[str, str], here: Path, said: Mapping[str, Json] | None = None
) -> Config:
    """The configuration in `file`, in `here`/headgate.yaml, or made from the vendors' key variables.

    `said` are fields given on the command line: they win, and a `state` in them is relative to `here`.
    Raises ConfigError naming file and line.
    """
    artifact, base = _artifact(file, environment, here)
    given = dict(said or {})
    if "state" in given:
        given["state"] = str(here / str(given["state"]))
    return _checked(msgspec.structs.replace(artifact, content={**artifact.content, **given}), base, environment)


def _artifact(file: Path | None, environment: Mapping[str, str], here: Path) -> tuple[Artifact, Path]:
    """The configuration as written, and the folder its paths are relative to."""
    chosen = file or here / FILE
    if file is None and not chosen.exists():
        return _from_environment(environment), here
    try:
        text = chosen.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(str(chosen), "there is no such file", "`headgate up --config FILE`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(chosen), f"cannot be read: {type(error).__name__}", "a UTF-8 text file") from error
    tree = next(read_yaml(text, str(chosen)), None)
    content = {} if tree is None or tree.value is None else tree.value
    if not isinstance(content, dict):
        raise ConfigError(f"{chosen}:1", "the file is not a mapping", "begin with `providers:`")
    lines = {} if tree is None else tree.lines
    artifact = Artifact(ArtifactRef("config", FILE, "", ""), content, file=str(chosen), lines=lines)
    return artifact, chosen.resolve().parent


def _from_environment(environment: Mapping[str, str]) -> Artifact:
    """Every vendor whose key variable is set. Raises ConfigError where none is."""
    found = {
        name: {"type": name, "key_env": variable} for name, variable in VENDOR_KEYS.items() if environment.get(variable)
    }
    if not found:
        wanted = ", ".join(VENDOR_KEYS.values())
        raise ConfigError(
            FILE, "there is no configuration and no provider key", f"set one of {wanted}, or write {FILE}"
        )
    content = msgspec.to_builtins({"providers": found})
    return Artifact(ArtifactRef("config", "environment", "", ""), content, file="environment")


def _checked(artifact: Artifact, base: Path, environment: Mapping[str, str]) -> Config:
    source = read(artifact, Source)
    listen = _address(artifact, "listen", source.listen)
    if source.management is None and listen[1] == PORT_MAX:
        raise artifact.fault("listen", "there is no port after it for the management API", "set `management:` as well")
    default = (listen[0], listen[1] + 1 if listen[1] else 0)
    management = default if source.management is None else _address(artifact, "management", source.management)
    if management == listen and listen[1]:
        raise artifact.fault("management", "calls are taken there already (`listen`)", "a port of its own")
    for path, (host, _) in (("listen", listen), ("management", management)):
        if not ipaddress.ip_address(host).is_loopback and not source.exposed:
            raise artifact.fault(
                path,
                f"{host} is reachable from other machines, and Headgate speaks plain HTTP",
                "127.0.0.1, or `exposed: true` where a TLS proxy or a trusted network stands in front",
            )
    if not source.providers:
        raise artifact.fault("providers", "there is no provider", "providers: {openai: {type: openai, key_env: ...}}")
    if not 1 <= source.retention_days <= RETENTION_DAYS_MAX:
        raise artifact.fault("retention_days", "records are kept for a day at least", f"1 to {RETENTION_DAYS_MAX}")
    if source.max_in_flight is not None and not 1 <= source.max_in_flight <= IN_FLIGHT_MOST:
        wrong = f"{source.max_in_flight} calls in flight"
        raise artifact.fault("max_in_flight", wrong, f"1 to {IN_FLIGHT_MOST}, in each worker")
    if not 1 <= source.workers <= WORKERS_MAX:
        raise artifact.fault("workers", f"{source.workers} workers", f"1 to {WORKERS_MAX}")
    ca_file = None if source.ca_file is None else base / source.ca_file
    if ca_file is not None:
        _check_roots(artifact, ca_file)
    return Config(
        source=source,
        artifact=artifact,
        listen=listen,
        management=management,
        state=base / source.state,
        workspace=None if source.workspace is None else base / source.workspace,
        providers=tuple(_provider(artifact, name, one, base, environment) for name, one in source.providers.items()),
        ca_file=ca_file,
        workers=source.workers,
        webhook=_webhook(artifact, source.events.webhook, environment),
    )


def _check_roots(artifact: Artifact, file: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError as error:  # ssl.SSLError is one
        wrong = f"{file} cannot be read: {error.strerror or type(error).__name__}"
        raise artifact.fault("ca_file", wrong, "a PEM file of root certificates") from error


def _webhook(
    artifact: Artifact, source: WebhookSource | None, environment: Mapping[str, str]
) -> WebhookSettings | None:
    if source is None:
        return None
    where = artifact.fault("events.webhook", "", "").where
    as_provider = ProviderSettings(
        name="events.webhook", type="webhook", base_url=source.url, allow_http=source.allow_http,
        allow_private=source.allow_private, where=where,
    )  # fmt: skip
    secret = None
    if source.secret_env is not None:
        secret = environment.get(source.secret_env, "").strip().encode()
        if not secret:
            right = f"export {source.secret_env}=..., or leave `secret_env` out"
            raise artifact.fault("events.webhook.secret_env", f"the variable {source.secret_env} is not set", right)
    return WebhookSettings(address(as_provider, None), secret, source.min_severity)


def _provider(
    artifact: Artifact, name: str, source: ProviderSource, base: Path, environment: Mapping[str, str]
) -> ProviderSettings:
    path = f"providers.{name}"
    return ProviderSettings(
        name=name,
        type=source.type,
        base_url=source.base_url,
        secret=_secret(artifact, path, source, base, environment),
        headers=source.headers,
        allow_private=source.allow_private,
        allow_http=source.allow_http,
        where=artifact.fault(path, "", "").where,
    )


def _secret(
    artifact: Artifact, path: str, source: ProviderSource, base: Path, environment: Mapping[str, str]
) -> Secret | None:
    if source.key_env is not None and source.key_file is not None:
        raise artifact.fault(f"{path}.key_file", "both `key_env` and `key_file` are set", "keep one of them")
    if source.key_env is not None:
        value = environment.get(source.key_env, "").strip()
        if not value:
            right = f"export {source.key_env}=..., or remove the provider"
            raise artifact.fault(f"{path}.key_env", f"the variable {source.key_env} is not set", right)
        return Secret(value)
    if source.key_file is None:
        return None
    file = base / source.key_file
    try:
        with file.open(encoding="utf-8") as stream:
            return Secret(stream.read(SECRET_BYTES_MAX).strip())
    except (OSError, UnicodeDecodeError) as error:
        wrong = f"{file} cannot be read: {type(error).__name__}"
        raise artifact.fault(f"{path}.key_file", wrong, "a text file that holds the API key") from error


def _address(artifact: Artifact, path: str, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = -1
    if not 0 <= number <= PORT_MAX:
        raise artifact.fault(path, f"`{text}` is no address", f"IP:PORT, such as {LISTEN}")
    return host, number
