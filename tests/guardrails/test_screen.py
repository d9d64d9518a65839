"""The output screen: the same verdict however an answer arrives, and nothing forbidden goes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core.chat import (
    Begin,
    Finish,
    Frame,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolArgs,
    ToolStart,
    UsageDelta,
)
from headgate.core.types import Usage
from headgate.guardrails import screen as screens
from tests.guardrails.build import CARD, CHANNELS, KEY, Answered, answer, cut, delta, frame, policy, streamed, whole

RULES = (
    {"check": "email", "action": "redact"},
    {"check": "card", "action": "redact"},
    {"check": "provider_keys", "action": "flag"},
    {"name": "loose", "check": "pattern", "pattern": "ab+c*", "max_length": 5, "action": "redact", "replace": "#"},
    {"name": "edge", "check": "pattern", "pattern": r"\bxy\b|\Bzz", "action": "redact", "replace": "%"},
    {"name": "span", "check": "pattern", "pattern": "q[^!]*!", "max_length": 6, "action": "redact", "replace": "?"},
    {"name": "over", "check": "pattern", "pattern": "c@a|b1", "action": "redact", "replace": "="},
    {"name": "own", "check": "pattern", "pattern": "a@b\\.co", "action": "allow", "only": ["email"]},
)
EVERYTHING = policy(*RULES)
BLOCKING = policy(
    {"check": "email", "action": "block"},
    {"name": "span", "check": "pattern", "pattern": "q.{0,4}!", "action": "block"},
)

# texts dense in beginnings, matches and near misses of the rules above
PARTS = st.sampled_from(
    [
        *("a", "b", "c", "bb", "xy", "zz", "q", "!", "@", ".", ".co", "a@b.co", "me@b.com", " ", "\n", "1"),
        *("ä", "😀", "\\", '"', CARD, CARD[:9], "4", "-", KEY, KEY[:7], "_", "abbbbbbc", "q12345!", "q123!"),
        *('{"', "[", "{", "}", ",", ":", "\\n", "\\u0040", "\\ud83d", '["'),
    ]
)
TEXTS = st.lists(PARTS, max_size=25).map("".join)
CUTS = st.lists(st.integers(1, 120), max_size=40)


@given(text=TEXTS, places=CUTS, kind=st.sampled_from(CHANNELS))
@settings(max_examples=400, deadline=None)
def test_verdicts_and_text_are_those_of_the_whole(text: str, places: list[int], kind: type) -> None:
    if kind is ToolArgs:
        text = json.dumps({"a": text, "n": 4111111111111111, "k": [text[:7]]}, ensure_ascii=len(text) % 2 == 0)
    one = whole(EVERYTHING, kind, text)
    many = streamed(EVERYTHING, kind, cut(text, places))
    assert many.said(kind) == one.said(kind)
    assert many.found() == one.found()
    if kind is ToolArgs:
        json.loads(one.said(kind))


@given(
    start=st.sampled_from(['{"', '[{"', '["', " {", '{"a":"']),
    text=TEXTS,
    places=CUTS,
    kind=st.sampled_from([TextDelta, ToolArgs]),
)
@settings(max_examples=300, deadline=None)
def test_text_that_begins_like_json_is_judged_alike_however_cut(
    start: str, text: str, places: list[int], kind: type
) -> None:
    one = whole(EVERYTHING, kind, start + text)
    many = streamed(EVERYTHING, kind, cut(start + text, places))
    assert many.said(kind) == one.said(kind)
    assert many.found() == one.found()


@given(
    value=st.recursive(
        TEXTS | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8
    )
)
@settings(max_examples=100, deadline=None)
def test_structured_output_stays_valid_json(value: object) -> None:
    text = json.dumps(
        {"a": value, "mail": "line\nbob@example.com", "card": "\t4111 1111 1111 1111", "n": 4111111111111111}
    )
    got = whole(EVERYTHING, TextDelta, text)
    said = json.loads(got.said())
    assert (said["mail"], said["card"], said["n"]) == ("line\n[email]", "\t[card]", "[card]")


def test_prose_after_json_is_judged_as_prose() -> None:
    mine = {"name": "name", "check": "pattern", "pattern": "Smith, John", "action": "redact", "replace": "[name]"}
    got = streamed(policy(mine), TextDelta, list('{"a": 1}\n{"b": "Smith, John"} is Smith, John.'))
    assert got.said() == '{"a": 1}\n{"b": "[name]"} is [name].'


def test_leading_space_waits_until_it_is_known_what_comes() -> None:
    got = answer(EVERYTHING, [[frame(TextDelta("\n"))], [frame(TextDelta(" {"))], [frame(TextDelta('"a": "b."}'))]])
    assert [len(part.frames) for part in got.passed] == [0, 0, 3, 0]
    got = answer(EVERYTHING, [[frame(TextDelta("\n"))], [frame(TextDelta("- "))]])
    assert [len(part.frames) for part in got.passed] == [0, 2, 0]


@given(text=TEXTS, places=CUTS)
@settings(max_examples=200, deadline=None)
def test_a_block_lets_out_less_than_what_it_forbids(text: str, places: list[int]) -> None:
    one = whole(BLOCKING, TextDelta, text)
    many = streamed(BLOCKING, TextDelta, cut(text, places))
    assert many.blocked == one.blocked
    if one.blocked is None:
        assert many.said() == text
        return
    assert one.said() == ""
    first = next(v for v in many.verdicts if v.action == "block")
    assert text.startswith(many.said())
    assert len(many.said()) <= first.start


@given(text=st.text(max_size=60), places=CUTS)
@settings(max_examples=150, deadline=None)
def test_arguments_that_are_no_json_are_judged_alike_however_cut(text: str, places: list[int]) -> None:
    text = text[:30] + "me@b.com" + text[30:]
    one = whole(EVERYTHING, ToolArgs, text)
    many = streamed(EVERYTHING, ToolArgs, cut(text, places))
    assert many.said(ToolArgs) == one.said(ToolArgs)
    assert many.found() == one.found()


@pytest.mark.parametrize("kind", CHANNELS)
@pytest.mark.parametrize("secret", [CARD, KEY, "bob@example.com", "sk-ant-api03-" + "aB3" * 12, "Project X12"])
def test_a_secret_split_anywhere_never_goes_out(kind: type, secret: str) -> None:
    rules = [{"check": check, "action": "redact"} for check in ("email", "card", "provider_keys")]
    mine = {"name": "x", "check": "pattern", "pattern": r"(?i)project x\d{1,4}", "action": "redact"}
    under = policy(*rules, mine)
    text = f'{{"note": "it is {secret}, keep it"}}' if kind is ToolArgs else f"it is {secret}, keep it"
    start = text.index(secret)
    for place in range(start, start + len(secret) + 1):
        got = streamed(under, kind, cut(text, [place]))
        assert secret not in got.said(kind)
        assert secret[len(secret) // 2 :] not in got.said(kind)
        assert got.said(kind).endswith(", keep it" + ('"}' if kind is ToolArgs else ""))
    got = streamed(under, kind, list(text))
    assert secret not in got.said(kind)
    assert len(got.verdicts) == 1


@pytest.mark.parametrize("escape", ["\\u0040", "\\u{0:04X}"])
def test_an_escaped_secret_in_arguments_is_found_and_the_json_stays_valid(escape: str) -> None:
    under = policy({"check": "email", "action": "redact", "replace": 'a "word"\n'})
    hidden = "".join(f"\\u{ord(c):04x}" for c in "bob@example.com") if "{" in escape else "bob\\u0040example.com"
    text = '{"to" : ["' + hidden + '", "x\\ud83d\\ude00"], "n": 1.50}'
    for places in ([], [5], range(1, len(text))):
        got = streamed(under, ToolArgs, cut(text, places))
        assert json.loads(got.said(ToolArgs)) == {"to": ['a "word"\n', "x😀"], "n": 1.5}
        assert got.said(ToolArgs).startswith('{"to" : [')
        assert "1.50" in got.said(ToolArgs)


def test_frames_pass_as_they_came_where_nothing_is_found() -> None:
    frames = [
        frame(TextDelta("hello ")),
        frame(UsageDelta(Usage(1)), content=False),
        frame(Finish("stop"), content=False),
    ]
    got = answer(EVERYTHING, [frames])
    assert all(mine is theirs for mine, theirs in zip(got.frames, frames, strict=True))
    assert not any(one.changed for one in got.frames)
    assert got.verdicts == []


def test_only_a_possible_beginning_is_held() -> None:
    got = answer(
        EVERYTHING, [[frame(Begin("1"), content=False)], [frame(TextDelta("Hello there, "))], [frame(TextDelta("bo"))]]
    )
    assert [len(part.frames) for part in got.passed] == [1, 1, 0, 1]
    assert [part.commits for part in got.passed] == [False, True, False, True]


def test_a_held_frame_holds_those_behind_it_in_order() -> None:
    usage = frame(UsageDelta(Usage(3)), content=False)
    got = answer(EVERYTHING, [[frame(TextDelta("bob@"))], [usage], [frame(TextDelta("x "), Finish("stop"))]])
    assert [len(part.frames) for part in got.passed] == [0, 0, 3, 0]
    assert got.frames[1] is usage


def test_a_redaction_keeps_deltas_one_to_one_and_marks_only_changed_frames() -> None:
    got = answer(EVERYTHING, [[frame(TextDelta(part)) for part in ("to me@", "b.com", "! ", "bye ")]])
    assert [[d.text for d in one.deltas] for one in got.frames] == [["to [email]"], [""], ["! "], ["bye "]]
    assert [one.changed for one in got.frames] == [True, True, False, False]


def test_choices_and_tool_calls_are_judged_apart() -> None:
    frames = [
        frame(TextDelta("me@b", 0), TextDelta("you@c", 1)),
        frame(TextDelta(".com ", 0), TextDelta(".org ", 1)),
        frame(ToolStart(0, "1", "f"), ToolArgs(0, '{"a":"x@')),
        frame(ToolStart(1, "2", "f"), ToolArgs(1, '{"a":"y.com"}')),
    ]
    got = answer(EVERYTHING, [[one] for one in frames])
    assert got.said(TextDelta, 0) == "[email] "
    assert got.said(TextDelta, 1) == "[email] "
    assert got.said(ToolArgs, 0, 1) == '{"a":"y.com"}'
    assert [v.channel for v in got.verdicts] == ["choice[0].text", "choice[1].text"]


TURNS = st.lists(
    st.tuples(
        st.sampled_from([(TextDelta, 0), (RefusalDelta, 0), (ToolArgs, 0), (ToolArgs, 1), (TextDelta, 1)]), PARTS
    ),
    max_size=40,
)


def turn(kind: type, number: int, text: str) -> Any:
    """A piece of one of the channels of TURNS; the last of them is another choice."""
    return ToolArgs(number, text) if kind is ToolArgs else kind(text, number)


def said_by(got: Answered, kind: type, number: int) -> str:
    return got.said(kind, 0, number) if kind is ToolArgs else got.said(kind, number)


@given(turns=TURNS)
@settings(max_examples=300, deadline=None)
def test_channels_that_take_turns_say_what_the_whole_says(turns: list[tuple[tuple[type, int], str]]) -> None:
    deltas = [turn(kind, number, text) for (kind, number), text in turns]
    ends = frame(Finish("stop"), Finish("stop", choice=1), content=False)
    many = answer(EVERYTHING, [*[[frame(one)] for one in deltas], [ends]])
    for kind, number in {channel for channel, _ in turns}:
        text = "".join([text for channel, text in turns if channel == (kind, number)])
        one = answer(EVERYTHING, [[frame(turn(kind, number, text), Finish("stop"), Finish("stop", choice=1))]])
        assert said_by(many, kind, number) == said_by(one, kind, number)
        names = {verdict.channel for verdict in one.verdicts}
        assert [found for found in many.found() if found[2] in names] == one.found()


def block(index: int | None, *deltas: Any) -> Frame:
    return Frame(b"data: {}\n\n", list(deltas), open_block=index)


def test_a_tail_waits_until_its_choice_ends_where_no_block_is_closed() -> None:
    parts = [[frame(TextDelta("so it is bob"))], [frame(ToolStart(0, "1", "f"))], [frame(Finish("stop"))]]
    assert [len(part.frames) for part in answer(EVERYTHING, parts).passed] == [0, 0, 3, 0]
    parts = [[frame(TextDelta("so it is.\n"))], [frame(ToolStart(0, "1", "f"))], [frame(Finish("stop"))]]
    assert [len(part.frames) for part in answer(EVERYTHING, parts).passed] == [1, 1, 1, 0]


def test_reasoning_holds_nothing_back_once_the_answer_begins_and_a_match_over_the_seam_is_found() -> None:
    parts = [[frame(ReasoningDelta("so it is bob"))], [frame(TextDelta("Yes. "))], [frame(Finish("stop"))]]
    assert [len(part.frames) for part in answer(EVERYTHING, parts).passed] == [0, 2, 1, 0]

    def turns() -> list[list[Frame]]:
        return [
            [frame(ReasoningDelta("mail bob@exa"))],
            [frame(TextDelta("Yes. "))],
            [frame(ReasoningDelta("mple.com "))],
        ]

    got = answer(policy({"check": "email", "action": "redact"}), turns())
    assert got.said(ReasoningDelta) == "mail bob@exa[email] "
    assert answer(policy({"check": "email", "action": "block"}), turns()).blocked == "email"


def test_a_block_that_is_closed_holds_nothing_back_once_another_begins() -> None:
    parts = [
        block(0, ReasoningDelta("so it is bob")),
        block(None),
        block(1),
        block(1, TextDelta("Yes, bob")),
        block(None),
        block(2, ToolStart(0, "1", "f")),
    ]
    got = answer(EVERYTHING, [[part] for part in parts])
    assert [len(part.frames) for part in got.passed] == [0, 0, 0, 3, 0, 3, 0]


def test_text_blocks_in_a_row_are_one_text() -> None:
    parts = [block(0, TextDelta("mail bob@exa")), block(None), block(1), block(1, TextDelta("mple.com now "))]
    got = answer(policy({"check": "email", "action": "redact"}), [[part] for part in parts])
    assert got.said() == "mail [email] now "


def test_a_match_over_a_closed_block_is_still_found() -> None:
    parts = [
        [block(0, TextDelta("mail bob@exa"))],
        [block(None)],
        [block(1, ToolStart(0, "1", "f"))],
        [block(None)],
        [block(2, TextDelta("mple.com now "))],
    ]
    got = answer(policy({"check": "email", "action": "block"}), parts)
    assert got.blocked == "email"
    got = answer(policy({"check": "email", "action": "redact"}), parts)
    assert got.said() == "mail bob@exa[email] now "


def test_a_match_over_a_tool_call_is_still_found() -> None:
    parts = [[frame(TextDelta("4111 1111 1111 111"))], [frame(ToolStart(0, "1", "f"))], [frame(TextDelta("1 "))]]
    got = answer(policy({"check": "card", "action": "block"}), parts)
    assert got.blocked == "card"
    assert got.frames == []
    assert answer(EVERYTHING, parts).said() == "[card] "


def test_text_after_its_finish_is_still_judged() -> None:
    parts = [[frame(TextDelta("bob@exa"), Finish("stop"))], [frame(TextDelta("mple.com"))]]
    assert answer(policy({"check": "email", "action": "block"}), parts).blocked == "email"


def test_a_number_in_arguments_is_replaced_by_a_string() -> None:
    got = streamed(EVERYTHING, ToolArgs, cut('{"n": 4111111111111111 , "m": [4111111111111111]}', range(60)))
    assert got.said(ToolArgs) == '{"n": "[card]" , "m": ["[card]"]}'


def test_arguments_cut_short_do_not_let_a_number_out() -> None:
    got = answer(EVERYTHING, [[frame(ToolArgs(0, '{"n": 4111111111111111'))], [frame(Finish("length"))]])
    assert got.said(ToolArgs) == '{"n": "[card]"'


def test_a_bare_value_too_long_to_keep_lets_nothing_out() -> None:
    text = "{note 4111111111111111 and " + "x " * 600 + "me@b.com end}"
    for size in (1, 9, 2000):
        got = streamed(EVERYTHING, ToolArgs, [text[at : at + size] for at in range(0, len(text), size)])
        assert "4111" not in got.said(ToolArgs)
        assert "me@b" not in got.said(ToolArgs)
        assert got.said(ToolArgs).endswith("x [email] end}" if size < 2000 else "}")


def test_a_new_attempt_starts_afresh_and_its_predecessor_stays_on_record() -> None:
    parts = [[frame(TextDelta("me@b.com and bob@exa"))], [frame(TextDelta("mple.com, you@b.com "))]]
    got = answer(EVERYTHING, parts, attempts=(1, 2))
    assert got.said() == "mple.com, [email] "
    assert [(v.attempt, v.start) for v in got.verdicts] == [(1, 0), (2, 10)]
    assert [part.attempt for part in got.passed] == [1, 2, 2]


def test_a_block_is_for_good() -> None:
    got = answer(BLOCKING, [[frame(TextDelta("fine. "))], [frame(TextDelta("me@b.com "))], [frame(TextDelta("more"))]])
    assert [part.blocked for part in got.passed] == [None, "email", "email", "email"]
    assert got.said() == "fine. "


def test_a_rule_without_output_leaves_answers_alone() -> None:
    under = policy({"check": "email", "action": "block", "on": ["input"]})
    got = answer(under, [[frame(TextDelta("me@b.com "))]])
    assert got.said() == "me@b.com "
    assert got.passed[0].commits


@pytest.mark.parametrize(("limit", "most"), [("HELD_BYTES_MAX", 100), ("HELD_FRAMES_MAX", 10)])
def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    monkeypatch.setattr(screens, limit, most)
    waiting = [frame(TextDelta("bob", 0))]
    others = [[frame(TextDelta("fine. ", 1))] for _ in range(30)]
    got = answer(EVERYTHING, [waiting, *others])
    assert got.blocked == screens.LIMIT_RULE
    assert got.verdicts[-1].rule == screens.LIMIT_RULE
    assert got.frames == []
    got = answer(policy(*RULES, on_error="allow"), [waiting, *others])
    assert got.blocked is None
    assert len(got.frames) == 31
    assert [(v.rule, v.action) for v in got.verdicts] == [(screens.LIMIT_RULE, "allow")]
    assert len(got.passed[-1].frames) == 0


def test_channels_are_bounded() -> None:
    got = answer(EVERYTHING, [[frame(delta(TextDelta, ". ", choice))] for choice in range(screens.CHANNELS_MAX + 1)])
    assert got.blocked == screens.LIMIT_RULE


def test_verdicts_are_bounded_and_say_so() -> None:
    got = whole(EVERYTHING, TextDelta, "me@b.com, " * 300)
    assert got.said() == "[email], " * 300
    assert len(got.verdicts) == 201
    assert got.verdicts[-1].rule == "verdict_limit"
