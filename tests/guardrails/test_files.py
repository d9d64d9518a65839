"""Files in base64: told by place, type and alphabet; what is rewritten differs in nothing but its text."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.guardrails.files import PLACES, SHORT_CHARS, TEXT_FILE, file_in

LONG = "A" * SHORT_CHARS
STANDARD = str.maketrans("-_", "+/")


@given(st.binary(max_size=600), st.booleans(), st.sampled_from(["text/plain", "application/x"]))
def test_a_text_put_back_as_it_was_changes_no_byte(raw: bytes, safe: bool, kind: str) -> None:
    value = (base64.urlsafe_b64encode if safe else base64.b64encode)(raw).decode()
    file = file_in({"mimeType": kind}, "data", value)
    if file is not None and file.text is not None:
        assert file.rewritten(value, file.text).translate(STANDARD) == value.translate(STANDARD)
    else:
        assert kind != "text/plain"


@example("0\r", "data", "text/plain")
@given(st.text(max_size=300), st.sampled_from(sorted(PLACES)), st.sampled_from(["text/plain", "image/png", "x", ""]))
def test_what_is_skipped_is_long_and_base64(value: str, place: str, kind: str) -> None:
    for text in (value, LONG + value):
        for said in (text, f"data:{kind};base64,{text}"):
            file = file_in({"media_type": kind}, place, said)
            if file is not None and not file.short and file.text is None:
                rest = said[file.start :]
                assert len(rest) >= SHORT_CHARS
                assert (
                    not set(rest) - set("+/-_=") - set("0123456789") - {c for c in rest if c.isascii() and c.isalpha()}
                )


@pytest.mark.parametrize(
    ("node", "key", "value"),
    [
        ({"type": "text", "media_type": "text/plain"}, "data", LONG),
        ({"type": "base64"}, "data", LONG),
        ({"format": 1}, "data", LONG),
        ({"mimeType": "png"}, "data", LONG),
        ({"mimeType": "image/png"}, "data", LONG + " a"),
        ({"mimeType": "text/plain"}, "data", LONG + "a\r"),
        ({}, "url", f"data:;base64,{LONG}"),
        ({}, "url", f"data:image/png,{LONG}"),
        ({}, "url", f"https://example.com/{LONG}"),
        ({}, "signature", LONG[1:]),
    ],
)
def test_what_stands_where_no_dialect_has_a_file_is_text(node: dict[str, str], key: str, value: str) -> None:
    assert file_in(node, key, value) is None  # type: ignore[arg-type]


def test_the_sign_of_a_text_file_is_in_each_place_that_may_hold_one() -> None:
    text = base64.b64encode(b"text " * 80).decode()
    for place in PLACES:
        for said in (text, f"data:text/plain;base64,{text}"):
            file = file_in({"media_type": "text/plain"}, place, said)
            if file is not None and file.text is not None:
                assert TEXT_FILE in f'{{"{place}":"{said}"}}'
