"""The switch for texts of unregistered prompts reaches the snapshot that workers serve from."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.app.config import load_config
from headgate.app.up import check
from headgate.core.errors import ConfigError
from tests.support.management import YAML


@pytest.mark.parametrize(("said", "on"), [("", True), ("discovery: on\n", True), ("discovery: off\n", False)])
def test_discovery_is_on_unless_the_configuration_says_off(tmp_path: Path, said: str, on: bool) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(YAML + said)
    snapshot = check(load_config(file, {"KEY": "k"}, tmp_path)).snapshot
    assert snapshot is not None
    assert snapshot.discovery is on


def test_anything_else_is_told_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(YAML + "discovery: perhaps\n")
    with pytest.raises(ConfigError) as caught:
        load_config(file, {"KEY": "k"}, tmp_path)
    assert caught.value.where == f"{file}:2"
