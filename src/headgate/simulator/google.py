"""Google's Gemini API: generateContent, streamGenerateContent, countTokens and the model list."""

from __future__ import annotations

import re

from headgate.simulator import brain, models
from headgate.simulator.google_answer import Response
from headgate.simulator.google_read import read
from headgate.simulator.google_rules import validate
from headgate.simulator.messages import ApiError, Bend, Desk, Frame, Reply, Request
from headgate.simulator.trees import Tree, dump

_METHOD = re.compile(r"/(v1beta|v1alpha|v1)/models/([^/:]+):(generateContent|streamGenerateContent|countTokens)")
_LIST = re.compile(r"/(v1beta|v1alpha|v1)/models(?:/([^/:]+))?")
_STATUS = {
    "invalid": "INVALID_ARGUMENT",
    "auth": "UNAUTHENTICATED",
    "forbidden": "PERMISSION_DENIED",
    "missing": "NOT_FOUND",
    "large": "INVALID_ARGUMENT",
    "limited": "RESOURCE_EXHAUSTED",
    "money": "RESOURCE_EXHAUSTED",
    "server": "INTERNAL",
    "overloaded": "UNAVAILABLE",
}


class Google:
    """Implements `messages.Vendor`."""

    name = "google"

    def key(self, request: Request) -> str:
        """`x-goog-api-key`, else the query's `key`."""
        return request.headers.get("x-goog-api-key", "") or request.query.get("key", "")

    def model(self, request: Request) -> str:
        """The model in the URL."""
        found = _METHOD.fullmatch(request.path)
        return found.group(2) if found else ""

    def rename(self, request: Request, model: str) -> None:
        """Puts another model's name into the URL."""
        old = self.model(request)
        if old:
            request.path = request.path.replace(f"/{old}:", f"/{model}:", 1)

    def handle(self, request: Request, desk: Desk, bend: Bend) -> Reply:
        """Answers a request. Raises ApiError to refuse."""
        self._authorise(request, desk)
        found = _METHOD.fullmatch(request.path)
        if found and request.method == "POST":
            return self._generate(request, desk, bend, found)
        listed = _LIST.fullmatch(request.path)
        if listed and request.method == "GET":
            return self._models(listed, desk)
        raise ApiError(404, "missing", "The requested URL was not found on this server.")

    def refuse(self, error: ApiError, request: Request) -> Reply:
        """`{"error": {code, message, status, details}}`; in an array where a stream was asked for as one."""
        body: object = _body(error)
        if "streamGenerateContent" in request.path and request.query.get("alt") != "sse":
            body = [body]
        return Reply(error.status, {**_headers(), **error.headers}, dump(body))

    def stream_error(self, error: ApiError) -> Frame:
        """The same object as a data event."""
        return Frame("content", dump(_body(error)))

    def _authorise(self, request: Request, desk: Desk) -> None:
        key = self.key(request)
        if not key:
            raise ApiError(
                403,
                "forbidden",
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key "
                "or other form of API consumer identity to call this API.",
            )
        if not desk.accepts(key):
            detail: Tree = {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }
            raise ApiError(400, "invalid", "API key not valid. Please pass a valid API key.", details=[detail])

    def _generate(self, request: Request, desk: Desk, bend: Bend, found: re.Match[str]) -> Reply:
        version, model, method = found.groups()
        if request.json_error is not None:
            raise ApiError(400, "invalid", f"Invalid JSON payload received. {request.json_error}")
        if not models.knows(self.name, model) and model not in desk.models:
            raise ApiError(
                404,
                "missing",
                f"models/{model} is not found for API version {version}, or is not supported for {method}. Call "
                "ListModels to see the list of available models and their supported methods.",
            )
        body = validate(request.json, model, desk.signer)
        ask = read(body, model)
        if method == "countTokens":
            return Reply(200, _headers(), dump({"totalTokens": ask.input_tokens}))
        choices = [bend(brain.answer(ask, desk.seed, choice)) for choice in range(ask.count)]
        response = Response(body, choices, desk.signer, desk.words_per_chunk)
        if method == "generateContent":
            return Reply(200, _headers(), response.whole())
        if request.query.get("alt") == "sse":
            headers = {**_headers(), "content-type": "text/event-stream"}
            return Reply(200, headers, frames=response.frames(), newline=b"\r\n")
        return Reply(200, _headers(), frames=response.frames(), array=True)

    def _models(self, found: re.Match[str], desk: Desk) -> Reply:
        wanted = found.group(2)
        if wanted is None:
            names = [*models.LISTED[self.name], *sorted(desk.models)]
            return Reply(200, _headers(), dump({"models": [_card(one) for one in names]}))
        if not models.knows(self.name, wanted) and wanted not in desk.models:
            raise ApiError(404, "missing", f"models/{wanted} is not found for API version {found.group(1)}.")
        return Reply(200, _headers(), dump(_card(wanted)))


def _card(model: str) -> Tree:
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model.replace("-", " ").title(),
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }


def _body(error: ApiError) -> Tree:
    inner: Tree = {
        "code": error.status,
        "message": error.message,
        "status": error.type or _STATUS[error.kind],
    }
    if error.details:
        inner["details"] = error.details
    return {"error": inner}


def _headers() -> dict[str, str]:
    return {
        "content-type": "application/json; charset=UTF-8",
        "vary": "Origin, X-Origin, Referer",
        "server": "scaffolding",
    }
