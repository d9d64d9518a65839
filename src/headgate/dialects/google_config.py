"""generationConfig, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headgate.core.chat import ChatRequest, JsonFormat, ReasoningRequest
from headgate.core.errors import CannotCarry
from headgate.core.types import Json, JsonObject, as_object
from headgate.dialects.base import left_out
from headgate.dialects.decoding import shown
from headgate.dialects.google_fields import fields, flag, integer, number, text, texts
from headgate.dialects.google_schema import to_json_schema
from headgate.dialects.google_types import generation, is_old

_NUMBERS: Final = {
    "temperature": "temperature",
    "topP": "top_p",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
_INTEGERS: Final = {"topK": "top_k", "maxOutputTokens": "max_tokens", "candidateCount": "n", "seed": "seed"}
_FORMAT: Final = ("responseMimeType", "responseSchema", "responseJsonSchema", "_responseJsonSchema")
_STOPS_MAX: Final = 5
# the budgets Google's own OpenAI endpoint stands in for effort words with, and a minimum for models that must think
_BUDGETS: Final = {
    "none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576,
}  # fmt: skip
_BUDGET_MIN: Final = 128
_LEVELS: Final = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
_WANTED_LEVEL: Final = {
    "none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "XHIGH",
    "max": "XHIGH",
}  # fmt: skip

# a prompt's settings -> what they are called here
_SETTINGS: Final = {place: name for name, place in (_NUMBERS | _INTEGERS).items()} | {"stop": "stopSequences"}


def write_settings(settings: Mapping[str, Json], dropped: list[str]) -> JsonObject:
    """A prompt's settings (canonical names) as generationConfig fields."""
    config: JsonObject = {}
    for name, value in settings.items():
        if name in _SETTINGS:
            config[_SETTINGS[name]] = value
        elif name == "json_format":
            schema = (as_object(value) or {}).get("schema")
            config |= {"responseMimeType": "application/json"} | (
                {} if schema is None else {"responseJsonSchema": schema}
            )
        else:
            dropped.append(left_out(name))
    return config


def names_format(name: str) -> bool:
    """True for the fields of generationConfig that say what form an answer has."""
    return name in _FORMAT or name == "responseFormat"


def read_config(value: Json, chat: ChatRequest, dropped: list[str]) -> None:
    """Puts generationConfig into `chat`, names what has no place. Raises InvalidRequest, CannotCarry."""
    config = fields(value, "generationConfig")
    at = "generationConfig."
    for name, place in _NUMBERS.items():
        if name in config:
            setattr(chat, place, number(config.pop(name), at + name))
    for name, place in _INTEGERS.items():
        if name in config:
            setattr(chat, place, integer(config.pop(name), at + name))
    if "stopSequences" in config:
        chat.stop = texts(config.pop("stopSequences"), at + "stopSequences")
    wants = flag(config.pop("responseLogprobs"), at + "responseLogprobs") if "responseLogprobs" in config else False
    top = integer(config.pop("logprobs"), at + "logprobs") if "logprobs" in config else 0
    if wants:
        chat.logprobs = top
    if "thinkingConfig" in config:
        chat.reasoning = _read_thinking(config.pop("thinkingConfig"), dropped)
    _read_format(config, chat)
    if config.get("responseFormat"):
        raise CannotCarry("responseFormat cannot be asked of another vendor", param=at + "responseFormat")
    modes = config.pop("responseModalities", None)
    if modes is not None and any(mode.upper() != "TEXT" for mode in texts(modes, at + "responseModalities")):
        raise CannotCarry("only text answers can be asked of another vendor", param=at + "responseModalities")
    dropped.extend(at + name for name in config)


def _read_thinking(value: Json, dropped: list[str]) -> ReasoningRequest:
    at = "generationConfig.thinkingConfig."
    thinking = fields(value, at[:-1])
    asked = ReasoningRequest()
    if "includeThoughts" in thinking:
        asked.show = flag(thinking.pop("includeThoughts"), at + "includeThoughts")
    if "thinkingBudget" in thinking:
        budget = integer(thinking.pop("thinkingBudget"), at + "thinkingBudget")
        if budget == 0:
            asked.effort = "none"
        elif budget < 0:
            asked.adaptive = True
        else:
            asked.budget = budget
    if "thinkingLevel" in thinking:
        level = text(thinking.pop("thinkingLevel"), at + "thinkingLevel").upper()
        if level in _LEVELS:
            asked.effort = level.lower()
        elif level != "THINKING_LEVEL_UNSPECIFIED":
            raise CannotCarry("this thinking level cannot be asked of another vendor", param=at + "thinkingLevel")
    dropped.extend(at + name for name in thinking)
    return asked


def _read_format(config: JsonObject, chat: ChatRequest) -> None:
    at = "generationConfig."
    mime = text(config.pop("responseMimeType"), at + "responseMimeType") if "responseMimeType" in config else None
    openapi = config.pop("responseSchema", None)
    plain = config.pop("responseJsonSchema", None) or config.pop("_responseJsonSchema", None)
    if mime is None or mime == "text/plain":
        return
    if mime != "application/json":
        raise CannotCarry(f"answers as {shown(mime)} cannot be asked of another vendor", param=at + "responseMimeType")
    schema = fields_kept(plain, at + "responseJsonSchema") if plain is not None else None
    if schema is None and openapi is not None:
        schema = to_json_schema(openapi, at + "responseSchema")
    chat.json_format = JsonFormat(schema=schema)


def fields_kept(value: Json, where: str) -> JsonObject:
    """A JSON Schema as it is: names inside it are the client's own. Raises InvalidRequest where it is no object."""
    fields(value, where)
    assert isinstance(value, dict)
    return value


def write_config(chat: ChatRequest, model: str, dropped: list[str]) -> JsonObject:
    """generationConfig for `model`. Raises CannotCarry."""
    config: JsonObject = {}
    for name, place in (*_NUMBERS.items(), *_INTEGERS.items()):
        value = getattr(chat, place)
        if value is not None:
            config[name] = value
    if chat.seed is not None and not -(2**31) <= chat.seed < 2**31:
        del config["seed"]  # an int32 there
        dropped.append("seed")
    if chat.stop:
        if len(chat.stop) > _STOPS_MAX:
            raise CannotCarry(f"Gemini takes at most {_STOPS_MAX} stop sequences", param="stop")
        config["stopSequences"] = list(chat.stop)
    if chat.logprobs is not None:
        dropped.append("logprobs")  # Gemini would count them, but they do not come back through another dialect
    if chat.json_format is not None:
        config["responseMimeType"] = "application/json"
        if chat.json_format.schema is not None:
            config["responseJsonSchema"] = chat.json_format.schema
        if chat.json_format.description is not None:
            dropped.append("json_format.description")
    if chat.reasoning is not None:
        thinking = _write_thinking(chat.reasoning, model, dropped)
        if thinking:
            config["thinkingConfig"] = thinking
    return config


def _write_thinking(asked: ReasoningRequest, model: str, dropped: list[str]) -> JsonObject:
    thinking: JsonObject = {}
    if asked.show is not None and asked.effort != "none":
        thinking["includeThoughts"] = asked.show
    known = generation(model)
    if known is not None and known < 2.5:
        dropped.append("reasoning")
        return {}
    if asked.budget is not None:
        thinking["thinkingBudget"] = asked.budget
    elif asked.effort is not None and is_old(model):
        budget = _BUDGETS.get(asked.effort)
        if budget is None:
            raise CannotCarry(f"Gemini has no reasoning effort {shown(asked.effort)!r}", param="reasoning.effort")
        if budget == 0 and "-pro" in model:
            budget = _BUDGET_MIN  # this model cannot stop thinking
            dropped.append("reasoning.effort")
        thinking["thinkingBudget"] = budget
    elif asked.effort is not None:
        thinking["thinkingLevel"] = _level(asked.effort, model, dropped)
    elif asked.adaptive:
        thinking["thinkingBudget"] = -1
    return thinking


def _level(effort: str, model: str, dropped: list[str]) -> str:
    """The nearest level the model takes; a step that had to be bent is named in `dropped`."""
    wanted = _WANTED_LEVEL.get(effort)
    if wanted is None:
        raise CannotCarry(f"Gemini has no reasoning effort {shown(effort)!r}", param="reasoning.effort")
    known = generation(model) or 3.0
    lowest = "LOW" if "-pro" in model or (known >= 3.7 and "lite" not in model) else "MINIMAL"
    highest = "XHIGH" if known >= 4 else "HIGH"
    at = min(max(_LEVELS.index(wanted), _LEVELS.index(lowest)), _LEVELS.index(highest))
    if _LEVELS[at] != wanted or effort in ("none", "max"):
        dropped.append("reasoning.effort")
    return _LEVELS[at]
