"""A provider account as configured, checked once at start."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

import msgspec

from headgate.core.errors import ConfigError, GatewayError
from headgate.core.types import Origin

NAME_CHARS_MAX = 64
HEADERS_MAX = 32
HEADER_CHARS_MAX = 4096
_PORTS = {"http": 80, "https": 443}
_NAME_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.")
_TOKEN_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~")
# headers that we write ourselves: the framing, the credential's place and the target are not open to settings
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type", "accept-encoding"})


class Secret:
    """A credential that cannot be shown by accident, and is given to one origin only.

    `repr`, `str` and format strings hide it; JSON encoders and pickle do not know the type and refuse it.
    """

    __slots__ = ("_origin", "_value")

    def __init__(self, value: str, origin: Origin | None = None) -> None:
        self._value = value
        self._origin = origin

    def bind(self, origin: Origin) -> Secret:
        """The same secret for this origin only. Raises GatewayError where it already belongs to another."""
        if self._origin is not None and self._origin != origin:
            raise GatewayError(f"a secret of {self._origin.host} was about to be bound to {origin.host}")
        return Secret(self._value, origin)

    def reveal(self, origin: Origin) -> str:
        """The text itself, for a request to the origin it is bound to. Raises GatewayError for any other."""
        if self._origin is None or self._origin != origin:
            raise GatewayError(f"a secret was about to be sent to {origin.host}, which it is not bound to")
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One provider account. `where` is the `file:line` that mistakes are reported at.

    `base_url` None is the vendor's own address; a path in it is put before the dialect's. `headers` are sent with
    every request. `allow_http` permits an unencrypted base URL, `allow_private` one in a private network.
    """

    name: str
    type: str
    base_url: str | None = None
    secret: Secret | None = None
    headers: Mapping[str, str] = {}
    allow_private: bool = False
    allow_http: bool = False
    where: str = "providers"

    def __repr__(self) -> str:
        """Name and type: headers may hold secrets too."""
        return f"ProviderSettings({self.name}, {self.type})"

    def fault(self, wrong: str, right: str) -> ConfigError:
        """The error for a mistake in this account's settings."""
        return ConfigError(self.where, f"provider `{self.name[:NAME_CHARS_MAX]}`: {wrong}", right)


class Address(msgspec.Struct, frozen=True):
    """A checked base URL: the origin, the path before the dialect's own, and the `host` header."""

    origin: Origin
    prefix: str
    host: str


def address(settings: ProviderSettings, default_url: str | None) -> Address:
    """Where the account listens. Raises ConfigError for a URL that is malformed or not allowed."""
    text = settings.base_url or default_url
    if text is None:
        raise settings.fault("`base_url` is missing", "the address of the server, such as https://llm.example/v1")
    url = _split(settings, text)
    host = url.hostname or ""
    if url.scheme == "http" and not settings.allow_http:
        raise settings.fault("`base_url` is http://, so key and content would travel in clear text",
                             "https://, or `allow_http: true` where the network is trusted")  # fmt: skip
    if not settings.allow_private and _private(host):
        raise settings.fault(f"`base_url` is in a private network ({host})", "a public host, or `allow_private: true`")
    try:
        port = url.port or _PORTS[url.scheme]
    except ValueError:
        raise settings.fault("`base_url` has no valid port", "a port from 1 to 65535") from None
    shown = f"[{host}]" if ":" in host else host
    if port != _PORTS[url.scheme]:
        shown += f":{port}"
    return Address(Origin(url.scheme, host, port, settings.allow_private), url.path.rstrip("/"), shown)


def _split(settings: ProviderSettings, text: str) -> SplitResult:
    right = "a URL such as https://llm.example/v1"
    if not text.isascii() or not text.isprintable() or " " in text:
        raise settings.fault("`base_url` holds spaces or characters that URLs cannot have", right)
    try:
        url = urlsplit(text)
        host = url.hostname
    except ValueError:
        raise settings.fault("`base_url` is not a URL", right) from None
    if url.scheme not in _PORTS or not host:
        raise settings.fault("`base_url` is not an http(s) URL", right)
    if url.username is not None or url.password is not None:
        raise settings.fault("`base_url` holds a user name or password", "the credential in `key_env` or `key_file`")
    if url.query or url.fragment:
        raise settings.fault("`base_url` holds a query or fragment", right)
    return url


def _private(host: str) -> bool:
    """Whether a literal address or a well-known name is private. Names that resolve so are the resolver's to refuse."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def check(settings: ProviderSettings) -> None:
    """Raises ConfigError for a name, secret or header that cannot work."""
    name = settings.name
    if not name or len(name) > NAME_CHARS_MAX or not _NAME_CHARS.issuperset(name):
        raise settings.fault("the name is not usable", f"1 to {NAME_CHARS_MAX} of a-z, 0-9, `-`, `_`, `.`")
    if len(settings.headers) > HEADERS_MAX:
        raise settings.fault(f"there are more than {HEADERS_MAX} `headers`", "fewer")
    for key, value in settings.headers.items():
        lower = key.lower()
        if not lower or not _TOKEN_CHARS.issuperset(lower) or lower in _OURS:
            raise settings.fault(f"the header `{key[:64]}` cannot be set", "a header of the provider's own")
        if not _sendable(value):
            raise settings.fault(f"the value of the header `{key[:64]}` cannot be sent", "printable ASCII on one line")


def reveal(settings: ProviderSettings, origin: Origin) -> str | None:
    """The secret's text for `origin`, None where there is none. Raises ConfigError where it cannot be sent."""
    if settings.secret is None:
        return None
    text = settings.secret.bind(origin).reveal(origin)
    if not text or not _sendable(text) or " " in text:
        raise settings.fault("the API key is empty or holds characters that a header cannot have", "the key as issued")
    return text


def _sendable(text: str) -> bool:
    return len(text) <= HEADER_CHARS_MAX and text.isascii() and text.isprintable()
