"""`headgate import` and `headgate prompt export`: whole commands, on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headgate.app import check, load_config
from headgate.cli.main import main
from headgate.registry import load_workspace

LEGAL = "---\ninput: {schema: {product: string}}\n---\n{{product}} comes without advice."
PROMPT = """\
---
config: {temperature: 0.4}
input: {schema: {product: string}}
---
{{role "system"}}About {{product}}. {{> legal}}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "_legal.prompt").write_text(LEGAL)
    (folder / "support.prompt").write_text(PROMPT)
    return folder


def test_a_folder_becomes_files_of_a_workspace(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "ws"
    command = ["import", "dotprompt", str(source), "--into", str(into), "--owner", "us", "--version", "1.2.0"]
    assert main(command) == 0
    workspace = load_workspace(into)
    assert workspace.faults == []
    assert workspace.known("prompt") == ["support@1.2.0"]
    assert workspace.known("partial") == ["legal@1.2.0"]
    artifact = workspace.find("prompt", "support")
    assert artifact is not None
    assert artifact.owner == "us"
    assert artifact.content["partials"] == {"legal": "legal@1.2.0"}
    assert "wrote     " in capsys.readouterr().out
    assert main(command) == 0
    assert capsys.readouterr().out.count("unchanged ") == 2


def test_a_version_never_changes_and_the_next_is_added(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "ws"
    command = ["import", "dotprompt", str(source), "--into", str(into)]
    assert main(command) == 0
    before = (into / "support.yaml").read_text()
    (source / "support.prompt").write_text(PROMPT.replace("About", "Of"))
    (source / "other.prompt").write_text("Hello.")
    assert main(command) == 2
    assert "support.yaml:1: prompt/support@1.0.0 is there with other content" in capsys.readouterr().err
    assert (into / "support.yaml").read_text() == before
    assert not (into / "other.yaml").exists()  # nothing is half done
    assert main([*command, "--version", "1.1.0"]) == 0
    assert load_workspace(into).known("prompt") == ["other@1.1.0", "support@1.0.0", "support@1.1.0"]


def test_without_a_folder_it_prints(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "dotprompt", str(source), "--name", "help"]) == 0
    assert "kind: prompt\nname: help\nversion: 1.0.0\n" in capsys.readouterr().out
    assert main(["import", "dotprompt", str(source), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["documents"]] == ["legal", "support"]


def test_a_partial_of_the_workspace_is_pinned(source: Path, tmp_path: Path) -> None:
    into = tmp_path / "ws"
    assert main(["import", "dotprompt", str(source / "_legal.prompt"), "--into", str(into), "--version", "3.1.0"]) == 0
    assert main(["import", "dotprompt", str(source / "support.prompt"), "--into", str(into)]) == 0
    artifact = load_workspace(into).find("prompt", "support")
    assert artifact is not None
    assert artifact.content["partials"] == {"legal": "legal@3.1.0"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{}/none.prompt"], "none.prompt: there is no such file"),
        (["{}", "--name", "Big"], "--name: `Big` is no name"),
        (["{}", "--version", "1"], "--version: `1` is no version"),
        (["{}/support.prompt"], "support.prompt:5: there is no partial `legal`"),
    ],
)
def test_wrong_usage(source: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    assert main(["import", "dotprompt", *(one.format(source) for one in arguments)]) == 2
    assert said in capsys.readouterr().err


def test_a_mistake_is_told_at_the_line_of_the_source(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source / "support.prompt").write_text(PROMPT.replace("{{product}}.", "{{produkt}}."))
    assert main(["import", "dotprompt", str(source)]) == 2
    assert "support.prompt:5: the template uses `produkt`, which is not declared" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["dotprompt", "langfuse", "litellm-prompt", "promptfoo"])
def test_a_prompt_goes_out(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    into = tmp_path / "ws"
    assert main(["import", "dotprompt", str(source), "--into", str(into)]) == 0
    out = tmp_path / "out"
    command = ["prompt", "export", "support", "--as", form, "--workspace", str(into)]
    assert main([*command, "--into", str(out)]) == 0
    assert any("support" in path.name for path in out.iterdir())
    assert "wrote " in capsys.readouterr().out
    assert main([*command, "--into", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(command) == 0
    if form in ("dotprompt", "langfuse"):
        again = tmp_path / "again"
        assert main(["import", form, str(out), "--into", str(again)]) == 0
        found, before = (load_workspace(folder).find("prompt", "support") for folder in (again, into))
        assert found is not None
        assert before is not None
        assert found.ref.digest == before.ref.digest


def test_a_prompt_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompt", "export", "nope", "--as", "langfuse", "--workspace", str(tmp_path)]) == 2
    assert "nope: there is no such prompt in the workspace" in capsys.readouterr().err


# -- LiteLLM's configuration -----------------------------------------------------------------------------------------

LITELLM = """\
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_KEY, rpm: 60, weight: 3}
  - model_name: gpt-4o
    litellm_params: {model: gpt-4o, api_base: "https://eu.example/v1", api_key: os.environ/EU_KEY}
  - model_name: Claude
    litellm_params:
      model: anthropic/claude-haiku-5-5
      temperature: 0.1
    model_info: {max_input_tokens: 9000, input_cost_per_token: 1e-6, output_cost_per_token: 5e-6, supports_vision: true}
  - model_name: gemini-pro
    litellm_params: {model: gemini/gemini-3.8-flash, api_key: os.environ/GEMINI_API_KEY}
  - model_name: local
    litellm_params: {model: ollama/llama4, api_base: "http://localhost:11434/v1"}
  - model_name: fast
    litellm_params: {model: groq/llama-4}
  - model_name: cloud
    litellm_params: {model: bedrock/anthropic.claude-v2}
  - model_name: "openai/*"
    litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_KEY}
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 2
  timeout: 30
  fallbacks: [{gpt-4o: [Claude, nowhere]}]
  context_window_fallbacks: [{gpt-4o: [gemini-pro]}]
  model_group_alias: {gpt-4: gpt-4o, old: nowhere}
  redis_host: localhost
litellm_settings:
  drop_params: true
  cache: true
  cache_params: {type: redis, ttl: 600}
general_settings:
  master_key: os.environ/MASTER
environment_variables: {A: b}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(LITELLM)
    return path


def test_litellms_configuration_is_served_here(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into = tmp_path / "new"
    assert main(["import", "litellm", str(config), "--into", str(into), "--owner", "platform"]) == 0
    out = capsys.readouterr().out
    keys = {name: "k" for name in ("OPENAI_KEY", "EU_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY")}
    compiled = check(load_config(into / "headgate.yaml", keys, into))
    assert compiled.faults == []
    assert compiled.snapshot is not None
    apps = compiled.snapshot.apps
    assert sorted(apps) == ["claude", "fast", "gemini-pro", "gpt-4", "gpt-4o", "local"]
    release = apps["gpt-4o"].channels["production"]
    assert [str(target) for target in release.route.targets] == [
        "openai/gpt-4o", "openai-2/gpt-4o", "anthropic/claude-haiku-5-5", "google/gemini-3.8-flash",
    ]  # fmt: skip
    assert (release.route.attempts, release.route.deadlines.total_s) == (3, 30)
    assert apps["gpt-4"].channels["production"].route.ref == release.route.ref
    assert apps["gpt-4o"].stand_ins is not None
    claude = apps["claude"].channels["production"].route.targets[0]
    assert claude.context == 9000
    assert claude.price is not None
    assert (claude.price.input, claude.price.output) == (1.0, 5.0)
    for said in (
        "app claude (asked for as `Claude` before: clients change the name)",
        "provider openai-2: openai_compatible, key in EU_KEY",
        "config.yaml:3: `rpm`: limits are those of apps, keys, teams: headgate limits set app/gpt-4o --rpm 60",
        "config.yaml:9: `temperature`: parameters of a call belong to a prompt's `settings`",
        "config.yaml:10: `supports_vision`: not known of a model here",
        "config.yaml:18: `bedrock`: no provider type speaks it",
        "`openai/*`: models that no app names are asked for by their own names",
        "`nowhere` follows `gpt-4o`", "`old` stands for `nowhere`", "`master_key`: `headgate up` prints",
        "`redis_host`: ", "`environment_variables`: it has no counterpart",
    ):  # fmt: skip
        assert said in out, out
    assert main(["import", "litellm", str(config), "--into", str(into)]) == 2
    assert "headgate.yaml: is there already" in capsys.readouterr().err


def test_a_key_in_the_file_is_refused_and_not_shown(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(LITELLM.replace("os.environ/EU_KEY", "sk-live-1234567890"))
    assert main(["import", "litellm", str(config), "--into", str(tmp_path / "new")]) == 2
    told = capsys.readouterr()
    assert "config.yaml:5: a key stands in the file itself" in told.err
    assert "api_key: os.environ/OPENAI_API_KEY" in told.err
    assert "sk-live" not in told.err + told.out
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "config.yaml:1: the file is not a mapping"),
        ("model_list: []", "config.yaml:1: there is no model"),
        ("model_list:\n  - {model_name: a}", "config.yaml:2: an entry without a model"),
        ("model_list:\n  - litellm_params: {model: openai/x}", "config.yaml:2: an entry without a name"),
        (
            "model_list:\n  - {model_name: a, litellm_params: {model: hosted_vllm/x}}",
            "`hosted_vllm` without an address",
        ),
        ("model_list:\n  - {model_name: a, litellm_params: {model: bedrock/x}}", "no model of it can be reached"),
        ("model_list: [\n", "not valid YAML"),
    ],
)
def test_configurations_that_cannot_be_read(
    config: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    config.write_text(text)
    assert main(["import", "litellm", str(config), "--dry-run"]) == 2
    assert said in capsys.readouterr().err


def test_a_dry_run_writes_nothing(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "litellm", str(config), "--into", str(tmp_path / "new"), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["files"]) == 12
    assert not (tmp_path / "new").exists()
