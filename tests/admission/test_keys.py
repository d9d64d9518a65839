"""Keys: their form, their digest, who is let in and when no longer."""

from __future__ import annotations

import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.admission import KeyRing, Peppered
from headgate.admission.keys import PEPPER_BYTES, mint_key, mint_key_id, shown_part, well_formed
from headgate.core.errors import Unauthenticated
from headgate.core.stages import KeyInfo
from tests.support.world import SeededEntropy

PEPPER = bytes(range(PEPPER_BYTES))
NOW = 1_760_000_000 * 10**9


def info(**fields) -> KeyInfo:
    return KeyInfo(**{"id": "key_1", "name": "k", "tenant": "acme", **fields})


def ring(secret: str, **fields) -> KeyRing:
    peppered = Peppered(PEPPER)
    return KeyRing(peppered, [(peppered.digest(secret), info(**fields))])


@given(st.integers(0, 2**32))
def test_a_minted_key_has_the_form_that_is_promised(seed: int) -> None:
    key = mint_key(SeededEntropy(seed))
    assert re.fullmatch(r"hg_[0-9A-Za-z]{56}", key)
    assert well_formed(key)
    assert shown_part(key) == key[:9]
    assert re.fullmatch(r"key_[0-9a-hjkmnp-tv-z]{16}", mint_key_id(SeededEntropy(seed)))


@given(st.integers(0, 1000), st.data())
def test_a_mistyped_key_is_told_from_an_unknown_one(seed: int, data: st.DataObject) -> None:
    key = mint_key(SeededEntropy(seed))
    at = data.draw(st.integers(3, len(key) - 1))
    wrong = key[:at] + ("A" if key[at] != "A" else "B") + key[at + 1 :]
    assert not well_formed(wrong)
    assert not well_formed(key[:-1])
    assert not well_formed("sk" + key[2:])


@given(st.text(max_size=300), st.binary(min_size=PEPPER_BYTES, max_size=PEPPER_BYTES))
def test_the_digest_is_hmac_sha256(key: str, pepper: bytes) -> None:
    expected = hmac.new(pepper, key.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    assert Peppered(pepper).digest(key) == expected


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_pepper_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="pepper"):
        Peppered(b"x" * size)


def test_the_right_key_is_found() -> None:
    secret = mint_key(SeededEntropy(1))
    assert ring(secret).find(secret, NOW) == info()
    assert len(ring(secret)) == 1
    assert ring(secret).known() == {"key_1": info()}


@pytest.mark.parametrize(
    ("credential", "message"),
    [
        (None, "no API key"),
        ("", "mistyped"),
        ("sk-proj-123", "mistyped"),
        (mint_key(SeededEntropy(2)), "unknown API key"),
        ("hg_\udc80", "mistyped"),
    ],
)
def test_others_are_turned_away_without_an_echo(credential: str | None, message: str) -> None:
    secret = mint_key(SeededEntropy(1))
    with pytest.raises(Unauthenticated, match=message) as refusal:
        ring(secret).find(credential, NOW)
    assert not credential or credential not in refusal.value.message


def test_a_revoked_key_is_out_at_once() -> None:
    secret = mint_key(SeededEntropy(1))
    with pytest.raises(Unauthenticated, match="revoked"):
        ring(secret, revoked=True).find(secret, NOW)


def test_a_key_expires_at_its_moment() -> None:
    secret = mint_key(SeededEntropy(1))
    keys = ring(secret, expires_ns=NOW)
    assert keys.find(secret, NOW - 1).id == "key_1"
    with pytest.raises(Unauthenticated, match="expired"):
        keys.find(secret, NOW)


def test_another_pepper_makes_every_key_unknown() -> None:
    secret = mint_key(SeededEntropy(1))
    digest = Peppered(PEPPER).digest(secret)
    with pytest.raises(Unauthenticated):
        KeyRing(Peppered(bytes(PEPPER_BYTES)), [(digest, info())]).find(secret, NOW)
