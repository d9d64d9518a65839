"""What an OpenAI model takes, as far as its name tells. Names of others' models tell nothing: they are sent everything.

Dated, fine-tuned (`ft:gpt-4o:acme`) and routed (`openai/gpt-5`) names are understood.
"""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=256)
def _family(model: str) -> str:
    """The first word or two: `gpt-5`, `gpt-5.1`, `gpt-4o`, `o3`; empty where it is no model of OpenAI's."""
    words = model.lower().rsplit("/", 1)[-1].removeprefix("ft:").replace(":", "-").split("-")
    if words[0] in ("gpt", "chatgpt") and len(words) > 1 and words[1][:1].isdecimal():
        return f"gpt-{words[1]}"
    if len(words[0]) == 2 and words[0][0] == "o" and words[0][1].isdecimal():
        return words[0]
    return ""


def takes_effort(model: str) -> bool:
    """`reasoning_effort`: refused by the generations before thinking and by the chat editions since."""
    return not _family(model).startswith(("gpt-3", "gpt-4")) and "-chat" not in model


def takes_sampling(model: str) -> bool:
    """`temperature`, `top_p` and penalties: refused by the first thinking models, unless they are the default."""
    family = _family(model)
    return not (family == "gpt-5" or family.startswith("o")) or "-chat" in model


def takes_stop(model: str) -> bool:
    """`stop`: refused by o3 and o4-mini."""
    return _family(model) not in ("o3", "o4")


def takes_schema(model: str) -> bool:
    """`response_format` with a schema: refused by the generations before gpt-4o."""
    return not _family(model).startswith("gpt-3") and _family(model) != "gpt-4"


def is_openai(model: str) -> bool:
    """A model of OpenAI's own: its API refuses fields that it does not know, such as `reasoning_content`."""
    return _family(model) != ""


@lru_cache(maxsize=256)
def refused(model: str) -> tuple[str, ...]:
    """Settings that the model refuses, as fields of the body."""
    names: tuple[str, ...] = ("top_k",) if is_openai(model) else ()
    if not takes_sampling(model):
        names += ("temperature", "top_p", "presence_penalty", "frequency_penalty")
    if not takes_schema(model):
        names += ("response_format",)
    return names if takes_stop(model) else (*names, "stop")
