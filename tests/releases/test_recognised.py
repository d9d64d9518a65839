"""Calls whose own messages are those of a registered prompt: what is on record, and what an app takes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headgate.core.errors import Forbidden
from headgate.core.record import CallRecord
from headgate.core.stages import Admitted, KeyInfo, Prompted
from headgate.prompts import PromptIndex, Prompts, TemplateProgram, compile_prompt
from headgate.releases import Releases
from tests.registry.world import inputs, prompt
from tests.releases.test_releases import APP, app, call, program

BARE = APP.replace("    prompt: support@1.0.0\n", "", 1)
DENY = "unregistered: deny\n"


def known(version: str, text: str, name: str = "support") -> TemplateProgram:
    return compile_prompt(prompt(version, text, name=name, **inputs(product={})))


LIVE = program()  # support@1.0.0: For {{ product }}
OTHER = known("1.1.0", "For {{ product }}, and for all who ask.")
STRANGER = known("1.0.0", "You are a kind stranger.", "stranger")


def render(system: str | None, model: str = "support", text: str = APP, said: str = "hi", **extra: Any) -> Prompted:
    messages = [*([] if system is None else [{"role": "system", "content": system}]), {"role": "user", "content": said}]
    made = call({"model": model, "messages": messages, **extra}, {"support": app(text)})
    programs = [OTHER, STRANGER, known("2.0.0", "Tell a long story about {{ product }}.", "story")]
    made.snapshot = msgspec.structs.replace(made.snapshot, known=PromptIndex(programs, frozenset()))
    return Prompts().render(Releases().select(Admitted(made, KeyInfo("k", "n", "t"))))


def record(prompted: Prompted) -> CallRecord:
    return prompted.selected.admitted.call.record


def test_a_call_to_a_model_by_name_names_the_version() -> None:
    prompted = render("For tea, and for all who ask.", "gpt-5-mini")
    kept = record(prompted)
    assert (kept.prompt, kept.prompt_digest) == ("prompt/support@1.1.0", OTHER.ref.digest)
    assert (kept.recognised, kept.fingerprint) == ("template", None)
    assert prompted.body == prompted.selected.admitted.call.body
    assert record(render("You are a kind stranger.", "gpt-5-mini")).recognised == "text"


def test_what_is_not_recognised_is_fingerprinted_as_before() -> None:
    kept = record(render("For tea, and for some who ask.", "gpt-5-mini"))
    assert (kept.prompt, kept.recognised) == (None, None)
    assert len(kept.fingerprint or "") == 16


def test_a_prompt_sent_as_the_users_message_is_recognised_where_nothing_else_was_said() -> None:
    kept = record(render(None, "gpt-5-mini", said="Tell a long story about tea."))
    assert (kept.prompt, kept.recognised) == ("prompt/story@2.0.0", "template")
    kept = record(render("Be brief.", "gpt-5-mini", said="Tell a long story about tea."))
    assert kept.prompt is None
    kept = record(render(None, "gpt-5-mini", said="hi"))
    assert (kept.prompt, kept.fingerprint) == (None, None)


def test_within_its_app_a_callers_rendering_stands_in_the_prompts_place() -> None:
    prompted = render("For tea, and for all who ask.")
    body = msgspec.json.decode(prompted.body)
    assert [one["content"] for one in body["messages"]] == ["For tea, and for all who ask.", "hi"]
    kept = record(prompted)
    assert (kept.release, kept.prompt, kept.recognised) == ("support#1", "prompt/support@1.1.0", "template")


def test_variables_and_prompts_of_another_name_do_not_take_its_place() -> None:
    variables = {"variables": {"product": "cups"}}
    for system in ("For tea, and for all who ask.", "You are a kind stranger."):
        prompted = render(system, headgate=variables)
        body = msgspec.json.decode(prompted.body)
        assert [one["content"] for one in body["messages"]] == ["For cups", system, "hi"]
        assert (record(prompted).prompt, record(prompted).recognised) == ("prompt/support@1.0.0", None)


def test_what_a_user_writes_never_keeps_the_apps_prompt_out() -> None:
    words = "For tea, and for all who ask."
    prompted = render(None, said=words, headgate={"variables": {"product": "cups"}})
    assert [one["content"] for one in msgspec.json.decode(prompted.body)["messages"]] == ["For cups", words]
    assert record(prompted).recognised is None


def test_an_app_that_denies_takes_versions_that_its_channels_reach_and_no_others() -> None:
    with pytest.raises(Forbidden, match="no system prompt of the caller's own"):
        render("For tea, and for all who ask.", text=APP + DENY)
    for system in ("You are a kind stranger.", "For tea, and for all who ask."):
        with pytest.raises(Forbidden, match="registered prompts only"):
            render(system, text=BARE + DENY)
    with pytest.raises(Forbidden, match="registered prompts only"):
        render(None, text=BARE + DENY, said="Tell a long story about tea.")
    assert record(render("You are a kind stranger.", text=BARE)).prompt == "prompt/stranger@1.0.0"


def test_such_an_app_takes_its_own_live_version(monkeypatch: pytest.MonkeyPatch) -> None:
    live = compile_prompt(prompt("1.0.0", "You answer about {{ product }}.", **inputs(product={})))
    monkeypatch.setattr("tests.releases.test_releases.program", lambda: live)
    monkeypatch.setitem(globals(), "OTHER", live)
    for text in (APP + DENY, BARE + DENY):  # in BARE another channel serves it
        kept = record(render("You answer about tea.", text=text))
        assert (kept.prompt, kept.recognised) == ("prompt/support@1.0.0", "template")
