"""The syntax of the package, for tests that hold it to the house rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
HELPERS = TESTS / "helpers"
PACKAGE = ROOT / "codesign"


class Import(NamedTuple):
    """One import of a module: what, and whether inside a function."""

    target: str
    lazy: bool


@cache
def sources() -> dict[str, ast.Module]:
    """The syntax tree of every module, by its name inside the package."""
    return {module_name(path): ast.parse(path.read_text("utf-8")) for path in source_files()}


def source_files() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    """``costs.area`` of ``codesign/costs/area.py``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def imports(tree: ast.Module) -> tuple[Import, ...]:
    """Dotted names a module imports at run time, at its top and inside functions."""
    return tuple(found_imports(tree))


def found_imports(tree: ast.Module) -> Iterator[Import]:
    """The same, one by one."""
    top = {id(node) for node in tree.body}
    for node in running(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, id(node) not in top)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                yield Import(f"{node.module}.{alias.name}", id(node) not in top)


def running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING:``."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    for child in ast.iter_child_nodes(node):
        yield from running(child)


def own_module(target: str) -> str | None:
    """The module of this package that an import refers to; None for others' packages."""
    if target.split(".")[0] != "codesign":
        return None
    name = target.partition(".")[2]
    while name and name not in sources():
        name = name.rpartition(".")[0]
    return name


def called(tree: ast.Module) -> set[str]:
    """Names and attributes that are called."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {node.id for node in calls if isinstance(node, ast.Name)}
    return names | {node.attr for node in calls if isinstance(node, ast.Attribute)}
