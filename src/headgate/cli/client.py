"""The running gateway's management API, as commands use it."""

from __future__ import annotations

import argparse
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from headgate.core.errors import ConfigError
from headgate.core.types import as_object, as_text
from headgate.registry import read_yaml

TIMEOUT_S = 30.0
ADDRESS_FILE = "management.json"
CONFIG_FILE = "headgate.yaml"
STATE = ".headgate"


class Refused(ConfigError):
    """The management API said no; its message says what would be right."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where the gateway is and who asks. On the gateway's own machine and user nothing needs to be said."""
    group = parser.add_argument_group("which gateway")
    where = f"its state folder (HEADGATE_STATE, else what {CONFIG_FILE} here says, else {STATE})"
    group.add_argument("--state", metavar="DIR", help=where)
    group.add_argument("--url", help="its management address, such as http://127.0.0.1:8485 (HEADGATE_URL)")
    group.add_argument("--admin-key", metavar="KEY", help="better in HEADGATE_KEY than on the command line")


def state_folder(options: argparse.Namespace) -> Path:
    """The state folder that a command's `--state`, the environment or the configuration here means."""
    return Path(options.state or os.environ.get("HEADGATE_STATE") or _configured())


class Client:
    """Calls the management API as one actor."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._key = key

    @classmethod
    def of(cls, options: argparse.Namespace) -> Client:
        """The client for a command's options. Raises ConfigError where no gateway runs or no key is known."""
        url = options.url or os.environ.get("HEADGATE_URL")
        key = options.admin_key or os.environ.get("HEADGATE_KEY")
        if url and key:
            return cls(url, key)
        state = state_folder(options)
        try:
            told = json.loads((state / ADDRESS_FILE).read_text())
        except (FileNotFoundError, NotADirectoryError):
            raise ConfigError(
                str(state), "no gateway runs on this state folder", "`headgate up`, or name one with --state or --url"
            ) from None
        except PermissionError:
            raise ConfigError(str(state), "is another user's", "--url, and a key with a role in HEADGATE_KEY") from None
        return cls(url or told["url"], key or told["token"])

    def get(self, path: str, query: dict[str, object] | None = None) -> Any:
        """GET; the decoded answer. Raises ConfigError."""
        said = {name: value for name, value in (query or {}).items() if value is not None}
        return self._call("GET", path + ("?" + urllib.parse.urlencode(said) if said else ""), None)

    def post(self, path: str, body: object, wait_s: float = TIMEOUT_S) -> Any:
        """POST; the decoded answer, waited for `wait_s` seconds. Raises ConfigError."""
        return self._call("POST", path, json.dumps(body).encode(), wait_s)

    def _call(self, method: str, path: str, body: bytes | None, wait_s: float = TIMEOUT_S) -> Any:
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        request = urllib.request.Request(self._url + path, data=body, headers=headers, method=method)  # noqa: S310 - the operator's own URL
        try:
            with urllib.request.urlopen(request, timeout=wait_s) as answer:  # noqa: S310 - as above
                data = answer.read()
        except urllib.error.HTTPError as error:
            raise self._refused(error) from error
        except (urllib.error.URLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ConfigError(self._url, f"no answer: {reason}", "`headgate up` in another terminal") from error
        return json.loads(data)

    def _refused(self, error: urllib.error.HTTPError) -> Refused:
        try:
            said = json.loads(error.read())["error"]
            return Refused(self._url, f"{said['message']} ({said['code']}, HTTP {error.code})", "")
        except (ValueError, KeyError, TypeError):
            return Refused(self._url, f"HTTP {error.code}", "is this the management address of a Headgate?")


def _configured() -> str:
    """The state folder of the configuration in the current folder."""
    file = Path(CONFIG_FILE)
    if not file.is_file():
        return STATE
    tree = next(read_yaml(file.read_text(encoding="utf-8"), CONFIG_FILE), None)
    fields = as_object(None if tree is None else tree.value) or {}
    return as_text(fields.get("state")) or STATE
