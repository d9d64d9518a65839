"""OpenAI's API: chat completions and the model list."""

from __future__ import annotations

from headgate.simulator import brain, models
from headgate.simulator.messages import ApiError, Bend, Desk, Frame, Reply, Request
from headgate.simulator.openai_answer import EPOCH_S, Completion
from headgate.simulator.openai_rules import read, validate
from headgate.simulator.trees import Tree, dump, text, tree

_CHAT = "/v1/chat/completions"
_MODELS = "/v1/models"
_TYPES = {
    "invalid": "invalid_request_error",
    "auth": "invalid_request_error",
    "forbidden": "invalid_request_error",
    "missing": "invalid_request_error",
    "large": "invalid_request_error",
    "limited": "rate_limit_error",
    "money": "insufficient_quota",
    "server": "server_error",
    "overloaded": "server_error",
}


class OpenAi:
    """Implements `messages.Vendor`."""

    name = "openai"

    def key(self, request: Request) -> str:
        """The bearer token."""
        return request.bearer()

    def model(self, request: Request) -> str:
        """The body's `model`."""
        return text(tree(request.json).get("model"))

    def rename(self, request: Request, model: str) -> None:
        """Puts another model's name into the request."""
        request.json = {**tree(request.json), "model": model}

    def handle(self, request: Request, desk: Desk, bend: Bend) -> Reply:
        """Answers a request. Raises ApiError to refuse."""
        self._authorise(request, desk)
        if request.path == _CHAT:
            if request.method != "POST":
                raise ApiError(
                    405, "invalid", f"Not allowed to {request.method} on {_CHAT}.", None, "method_not_allowed"
                )
            return self._complete(request, desk, bend)
        if request.method == "GET" and request.path.startswith(_MODELS):
            return self._models(request, desk)
        raise ApiError(404, "missing", f"Invalid URL ({request.method} {request.path})")

    def refuse(self, error: ApiError, request: Request) -> Reply:
        """`{"error": {message, type, param, code}}`."""
        return Reply(error.status, {**_headers(request), **error.headers}, dump(_body(error)))

    def stream_error(self, error: ApiError) -> Frame:
        """The same object as a data event."""
        return Frame("content", dump(_body(error)))

    def _authorise(self, request: Request, desk: Desk) -> None:
        key = self.key(request)
        if not key:
            raise ApiError(
                401,
                "auth",
                "You didn't provide an API key. You need to provide your API key in an Authorization header using "
                "Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        if not desk.accepts(key):
            raise ApiError(
                401,
                "auth",
                f"Incorrect API key provided: {key[:3]}***. You can find your API key at "
                "https://platform.openai.com/account/api-keys.",
                None,
                "invalid_api_key",
            )

    def _complete(self, request: Request, desk: Desk, bend: Bend) -> Reply:
        if request.json_error is not None:
            raise ApiError(
                400,
                "invalid",
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
                "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
            )
        body = validate(request.json)
        ask = read(body)
        self._known(ask.model, desk)
        choices = [bend(brain.answer(ask, desk.seed, choice)) for choice in range(ask.count)]
        if choices[0].finish == "blocked":
            raise ApiError(
                400,
                "invalid",
                "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
                None,
                "invalid_prompt",
            )
        completion = Completion(body, choices, desk.words_per_chunk)
        headers = _headers(request)
        if body.get("stream") is True:
            return Reply(
                200, {**headers, "content-type": "text/event-stream; charset=utf-8"}, frames=completion.frames()
            )
        return Reply(200, headers, completion.whole())

    def _known(self, model: str, desk: Desk) -> None:
        if not models.knows(self.name, model) and model not in desk.models:
            raise ApiError(
                404,
                "missing",
                f"The model `{model}` does not exist or you do not have access to it.",
                None,
                "model_not_found",
            )

    def _models(self, request: Request, desk: Desk) -> Reply:
        wanted = request.path.removeprefix(_MODELS).strip("/")
        if wanted:
            self._known(wanted, desk)
            return Reply(200, _headers(request), dump(_card(wanted)))
        listed = [*models.LISTED[self.name], *sorted(desk.models)]
        return Reply(200, _headers(request), dump({"object": "list", "data": [_card(one) for one in listed]}))


def _card(model: str) -> Tree:
    return {"id": model, "object": "model", "created": EPOCH_S, "owned_by": "system"}


def _body(error: ApiError) -> Tree:
    kind = error.type or _TYPES[error.kind]
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def _headers(request: Request) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "openai-organization": "simulator",
        "openai-processing-ms": "1",
        "openai-version": "2020-10-01",
        "x-request-id": f"req_{brain.mark('openai', request.number)[:32]}",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-limit-tokens": "30000000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-remaining-tokens": "29999000",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-reset-tokens": "2ms",
    }
