"""Answers that are odd but right arrive whole; what a provider leaves out stays unknown."""

from __future__ import annotations

import itertools

import pytest

from tests.e2e.clients import TALKS, Asks
from tests.e2e.gateway import Gateway, Vendors
from tests.e2e.workspace import MODELS, VENDORS

TEXT = "The kettle switches itself off when the water boils, which takes three minutes."
PLAIN = Asks(f"[[say]] {TEXT}")
FRAMINGS = (
    "f27-bytes", "f27-crlf", "f27-cr", "f27-lf", "f27-bom", "f27-comments", "f27-fields", "f27-lines",
    "f28-no-done", "f28-linger",
)  # fmt: skip
# where both sides speak one dialect the bytes pass as they are, and these SDKs cannot read them from the vendor either
UNREADABLE = {
    "anthropic": ("f27-bom",),
    "google": ("f27-bom", "f27-comments", "f27-fields"),
}
STOP = {"openai": "stop", "anthropic": "end_turn", "google": "STOP"}


@pytest.mark.parametrize(
    ("sdk", "provider", "fault"),
    [
        (sdk, provider, fault)
        for sdk, provider, fault in itertools.product(VENDORS, VENDORS, FRAMINGS)
        if sdk != provider or fault not in UNREADABLE.get(sdk, ())
    ],
)
def test_any_framing_that_the_standard_allows(
    gateway: Gateway, vendors: Vendors, sdk: str, provider: str, fault: str
) -> None:
    app = f"brief-{provider}" if fault == "f28-linger" else f"to-{provider}"
    with vendors.failing(fault, provider, model=MODELS[provider]):
        got = TALKS[sdk](gateway, app, PLAIN).ask(True)
        assert vendors.state()["struck"] == 1
    assert (got.text, got.finish) == (TEXT, STOP[sdk])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", VENDORS)
def test_a_kept_connection_that_died_is_replaced_unseen(
    gateway: Gateway, vendors: Vendors, provider: str, stream: bool
) -> None:
    talk = TALKS["openai"](gateway, f"to-{provider}", PLAIN)
    vendors.reset()
    assert talk.ask(stream).text == TEXT  # leaves a connection to reuse
    with vendors.failing("f13-dead-keep-alive", provider, model=MODELS[provider]):
        got = talk.ask(stream)
        assert vendors.state()["struck"] == 1
    assert got.text == TEXT
    assert got.headers["x-headgate-attempts"] == "1"
    assert gateway.record(got.call_id)["call"]["outcome"] == "ok"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", VENDORS)
def test_usage_that_is_not_told_is_not_zero(gateway: Gateway, vendors: Vendors, provider: str, stream: bool) -> None:
    with vendors.failing("f30-absent", provider, model=MODELS[provider]):
        got = TALKS["openai"](gateway, f"to-{provider}", PLAIN).ask(stream)
    assert got.text == TEXT
    call = gateway.record(got.call_id)["call"]
    assert call["outcome"] == "ok"
    if call["tokens_estimated"]:
        assert call["output_tokens"] > 0
    else:
        assert call["output_tokens"] is None
        assert call["cost_usd"] is None


@pytest.mark.parametrize("sdk", VENDORS)
def test_the_model_that_answered_is_on_record(gateway: Gateway, vendors: Vendors, sdk: str) -> None:
    with vendors.failing("f31-model", sdk, model=MODELS[sdk]):
        got = TALKS[sdk](gateway, f"to-{sdk}", PLAIN).ask(True)
    record = gateway.record(got.call_id)
    assert record["call"]["model"] == MODELS[sdk]
    assert record["model_answered"] not in (None, MODELS[sdk])
    assert record["attempts"][0]["model_answered"] == record["model_answered"]


@pytest.mark.parametrize("sdk", VENDORS)
def test_a_long_answer_arrives_whole(gateway: Gateway, sdk: str) -> None:
    for provider in VENDORS:
        asks = Asks("[[long 1200]]", max_tokens=8_000)
        talk = TALKS[sdk](gateway, f"to-{provider}", asks)
        text = "".join(piece for piece, _ in talk.pieces())
        assert len(text.split()) == 1200
