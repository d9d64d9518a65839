"""Files in a body: base64 that is told by its place, its type and its alphabet, and the text in it.

A word such as `data` or `signature` exempts nothing by itself: what is short, or is not base64, or stands where no
dialect has a file, is text like any other.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import NamedTuple

from headgate.core.types import Json

SHORT_CHARS = 256  # longer than every key with a shape of its own, shorter than any real file
PLACES = frozenset({
    "data", "file_data", "url", "image_url", "signature", "thoughtSignature", "thought_signature", "encrypted_content",
})  # fmt: skip
TEXT_FILE = '"data'  # in each body with a file that may be text: its key, or its URL's beginning
_URLS = ("file_data", "url", "image_url")
_URL_HEAD_CHARS = 256
_TYPES = ("mimeType", "mime_type", "media_type")
_NOT_TEXT = ("image/", "audio/", "video/", "application/pdf")
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_TO_STANDARD = str.maketrans("-_", "+/")
_TO_URL_SAFE = str.maketrans("+/", "-_")


class File(NamedTuple):
    """A string that holds a file from character `start` on; `text` is the file's own where it is text, else None.

    `short`: the string as it stands is looked at, too.
    """

    start: int
    text: str | None
    short: bool

    def rewritten(self, value: str, text: str) -> str:
        """The string `value` with another text in its file."""
        raw = binascii.b2a_base64(text.encode("utf-8", "surrogateescape"), newline=False).decode()
        old = value[self.start :]
        return value[: self.start] + (raw.translate(_TO_URL_SAFE) if "-" in old or "_" in old else raw)


def file_in(node: Mapping[str, Json], key: str, value: str) -> File | None:
    """The file in a string, which is `node[key]`; None where it holds none, or one to be looked at as it stands."""
    if key in _URLS:
        if not value.startswith("data:"):
            return None
        head = value[:_URL_HEAD_CHARS].partition(",")[0]
        start = len(head) + 1
        if not head.lower().endswith(";base64"):
            return None
        kind = head[5:].partition(";")[0]
        sealed = False
    else:
        start = 0
        kind = _kind(node)
        sealed = key != "data" or node.get("type") == "redacted_thinking"
    if not sealed and "/" not in kind:
        return None
    payload = value[start:]
    short = len(payload) < SHORT_CHARS
    if sealed or kind.lower().startswith(_NOT_TEXT):
        return None if short or not _is_base64(payload) else File(start, None, False)
    letters = "".join(payload.split())  # decoders skip white space
    if not _is_base64(letters):
        return None
    text = _text(letters, kind.lower().startswith("text/"))
    if text is None and (short or letters != payload):  # words without a point between them look like it too
        return None
    return File(start, text, short)


def _kind(node: Mapping[str, Json]) -> str:
    """The media type that stands beside `data`; empty where there is none, and where the data is said to be text."""
    if node.get("type") == "text":
        return ""
    for name in _TYPES:
        kind = node.get(name)
        if isinstance(kind, str):
            return kind
    form = node.get("format")
    return f"audio/{form}" if isinstance(form, str) else ""


def _is_base64(payload: str) -> bool:
    """Whether a text has nothing but letters of base64, standard or URL-safe, and padding at its end."""
    return payload.isascii() and not payload.rstrip("=").encode().translate(None, _ALPHABET)


def _text(payload: str, said: bool) -> str | None:
    """What base64 holds as text. `said`: its type says that it is text, so that stray bytes in it do not matter."""
    letters = payload.rstrip("=")
    try:
        raw = binascii.a2b_base64(letters.translate(_TO_STANDARD) + "=" * (-len(letters) % 4))
        return raw.decode("utf-8", "surrogateescape" if said else "strict")
    except (binascii.Error, UnicodeDecodeError):
        return None
