"""A generateContent body that stays in its dialect: read just far enough, a prompt put in, splices made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from headgate.core.errors import InvalidRequest
from headgate.core.stages import Asked
from headgate.core.types import Json, JsonObject, as_object
from headgate.dialects.base import COUNT_MAX, EXTRA_FIELD, OUTPUT, Carried, fields_of, splice
from headgate.dialects.decoding import fields_decoder, read_body, tree_of
from headgate.dialects.foreign import MARK, MARK_BYTES, unwrap_foreign
from headgate.dialects.google_config import names_format, write_settings
from headgate.dialects.google_fields import camel, items
from headgate.dialects.google_types import BYPASS, AskBody, AskConfig, AskContent, AskPart, ask_decoder, is_old

CHOICES_MAX: Final = 128
_SIGNATURES: Final = ("thoughtSignature", "thought_signature")
_CALLS: Final = ("functionCall", "function_call")


def ask(body: bytes, path_model: str | None, path_stream: bool) -> Asked:
    """See `Dialect.ask`. The model is named in the URL; a `model` field in the body only stands in for it."""
    document = read_body(ask_decoder, body)
    model = (path_model or document.model or "").removeprefix("models/")
    if not model:
        raise InvalidRequest("the model is missing from the URL: /models/{model}:generateContent", param="model")
    asked = Asked(
        model=model,
        stream=path_stream,
        body=body,
        document=document,
        input_chars=_chars(document),
    )
    config = document.config_camel or document.config_snake
    if config is not None:
        _measure(asked, config)
    extra = document.headgate
    if extra is not msgspec.UNSET:
        asked.body = splice(body, asked, {EXTRA_FIELD: None})
        if extra is not None:
            extra.into(asked)
    return asked


def _measure(asked: Asked, config: AskConfig) -> None:
    asked.max_tokens = config.max_camel or config.max_snake or None  # 0 is proto JSON for not said
    if asked.max_tokens is not None and not 0 < asked.max_tokens <= COUNT_MAX:
        wrong = f"maxOutputTokens must be positive and at most {COUNT_MAX}"
        raise InvalidRequest(wrong, param="generationConfig.maxOutputTokens")
    choices = config.count_camel if config.count_camel is not None else config.count_snake
    if choices is not None:
        if not 1 <= choices <= CHOICES_MAX:
            raise InvalidRequest(
                f"candidateCount must be from 1 to {CHOICES_MAX}", param="generationConfig.candidateCount"
            )
        asked.choices = choices


def _parts(content: AskContent | None) -> Sequence[AskPart]:
    if content is None or content.parts is None:
        return ()
    return (content.parts,) if isinstance(content.parts, AskPart) else content.parts


def _chars(document: AskBody) -> int:
    """Characters of text, tool results and tool declarations; media are not counted."""
    contents = document.contents
    total = len(document.tools)
    for content in (contents,) if isinstance(contents, AskContent) else contents:
        for part in _parts(content):
            text = part.text
            total += len(part.result_camel) + len(part.result_snake) if text is None else len(text)
    for part in _parts(document.system_camel or document.system_snake):
        total += len(part.text or "")
    return total


def system_text(asked: Asked) -> str | None:
    """The system instruction's texts, one per line; None where there is none."""
    document = asked.document
    assert isinstance(document, AskBody)
    texts = [part.text for part in _parts(document.system_camel or document.system_snake) if part.text]
    return "\n".join(texts) if texts else None


def turns(asked: Asked, most: int) -> list[tuple[str, str]]:
    """See `Dialect.turns`. A turn without a role is the user's."""
    document = asked.document
    assert isinstance(document, AskBody)
    contents = document.contents
    return [
        (
            "assistant" if content.role == "model" else content.role or "user",
            "\n".join(part.text for part in _parts(content) if part.text),
        )
        for content in ((contents,) if isinstance(contents, AskContent) else contents[:most])
    ]


def request_target(model: str, stream: bool) -> str:
    """The path below the base URL. The model's name is quoted: it may not reach outside its path segment."""
    parent = "tunedModels/" if model.startswith("tunedModels/") else "models/"
    name = quote(model.removeprefix(parent), safe="-._~@")
    return f"/{parent}{name}:streamGenerateContent?alt=sse" if stream else f"/{parent}{name}:generateContent"


# -- a rendered prompt ----------------------------------------------------------------------------------------------


def add_prompt(asked: Asked, messages: Sequence[tuple[str, str]], settings: Mapping[str, Json]) -> Carried:
    """See `Dialect.add_prompt`. The client's own turns keep their bytes."""
    body = fields_of(asked.body, asked)
    changes: dict[str, bytes | None] = {}
    system: list[Json] = [{"text": text} for role, text in messages if role == "system"]
    if system:
        _add_system(body, system, changes)
    turns: list[Json] = [
        {"role": "model" if role == "assistant" else "user", "parts": [{"text": text}]}
        for role, text in messages
        if role != "system"
    ]
    if turns:
        own = bytes(body["contents"]).strip()
        inner = own[1:-1].strip() if own.startswith(b"[") else own
        changes["contents"] = msgspec.json.encode(turns)[:-1] + (b"," + inner if inner else b"") + b"]"
    dropped: list[str] = []
    config = write_settings(settings, dropped)
    if config and _add_config(body, config, changes):
        asked.filled = [*asked.filled, OUTPUT]
    return Carried(splice(asked.body, asked, changes), dropped)


def _named(body: Mapping[str, msgspec.Raw], camel_name: str, snake_name: str) -> tuple[str, bytes | None]:
    """The spelling in use and its bytes; None where it is absent or null."""
    for name in (camel_name, snake_name):
        raw = bytes(body.get(name, b""))
        if raw and raw != b"null":
            return name, raw
    return camel_name, None


def _add_system(body: Mapping[str, msgspec.Raw], texts: list[Json], changes: dict[str, bytes | None]) -> None:
    name, own = _named(body, "systemInstruction", "system_instruction")
    content: JsonObject = {}
    if own is not None:
        content = as_object(tree_of(own)) or {}
    content["parts"] = [*texts, *items(content.get("parts"), name + ".parts")]
    changes[name] = msgspec.json.encode(content)


def _add_config(body: Mapping[str, msgspec.Raw], settings: JsonObject, changes: dict[str, bytes | None]) -> bool:
    """Fills in what the client did not say; whether an answer format is among it."""
    name, own = _named(body, "generationConfig", "generation_config")
    config = fields_decoder.decode(own) if own is not None else {}
    said = {camel(key): value for key, value in config.items() if bytes(value) != b"null"}
    told = any(names_format(key) for key in said)
    added = {key: value for key, value in settings.items() if key not in said and not (told and names_format(key))}
    if added:
        changes[name] = msgspec.json.encode({**said, **added})
    return any(names_format(key) for key in added)


def without_output(body: bytes, asked: Asked) -> bytes:
    """See `Dialect.without_output`."""
    fields = fields_of(body, asked)
    name, own = _named(fields, "generationConfig", "generation_config")
    if OUTPUT not in asked.filled or own is None:
        return body
    kept = {key: value for key, value in fields_decoder.decode(own).items() if not names_format(key)}
    return splice(body, asked, {name: msgspec.json.encode(kept) if kept else None})


# -- splices --------------------------------------------------------------------------------------------------------


def splice_request(body: bytes, asked: Asked, model: str) -> Carried:
    """See `Dialect.splice_request`. Besides the model's name, signatures of other vendors are taken out: a Google
    client that was answered by another vendor holds them, and Gemini refuses what it did not sign."""
    document = asked.document
    assert isinstance(document, AskBody)
    dropped: list[str] = []
    if MARK_BYTES in body:
        lost: dict[str, None] = {}
        body = _without_foreign(body, asked, lost)
        dropped += lost
    if OUTPUT in asked.filled and is_old(model) and "tools" in fields_of(body, asked):
        body = without_output(body, asked)  # these models answer in JSON, or call tools
        dropped.append(OUTPUT)
    if document.model is not None and document.model.removeprefix("models/") != model:
        body = splice(body, asked, {"model": msgspec.json.encode(f"models/{model}")})
    return Carried(body, dropped)


def _without_foreign(body: bytes, asked: Asked, dropped: dict[str, None]) -> bytes:
    fields = fields_of(body, asked)
    turns = items(tree_of(fields["contents"]), "contents")
    kept = [content for content in turns if _clean(as_object(content), dropped)]
    return splice(body, asked, {"contents": msgspec.json.encode(kept)})


def _clean(content: JsonObject | None, dropped: dict[str, None]) -> bool:
    """Takes foreign signatures out of one turn; False where nothing of it is left."""
    if content is None or not content.get("parts"):
        return True
    parts: list[Json] = []
    for part in items(content["parts"], "contents.parts"):
        fields = as_object(part)
        if fields is None or _clean_part(fields, dropped):
            parts.append(part)
    content["parts"] = parts
    return bool(parts)


def _clean_part(part: JsonObject, dropped: dict[str, None]) -> bool:
    """False where the part only exists for the signature's sake: another vendor's thinking."""
    for name in _SIGNATURES:
        signature = part.get(name)
        if not isinstance(signature, str) or not signature.startswith(MARK):
            continue
        if part.get("thought") is True:
            dropped["reasoning"] = None
            return False
        foreign = unwrap_foreign(signature)
        if foreign is not None and foreign.signature is not None:
            dropped["reasoning.signature"] = None
        if any(call in part for call in _CALLS):
            part[name] = BYPASS
        else:
            del part[name]
    return part != {"text": ""}
