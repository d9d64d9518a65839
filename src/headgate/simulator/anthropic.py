"""Anthropic's API: messages, token counts and the model list."""

from __future__ import annotations

from headgate.simulator import brain, models
from headgate.simulator.anthropic_answer import Message
from headgate.simulator.anthropic_read import input_tokens, read
from headgate.simulator.anthropic_rules import VERSIONS, validate
from headgate.simulator.messages import ApiError, Bend, Desk, Frame, Reply, Request
from headgate.simulator.trees import Tree, dump, text, tree

_MESSAGES = "/v1/messages"
_COUNT = "/v1/messages/count_tokens"
_MODELS = "/v1/models"
_TYPES = {
    "invalid": "invalid_request_error",
    "auth": "authentication_error",
    "forbidden": "permission_error",
    "missing": "not_found_error",
    "large": "request_too_large",
    "limited": "rate_limit_error",
    "money": "billing_error",
    "server": "api_error",
    "overloaded": "overloaded_error",
}
_RESET = "2026-11-25T12:00:00Z"


class Anthropic:
    """Implements `messages.Vendor`."""

    name = "anthropic"

    def key(self, request: Request) -> str:
        """`x-api-key`, else the bearer token."""
        return request.headers.get("x-api-key", "") or request.bearer()

    def model(self, request: Request) -> str:
        """The body's `model`."""
        return text(tree(request.json).get("model"))

    def rename(self, request: Request, model: str) -> None:
        """Puts another model's name into the request."""
        request.json = {**tree(request.json), "model": model}

    def handle(self, request: Request, desk: Desk, bend: Bend) -> Reply:
        """Answers a request. Raises ApiError to refuse."""
        self._authorise(request, desk)
        version = self._version(request)
        if request.path in (_MESSAGES, _COUNT):
            if request.method != "POST":
                raise ApiError(405, "invalid", "Method Not Allowed")
            return self._message(request, desk, bend, version)
        if request.method == "GET" and request.path.startswith(_MODELS):
            return self._models(request, desk)
        raise ApiError(404, "missing", "Not found")

    def refuse(self, error: ApiError, request: Request) -> Reply:
        """`{"type": "error", "error": {type, message, details?}, "request_id"}`."""
        headers = {**_headers(request), **error.headers}
        return Reply(error.status, headers, dump({**_body(error), "request_id": headers["request-id"]}))

    def stream_error(self, error: ApiError) -> Frame:
        """`event: error`."""
        return Frame("content", dump(_body(error)), "error")

    def _authorise(self, request: Request, desk: Desk) -> None:
        key = self.key(request)
        if not key:
            raise ApiError(401, "auth", "x-api-key header is required")
        if not desk.accepts(key):
            used = "x-api-key" if request.headers.get("x-api-key") else "bearer token"
            raise ApiError(401, "auth", f"invalid {used}")

    def _version(self, request: Request) -> str:
        version = request.headers.get("anthropic-version", "")
        if not version:
            raise ApiError(400, "invalid", "anthropic-version: header is required")
        if version not in VERSIONS:
            raise ApiError(400, "invalid", f'anthropic-version: "{version}" is not a valid version')
        return version

    def _message(self, request: Request, desk: Desk, bend: Bend, version: str) -> Reply:
        if request.json_error is not None:
            raise ApiError(400, "invalid", f"The request body is not valid JSON: {request.json_error}")
        given = request.json
        counts = request.path == _COUNT
        if counts:
            given = {"max_tokens": 1 << 20, **tree(given)}
        body = validate(given, version, desk.signer)
        self._known(text(body["model"]), desk)
        headers = _headers(request)
        if counts:
            return Reply(200, headers, dump({"input_tokens": input_tokens(body)}))
        answer = bend(brain.answer(read(body), desk.seed))
        message = Message(body, answer, desk.signer, desk.words_per_chunk)
        if body.get("stream") is True:
            headers["content-type"] = "text/event-stream; charset=utf-8"
            return Reply(200, headers, frames=message.frames())
        return Reply(200, headers, message.whole())

    def _known(self, model: str, desk: Desk) -> None:
        if not models.knows(self.name, model) and model not in desk.models:
            raise ApiError(404, "missing", f"model: {model}")

    def _models(self, request: Request, desk: Desk) -> Reply:
        wanted = request.path.removeprefix(_MODELS).strip("/")
        if wanted:
            self._known(wanted, desk)
            return Reply(200, _headers(request), dump(_card(wanted)))
        listed = [_card(one) for one in (*models.LISTED[self.name], *sorted(desk.models))]
        page = {"data": listed, "has_more": False, "first_id": listed[0]["id"], "last_id": listed[-1]["id"]}
        return Reply(200, _headers(request), dump(page))


def _card(model: str) -> Tree:
    shown = model.replace("-", " ").title()
    return {
        "type": "model",
        "id": model,
        "display_name": shown,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
    }


def _body(error: ApiError) -> Tree:
    inner: Tree = {"type": error.type or _TYPES[error.kind], "message": error.message}
    if error.details:
        inner["details"] = error.details[0]
    return {"type": "error", "error": inner}


def _headers(request: Request) -> dict[str, str]:
    headers = {
        "content-type": "application/json",
        "request-id": f"req_01{brain.token_of(22, 'anthropic', request.number)}",
        "anthropic-organization-id": "simulator",
    }
    for name, limit in (
        ("requests", 4000),
        ("tokens", 4_800_000),
        ("input-tokens", 4_000_000),
        ("output-tokens", 800_000),
    ):
        headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{name}-remaining"] = str(limit - limit // 1000)
        headers[f"anthropic-ratelimit-{name}-reset"] = _RESET
    return headers
