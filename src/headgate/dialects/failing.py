"""The frame around a provider's error, the same in every dialect: what its kind makes of message, body and waiting."""

from __future__ import annotations

from typing import Final, NamedTuple

from headgate.core.errors import UpstreamError

MESSAGE_CHARS_MAX: Final = 500
WORD_CHARS_MAX: Final = 64
_TELLING: Final = frozenset({"client_fault", "context_too_long"})  # the caller's own request: it may read what is wrong
_COOLED: Final = frozenset({"rate_limited", "quota_exhausted", "overloaded", "server_error"})
_IN_BAND: Final = frozenset({"rate_limited", "quota_exhausted", "overloaded", "context_too_long"})
# kinds that say something of the vendor, which a page from something in between cannot know
_BY_VENDOR: Final = frozenset({"client_fault", "auth_failed", "model_gone"})
_QUOTES: Final = {"'": "'", '"': '"', "`": "`", "‘": "’", "“": "”"}


# what vendors call a refusal by their content filter, which comes with any status and inside streams: Azure, OpenAI,
# OpenRouter, Google, Alibaba
_FILTER_CODES: Final = frozenset({
    "content_filter", "content_filtered", "content_policy_violation", "responsibleaipolicyviolation", "invalid_prompt",
    "moderation_blocked", "prohibited_content", "data_inspection_failed", "datainspectionfailed",
})  # fmt: skip
_FILTER_WORDS: Final = (
    "content filtering policy", "content management policy", "your input was flagged", "your prompt was flagged",
)  # fmt: skip


def is_filtered(text: str, *codes: str) -> bool:
    """Whether an error says that a content filter refused: by one of its machine-readable words, or by its message."""
    lower = text.lower()
    return any(code.lower() in _FILTER_CODES for code in codes) or any(words in lower for words in _FILTER_WORDS)


class Told(NamedTuple):
    """What an error body says, read by its dialect.

    `word` is the most exact machine-readable one, `message` the vendor's text, `cool_s` how long to leave it alone;
    `readable` False where the body is not this vendor's error object, `filtered` where a content filter refused.
    """

    kind: str
    word: str = ""
    message: str = ""
    cool_s: float | None = None
    readable: bool = True
    filtered: bool = False


def answered(status: int, body: bytes, told: Told) -> UpstreamError:
    """The error of a non-2xx answer."""
    kind = "client_fault" if told.filtered else told.kind
    if kind in _BY_VENDOR and body.lstrip()[:1] == b"<":
        kind = "malformed_response"  # a page from something between us and the provider
    telling = kind in _TELLING and told.readable
    said = without_values(told.message[:MESSAGE_CHARS_MAX]) if telling else ""
    return UpstreamError(
        kind,
        said or f"the provider answered {status}{_bracketed(told.word)}",
        attempt_status=status,
        cool_s=told.cool_s if kind in _COOLED else None,
        body=body if telling else None,
        filtered=told.filtered,
    )


def in_band(told: Told) -> UpstreamError:
    """The error of an `error` object inside a 200 answer: the provider's fault, whatever it claims, unless its content
    filter refused."""
    if told.filtered:
        message = f"the provider's content filter ended the answer{_bracketed(told.word)}"
        return UpstreamError("client_fault", message, filtered=True)
    kind = told.kind if told.kind in _IN_BAND else "server_error"
    message = f"the provider reported an error inside its answer{_bracketed(told.word)}"
    return UpstreamError(kind, message, cool_s=told.cool_s)


def _bracketed(word: str) -> str:
    """The word in brackets, where it is a word and not a sentence: sentences may quote."""
    plain = word.isascii() and word.replace("_", "").replace("-", "").replace(".", "").isalnum()
    return f" ({word})" if plain and len(word) <= WORD_CHARS_MAX else ""


def without_values(text: str) -> str:
    """A vendor's message without what it quotes, which may be the caller's content; names of fields stay.

    The message goes on the record and into logs. Where client and provider speak one dialect the client still gets
    the vendor's body whole.
    """
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        closing = _QUOTES.get(char)
        if closing is None or (char == "'" and at and text[at - 1].isalnum()):  # an apostrophe
            out.append(char)
            at += 1
            continue
        stop = text.find(closing, at + 1)
        inner = text[at + 1 : stop if stop >= 0 else None]
        out.append(f"{char}{inner if stop >= 0 and _is_path(inner) else '…'}{closing}")
        at = len(text) if stop < 0 else stop + 1
    return "".join(out)


def _is_path(text: str) -> bool:
    """Whether the text is a field's path: words, with indexes behind a dot or in brackets."""
    if len(text) > WORD_CHARS_MAX or not text.isascii():
        return False
    first, *rest = text.replace("[", ".").replace("]", "").split(".")
    return _is_name(first) and all([_is_name(step) or (step.isdecimal() and len(step) < 5) for step in rest])


def _is_name(text: str) -> bool:
    return text.replace("_", "").isalpha()
