"""The direction of the house: who may import whom, and what importing loads."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sources import called, imports, own_module, sources

# A module imports only from modules above it ("" is the package's own __init__).
ORDER = (
    "",
    "errors",
    "units",
    "interrupt",
    "halt",
    "budgets",
    "amounts",
    "metrics",
    "schema",
    "network",
    "technology",
    "toml_text",
    "technology_file",
    "network_file",
    "hardware",
    "text_files",
    "file_kinds",
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
    "csv_table",
    "measured_areas",
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
    "consistency",
    "sharing",
    "problem",
    "slack",
    "latency_table",
    "capacities",
    "width_space",
    "space",
    "point",
    "tabled_space",
    "candidates",
    "elimination",
    "joint_tables",
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
    "outline",
    "evaluation",
    "evaluation_file",
    "assignment",
    "assignment_file",
    "result_files",
    "fits",
    "front",
    "tables",
    "front_file",
    "layout",
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
    "displays",
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
    "completion",
    "readers",
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
    "view_commands",
    "cli",
    "__main__",
)

# A design shows and writes itself with what is made for designs, imported when asked to.
LAZY = {("design", "tables"), ("design", "plots"), ("stored", "result_files")}
LAZY |= {("design", "explanation"), ("explanation", "explanation_file"), ("explanation", "plots")}
LAZY |= {("evaluation", "tables"), ("evaluation", "plots"), ("assignment", "tables")}
LAZY |= {("front", "front_file")}
LAZY |= {("specs", "onnx"), ("specs", "result_files")}  # a path that ends in .onnx or .json
LAZY |= {("schema", "displays")}  # objects that show themselves
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
    "click": {
        "cli",
        "completion",
        "readers",
        "file_commands",
        "view_commands",
        "flags",
        "options",
        "study.cells",
        "study.questions",
    }
    | {"study_commands", "terminal"},
    "sqlite3": {"study.sqlite", "study.store"},
    "distributed": {"study.workers"},
    "onnx": {"onnx", "onnx.attention", "onnx.file", "onnx.folding", "onnx.shapes", "onnx.weights"},
}
COSTS_MAY_IMPORT = {"__future__", "codesign", "dataclasses", "functools", "math", "numpy"}
CHECK_MAY_IMPORT = {
    "__future__",
    "bisect",
    "codesign",
    "collections",
    "dataclasses",
    "fractions",
    "heapq",
}
CHECK_MAY_IMPORT |= {"functools", "itertools", "math", "operator", "pathlib", "typing"}
CHECK_MAY_USE = {"errors", "file_kinds", "text_files"}  # of this package


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
            exact = {"numpy"} if module == "checking.tilings" else set()  # whole numbers alone
            assert target.split(".")[0] in CHECK_MAY_IMPORT | exact
        else:
            assert imported.startswith("checking") or imported in CHECK_MAY_USE


def test_the_check_loads_nothing_of_what_it_checks() -> None:
    assert loaded_by("import codesign.results.text.check; codesign.check") == set()
    program = "import sys, codesign.results.text.check; print(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found = run.stdout.split()
    own = {name.removeprefix("codesign.") for name in found if name.startswith("codesign.")}
    assert {name for name in own if not name.startswith("checking")} == CHECK_MAY_USE
    assert {name.split(".")[0] for name in found} & {"pydantic", "scipy", "click"} == set()


HEAVY = ("numpy", "pyomo", "pandas", "matplotlib", "highspy", "onnx")


def loaded_by(program: str, heavy: tuple[str, ...] = HEAVY) -> set[str]:
    """Modules out of some, heavy packages, that are loaded after a program has run."""
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
        "from codesign.cli.app import main",
        f"try: main({words})",
        "except SystemExit: pass",
    ]
    assert loaded_by("\n".join(lines)) == set()


def test_a_solve_loads_no_more_than_it_needs() -> None:
    lines = [
        "from codesign.__main__ import main",
        "import sys",
        "sys.argv = 'codesign solve alexnet --rows 1 --cols 1 --bits 8 --quality none'.split()",
        "main()",
    ]
    unneeded = ("pyomo.environ", "scipy", "pandas", "matplotlib", "onnx", "rich.live")
    unneeded += ("numpy.ma",)
    unneeded += (
        "codesign.results.assignment",
        "codesign.results.evaluation",
        "codesign.study",
        "codesign.tasks.pareto",
    )
    assert loaded_by("\n".join(lines), unneeded) == set()


def test_what_is_loaded_would_be_seen() -> None:
    assert "numpy" in loaded_by("import codesign; codesign.Problem")
