"""One credential, whatever header it came in; never a guess between two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.admission import credential
from headgate.admission.credential import CREDENTIAL_CHARS_MAX
from headgate.core.errors import InvalidRequest

BEARER = (b"authorization", b"Bearer k1")


@pytest.mark.parametrize(
    ("headers", "query", "found"),
    [
        ([], "", None),
        ([(b"content-type", b"application/json")], "alt=sse", None),
        ([BEARER], "", "k1"),
        ([(b"authorization", b"bearer k1")], "", "k1"),
        ([(b"authorization", b"BEARER   k1  ")], "", "k1"),
        ([(b"x-api-key", b"k1")], "", "k1"),
        ([(b"x-api-key", b"  k1 ")], "", "k1"),
        ([(b"x-goog-api-key", b"k1")], "", "k1"),
        ([], "key=k1", "k1"),
        ([], "alt=sse&key=k1", "k1"),
        ([], "key=a%2Bb%20c", "a+b c"),
        ([], "monkey=k1", None),
        ([], "key=", None),
        ([], "key", None),
        ([(b"authorization", b"")], "", None),
        ([(b"authorization", b"Bearer")], "", None),
        ([(b"x-api-key", b"")], "", None),
        # the Anthropic SDK may send both: the same key twice is one key
        ([BEARER, (b"x-api-key", b"k1")], "", "k1"),
        ([BEARER, BEARER], "", "k1"),
        ([BEARER], "key=k1", "k1"),
        ([(b"x-api-key", b""), BEARER], "", "k1"),
        ([], "key=k1&key=k1", "k1"),
    ],
)
def test_forms(headers, query: str, found: str | None) -> None:
    assert credential(headers, query) == found


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ([BEARER, (b"x-api-key", b"k2")], ""),
        ([(b"x-api-key", b"k1"), (b"x-goog-api-key", b"k2")], ""),
        ([BEARER, (b"authorization", b"Bearer k2")], ""),
        ([(b"x-api-key", b"k1"), (b"x-api-key", b"k2")], ""),
        ([BEARER], "key=k2"),
        ([], "key=k1&key=k2"),
    ],
)
def test_two_that_disagree_are_refused_without_showing_either(headers, query: str) -> None:
    with pytest.raises(InvalidRequest, match="more than one API key") as refusal:
        credential(headers, query)
    assert "k1" not in refusal.value.message
    assert "k2" not in refusal.value.message


@pytest.mark.parametrize("value", [b"Basic dXNlcjpwYXNz", b"k1", b"Token k1", b"Digest x"])
def test_another_scheme_is_refused_and_says_what_is_right(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="Bearer <key>"):
        credential([(b"authorization", value)], "")


def test_a_credential_is_bounded() -> None:
    assert credential([(b"x-api-key", b"k" * CREDENTIAL_CHARS_MAX)], "") == "k" * CREDENTIAL_CHARS_MAX
    for headers, query in (
        ([(b"x-api-key", b"k" * (CREDENTIAL_CHARS_MAX + 1))], ""),
        ([], "key=" + "k" * (CREDENTIAL_CHARS_MAX + 1)),
    ):
        with pytest.raises(InvalidRequest, match="longer than"):
            credential(headers, query)


@given(
    st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key", b"cookie"]), st.binary(max_size=40))),
    st.text(max_size=40),
)
def test_rubbish_is_a_credential_a_refusal_or_nothing(headers, query: str) -> None:
    try:
        found = credential(headers, query)
    except InvalidRequest:
        return
    assert found is None or 0 < len(found) <= CREDENTIAL_CHARS_MAX
