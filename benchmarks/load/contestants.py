"""What is measured: nginx and HAProxy as plain reverse proxies, Headgate bare and with everything on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import processes

MOCK_PORT = 9100
SENTENCE = "The lazy brew of a toxic dog makes quick wizards jump over seven brown foxes. "

NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log nginx.err; worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
  scgi_temp_path t5; client_body_buffer_size 128k; keepalive_requests 1000000;
  upstream m {{ server 127.0.0.1:{mock}; keepalive 4096; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://m; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_buffering off; }} }} }}
"""
HAPROXY = """
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  option http-no-delay
  http-reuse always
frontend f
  bind 127.0.0.1:{port} backlog 4096
  default_backend b
backend b
  server s 127.0.0.1:{mock} pool-max-conn 4096
"""
HEADGATE = """
listen: 127.0.0.1:{port}
state: state
workspace: workspace
providers:
  openai:
    type: openai
    base_url: http://127.0.0.1:{mock}/v1
    key_env: BENCH_KEY
    allow_http: true
    allow_private: true
    models: {{gpt-4o-mini: {{}}}}
"""
WORKSPACE = """
kind: app
name: bench
owners: [bench]
releases: [{number: 1, prompt: bench@1.0.0, route: bench@1.0.0, guardrail: bench@1.0.0}]
channels: {production: 1}
---
kind: route
name: bench
version: 1.0.0
targets: [openai/gpt-4o-mini]
---
kind: prompt
name: bench
version: 1.0.0
inputs: {type: object, properties: {desk: {type: string}}, required: [desk]}
messages: [{role: system, content: "You are an assistant for {{ desk }}. Be brief and say what you do not know."}]
---
kind: guardrail
name: bench
version: 1.0.0
rules:
  - {name: email, check: email, on: [input, output], action: redact}
  - {name: card, check: card, on: [input, output], action: redact}
  - {name: keys, check: provider_keys, on: [input, output], action: block}
  - {name: injection, check: email, on: [input], action: flag}
"""


@dataclass
class Contestant:
    """A gateway that can be started. `model` and `extra` go into the bodies that it is loaded with."""

    name: str
    port: int
    command: list[str]
    folder: Path
    headers: list[str] = field(default_factory=list[str])
    env: dict[str, str] = field(default_factory=dict[str, str])
    model: str = "gpt-4o-mini"
    extra: dict[str, object] = field(default_factory=dict[str, object])
    python: bool = False

    def body(self, chars: int, stream: bool) -> bytes:
        """A request of about `chars` characters."""
        text = (SENTENCE * (chars // len(SENTENCE) + 1))[: chars - 150]
        messages = [{"role": "user", "content": text}]
        if not self.extra:
            messages.insert(0, {"role": "system", "content": "You are a helpful assistant for a support desk."})
        body: dict[str, object] = {"model": self.model, "messages": messages, "max_tokens": 200, **self.extra}
        return json.dumps({**body, "stream": True} if stream else body).encode()

    def answers(self) -> bool:
        """Whether one call is answered with 200."""
        headers = {"content-type": "application/json", **dict(line.split(": ", 1) for line in self.headers)}
        url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, self.body(1000, False), headers), timeout=5
            ) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


def contestants(folder: Path) -> list[Contestant]:
    """Those that this machine can run, references first."""
    found = [direct(folder)]
    if shutil.which("nginx"):
        found.append(_proxy("nginx", 8110, NGINX, ["nginx", "-p", str(folder), "-c"], folder))
    if shutil.which("haproxy"):
        found.append(_proxy("haproxy", 8111, HAPROXY, ["haproxy", "-db", "-f"], folder))
    return [*found, headgate(folder, 8120, everything=False), headgate(folder, 8130, everything=True)]


def direct(folder: Path) -> Contestant:
    """No gateway: the load tool and the mock provider themselves."""
    return Contestant("direct", MOCK_PORT, [], folder)


def _proxy(name: str, port: int, template: str, command: list[str], folder: Path) -> Contestant:
    config = folder / f"{name}.conf"
    config.write_text(template.format(port=port, mock=MOCK_PORT))
    return Contestant(name, port, [*command, str(config)], folder)


def headgate(folder: Path, port: int, *, everything: bool) -> Contestant:
    """Bare: key and durable record. Everything: also release, prompt, and patterns on what goes in and comes out."""
    name = "headgate, everything on" if everything else "headgate, pass-through"
    home = folder / f"headgate-{port}"
    (home / "workspace").mkdir(parents=True)
    (home / "headgate.yaml").write_text(HEADGATE.format(port=port, mock=MOCK_PORT))
    (home / "workspace" / "bench.yaml").write_text(WORKSPACE)
    command = [str(Path(sys.executable).parent / "headgate"), "up", "--config", str(home / "headgate.yaml")]
    made = Contestant(name, port, command, home, env={"BENCH_KEY": "sk-bench"}, python=True)
    made.headers = [f"Authorization: Bearer {_first_key(made)}"]
    if everything:
        made.model = "bench"
        made.extra = {"headgate": {"variables": {"desk": "a customer support desk"}}}
    return made


def _first_key(made: Contestant) -> str:
    """Start once, so that a limited key exists: rates and budget are checked on every call, and never reached."""
    process = processes.start(made.command, 0, made.folder / "log", made.env)
    told = made.folder / "state" / "management.json"
    try:
        processes.wait_for(told.exists, 20, made.name)
        arguments = [made.command[0], "keys", "create", "bench", "--rpm", "900000000", "--tpm", "900000000",
                     "--budget", "900000000", "--json", "--state", str(made.folder / "state")]  # fmt: skip
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        time.sleep(1.0)  # workers take new keys over within half a second
        return json.loads(done.stdout)["secret"]
    finally:
        processes.stop(process)
