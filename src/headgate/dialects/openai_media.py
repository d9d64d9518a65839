"""Images, files and sound in OpenAI content parts, both ways."""

from __future__ import annotations

from typing import Final

from headgate.core.chat import Media
from headgate.core.errors import CannotCarry, InvalidRequest
from headgate.core.types import Json, JsonObject, as_object, as_text

_AUDIO: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_AUDIO_BACK: Final = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_DETAILS: Final = frozenset({"auto", "low", "high", "original"})
_FILE_NAME: Final = "document.pdf"  # a file needs a name there
_ABILITY: Final = {"image": "images", "document": "documents", "audio": "audio"}


def read_media(part: JsonObject, where: str) -> Media:
    """An `image_url`, `file` or `input_audio` part. `where` is its path. Raises InvalidRequest, CannotCarry."""
    kind = as_text(part.get("type")) or ""
    inner = as_object(part.get(kind))
    if inner is None:
        raise InvalidRequest(f"'{where}.{kind}' must be an object", param=f"{where}.{kind}")
    at = f"{where}.{kind}"
    if kind == "image_url":
        url = _required(inner, "url", at)
        mime, data = _data_url(url, f"{at}.url")
        detail = as_text(inner.get("detail"))
        return Media(mime, data, None if data is not None else url, detail=detail)
    if kind == "input_audio":
        form = _required(inner, "format", at)
        if form not in _AUDIO:
            raise InvalidRequest(f"'{at}.format' must be wav or mp3", param=f"{at}.format")
        return Media(_AUDIO[form], _required(inner, "data", at), kind="audio")
    if inner.get("file_id") is not None:
        raise CannotCarry("a file stored with one vendor cannot be shown to another", param=f"{at}.file_id")
    told = _required(inner, "file_data", at)
    mime, data = _data_url(told, f"{at}.file_data")
    if data is None:
        mime, data = "application/pdf", told  # bare base64: the only type that may come without its media type
    return Media(mime, data, kind="document", name=as_text(inner.get("filename")))


def _required(inner: JsonObject, name: str, where: str) -> str:
    value = as_text(inner.get(name))
    if value is None:
        raise InvalidRequest(f"'{where}.{name}' must be a string", param=f"{where}.{name}")
    return value


def _data_url(url: str, where: str) -> tuple[str | None, str | None]:
    """(media type, base64) of a data URL; (None, None) for any other."""
    if url[:5].lower() != "data:":
        return None, None
    head, found, data = url[5:].partition(",")
    mime, *parameters = head.split(";")
    if not found or not parameters or parameters[-1].strip().lower() != "base64":
        raise InvalidRequest(f"'{where}' must be a base64 data URL", param=where)
    return mime.lower() or "text/plain", data


def write_media(media: Media, abilities: frozenset[str] | None, dropped: list[str]) -> JsonObject:
    """The content part. Raises CannotCarry where the format or the model has no place for it."""
    ability = _ABILITY.get(media.kind)
    if ability is None:
        raise CannotCarry(f"OpenAI chat takes no {media.kind}", param="messages.content")
    if abilities is not None and ability not in abilities:
        raise CannotCarry(f"the model takes no {ability}", param="messages.content")
    if media.file_id is not None:
        raise CannotCarry("a file stored with one vendor cannot be shown to another", param="messages.content")
    if media.name is not None and media.kind != "document":
        dropped.append("media.name")
    if media.kind == "image":
        return _image(media)
    if media.data is None:
        raise CannotCarry(f"OpenAI chat takes no {ability} by address", param="messages.content")
    if media.kind == "audio":
        form = _AUDIO_BACK.get(media.mime or "")
        if form is None:
            raise CannotCarry("OpenAI chat takes sound as wav or mp3 only", param="messages.content")
        return {"type": "input_audio", "input_audio": {"data": media.data, "format": form}}
    url = f"data:{media.mime or 'application/pdf'};base64,{media.data}"
    return {"type": "file", "file": {"filename": media.name or _FILE_NAME, "file_data": url}}


def _image(media: Media) -> JsonObject:
    url = media.url if media.data is None else f"data:{media.mime or 'image/png'};base64,{media.data}"
    if url is None or (media.data is None and not url.startswith(("http://", "https://"))):
        raise CannotCarry("the image is where only its own vendor can read it", param="messages.content")
    image: dict[str, Json] = {"url": url}
    if media.detail in _DETAILS:
        image["detail"] = media.detail
    return {"type": "image_url", "image_url": image}
