"""The HTTP endpoint that all shipped providers share: what differs between them is data."""

from __future__ import annotations

from collections.abc import Sequence

from headgate import __version__
from headgate.core.errors import InvalidRequest, UpstreamError
from headgate.core.ports import Deadlines, OutboundRequest
from headgate.core.types import Header
from headgate.dialects.base import Dialect
from headgate.providers.settings import Address, ProviderSettings, address, check

HEADS_MAX = 1024
_URL_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@!$&'()*+,;=%/?")


class HttpEndpoint:
    """One provider account (`core.ports.Endpoint`).

    Everything of a request but its body is written once per model and stream and kept, up to HEADS_MAX of them.
    `own` are headers of the vendor, `auth` among them; a client header that may pass replaces one of the same name.
    """

    __slots__ = ("_address", "_dialect", "_heads", "_own", "dialect", "name")

    def __init__(self, settings: ProviderSettings, dialect: Dialect, where: Address, own: Sequence[tuple[str, str]]):
        self.name = settings.name
        self.dialect = dialect.name
        self._dialect = dialect
        self._address = where
        merged = {key: value for key, value in own}
        merged.update((key.lower(), value) for key, value in settings.headers.items())
        self._own: dict[bytes, bytes] = {key.encode(): value.encode() for key, value in merged.items()}
        self._heads: dict[tuple[str, bool, tuple[Header, ...]], bytes] = {}

    def request(
        self, model: str, stream: bool, body: bytes, extra: Sequence[Header], within: Deadlines
    ) -> OutboundRequest:
        """The HTTP request for `body`. Raises InvalidRequest for a model name that cannot stand in a URL."""
        key = (model, stream, tuple(extra))
        head = self._heads.get(key)
        if head is None:
            head = self._head(model, stream, extra)
            if len(self._heads) < HEADS_MAX:
                self._heads[key] = head
        return OutboundRequest(self._address.origin, head, body, within)

    def failure(self, status: int, headers: Sequence[Header], body: bytes) -> UpstreamError:
        """What a non-2xx answer means, by the dialect."""
        return self._dialect.read_error(status, headers, body)

    def _head(self, model: str, stream: bool, extra: Sequence[Header]) -> bytes:
        target = self._address.prefix + self._dialect.request_target(model, stream)
        if not _URL_CHARS.issuperset(target) or "/../" in target:
            raise InvalidRequest("the model's name holds characters that cannot be sent", param="model")
        fields: dict[bytes, bytes] = {
            b"host": self._address.host.encode(),
            b"user-agent": f"headgate/{__version__}".encode(),
            b"content-type": b"application/json",
            b"accept": b"text/event-stream" if stream else b"application/json",
            b"accept-encoding": b"identity",  # nothing here unpacks: no decompression bombs, bytes pass as they are
            **self._own,
        }
        fields.update(extra)
        lines = [b"POST " + target.encode() + b" HTTP/1.1", *(key + b": " + value for key, value in fields.items())]
        return b"\r\n".join(lines) + b"\r\n"


def located(settings: ProviderSettings, default_url: str | None) -> Address:
    """The account's checked address. Raises ConfigError."""
    check(settings)
    return address(settings, default_url)
