"""Prompts that callers put together themselves are known again: every rendering, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.snapshot import Recognised
from headgate.prompts import PromptIndex, TemplateProgram, compile_prompt
from headgate.prompts import recognise as module
from headgate.prompts.pattern import PIECE_CHARS_MIN
from headgate.prompts.render import fingerprint
from tests.registry.world import inputs, prompt

KETTLE = "You answer questions about {{ product }}. Be brief."


def program(
    version: str, text: str, name: str = "support", more: Sequence[tuple[str, str]] = (), role: str = "system"
) -> TemplateProgram:
    names = ("product", "place", "x", "y", "z")
    messages = [{"role": role, "content": text}, *({"role": r, "content": t} for r, t in more)]
    content: dict[str, Any] = {"messages": messages, **inputs(**{one: {} for one in names})}
    return compile_prompt(prompt(version, name=name, **content))


def index(*programs: TemplateProgram, live: Sequence[TemplateProgram] = ()) -> PromptIndex:
    return PromptIndex(programs, frozenset(one.ref for one in live))


def turns(*said: tuple[str, str]) -> Callable[[int], Sequence[tuple[str, str]]]:
    return lambda most: said[:most]


def by_system(known: PromptIndex, text: str, *said: tuple[str, str]) -> tuple[str, str] | None:
    return told(known.by_system(text, fingerprint(text) or "", turns(*said)))


def by_turn(known: PromptIndex, *said: tuple[str, str]) -> tuple[str, str] | None:
    return told(known.by_turn(turns(*said)))


def told(found: Recognised | None) -> tuple[str, str] | None:
    return None if found is None else (f"{found.ref.name}@{found.ref.version}", found.how)


def test_a_text_without_variables_is_known_whole() -> None:
    known = index(program("1.0.0", "Be kind."), program("1.1.0", "Be kinder."))
    assert by_system(known, "Be kind.") == ("support@1.0.0", "text")
    assert by_system(known, "Be kinder.") == ("support@1.1.0", "text")
    for other in ("Be kind", "Be kind. ", " Be kind.", "be kind.", "Be kind.\nAnd more."):
        assert by_system(known, other) is None


def test_a_template_is_known_with_whatever_stands_in_it() -> None:
    known = index(program("1.0.0", KETTLE))
    for product in ("the kettle", "", "a\nb", "x" * 10_000, "You answer questions about . Be brief."):
        assert by_system(known, KETTLE.replace("{{ product }}", product)) == ("support@1.0.0", "template")
    for other in (KETTLE[:20], "You answer questions about kettles. Be brief!", "So: " + KETTLE, "Be brief."):
        assert by_system(known, other) is None


def test_the_most_literal_fit_is_meant() -> None:
    long, short = program("1.0.0", KETTLE + " Be kind."), program("2.0.0", "You answer questions about {{ x }}")
    known = index(short, long)
    assert by_system(known, "You answer questions about tea. Be brief. Be kind.") == ("support@1.0.0", "template")
    assert by_system(known, "You answer questions about tea.") == ("support@2.0.0", "template")


def test_of_versions_that_say_the_same_the_live_one_is_meant_else_the_newest() -> None:
    old, new = program("1.9.0", "Be kind."), program("1.10.0", "Be kind.")
    assert by_system(index(old, new), "Be kind.") == ("support@1.10.0", "text")
    assert by_system(index(old, new, live=[old]), "Be kind.") == ("support@1.9.0", "text")


def test_further_messages_have_to_follow() -> None:
    more = [("user", "Hello {{ x }}"), ("assistant", "Good day."), ("user", "{{ y }}")]
    known = index(program("1.0.0", "Be kind.", more=more))
    said = [("user", "Hello you"), ("assistant", "Good day."), ("user", "And?")]
    assert by_system(known, "Be kind.", *said) == ("support@1.0.0", "template")
    assert by_system(known, "Be kind.", *said, ("user", "more")) == ("support@1.0.0", "template")
    assert by_system(known, "Be kind.", *said[:2]) is None
    assert by_system(known, "Be kind.", said[0], ("user", "Good day."), said[2]) is None
    assert by_system(known, "Be kind.") is None


def test_a_version_with_more_messages_goes_before_one_without() -> None:
    bare, full = program("2.0.0", "Be kind."), program("1.0.0", "Be kind.", more=[("user", "Hello.")])
    known = index(bare, full)
    assert by_system(known, "Be kind.", ("user", "Hello.")) == ("support@1.0.0", "text")
    assert by_system(known, "Be kind.", ("user", "Hi.")) == ("support@2.0.0", "text")


def test_system_messages_are_joined_as_dialects_tell_them() -> None:
    known = index(program("1.0.0", "Be kind.", more=[("system", "Speak of {{ x }}, and of little else.")]))
    assert by_system(known, "Be kind.\nSpeak of tea, and of little else.") == ("support@1.0.0", "template")


def test_a_text_prompt_is_known_as_the_users_first_message_too() -> None:
    known = index(program("1.0.0", KETTLE), program("1.0.0", "Translate for me: {{ x }}", "translate", role="user"))
    assert by_turn(known, ("user", KETTLE.replace("{{ product }}", "tea"))) == ("support@1.0.0", "template")
    assert by_turn(known, ("user", "Translate for me: tea"), ("user", "x")) == ("translate@1.0.0", "template")
    assert by_turn(known, ("assistant", "Translate for me: tea")) is None
    assert by_turn(known) is None
    assert by_system(known, "Translate for me: tea") is None


@pytest.mark.parametrize(
    "text", ["{{ x }}", "{{ x }}: {{ y }}", "Translate {{ x }}", "a {{ x }} b {{ y }} c", " " * 40 + "{{ x }}"]
)
def test_a_template_with_next_to_no_text_is_not_recognised(text: str) -> None:
    known = index(program("1.0.0", text))
    assert by_system(known, text.replace("{{ x }}", "tea").replace("{{ y }}", "cup")) is None


def test_short_texts_are_known_as_system_prompts_only() -> None:
    known = index(program("1.0.0", "Hi"), program("1.0.0", "Go on", "more", role="user"))
    assert by_system(known, "Hi") == ("support@1.0.0", "text")
    assert by_turn(known, ("user", "Hi")) is None
    assert by_turn(known, ("user", "Go on")) is None


def test_templates_with_logic_are_not_recognised() -> None:
    known = index(program("1.0.0", "You answer questions. {% if x %}Be brief, please.{% endif %}"))
    assert by_system(known, "You answer questions. Be brief, please.") is None


def test_logic_that_depends_on_nothing_is_recognised_by_what_it_comes_out_as() -> None:
    known = index(program("1.0.0", "{% if 1 < 2 %}Be kind.{% else %}Be rude.{% endif %} {{ 'Now' | upper }}."))
    assert by_system(known, "Be kind. NOW.") == ("support@1.0.0", "text")


def test_what_was_found_is_remembered_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    known = index(program("1.0.0", "Be kind."))
    searched: list[str] = []
    find = known._by_system.find
    monkeypatch.setattr(
        known, "_by_system", type("", (), {"find": lambda _, text: searched.append(text) or find(text)})()
    )
    for text in ("Be kind.", "a", "Be kind.", "b", "Be kind.", "a"):
        by_system(known, text)
    assert searched == ["Be kind.", "a", "b", "a"]


def test_templates_that_begin_alike_are_bounded_and_the_least_literal_left_out() -> None:
    begin = "You are a helpful assistant of the company. "
    many = [
        program(f"1.{n}.0", f"{begin}{{{{ x }}}} {'word ' * n}and that is the very end of it") for n in range(1, 301)
    ]
    known = index(*many)
    assert known.left_out == 2 * (300 - module.CANDIDATES_MAX)
    assert by_system(known, f"{begin}tea {'word ' * 300}and that is the very end of it") == (
        "support@1.300.0",
        "template",
    )
    assert by_system(known, f"{begin}tea word and that is the very end of it") is None


def test_of_too_many_those_that_channels_reach_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_MAX", 1)
    first, second = program("1.0.0", "Be kind."), program("2.0.0", "Be kinder.")
    known = index(first, second, live=[second])
    assert (known.left_out, by_system(known, "Be kind."), by_system(known, "Be kinder.")) == (
        1,
        None,
        ("support@2.0.0", "text"),
    )


def test_a_text_beyond_the_bound_is_not_looked_at() -> None:
    known = index(program("1.0.0", KETTLE))
    assert by_system(known, KETTLE.replace("{{ product }}", "x" * module.TEXT_CHARS_MAX)) is None


WORDS = st.lists(st.sampled_from(["kettle ", "brief ", "a", "\n", "é ", "You answer questions "]), max_size=4).map(
    "".join
)
TEMPLATES = st.lists(
    st.one_of(WORDS, st.sampled_from(["{{ x }}", "{{ y }}", "{{- z }}", "{# note #}"])), min_size=1, max_size=6
).map("".join)
VALUES = st.one_of(WORDS, st.text(max_size=8))


@settings(max_examples=300)
@given(st.lists(TEMPLATES, min_size=1, max_size=6), st.data())
def test_a_rendering_is_known_as_its_template_or_one_that_renders_the_same(
    texts: list[str], data: st.DataObject
) -> None:
    programs = [program(f"1.{number}.0", text or "-") for number, text in enumerate(texts)]
    known = index(*programs)
    chosen = data.draw(st.sampled_from(programs))
    values = {name: data.draw(VALUES) for name in ("x", "y", "z")}
    text = chosen.render(values)[0][1]
    found = known.by_system(text, fingerprint(text) or "", turns())
    pieces = module.pattern_of(chosen.lines, "\n")
    assert pieces is not None
    if (len(pieces.pieces) == 1 and text) or pieces.telling:
        assert found is not None
    if found is not None:  # whatever is meant says this very text, for some values
        meant = next(one for one in programs if one.ref == found.ref)
        assert _renders(meant, text)


@given(st.lists(TEMPLATES, max_size=4), st.text(alphabet="qwxz .\n", max_size=60))
def test_other_text_is_not_known(texts: list[str], text: str) -> None:
    known = index(*(program(f"1.{number}.0", one or "-") for number, one in enumerate(texts)))
    assert known.by_system(text, text, turns()) is None
    assert known.by_turn(turns(("user", text))) is None


def _renders(meant: TemplateProgram, text: str) -> bool:
    """By trying: the text cut at every way in which the pieces stand in it."""
    pattern = module.pattern_of(meant.lines, "\n")
    assert pattern is not None
    assert len(pattern.pieces) == 1 or max(len(one.strip()) for one in pattern.pieces) >= PIECE_CHARS_MIN
    ends = {0} if not text.startswith(pattern.pieces[0]) else {len(pattern.pieces[0])}
    if len(pattern.pieces) == 1:
        return text == pattern.pieces[0]
    if not text.startswith(pattern.pieces[0]):
        return False
    for piece in pattern.pieces[1:]:
        ends = {at + len(piece) for end in ends for at in range(end, len(text) + 1) if text.startswith(piece, at)}
    return len(text) in ends
