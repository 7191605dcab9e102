"""How the package is written: names, lengths, explanations, who speaks, no path of one machine."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from sources import ROOT, TESTS, called, source_files, sources

import codesign

SPEAKERS = {"cli.app", "results.text.layout"}
BANNED_NAMES = {"utils", "util", "helpers", "common", "base", "core", "constants", "misc", "tools"}
MOST_LINES = 500
MOST_TEST_LINES = 400
MOST_FUNCTION_LINES = 60  # its docstring not counted


def test_modules_have_telling_names() -> None:
    parts = {part for module in sources() for part in module.split(".")}
    assert parts & BANNED_NAMES == set()


def test_files_are_short() -> None:
    code = [*source_files(), *(ROOT / "studies").rglob("*.py")]
    most = dict.fromkeys(code, MOST_LINES) | dict.fromkeys(TESTS.rglob("*.py"), MOST_TEST_LINES)
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in most}
    assert {path: count for path, count in lines.items() if count > most[path]} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{module}.{node.name}": lines_of_code(node)
        for module, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: n for name, n in lengths.items() if n > MOST_FUNCTION_LINES} == {}
    assert len(lengths) > 100


def lines_of_code(function: ast.FunctionDef) -> int:
    """Lines from its ``def`` to its last, without the docstring."""
    first = function.body[0]
    explained = ast.get_docstring(function) is not None
    text = (first.end_lineno or 0) - first.lineno + 1 if explained else 0
    return (function.end_lineno or 0) - function.lineno + 1 - text


def test_public_names_are_all_there() -> None:
    assert sorted(codesign.__all__) == list(codesign.__all__)
    assert set(codesign.__all__) <= set(dir(codesign))
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        codesign.solv  # noqa: B018


@pytest.mark.parametrize("name", codesign.__all__)
def test_public_names_are_explained(name: str) -> None:
    text = getattr(codesign, name).__doc__
    assert text
    assert not text.startswith(f"{name}("), "made by dataclass"
    for attribute, value in vars(getattr(codesign, name)).items():
        if not attribute.startswith("_") and (callable(value) or isinstance(value, property)):
            assert value.__doc__, f"{name}.{attribute}"


@pytest.mark.parametrize("module", sorted(sources()))
def test_modules_are_explained(module: str) -> None:
    tree = sources()[module]
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("module", sorted({*sources()} - SPEAKERS))
def test_the_library_does_not_print(module: str) -> None:
    assert called(sources()[module]) & {"print", "basicConfig"} == set()


def test_every_test_file_says_what_it_is_for() -> None:
    listed = re.findall(r"`(test_[\w*]+\.py)`", (TESTS / "README.md").read_text("utf-8"))
    found = {path.name for pattern in listed for path in TESTS.rglob(pattern)}
    assert {path.name for path in TESTS.rglob("test_*.py")} == found
    assert all(any(TESTS.rglob(pattern)) for pattern in listed), "a file that is gone"


FOLDERS = ("codesign", "models", "tests", "studies")
SUFFIXES = {".py", ".toml", ".md", ".lp", ".json", ".csv", ".txt", ".ipynb", ".css"}
# A folder of one machine: of a user, a temporary or a mounted one. In parts, to not find itself.
MACHINE_PATH = re.compile(
    r"(?<![\w./~-])/(?:" + "|".join(("home", "root", "tmp", "work", "Users", "mnt")) + r")/\w"
    r"|\b[A-Z]:\\\\?(?:Users|Windows)"
)


def repository_texts() -> list[Path]:
    """Files of the repository that hold text."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    found += ROOT.glob("*.md")
    return [
        path
        for path in found
        if path.suffix in SUFFIXES and not any(part.startswith(".") for part in path.parts)
    ]


def test_no_path_of_one_machine() -> None:
    texts = repository_texts()
    assert ROOT / "README.md" in texts
    assert Path(__file__) in texts
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in texts
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("folder", ["home", "tmp", "Users"])
def test_a_path_of_one_machine_would_be_found(folder: str) -> None:
    assert MACHINE_PATH.search(f"see /{folder}/someone/file")
    assert not MACHINE_PATH.search(f"https://example.org/{folder}/someone")
