"""The first provider fails in every shape: the next one answers, or the client is told in its own dialect."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.clients import ERRORS, TALKS, Asks, headers_of, status_of
from tests.e2e.gateway import Gateway, Vendors, fetch
from tests.e2e.workspace import DEADLINES, MODELS, SMALL, VENDORS, app, providers, route

TEXT = "The kettle switches itself off when the water boils, which takes three minutes."
PLAIN = Asks(f"[[say]] {TEXT}")


@dataclass(frozen=True)
class Shape:
    """A fault: what attempts say of it (vendors differ: one of several words), `only` where it is of streams or of
    whole answers alone."""

    fault: str
    error: str
    only: bool | None = None
    after: int | None = None

    @property
    def errors(self) -> list[str]:
        return self.error.split("|")


BEFORE = (
    Shape("f1-503", "server_error|overloaded"),
    Shape("f1-529", "server_error|overloaded"),
    Shape("f2-seconds", "rate_limited"),
    Shape("f6-404", "model_gone"),
    Shape("f11-reset", "connection_reset"),
    Shape("f11-closed", "connection_reset"),
    Shape("f14-hang", "first_token_timeout"),
    Shape("f15-silent", "first_token_timeout"),
    Shape("f18-json-error", "server_error"),
    Shape("f19-html", "malformed_response|truncated"),
    Shape("f20-empty", "truncated|empty_answer|malformed_response"),
    Shape("f20-cut", "truncated|malformed_response", only=False),
    Shape("f21-no-choices", "empty_answer"),
    Shape("f20-no-events", "truncated|empty_answer", only=True),
    Shape("f22-error-first", "server_error|overloaded", only=True),
    Shape("f22-error-opened", "server_error|overloaded", only=True),
    Shape("f24-eof", "truncated", only=True, after=0),
    Shape("f36-bad-chunk", "malformed_response", only=True),
    Shape("f36-many-headers", "malformed_response"),
)
AFTER = (
    Shape("f16-stall", "idle_timeout"),
    Shape("f23-error-later", "server_error"),
    Shape("f24-eof", "truncated"),
    Shape("f24-no-finish", "truncated"),
    Shape("f25-abort", "connection_reset"),
)
CELLS = [
    (sdk, stream, shape)
    for sdk, stream, shape in itertools.product(VENDORS, (False, True), BEFORE)
    if shape.only in (None, stream)
]
ACCOUNT_FAULTS = ("f4-quota", "f5-401")
SILENT = ("f14-hang", "f15-silent", "f16-stall")
# a whole answer may take five times as long as a first token
BRIEF = {False: {**DEADLINES, "first_token_s": 0.2}, True: {**DEADLINES, "first_token_s": 0.6, "idle_s": 0.6}}


def rotated(number: int) -> tuple[str, ...]:
    """The three vendors, beginning with another one for every number."""
    return tuple(VENDORS[(number + at) % 3] for at in range(3))


def pair(number: int, shape: Shape) -> tuple[str, str]:
    """Who fails and who answers then."""
    first, second, third = rotated(number)
    if shape.fault == "f21-no-choices" and first == "anthropic":
        return second, third  # no content is a complete answer there
    return first, second


def model_of(vendor: str, number: int) -> str:
    """A model of its own for one test: what is held against it concerns no other test."""
    return f"{SMALL[vendor]}-{number}"


def documents() -> list[dict[str, Any]]:
    """The apps of this module: `before-N`, `steady-N`, `after-SDK-VENDOR-FAULT`."""
    found: list[dict[str, Any]] = []

    def add(name: str, first: str, *then: str, deadlines: dict[str, float] = DEADLINES) -> None:
        found.extend([route(name, first, *then, deadlines=deadlines), app(name, name)])

    for number, (_, stream, shape) in enumerate(CELLS):
        first, second = pair(number, shape)
        brief = BRIEF[stream] if shape.fault in SILENT else DEADLINES
        targets = f"{first}/{model_of(first, 1000 + number)}", f"{second}/{MODELS[second]}"
        add(f"before-{number}", *targets, deadlines=brief)
    for number in range(18):
        add(f"steady-{number}", *(f"{vendor}/{model_of(vendor, 3000 + number)}" for vendor in rotated(number)))
    for sdk, first, shape in itertools.product(VENDORS, VENDORS, AFTER):
        targets = f"{first}-slow/{after_model(sdk, first, shape)}", f"{first}/{MODELS[first]}"
        brief = BRIEF[True] if shape.fault in SILENT else DEADLINES
        add(f"after-{sdk}-{first}-{shape.fault}", *targets, deadlines=brief)
    first, second, _ = rotated(0)
    add("resting", f"{first}/{model_of(first, 4000)}", f"{second}/{MODELS[second]}")
    for vendor, fault in itertools.product(VENDORS, ACCOUNT_FAULTS):
        account = f"{vendor}-{fault}"
        add(f"account-{account}", f"{account}/{model_of(vendor, 5000)}", f"{vendor}/{MODELS[vendor]}")
    return found


def after_model(sdk: str, first: str, shape: Shape) -> str:
    return model_of(first, 2000 + VENDORS.index(sdk) * 100 + AFTER.index(shape))


@pytest.mark.parametrize(
    ("number", "sdk", "stream", "shape"),
    [(number, *cell) for number, cell in enumerate(CELLS)],
    ids=[f"{sdk}-{'stream' if stream else 'whole'}-{shape.fault}" for sdk, stream, shape in CELLS],
)
def test_a_failure_before_any_content_is_unseen(
    gateway: Gateway, vendors: Vendors, number: int, sdk: str, stream: bool, shape: Shape
) -> None:
    first, second = pair(number, shape)
    with vendors.failing(shape.fault, first, model=model_of(first, 1000 + number), after=shape.after):
        got = TALKS[sdk](gateway, f"before-{number}", PLAIN).ask(stream)
    assert got.text == TEXT
    assert got.headers["x-headgate-attempts"] == "2"
    assert got.headers["x-headgate-provider"] == second
    record = gateway.record(got.call_id)
    assert record["call"]["outcome"] == "ok"
    assert record["call"]["provider"] == second
    failed, good = record["attempts"]
    assert (failed["provider"], failed["model"], failed["outcome"]) == (first, model_of(first, 1000 + number), "failed")
    assert failed["error"] in shape.errors
    assert failed["message"]
    assert (good["provider"], good["model"], good["outcome"]) == (second, MODELS[second], "ok")
    assert good["why"]
    assert any(failed["message"] in line for line in record["explanation"])


@pytest.mark.parametrize("shape", AFTER, ids=[shape.fault for shape in AFTER])
@pytest.mark.parametrize("provider", VENDORS)
@pytest.mark.parametrize("sdk", VENDORS)
def test_a_failure_after_content_is_told_in_band(
    gateway: Gateway, slow_vendors: Vendors, sdk: str, provider: str, shape: Shape
) -> None:
    app = f"after-{sdk}-{provider}-{shape.fault}"
    text, finishes = "", []
    with slow_vendors.failing(shape.fault, provider, model=after_model(sdk, provider, shape), after=3):
        with pytest.raises(ERRORS[sdk]):
            for piece, finish in TALKS[sdk](gateway, app, PLAIN).pieces():
                text += piece
                finishes += [finish] if finish else []
        assert slow_vendors.state()["answered"] == 1
    assert text
    assert TEXT.startswith(text)
    assert finishes == []
    record = gateway.only_call(f"&app={app}")
    assert record["call"]["outcome"] == "failed"
    assert record["call"]["error"] in shape.errors
    assert (record["committed"], record["finish"]) == (True, None)
    (attempt,) = record["attempts"]
    assert (attempt["outcome"], attempt["error"]) == ("failed", record["call"]["error"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("at", "sdk"), list(enumerate(VENDORS)))
def test_a_clients_own_mistake_comes_back_verbatim_and_is_not_tried_elsewhere(
    gateway: Gateway, vendors: Vendors, at: int, sdk: str, stream: bool
) -> None:
    number = at + 3 * stream
    model = model_of(sdk, 3000 + number)
    talk = TALKS[sdk](gateway, f"steady-{number}", PLAIN)
    with vendors.failing("f7-400", sdk, model=model):
        with pytest.raises(ERRORS[sdk]) as caught:
            talk.ask(stream)
        assert vendors.state()["answered"] == 1
        body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        direct = fetch(vendors.url + "/v1/chat/completions", body, {"authorization": "Bearer sim-x"})
        if sdk == "anthropic":
            said = {"x-api-key": "sim-x", "anthropic-version": "2023-06-01"}
            direct = fetch(vendors.url + "/v1/messages", body, said)
        elif sdk == "google":
            parts = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
            path = f"/v1beta/models/{model}:generateContent"
            direct = fetch(vendors.url + path, parts, {"x-goog-api-key": "sim-x"})
    assert direct.status == 400
    assert status_of(caught.value) == 400
    told = direct.json()["error"]["message"]
    assert told in str(caught.value)
    headers = headers_of(caught.value)
    assert headers["x-should-retry"] == "false"
    record = gateway.record(headers["x-headgate-call-id"])
    assert (record["call"]["error"], record["call"]["attempts"]) == ("client_fault", 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("at", "sdk"), list(enumerate(VENDORS)))
def test_a_refusal_stays_with_the_model_that_refused(
    gateway: Gateway, vendors: Vendors, at: int, sdk: str, stream: bool
) -> None:
    vendors.reset()
    number = 6 + at + 3 * stream
    got = TALKS[sdk](gateway, f"steady-{number}", Asks("[[refuse]] how to boil without water")).ask(stream)
    record = gateway.record(got.call_id)
    assert (record["call"]["outcome"], record["call"]["attempts"]) == ("ok", 1)
    assert got.refusal or got.finish in ("content_filter", "refusal", "SAFETY", "PROHIBITED_CONTENT")
    assert vendors.state()["answered"] == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("at", "sdk"), list(enumerate(VENDORS)))
def test_where_all_are_down_the_sdk_asks_once(
    gateway: Gateway, vendors: Vendors, at: int, sdk: str, stream: bool
) -> None:
    number = 12 + at + 3 * stream
    app = f"steady-{number}"
    with vendors.failing("f1-500"):
        with pytest.raises(ERRORS[sdk]) as caught:
            TALKS[sdk](gateway, app, PLAIN).ask(stream)
        assert vendors.state()["answered"] == 3
    assert status_of(caught.value) == 503
    headers = headers_of(caught.value)
    assert headers["x-should-retry"] == "false"
    record = gateway.only_call(f"&app={app}")
    assert record["call"]["id"] == headers["x-headgate-call-id"]
    assert record["call"]["outcome"] == "failed"
    assert [attempt["error"] for attempt in record["attempts"]] == ["server_error"] * 3
    assert [attempt["provider"] for attempt in record["attempts"]] == list(rotated(number))


@pytest.fixture(scope="module")
def plain_gateway(vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One account at each vendor, no workspace of apps."""
    made = Gateway(tmp_path_factory.mktemp("plain"), {"providers": providers(vendors.url)}).start()
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("sdk", "model", "then"),
    [
        ("openai", "gpt-5-nano", "anthropic"),
        ("anthropic", "claude-haiku-4-5", "openai"),
        ("google", "gemini-2.5-flash-lite", "openai"),
    ],
)
def test_a_model_asked_by_name_has_peers(
    plain_gateway: Gateway, vendors: Vendors, sdk: str, model: str, then: str
) -> None:
    with vendors.failing("f1-503", sdk, model=model):
        got = TALKS[sdk](plain_gateway, model, PLAIN).ask(False)
    assert (got.text, got.headers["x-headgate-provider"]) == (TEXT, then)
    record = plain_gateway.record(got.call_id)
    assert [attempt["provider"] for attempt in record["attempts"]] == [sdk, then]
    assert record["call"]["app"] is None


def test_a_target_that_just_failed_is_not_asked_first_again(gateway: Gateway, vendors: Vendors) -> None:
    first, second, _ = rotated(0)
    with vendors.failing("f2-seconds", first, model=model_of(first, 4000)):
        TALKS["openai"](gateway, "resting", PLAIN).ask(False)
    got = TALKS["openai"](gateway, "resting", PLAIN).ask(False)
    record = gateway.record(got.call_id)
    assert [attempt["provider"] for attempt in record["attempts"]] == [second]
    (skip,) = record["skipped"]
    assert (skip["provider"], skip["model"]) == (first, model_of(first, 4000))
    assert "rate_limited" in skip["why"]
    assert any("rate_limited" in line for line in record["explanation"])


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("fault", "error"), [("f4-quota", "quota_exhausted"), ("f5-401", "auth_failed")])
def test_an_account_in_trouble_is_left_alone_as_a_whole(
    gateway: Gateway, vendors: Vendors, vendor: str, fault: str, error: str
) -> None:
    account = f"{vendor}-{fault}"
    with vendors.failing(fault, vendor, model=model_of(vendor, 5000)):
        got = TALKS["anthropic"](gateway, f"account-{account}", PLAIN).ask(True)
        assert vendors.state()["answered"] == 2
        again = TALKS["anthropic"](gateway, f"account-{account}", PLAIN).ask(True)
        assert vendors.state()["answered"] == 3
    assert got.text == again.text == TEXT
    record = gateway.record(got.call_id)
    assert [attempt["error"] for attempt in record["attempts"]] == [error, None]
    assert [attempt["error"] for attempt in gateway.record(again.call_id)["attempts"]] == [None]
