"""`headgate demo`: the gateway and simulated providers, one real call in each dialect, then serve."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from headgate.cli.client import ADDRESS_FILE, STATE, Client
from headgate.cli.commands import Commands
from headgate.cli.processes import Running, answers, await_ready, running
from headgate.cli.tables import say

GATEWAY_PORT = 8484
SIMULATOR_PORT = 8486
CALL_S = 30.0
DAY_S = 86_400
SAID = "Does the kettle switch itself off? Write to me at ada@example.com."


class Try(msgspec.Struct, frozen=True):
    """One call of the demo: which dialect, where to, with what, and where the text of the answer is."""

    dialect: str
    path: str
    body: dict[str, Any]
    text: tuple[str | int, ...]


TRIES = (
    Try(
        "OpenAI",
        "/v1/chat/completions",
        {
            "model": "support",
            "messages": [{"role": "user", "content": SAID}],
            "headgate": {"variables": {"product": "the Aurora kettle"}},
        },
        ("choices", 0, "message", "content"),
    ),
    Try(
        "Anthropic",
        "/v1/messages",
        {"model": "claude-haiku-5-5", "max_tokens": 200, "messages": [{"role": "user", "content": SAID}]},
        ("content", 0, "text"),
    ),
    Try(
        "Google",
        "/v1beta/models/gemini-3.5-flash-lite:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": SAID}]}]},
        ("candidates", 0, "content", "parts", 0, "text"),
    ),
)


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = commands.add_parser("demo", help="start a demo with simulated providers and make a call in each dialect")
    parser.add_argument("--once", action="store_true", help="make the calls, stop, and exit 0 or 1")
    parser.add_argument("--port", type=int, default=GATEWAY_PORT, help=f"the gateway's port ({GATEWAY_PORT})")
    parser.add_argument("--simulator-port", type=int, default=SIMULATOR_PORT, help=f"({SIMULATOR_PORT})")
    parser.add_argument("--state", type=Path, default=Path(STATE), metavar="DIR", help=f"state folder ({STATE})")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0 where every dialect got an answer."""
    signal.signal(signal.SIGTERM, _interrupt)
    with _simulator(options.simulator_port), _gateway(options) as gateway:
        client = Client.of(argparse.Namespace(state=options.state, url=None, admin_key=None))
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + DAY_S))
        key = client.post("/api/keys", {"name": "demo", "expires": expires})["secret"]
        url = f"http://127.0.0.1:{options.port}"
        print(f"\nHeadgate serves on {url}, providers are simulated.\n")
        good = all([_call(url, key, one) for one in TRIES])
        if not good:
            print("Not every dialect was answered.", file=sys.stderr)
        if options.once or not good:
            return 0 if good else 1
        _tell(url, key)
        return gateway.wait()


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _simulator(port: int) -> Generator[None, None, None]:
    arguments = ["simulate", "--port", str(port)]
    with running("simulator", arguments, os.environ) as process:
        await_ready(process, "simulator", lambda: answers(port))
        yield


@contextlib.contextmanager
def _gateway(options: argparse.Namespace) -> Generator[Running, None, None]:
    folder = files("headgate") / "data" / "demo"
    text = (folder / "headgate.yaml").read_text().replace(f":{SIMULATOR_PORT}/", f":{options.simulator_port}/")
    options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = options.state / "demo.yaml"
    config.write_text(text.replace("workspace: workspace", f"workspace: {json.dumps(str(folder / 'workspace'))}"))
    (options.state / ADDRESS_FILE).unlink(missing_ok=True)
    environment = {**os.environ, "HEADGATE_DEMO_KEY": "sim-demo"}
    arguments = ["up", "--config", str(config), "--state", str(options.state), "--port", str(options.port)]
    arguments += ["--log", "warning"]  # what is shown here is the calls
    with running("gateway", arguments, environment) as process:
        await_ready(process, "gateway", (options.state / ADDRESS_FILE).exists)
        yield process


def _call(url: str, key: str, one: Try) -> bool:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(url + one.path, json.dumps(one.body).encode(), headers)  # noqa: S310 - our own URL
    try:
        with urllib.request.urlopen(request, timeout=CALL_S) as answer:  # noqa: S310 - our own URL
            found = json.loads(answer.read())
            call_id = answer.headers["x-headgate-call-id"]
    except urllib.error.HTTPError as error:
        say(f"{one.dialect}: HTTP {error.code}: {error.read().decode(errors='replace')}")
        return False
    except (OSError, ValueError) as error:
        say(f"{one.dialect}: {error}")
        return False
    for step in one.text:
        found = found[step]
    print(f"{one.dialect:9}  POST {one.path}, model {one.body.get('model', 'in the path')}")
    for line in str(found).splitlines():
        say(f"{'':9}  {line}")
    print(f"{'':9}  {call_id}\n")
    return bool(found)


def _tell(url: str, key: str) -> None:
    print(f"""An API key for this demo, good for a day:

  export HEADGATE_KEY={key}

With the OpenAI SDK (pip install openai):

  import os
  from openai import OpenAI
  client = OpenAI(base_url="{url}/v1", api_key=os.environ["HEADGATE_KEY"])
  answer = client.chat.completions.create(
      model="support",
      messages=[{{"role": "user", "content": "Does the kettle switch itself off?"}}],
      extra_body={{"headgate": {{"variables": {{"product": "the Aurora kettle"}}}}}},
  )
  print(answer.choices[0].message.content)

In another terminal:  .venv/bin/headgate calls
Ctrl-C stops.""", flush=True)  # fmt: skip
