"""Models by their own name, and who stands in for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.types import Price
from headgate.routing import Account, Catalogue, DirectModels, Facts, Targets, TierTable
from headgate.routing.direct import ROUTES_MAX
from headgate.routing.names import usable
from tests.routing.scripted import LineEndpoint

TIERS = TierTable.load()
CATALOGUE = Catalogue.load()


def models(*accounts: str, listed: dict[str, tuple[str, ...]] | None = None) -> DirectModels:
    """Accounts as `name` or `name:type`."""
    made = []
    for text in accounts:
        name, _, kind = text.partition(":")
        made.append(
            Account(LineEndpoint(name, "one"), kind or name, {model: Facts() for model in (listed or {}).get(name, ())})
        )
    return DirectModels(Targets(made, CATALOGUE), TIERS)


def asked(direct: DirectModels, model: str) -> list[str] | None:
    route = direct.route(model)
    return None if route is None else [str(target) for target in route.targets]


ALL = ("google", "anthropic", "openai")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-5-mini", ["openai/gpt-5-mini", "anthropic/claude-haiku-5-5", "google/gemini-3.5-flash-lite"]),
        ("openai/gpt-5-mini", ["openai/gpt-5-mini", "anthropic/claude-haiku-5-5", "google/gemini-3.5-flash-lite"]),
        ("claude-sonnet-5-5", ["anthropic/claude-sonnet-5-5", "openai/gpt-6.1-terra", "google/gemini-3.8-flash"]),
        ("claude-3-opus-20240229", ["anthropic/claude-3-opus-20240229", "openai/gpt-6.1-sol", "google/gemini-4-argon"]),
        ("gemini-2.5-flash-lite", ["google/gemini-2.5-flash-lite", "openai/gpt-6-luna", "anthropic/claude-haiku-5-5"]),
        ("gpt-4o", ["openai/gpt-4o", "anthropic/claude-opus-5-5", "google/gemini-4-argon"]),
        ("gpt-9-unheard-of", ["openai/gpt-9-unheard-of", "anthropic/claude-opus-5-5", "google/gemini-4-argon"]),
        ("gpt-5-pro", ["openai/gpt-5-pro", "anthropic/claude-fable-5-2", "google/gemini-4-argon"]),
        ("o4-mini", ["openai/o4-mini", "anthropic/claude-haiku-5-5", "google/gemini-3.5-flash-lite"]),
        ("gpt-image-2", ["openai/gpt-image-2"]),
    ],
)
def test_the_model_asked_for_then_openai_anthropic_google(model: str, expected: list[str]) -> None:
    found = asked(models(*ALL), model)
    assert found is not None
    assert found[:3] == expected


def test_only_configured_providers_stand_in() -> None:
    assert asked(models("openai"), "gpt-6-luna") == ["openai/gpt-6-luna"]
    assert asked(models("openai"), "claude-opus-5-5") is None
    assert asked(models("anthropic", "google"), "claude-haiku-5-5") == [
        "anthropic/claude-haiku-5-5",
        "google/gemini-3.5-flash-lite",
    ]


def test_the_vendors_own_current_model_comes_last() -> None:
    assert asked(models("openai", "google"), "gpt-4o-mini") == [
        "openai/gpt-4o-mini",
        "google/gemini-3.5-flash-lite",
        "openai/gpt-6-luna",
    ]


def test_a_second_account_of_the_vendor_serves_the_same_model_first() -> None:
    direct = models("openai", "spare:openai", "anthropic")
    assert asked(direct, "gpt-5-mini") == [
        "openai/gpt-5-mini",
        "spare/gpt-5-mini",
        "anthropic/claude-haiku-5-5",
        "openai/gpt-6-luna",
    ]
    assert (asked(direct, "spare/gpt-5-mini") or [])[0] == "spare/gpt-5-mini"


def test_servers_of_ones_own_have_no_stand_ins() -> None:
    listed = {"local": ("llama-4", "meta/llama-4", "gpt-oss-20b")}
    direct = models("openai", "local:openai_compatible", listed=listed)
    assert asked(direct, "llama-4") == ["local/llama-4"]
    assert asked(direct, "meta/llama-4") == ["local/meta/llama-4"]
    assert asked(direct, "local/anything/at-all") == ["local/anything/at-all"]
    assert asked(direct, "gpt-oss-20b") == ["local/gpt-oss-20b"]
    assert asked(direct, "qwen-4") is None


@pytest.mark.parametrize(
    "name",
    ["", "/", "gpt-5 mini", "gpt-5\r\nx: y", "openai/", "openai/../files", "google/gemini-4/../../x", "google/a/b",
     "gemini-4-argon?key=1", "claude-" + "x" * 200, "gpt-5/..", "nobody/gpt-5-mini", "gpt-é"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_unknown(name: str) -> None:
    assert asked(models(*ALL), name) is None


@given(st.text(max_size=30))
def test_no_usable_name_leaves_the_path(name: str) -> None:
    if usable(name):
        assert not {"", ".."} & set(name.split("/"))
        assert not set(name) & set(" \r\n\t?#%\\")


def test_routes_are_kept_and_bounded() -> None:
    direct = models("openai")
    assert direct.route("gpt-5-mini") is direct.route("gpt-5-mini")
    for number in range(ROUTES_MAX + 5):
        direct.route(f"gpt-{number}")
    assert len(direct._routes) == ROUTES_MAX


def test_models_are_those_listed_and_those_of_the_catalogue() -> None:
    pairs = models("openai", "local:openai_compatible", listed={"local": ("llama-4",)}).models()
    assert ("gpt-5-mini", "openai") in pairs
    assert ("llama-4", "local") in pairs
    assert not any(provider == "anthropic" for _, provider in pairs)


def test_every_peer_of_the_table_is_in_the_catalogue_and_in_its_own_tier() -> None:
    for tier in TIERS.tiers:
        for kind, model in tier.peers.items():
            facts = CATALOGUE.find(kind, model)
            assert facts is not None, model
            assert isinstance(facts.price, Price)
            if (kind, model) != ("google", "gemini-4-argon"):  # stands in for two tiers
                assert TIERS.tier(kind, model) == tier, model
    assert set(TIERS.order) == {"openai", "anthropic", "google"}
