"""A generateContent body that stays in its dialect."""

from __future__ import annotations

import json

import pytest

from headgate.core.errors import InvalidRequest
from headgate.dialects.foreign import Foreign, wrap_foreign
from headgate.dialects.google_generate import GOOGLE
from headgate.dialects.google_types import BYPASS
from tests.dialects.google_sdk import Recorder

PLAIN = b'{"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}'


def ask(body: bytes, model: str = "gemini-3-pro", stream: bool = False):
    return GOOGLE.ask(body, model, stream)


def turns(*parts: dict[str, object], role: str = "model") -> bytes:
    return json.dumps({"contents": [{"role": role, "parts": list(parts)}]}).encode()


# -- ask ------------------------------------------------------------------------------------------------------------


def test_the_model_and_the_stream_flag_come_from_the_url() -> None:
    asked = ask(PLAIN, "models/gemini-3-pro", True)
    assert (asked.model, asked.stream, asked.choices, asked.max_tokens) == ("gemini-3-pro", True, 1, None)
    assert asked.body is PLAIN
    assert asked.wants_usage


def test_a_model_in_the_body_stands_in_for_the_url() -> None:
    body = PLAIN[:-1] + b', "model": "models/gemini-3-flash"}'
    assert GOOGLE.ask(body, None, False).model == "gemini-3-flash"
    with pytest.raises(InvalidRequest, match="model is missing"):
        GOOGLE.ask(PLAIN, None, False)


@pytest.mark.parametrize(
    ("config", "tokens", "choices"),
    [
        ('"generationConfig": {"maxOutputTokens": 5, "candidateCount": 2}', 5, 2),
        ('"generation_config": {"max_output_tokens": "7", "candidate_count": 3}', 7, 3),
        ('"generationConfig": null', None, 1),
        ('"generationConfig": {}', None, 1),
    ],
)
def test_both_spellings_and_numbers_in_strings_are_read(config: str, tokens: int | None, choices: int) -> None:
    asked = ask(PLAIN[:-1] + b", " + config.encode() + b"}")
    assert (asked.max_tokens, asked.choices) == (tokens, choices)


def test_one_object_counts_as_a_list() -> None:
    asked = ask(b'{"contents": {"parts": {"text": "Hello"}}}')
    assert asked.input_chars == 5
    assert GOOGLE.read_request(asked.body, False).chat.messages[0].role == "user"


def test_unknown_fields_and_part_types_pass() -> None:
    ask(b'{"contents": [{"parts": [{"hologram": {"x": 1}}]}], "newField": {"a": [1, 2]}}')


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"", None),
        (b"[]", None),
        (b'"text"', None),
        (b"{}", "contents"),
        (b'{"contents": "hi"}', "contents"),
        (b'{"contents": [{"parts": [{"text": 5}]}]}', "contents[0].parts[0].text"),
        (b'{"contents": [], "systemInstruction": "be brief"}', "systemInstruction"),
        (b'{"contents": [], "generationConfig": {"maxOutputTokens": "many"}}', "generationConfig.maxOutputTokens"),
        (b'{"contents": [], "generationConfig": {"candidateCount": 0}}', "generationConfig.candidateCount"),
        (b'{"contents": [{"parts": [{"text": "\xff"}]}]}', None),
        (b'{"contents": [], "other": "\xff"}', None),
        (b'{"contents": [], "other": ' + b"[" * 70 + b"]" * 70 + b"}", None),
        (b'{"contents": [], "other": ' + b"[" * 100_000, None),
        (b'{"contents": [], "headgate": {"variables": 5}}', "headgate.variables"),
    ],
)
def test_bad_bodies_are_refused_with_the_field_named(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(body)
    assert caught.value.param == param


def test_depth_up_to_the_limit_passes() -> None:
    ask(b'{"contents": [], "other": ' + b"[" * 62 + b"]" * 62 + b"}")


def test_the_extra_field_is_read_and_taken_out() -> None:
    body = PLAIN[:-1] + b', "headgate": {"variables": {"name": "Ada"}, "channel": "staging"}}'
    asked = ask(body)
    assert (asked.variables, asked.channel) == ({"name": "Ada"}, "staging")
    assert json.loads(asked.body) == json.loads(PLAIN)


def test_input_is_measured_by_text_results_and_tools_not_by_media() -> None:
    media = {"inlineData": {"mimeType": "image/png", "data": "A" * 5000}}
    assert ask(turns({"text": "four"}, media)).input_chars == 4
    result = {"functionResponse": {"name": "f", "response": {"output": "x" * 500}}}
    assert 500 < ask(turns(result, role="user")).input_chars < 600
    assert ask(PLAIN[:-1] + b', "tools": [{"functionDeclarations": []}]}').input_chars > 5


def test_the_system_text_is_joined() -> None:
    assert GOOGLE.system_text(ask(PLAIN)) is None
    body = PLAIN[:-1] + b', "system_instruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}}'
    assert GOOGLE.system_text(ask(body)) == "Be brief.\nBe kind."


def test_the_sdks_own_body_is_read() -> None:
    sdk = Recorder()
    sdk.ask("Hello", max_output_tokens=9, system_instruction="Be brief.", candidate_count=2)
    asked = ask(sdk.body)
    assert (asked.max_tokens, asked.choices, GOOGLE.system_text(asked)) == (9, 2, "Be brief.")


# -- prompts --------------------------------------------------------------------------------------------------------


def test_a_prompt_goes_before_the_clients_own_turns() -> None:
    body = b'{"contents": [ {"role": "user", "parts": [{"text": "Hello"}],  "x": 1} ], "other": 1}'
    out = GOOGLE.add_prompt(ask(body), [("system", "Be brief."), ("user", "Q"), ("assistant", "A")], {}).body
    assert json.loads(out) == {
        "contents": [
            {"role": "user", "parts": [{"text": "Q"}]},
            {"role": "model", "parts": [{"text": "A"}]},
            {"role": "user", "parts": [{"text": "Hello"}], "x": 1},
        ],
        "other": 1,
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }
    assert b'{"role": "user", "parts": [{"text": "Hello"}],  "x": 1}' in out


def test_a_prompt_is_put_before_the_clients_system_text_under_its_spelling() -> None:
    body = b'{"contents": {"parts": {"text": "Hi"}}, "system_instruction": {"role": "user", "parts": {"text": "Own"}}}'
    tree = json.loads(GOOGLE.add_prompt(ask(body), [("system", "Ours"), ("user", "Q")], {}).body)
    assert tree["system_instruction"] == {"role": "user", "parts": [{"text": "Ours"}, {"text": "Own"}]}
    assert "systemInstruction" not in tree
    assert [turn["parts"] for turn in tree["contents"]] == [[{"text": "Q"}], {"text": "Hi"}]


def test_a_prompt_may_hold_the_only_turn() -> None:
    tree = json.loads(GOOGLE.add_prompt(ask(b'{"contents": []}'), [("user", "Q")], {}).body)
    assert tree["contents"] == [{"role": "user", "parts": [{"text": "Q"}]}]


def test_settings_fill_in_where_the_client_said_nothing() -> None:
    body = PLAIN[:-1] + b', "generation_config": {"temperature": 0.1, "max_output_tokens": 5, "top_k": null}}'
    settings = {"temperature": 0.9, "max_tokens": 100, "top_k": 3, "stop": ["END"], "seed": 4}
    tree = json.loads(GOOGLE.add_prompt(ask(body), [], settings).body)
    assert tree["generation_config"] == {
        "temperature": 0.1, "maxOutputTokens": 5, "topK": 3, "stopSequences": ["END"], "seed": 4,
    }  # fmt: skip


def test_nothing_to_add_leaves_the_bytes() -> None:
    body = PLAIN[:-1] + b', "generationConfig": {"temperature": 0.1}}'
    asked = ask(body)
    assert GOOGLE.add_prompt(asked, [], {"temperature": 0.9}).body is body
    assert GOOGLE.add_prompt(asked, [], {}).body is body


# -- splices --------------------------------------------------------------------------------------------------------


def test_a_body_goes_on_untouched() -> None:
    asked = ask(PLAIN, stream=True)
    assert GOOGLE.splice_request(asked.body, asked, "gemini-2.5-flash").body is PLAIN


def test_a_model_in_the_body_follows_the_target() -> None:
    body = PLAIN[:-1] + b', "model": "models/support"}'
    asked = ask(body, "support")
    assert json.loads(GOOGLE.splice_request(body, asked, "gemini-3-pro").body)["model"] == "models/gemini-3-pro"
    assert GOOGLE.splice_request(body, asked, "support").body is body


def test_foreign_signatures_are_never_shown_to_gemini() -> None:
    signed = wrap_foreign(Foreign("anthropic", "sig"))
    body = turns(
        {"text": "thinking", "thought": True, "thoughtSignature": signed},
        {"text": "", "thought": True, "thoughtSignature": wrap_foreign(Foreign("anthropic", redacted="x"))},
        {"text": "", "thoughtSignature": signed},
        {"text": "Hello", "thought_signature": signed.replace("+", "-").replace("/", "_")},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": wrap_foreign(Foreign("openai"))},
        {"functionCall": {"name": "g", "args": {}}, "thoughtSignature": "Z2VtaW5p"},
    )
    carried = GOOGLE.splice_request(body, ask(body), "gemini-3-pro")
    assert carried.dropped == ["reasoning", "reasoning.signature"]
    assert json.loads(carried.body)["contents"] == [
        {
            "role": "model",
            "parts": [
                {"text": "Hello"},
                {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": BYPASS},
                {"functionCall": {"name": "g", "args": {}}, "thoughtSignature": "Z2VtaW5p"},
            ],
        }
    ]


def test_a_turn_of_nothing_but_foreign_thinking_goes() -> None:
    signed = wrap_foreign(Foreign("anthropic", "sig"))
    contents = [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": {"text": "thinking", "thought": True, "thoughtSignature": signed}},
        {"role": "user", "parts": [{"text": "Go on"}]},
    ]
    body = json.dumps({"contents": contents}).encode()
    out = json.loads(GOOGLE.splice_request(body, ask(body), "gemini-3-pro").body)
    assert out["contents"] == [contents[0], contents[2]]


def test_the_target_path_names_the_model_and_the_form() -> None:
    assert GOOGLE.request_target("gemini-3-pro", False) == "/models/gemini-3-pro:generateContent"
    assert GOOGLE.request_target("models/gemini-3-pro", True) == "/models/gemini-3-pro:streamGenerateContent?alt=sse"
    assert GOOGLE.request_target("tunedModels/mine", False) == "/tunedModels/mine:generateContent"
    assert GOOGLE.request_target("tunedModels/../x", False) == "/tunedModels/..%2Fx:generateContent"
    assert GOOGLE.request_target("../x?y#z", False) == "/models/..%2Fx%3Fy%23z:generateContent"
