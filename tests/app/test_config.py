"""Configuration: mistakes are told by file and line, secrets are never in the file, nothing is exposed by accident."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from headgate.app import check, load_config
from headgate.app.config import Ability, Config
from headgate.core.errors import ConfigError
from headgate.dialects.base import ABILITIES

GOOD = """\
listen: 127.0.0.1:8484
providers:
  openai:
    type: openai
    key_env: OPENAI_API_KEY
"""
KEYS = {"OPENAI_API_KEY": "sk-very-secret", "ANTHROPIC_API_KEY": "sk-ant-secret"}


def load(folder: Path, text: str) -> Config:
    (folder / "headgate.yaml").write_text(text)
    return load_config(None, KEYS, folder)


def test_without_a_file_the_vendors_whose_keys_are_set(tmp_path: Path) -> None:
    config = load_config(None, KEYS, tmp_path)
    assert [(settings.name, settings.type) for settings in config.providers] == [
        ("openai", "openai"),
        ("anthropic", "anthropic"),
    ]
    assert (config.listen, config.management) == (("127.0.0.1", 8484), ("127.0.0.1", 8485))
    assert config.state == tmp_path / ".headgate"
    with pytest.raises(ConfigError, match="set one of OPENAI_API_KEY, ANTHROPIC_API_KEY, GOOGLE_API_KEY"):
        load_config(None, {}, tmp_path)


def test_paths_are_relative_to_the_file_and_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc" / "gate.yaml"
    file.write_text(GOOD + "state: data\nworkspace: things\n")
    config = load_config(file, KEYS, tmp_path)
    assert (config.state, config.workspace) == (tmp_path / "etc" / "data", tmp_path / "etc" / "things")
    config = load_config(file, KEYS, tmp_path, {"state": "here", "listen": "127.0.0.1:9000"})
    assert (config.state, config.listen, config.management) == (
        tmp_path / "here",
        ("127.0.0.1", 9000),
        ("127.0.0.1", 9001),
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("listen:", "lisen:", "headgate.yaml:1: unknown field `lisen` (one of: listen, management, state"),
        ("127.0.0.1:8484", "8484", "headgate.yaml:1: `listen`: expected `str`, got `int`"),
        ("127.0.0.1:8484", "here:8484", "headgate.yaml:1: `here:8484` is no address (IP:PORT"),
        ("127.0.0.1:8484", "127.0.0.1:99999", "headgate.yaml:1: `127.0.0.1:99999` is no address"),
        ("127.0.0.1:8484", "0.0.0.0:8484", "headgate.yaml:1: 0.0.0.0 is reachable from other machines"),
        ("key_env: OPENAI_API_KEY", "key_env: NO_SUCH", "headgate.yaml:5: the variable NO_SUCH is not set"),
        ("key_env: OPENAI_API_KEY", "key: sk-123", "headgate.yaml:5: unknown field `key`"),
        ("key_env: OPENAI_API_KEY", "key_file: no/such", "headgate.yaml:5: "),
        ("type: openai", "types: openai", "headgate.yaml:4: unknown field `types`"),
        ("    type: openai\n", "", "headgate.yaml:3: `type` is missing"),
        ("providers:", "providers: {}\nx:", "headgate.yaml:3: unknown field `x`"),
        (
            "listen: 127.0.0.1:8484",
            "retention_days: 0",
            "headgate.yaml:1: records are kept for a day at least (1 to 3650)",
        ),
        ("listen: 127.0.0.1:8484", "retention_days: 999999", "headgate.yaml:1: records are kept"),
        ("127.0.0.1:8484", "127.0.0.1:65535", "headgate.yaml:1: there is no port after it for the management API"),
        (
            "listen: 127.0.0.1:8484",
            "listen: 127.0.0.1:8484\nmanagement: 127.0.0.1:8484",
            "headgate.yaml:2: calls are taken there already",
        ),
        ("listen: 127.0.0.1:8484", "ca_file: no/such.pem", "headgate.yaml:1: "),
        ("listen: 127.0.0.1:8484", "ca_file: headgate.yaml", "a PEM file of root certificates"),
        ("listen: 127.0.0.1:8484", "journal_full: maybe", "headgate.yaml:1: `journal_full`: invalid enum value"),
        ("listen: 127.0.0.1:8484", "bodies: [", "not valid YAML"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert said in str(caught.value)
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("type: openai", "type: opnai", "headgate.yaml:3: there is no provider type `opnai`"),
        (
            "type: openai",
            "type: openai\n    base_url: http://llm.example/v1",
            "http://, so key and content would travel",
        ),
        ("type: openai", "type: openai\n    base_url: https://10.0.0.1/v1", "is in a private network"),
        ("listen: 127.0.0.1:8484", "guardrail: strict@1.0.0", "headgate.yaml:1: there is no guardrail `strict@1.0.0`"),
    ],
)
def test_what_only_shows_when_everything_is_compiled(tmp_path: Path, old: str, new: str, said: str) -> None:
    compiled = check(load(tmp_path, GOOD.replace(old, new, 1)))
    assert compiled.snapshot is None
    assert said in " ".join(map(str, compiled.faults))


MODEL = "    models: {tiny: {context: 512, abilities: [tools], price: {input: 1, output: 2}}}\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("context: 512", "context: 0", "headgate.yaml:6: `providers.openai.models.tiny.context`: expected `int` >= 1"),
        ("[tools]", "[juggling]", "invalid enum value 'juggling'"),
        ("input: 1", "input: -1", "`providers.openai.models.tiny.price.input`: expected `float` >= 0"),
    ],
)
def test_what_is_stated_of_a_model_must_make_sense(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in MODEL
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD + MODEL.replace(old, new))
    assert said in str(caught.value)


def test_abilities_are_those_that_dialects_ask_about() -> None:
    assert frozenset(get_args(Ability)) == ABILITIES


def test_exposing_needs_a_word(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD.replace("127.0.0.1:8484", "0.0.0.0:8484") + "exposed: true\n")
    assert config.listen == ("0.0.0.0", 8484)


def test_a_key_file_is_read_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-from-file\n")
    config = load(tmp_path, GOOD.replace("key_env: OPENAI_API_KEY", "key_file: key"))
    assert "sk-from-file" not in repr(config)
    assert check(config).snapshot is not None


def test_a_model_stated_in_the_file_wins_over_the_catalogue(tmp_path: Path) -> None:
    text = GOOD + "    models: {tiny: {context: 512, price: {input: 1, output: 2}}}\n"
    snapshot = check(load(tmp_path, text)).snapshot
    assert snapshot is not None
    route = snapshot.direct.route("tiny")
    assert route is not None
    target = route.targets[0]
    assert (str(target), target.context) == ("openai/tiny", 512)
    assert target.price is not None
    assert (target.price.input, target.price.cached_input) == (1, None)


def test_all_mistakes_of_a_workspace_are_told_at_once(tmp_path: Path) -> None:
    things = tmp_path / "things"
    things.mkdir()
    (things / "prompt.yaml").write_text("kind: prompt\nname: a\nversion: 1.0.0\nmessages: []\nowner: me\n")
    (things / "route.yaml").write_text("kind: route\nname: r\nversion: 1.0.0\ntargets: [nobody/x]\nowner: me\n")
    (things / "app.yaml").write_text(
        "kind: app\nname: x\nowners: [me]\nchannels: {production: 1}\n"
        "releases: [{number: 1, prompt: a@1.0.0, route: gone@1.0.0}]\n"
    )
    compiled = check(load(tmp_path, GOOD + "workspace: things\n"))
    told = sorted(str(fault).replace(f"{things}/", "") for fault in compiled.faults)
    assert [line.split(" (")[0] for line in told] == [
        "prompt.yaml:4: a prompt has 1 to 100 messages",
        "route.yaml:4: there is no provider `nobody`",
    ]  # the app pins the broken prompt: its own trouble shows when that is mended
