"""The house rules, read off the sources: who may import whom, how long things are, who speaks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import codesign

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "codesign"

# A module imports only from modules above it ("" is the package's own __init__).
ORDER = (
    "",
    "errors",
    "units",
    "halt",
    "amounts",
    "schema",
    "network",
    "technology",
    "toml_text",
    "technology_file",
    "network_file",
    "hardware",
    "text_files",
    "stored",
    "checking.findings",
    "checking.reading",
    "checking.network",
    "checking.arithmetic",
    "checking.question",
    "checking.problem",
    "checking.seal",
    "checking.figures",
    "checking.answer",
    "checking.assignment",
    "checking.evaluation",
    "checking.design",
    "checking.tilings",
    "checking.couplings",
    "checking.pricing",
    "checking.offers",
    "checking.sweeping",
    "checking.enumerating",
    "checking.certificate",
    "checking",
    "checking.wording",
    "specs",
    "onnx.graph",
    "onnx.operators",
    "onnx.foreign",
    "onnx.file",
    "onnx.binding",
    "onnx.folding",
    "onnx.attention",
    "onnx.shapes",
    "onnx.slices",
    "onnx.windows",
    "onnx.groups",
    "onnx.loops",
    "onnx.placing",
    "onnx.assembling",
    "onnx.widths",
    "onnx.notes",
    "onnx.weights",
    "onnx.importing",
    "onnx",
    "measured_areas",
    "csv_table",
    "costs",
    "costs.area",
    "costs.arithmetic",
    "costs.compute",
    "costs.tiling",
    "costs.roofline",
    "quality.quantise",
    "quality.budget",
    "quality.table",
    "quality.weights",
    "quality",
    "source_widths",
    "figures",
    "sharing",
    "problem",
    "latency_table",
    "width_space",
    "space",
    "point",
    "tabled_space",
    "candidates",
    "elimination",
    "layer_tables",
    "bounds",
    "dual",
    "formulation",
    "solver",
    "second_opinion",
    "programme",
    "search.memory",
    "search.inquiry",
    "search.pursuit",
    "search.together",
    "search.best_bound",
    "search.area",
    "search.metric",
    "search.widths",
    "search",
    "whole",
    "infeasible",
    "design",
    "design_file",
    "evaluation",
    "evaluation_file",
    "assignment",
    "assignment_file",
    "result_files",
    "fits",
    "front",
    "tables",
    "report",
    "front_report",
    "assignment_report",
    "catalogue",
    "fit_report",
    "study.liveness",
    "study.records",
    "study.sqlite",
    "study.store",
    "study.frame",
    "plots.drawing",
    "plots.labels",
    "proving",
    "explanation",
    "explanation_file",
    "explain_report",
    "plots.design",
    "plots.explanation",
    "plots.fit",
    "plots.front",
    "plots.study",
    "plots",
    "optimum",
    "allocation",
    "certifying",
    "unexplored",
    "survey",
    "options",
    "flags",
    "terminal",
    "file_commands",
    "study.answering",
    "study.workers",
    "study.cells",
    "study.questions",
    "study.loop",
    "study.file",
    "study",
    "study.report",
    "study_commands",
    "cli",
)

# A design shows and writes itself with what is made for designs, imported when asked to.
LAZY = {("design", "tables"), ("design", "plots"), ("stored", "result_files")}
LAZY |= {("design", "explanation"), ("explanation", "explanation_file"), ("explanation", "plots")}
LAZY |= {("evaluation", "tables"), ("evaluation", "plots"), ("assignment", "tables")}
LAZY |= {("specs", "onnx")}  # only a path that ends in .onnx needs it
LAZY |= {("fits", "plots"), ("front", "tables"), ("front", "plots")}  # a fit and a front too

# Packages that only some modules may import.
FENCED = {
    "highspy": {"solver"},
    "matplotlib": {
        "plots.drawing",
        "plots.labels",
        "plots.design",
        "plots.explanation",
        "plots.fit",
        "plots.front",
        "plots.study",
    },
    "pyomo": {"formulation", "second_opinion", "solver"},
    "pandas": {"tables", "plots.drawing", "plots.design", "fits", "measured_areas"}
    | {"study.frame", "plots.study"},
    "click": {"cli", "file_commands", "flags", "options", "study.cells", "study.questions"}
    | {"study_commands", "terminal"},
    "sqlite3": {"study.sqlite", "study.store"},
    "distributed": {"study.workers"},
    "onnx": {"onnx", "onnx.attention", "onnx.file", "onnx.folding", "onnx.shapes", "onnx.weights"},
}
COSTS_MAY_IMPORT = {"__future__", "codesign", "dataclasses", "math", "numpy"}
CHECK_MAY_IMPORT = {"__future__", "bisect", "codesign", "collections", "dataclasses", "fractions"}
CHECK_MAY_IMPORT |= {"functools", "itertools", "math", "operator", "pathlib", "typing"}
CHECK_MAY_USE = {"errors", "text_files"}  # of this package
SPEAKERS = {"cli", "report"}
BANNED_NAMES = {"utils", "util", "helpers", "common", "base", "core", "constants", "misc", "tools"}
MOST_LINES = 500
MOST_FUNCTION_LINES = 60  # its docstring not counted


class Import(NamedTuple):
    """One import of a module: what, and whether inside a function."""

    target: str
    lazy: bool


# --- reading the sources ------------------------------------------------------------------------


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


def imports(tree: ast.Module) -> Iterator[Import]:
    """Dotted names a module imports at run time, at its top and inside functions."""
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


# --- imports ------------------------------------------------------------------------------------


def test_every_module_has_its_place() -> None:
    assert sorted(ORDER) == sorted(sources())


@pytest.mark.parametrize("module", ORDER)
def test_imports_go_one_way(module: str) -> None:
    for target, lazy in imports(sources()[module]):
        imported = own_module(target)
        if imported is not None and not (lazy and (module, imported) in LAZY):
            assert ORDER.index(imported) < ORDER.index(module), f"{module} imports {imported}"


def test_each_exception_is_in_use() -> None:
    used = {
        (module, own_module(target))
        for module, tree in sources().items()
        for target, lazy in imports(tree)
        if lazy
    }
    assert used >= LAZY


@pytest.mark.parametrize("package", FENCED)
def test_some_packages_have_one_room(package: str) -> None:
    users = {
        module
        for module, tree in sources().items()
        if any(target.split(".")[0] == package for target, _ in imports(tree))
    }
    assert users == FENCED[package]


@pytest.mark.parametrize("module", [name for name in ORDER if name.startswith("costs")])
def test_costs_know_no_file_and_no_solver(module: str) -> None:
    tree = sources()[module]
    packages = {target.split(".")[0] for target, _ in imports(tree)}
    assert packages <= COSTS_MAY_IMPORT
    assert "open" not in called(tree)


@pytest.mark.parametrize("module", [name for name in ORDER if name.startswith("checking")])
def test_the_check_shares_nothing_with_what_it_checks(module: str) -> None:
    for target, _ in imports(sources()[module]):
        imported = own_module(target)
        if imported is None:
            assert target.split(".")[0] in CHECK_MAY_IMPORT
        else:
            assert imported.startswith("checking") or imported in CHECK_MAY_USE


def test_the_check_loads_nothing_of_what_it_checks() -> None:
    assert loaded_by("import codesign.checking.wording; codesign.check") == set()
    program = "import sys, codesign.checking.wording; print(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found = run.stdout.split()
    own = {name.removeprefix("codesign.") for name in found if name.startswith("codesign.")}
    assert {name for name in own if not name.startswith("checking")} == CHECK_MAY_USE
    assert {name.split(".")[0] for name in found} & {"pydantic", "scipy", "click"} == set()


def called(tree: ast.Module) -> set[str]:
    """Names and attributes that are called."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {node.id for node in calls if isinstance(node, ast.Name)}
    return names | {node.attr for node in calls if isinstance(node, ast.Attribute)}


def loaded_by(program: str) -> set[str]:
    """Heavy packages that are loaded after a program has run."""
    heavy = ("numpy", "pyomo", "pandas", "matplotlib", "highspy", "onnx")
    program += f"\nimport sys; print('loaded', *[name for name in {heavy} if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(run.stdout.splitlines()[-1].split()[1:])


def test_importing_costs_next_to_nothing() -> None:
    assert loaded_by("import codesign") == set()


@pytest.mark.parametrize("words", [["--help"], ["solve", "--help"], ["--version"]], ids=" ".join)
def test_help_costs_next_to_nothing(words: list[str]) -> None:
    lines = [
        "from codesign.cli import main",
        f"try: main({words})",
        "except SystemExit: pass",
    ]
    assert loaded_by("\n".join(lines)) == set()


def test_what_is_loaded_would_be_seen() -> None:
    assert "numpy" in loaded_by("import codesign; codesign.Problem")


# --- input is data ------------------------------------------------------------------------------

# What runs code that it is handed, or may: as a name, as an attribute, as a module.
RUNS_CODE = {"eval", "exec", "compile", "execfile", "__import__", "import_module", "system"}
RUNS_CODE |= {"popen", "literal_eval", "unpickle", "read_pickle", "unsafe_load", "full_load"}
CODE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
CODE_MODULES |= {"torch", "runpy", "code", "codeop", "importlib", "ctypes", "subprocess", "jinja2"}
NO_CODE = {"importlib.resources", "importlib.metadata"}  # shipped files, versions
# What comes from no file: work between a run's own processes, and a table of our own names.
OWN_WORK = {"study.workers": {"pickle"}, "": {"importlib.import_module", "import_module"}}


@pytest.mark.parametrize("module", ORDER)
def test_no_input_is_run_as_code(module: str) -> None:
    """Files are TOML, CSV, JSON, ONNX or SQLite, and read as data."""
    assert {*runs_code(sources()[module])} == OWN_WORK.get(module, set())


def runs_code(tree: ast.Module) -> Iterator[str]:
    """Every place in a module that could run what it is handed."""
    for target, _ in imports(tree):
        if target.split(".")[0] in CODE_MODULES and target.rpartition(".")[0] not in NO_CODE:
            yield target
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in RUNS_CODE:
            yield node.id
        elif isinstance(node, ast.Attribute) and node.attr in RUNS_CODE:
            if ast.unparse(node) != "re.compile":
                yield ast.unparse(node)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("np.load", "numpy.load"):
            yield ast.unparse(node)
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
            yield str(node.arg)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "onnx.load",
            "onnx.load_model",
        ):
            given = {str(key.arg): ast.unparse(key.value) for key in node.keywords}
            if given.get("format") != "'protobuf'" or given.get("load_external_data") != "False":
                yield ast.unparse(node)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import yaml",
        "import torch",
        "from importlib import import_module",
        "eval(text)",
        "exec(text)",
        "builtins.eval(text)",
        "pd.read_pickle(path)",
        "df.eval(text)",
        "pd.eval(text)",
        "np.load(path)",
        "load(path, allow_pickle=True)",
        "os.system(text)",
        "run(text, shell=True)",
        "onnx.load(path)",
        "def f():\n    import pickle",
    ],
)
def test_code_that_is_run_would_be_found(line: str) -> None:
    assert list(runs_code(ast.parse(line)))
    assert not list(runs_code(ast.parse("import re, json\nre.compile('x')\njson.loads(text)")))


# --- names and sizes ----------------------------------------------------------------------------


def test_modules_have_telling_names() -> None:
    parts = {part for module in sources() for part in module.split(".")}
    assert parts & BANNED_NAMES == set()


def test_files_are_short() -> None:
    lines = {path.name: len(path.read_text("utf-8").splitlines()) for path in source_files()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


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


# --- words --------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("module", ORDER)
def test_modules_are_explained(module: str) -> None:
    tree = sources()[module]
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("module", [name for name in ORDER if name not in SPEAKERS])
def test_the_library_does_not_print(module: str) -> None:
    assert called(sources()[module]) & {"print", "basicConfig"} == set()


def test_every_test_file_says_what_it_is_for() -> None:
    here = Path(__file__).parent
    listed = re.findall(r"`(test_[\w*]+\.py)`", (here / "README.md").read_text("utf-8"))
    found = {path.name for pattern in listed for path in here.glob(pattern)}
    assert {path.name for path in here.glob("test_*.py")} == found
    assert all(any(here.glob(pattern)) for pattern in listed), "a file that is gone"


FOLDERS = ("codesign", "models", "tests", "studies")
SUFFIXES = {".py", ".toml", ".md", ".lp", ".json", ".csv", ".txt"}
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
