"""The classifier: features, training that repeats itself, evaluation, and what a learned route does with it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.artifact import Artifact
from headgate.core.chat import ChatRequest, Message, Text, Tool
from headgate.core.errors import ConfigError
from headgate.core.types import ArtifactRef, JsonObject
from headgate.routing.learned import features
from headgate.routing.learned.classifier import Classifier, ModelSource, compile_model
from headgate.routing.learned.evaluate import THRESHOLDS, evaluate, macro_f1, wilson
from headgate.routing.learned.features import DENSE, Facts, dense, facts_of, words
from headgate.routing.learned.labelled import DataSet, read_labelled
from headgate.routing.learned.length import length_rule
from headgate.routing.learned.train import TrainSettings, shuffled, train

MODEL = "model/tiny@1.0.0"
NOUNS = ("kettle", "garden", "letter", "river", "story", "friend", "holiday", "dinner")


def tiny() -> Classifier:
    """Knows two words."""
    zero = {name: [0.0, 0.0] for name in DENSE}
    source = ModelSource("linear", features.VERSION, ["code", "words"], [0.0, 0.0], zero,
                         {"function": [4.0, 0.0], "poem": [0.0, 4.0]}, 1.0)  # fmt: skip
    return Classifier(source, ArtifactRef("model", "tiny", "1.0.0", "d"))


def rows(count: int, shift: int = 0) -> list[JsonObject]:
    """Made-up calls: short requests for functions, longer ones for letters."""
    out: list[JsonObject] = []
    for at in range(count):
        noun = NOUNS[(at + shift) % len(NOUNS)]
        out.append({"text": f"Write a function that returns the {noun} {at}", "label": "code"})
        out.append({"text": f"Please write a warm poem about the {noun} for my friend, {at} lines", "label": "words"})
    return out


def graded(count: int) -> list[JsonObject]:
    cost = {"cheap": 0.001, "strong": 0.01}
    out: list[JsonObject] = []
    for row in rows(count):
        good = 1.0 if row["label"] == "words" else 0.2
        out.append({"text": row["text"], "quality": {"strong": 1.0, "cheap": good}, "cost": cost})
    return out


def saved(folder: Path, name: str, lines: list[JsonObject]) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def loaded(folder: Path, lines: list[JsonObject], **how: object) -> DataSet:
    return read_labelled([saved(folder, "data.jsonl", lines)], **how)  # type: ignore[arg-type]


def classifier(content: JsonObject) -> Classifier:
    return compile_model(Artifact(ArtifactRef("model", "m", "1.0.0", ""), content))


# -- features


@given(st.text(max_size=300), st.integers(0, 50), st.booleans())
def test_figures_are_finite_and_bounded_for_any_text(text: str, turns: int, tools: bool) -> None:
    found = dense(Facts(text, turns, tools, len(text)))
    assert len(found) == len(DENSE)
    assert all(0.0 <= value <= 2.5 for value in found)
    assert all(word == word.lower() or not word.isascii() for word in words(Facts(text)))


def test_lone_surrogates_do_not_break_it() -> None:
    assert tiny().guess(Facts("a \ud800 function")).name == "code"


def test_a_long_text_is_read_at_both_ends() -> None:
    text = "function " + "x " * 1_000_000 + " poem"
    assert {"function", "poem"} <= words(Facts(text))
    assert dense(Facts(text))[0] > dense(Facts("x" * 100))[0]


def test_facts_are_the_last_turn_of_the_user_the_turns_and_the_tools() -> None:
    chat = ChatRequest(
        [
            Message("user", [Text("first")]),
            Message("assistant", [Text("yes?")]),
            Message("user", [Text("second"), Text("half")]),
        ],
        tools=[Tool("t")],
    )
    assert facts_of(chat) == Facts("second\nhalf", 2, True, len("firstyes?second\nhalf"))


# -- training


def test_the_same_data_and_seed_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    data = loaded(tmp_path, rows(60))
    once, again = (json.dumps(train(data, TrainSettings())) for _ in range(2))
    assert once == again
    assert once != json.dumps(train(data, TrainSettings(seed=2)))


def test_it_learns_what_is_there_and_beats_both_baselines_on_other_rows(tmp_path: Path) -> None:
    data = loaded(tmp_path, rows(60))
    model = classifier(train(data, TrainSettings()))
    judged = evaluate(model, loaded(tmp_path, rows(60, shift=3)), length_rule(data))
    assert judged.accuracy.value == 1.0
    assert judged.majority.value == 0.5
    assert judged.better_than_majority.low > 0
    assert [least for least, _, _ in judged.sure] == list(THRESHOLDS)
    assert not judged.beats_both  # by length alone these are told apart as well: no better than that


def test_words_of_one_row_are_not_kept(tmp_path: Path) -> None:
    lines = rows(60)
    lines[0] = {"text": "function my-secret hunter2", "label": "code"}
    content = train(loaded(tmp_path, lines), TrainSettings())
    assert "function" in str(content["words"])
    assert "hunter2" not in str(content)


def test_labels_without_a_pattern_beat_nothing(tmp_path: Path) -> None:
    noise = shuffled(400, 1, "noise")
    lines: list[JsonObject] = [
        {"text": f"about {NOUNS[at % 8]}", "label": "code" if noise[at] % 2 else "words"} for at in range(400)
    ]
    data = loaded(tmp_path, lines[:200])
    judged = evaluate(classifier(train(data, TrainSettings())), loaded(tmp_path, lines[200:]), length_rule(data))
    assert not judged.beats_both
    assert judged.accuracy.value < 0.65


def test_tiers_are_labelled_by_the_cheapest_that_suffices_and_trades_add_up(tmp_path: Path) -> None:
    data = loaded(tmp_path, graded(60))
    assert data.tiers == ("cheap", "strong")
    assert {row.label for row in data.rows if "poem" in row.facts.text} == {"cheap"}
    content = train(data, TrainSettings())
    assert content["classes"] == ["cheap", "strong"]
    judged = evaluate(classifier(content), data, length_rule(data))
    whole = judged.trades[0]
    assert whole.sent == {"cheap": 0.5, "strong": 0.5}
    assert whole.quality == pytest.approx(1.0)
    assert whole.quality_lost.value == pytest.approx(0.0)
    assert whole.cost_usd == pytest.approx(0.0055)
    assert whole.saved == pytest.approx(0.45)
    assert whole.lot_quality == pytest.approx(0.8)
    saved_by = [trade.saved for trade in judged.trades]
    assert saved_by == sorted(saved_by, key=lambda share: -(share or 0))
    assert loaded(tmp_path, graded(60), tolerance=0.9).rows[0].label == "cheap"


def test_classes_that_are_no_tiers_are_judged_by_where_they_are_sent(tmp_path: Path) -> None:
    lines = [{**row, "label": plain["label"]} for row, plain in zip(graded(60), rows(60), strict=True)]
    data = loaded(tmp_path, lines)
    model = classifier(train(data, TrainSettings()))
    rule = length_rule(data)
    assert evaluate(model, data, rule).trades == []
    trades = evaluate(model, data, rule, {"code": "strong", "words": "cheap"}).trades
    assert trades[0].saved == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ('{"text": "x"}', "says too little"),
        ('{"label": "x"}', "says too little"),
        ('{"text": "x", "messages": [{"role": "user", "content": "y"}], "label": "z"}', "twice"),
        ("not json", "JSON is malformed"),
        ('{"text": 7, "label": "x"}', "Expected `str"),
    ],
)
def test_a_bad_row_is_told_with_its_line(tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "fine", "label": "x"}\n\n' + line + "\n")
    with pytest.raises(ConfigError, match=wrong) as caught:
        read_labelled([path])
    assert caught.value.where == f"{path}:3"


def test_too_little_data_and_unlike_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="10 rows"):
        train(loaded(tmp_path, rows(5)), TrainSettings())
    with pytest.raises(ConfigError, match="different ways"):
        loaded(tmp_path, [*rows(5), *graded(5)])
    with pytest.raises(ConfigError, match="which tier is cheaper"):
        loaded(tmp_path, [{"text": "x", "quality": {"a": 1, "b": 0}}])
    assert loaded(tmp_path, [{"text": "x", "quality": {"a": 1, "b": 0}}], tiers=("b", "a")).tiers == ("b", "a")


# -- figures


def test_intervals_and_f1_are_those_of_the_books() -> None:
    assert wilson(8, 10) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 0) == (0.0, 0.0, 1.0)
    assert macro_f1(["a", "a", "b"], ["a", "b", "b"]) == pytest.approx(2 / 3)


# -- the artifact


def faulty(**change: object) -> JsonObject:
    good = msgspec.to_builtins(ModelSource("linear", features.VERSION, ["x", "y"], [0.0, 0.0],
                                           {name: [0.0, 0.0] for name in DENSE}, {}, 1.0))  # fmt: skip
    return {**{name: value for name, value in good.items() if value is not None}, **change}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"features": 99}, "version 99 of the features"),
        ({"classes": ["x"]}, "1 classes"),
        ({"classes": ["x", "x"]}, "2 classes"),
        ({"bias": [0.0]}, "`bias` has 1 weights"),
        ({"words": {"w": [1.0]}}, "`words.w` has 1 weights"),
        ({"dense": {}}, "not the figures"),
        ({"temperature": 0.0}, "`temperature` is 0"),
        ({"type": "neural"}, "neural"),
        ({"code": "print()"}, "unknown field"),
    ],
)
def test_a_bad_model_is_told(change: dict[str, object], wrong: str) -> None:
    classifier(faulty())
    with pytest.raises(ConfigError, match=wrong):
        classifier(faulty(**change))


def test_too_little_confidence_is_what_probabilities_say() -> None:
    assert tiny().guess(Facts("a function")).confidence == pytest.approx(0.982, abs=1e-3)
    assert tiny().guess(Facts("nothing known")).confidence == 0.5
    assert sum(tiny().probabilities(Facts("function poem"))) == pytest.approx(1.0)
