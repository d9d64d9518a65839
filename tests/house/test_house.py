"""The house rules as ratchets: sizes, names, excepts, documentation, imports, types, format."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "headgate"
FILES = sorted(SRC.rglob("*.py"))
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 6
DEPENDENCIES_MAX = 20

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return str(path.relative_to(SRC))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {name_of(path): ast.parse(path.read_text()) for path in FILES}


def test_files_are_short() -> None:
    assert [name_of(p) for p in FILES if len(p.read_text().splitlines()) > FILE_LINES_MAX] == []


def test_functions_are_short_and_take_few_parameters(trees: dict[str, ast.Module]) -> None:
    wrong: list[str] = []
    for file, tree in trees.items():
        for function in functions(tree):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            arguments = function.args
            names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
            parameters = len([name for name in names if name not in ("self", "cls")])
            if lines > FUNCTION_LINES_MAX or parameters > PARAMETERS_MAX:
                wrong.append(f"{file}:{function.lineno} {function.name}: {lines} lines, {parameters} parameters")
    assert wrong == []


def test_no_except_is_silent(trees: dict[str, ast.Module]) -> None:
    wrong = [
        f"{file}:{node.lineno}"
        for file, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and all(isinstance(s, ast.Pass) for s in node.body)
    ]
    assert wrong == []


def test_imports_stand_at_the_top(trees: dict[str, ast.Module]) -> None:
    wrong = [
        f"{file}:{node.lineno}"
        for file, tree in trees.items()
        for function in functions(tree)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("headgate", exclude_type_checking_imports=True, cache_dir=None)
    above = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    # a module that imports nothing that is left can be taken away; what remains is circles and what stands on them
    while leaves := [module for module, imported in above.items() if not imported & above.keys()]:
        for module in leaves:
            del above[module]
    assert sorted(above) == []


def test_every_public_name_is_documented(trees: dict[str, ast.Module]) -> None:
    wrong: list[str] = []
    for file, tree in trees.items():
        if "migrations/versions" in file and file.endswith("__init__.py"):
            continue
        if not ast.get_docstring(tree):
            wrong.append(file)
        for node in public(tree):
            if not ast.get_docstring(node):
                wrong.append(f"{file}:{node.lineno} {node.name}")
    assert wrong == []


def public(tree: ast.Module) -> Iterator[Function | ast.ClassDef]:
    """Public functions and classes of a module, and public methods of its public classes."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (m for m in node.body if isinstance(m, Function) and not m.name.startswith("_"))


def test_every_room_says_what_it_owns() -> None:
    rooms = [p for p in SRC.iterdir() if p.is_dir() and (p / "__init__.py").exists()]
    rooms = [p for p in rooms if p.name not in ("core", "dialects", "wire", "cli", "app", "data")]
    for room in rooms:
        text = (room / "README.md").read_text()
        assert "**Owns**" in text, room.name
        assert "**Does not own**" in text, room.name


def test_few_dependencies_each_with_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [line.split(">")[0].split("<")[0].split(";")[0].strip() for line in project["dependencies"]]
    assert len(names) <= DEPENDENCIES_MAX
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    assert [name for name in names if f"| {name} |" not in reasons] == []


def test_the_lock_pins_every_dependency_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [line.split(">")[0].split("<")[0].split(";")[0].strip().lower() for line in project["dependencies"]]
    entries = (ROOT / "requirements.lock").read_text().split("\n")
    pinned = {line.split("==")[0]: entries[i + 1] for i, line in enumerate(entries) if "==" in line and line[0] != " "}
    assert [name for name in names if name not in pinned] == []
    assert [name for name, following in pinned.items() if "--hash=sha256:" not in following] == []


def test_nothing_of_one_machine_is_in_the_tree() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    # put together here so that this file does not find itself
    forbidden = ["/wo" + "rk/", "/ro" + "ot/", "pypi-" + "more"]
    wrong = [
        name
        for name in listed
        if name and (ROOT / name).suffix in (".py", ".md", ".toml", ".yaml", ".json", "")
        and (ROOT / name).is_file()
        and any(word in (ROOT / name).read_text(errors="replace") for word in forbidden)
    ]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "src", "tests", "benchmarks", "scripts"],
        ["ruff", "format", "--check", "src", "tests", "benchmarks", "scripts"],
        ["lint-imports", "--no-cache"],
        ["pyright"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_the_tools_agree(command: list[str]) -> None:
    tool = Path(sys.executable).parent / command[0]
    done = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
