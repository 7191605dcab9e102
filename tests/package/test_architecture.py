"""The rooms of the house: who may import whom, and what importing loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest
from sources import PACKAGE, called, imports, own_module, sources

FORMATS = {"checking", "cli", "costs", "problem", "quality", "results", "search", "space", "specs"}
FORMATS |= {"exports", "study", "tasks"}
GROUND = {"arrays", "errors", "files", "stopping", "units"}

# Packages that only some modules may import.
FENCED = {
    "highspy": {"search.milp.highs"},
    "matplotlib": {
        "results.plots.area_fit",
        "results.plots.by_layer",
        "results.plots.comparison",
        "results.plots.design",
        "results.plots.drawing",
        "results.plots.energy",
        "results.plots.explanation",
        "results.plots.front",
        "results.plots.hardware_bars",
        "results.plots.labels",
        "results.plots.members",
        "results.plots.pipeline",
        "results.plots.sram",
        "study.plot",
    },
    "plotly": {"results.html.page"},
    "pyomo": {
        "search.dataflow.fifos",
        "search.dataflow.formulation",
        "search.dataflow.programme",
        "search.dataflow.solve",
        "search.milp.alike",
        "search.milp.choice",
        "search.milp.coefficients",
        "search.milp.formulation",
        "search.milp.fusion",
        "search.milp.highs",
        "search.milp.places",
        "search.milp.power",
        "search.milp.solvers",
    },
    "pandas": {"results.area_fit", "results.plots.by_layer", "results.plots.design", "study.plot"}
    | {"study.report"}
    | {"results.plots.members", "results.plots.pipeline"}
    | {
        "results.plots.drawing",
        "results.roofline",
        "results.stage_tables",
        "results.tables",
        "specs.measured_areas",
        "study.table",
    }
    | {"tasks.fit_area"},
    "click": {
        "cli.app",
        "cli.compare",
        "cli.export_commands",
        "cli.file_commands",
        "cli.help",
        "cli.options",
        "cli.report_commands",
        "cli.solve_commands",
    }
    | {"cli.solve_options", "cli.study", "cli.technology_commands", "cli.terminal"}
    | {"cli.view_commands"},
    "sqlite3": {"study.database", "study.store"},
    "zigzag": {"exports.zigzag_run"},
    "distributed": {"study.executors"},
    "onnx": {"specs.onnx", "specs.onnx.declared.weights"}
    | {"exports.qdq", "exports.quantised_onnx", "exports.runtime", "exports.stream_workload"}
    | {f"specs.onnx.graph.{name}" for name in ("constant_folding", "file", "given_inputs")}
    | {f"specs.onnx.graph.{name}" for name in ("packed_caches", "scopes", "writer")}
    | {f"specs.onnx.control.{name}" for name in ("bodies", "control_flow", "sequences")}
    | {f"specs.onnx.shapes.{name}" for name in ("shape_inference", "undecided")}
    | {f"specs.onnx.spelling.{name}" for name in ("attention", "microsoft_fusions", "rules")},
}
COSTS_MAY_IMPORT = {"__future__", "codesign", "collections", "dataclasses", "functools", "math"}
COSTS_MAY_IMPORT |= {"itertools", "numpy", "pydantic", "typing"}
CHECK_MAY_IMPORT = {"__future__", "bisect", "codesign", "collections", "dataclasses", "fractions"}
CHECK_MAY_IMPORT |= {"functools", "heapq", "itertools", "math", "operator", "pathlib", "re"}
CHECK_MAY_IMPORT |= {"typing"}
CHECK_MAY_USE = {"errors", "files"}  # of this package
CHECK = [name for name in sources() if name.split(".")[0] == "checking"]
COSTS = [name for name in sources() if name.split(".")[0] == "costs"]


def test_the_house_has_its_rooms_and_no_more() -> None:
    found = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    files = {f"{name}.py" for name in (*GROUND, "__init__", "__main__")}
    assert found == FORMATS | files | {"py.typed"}


def test_imports_follow_the_order_of_the_rooms() -> None:
    """The contracts stand in pyproject.toml."""
    linter = Path(sys.executable).with_name("lint-imports")
    command = [linter, "--no-cache"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE.parent, check=False)
    assert run.returncode == 0, run.stdout


def seams() -> list[tuple[str, str, str]]:
    """Module, method and place of each method that a later room carries out; see specs/seam.py."""
    found = []
    for module, tree in sources().items():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        scopes = [("", tree), *((f"{node.name}.", node) for node in classes)]
        for scope, node in scopes:
            for method in node.body:
                for call in getattr(method, "decorator_list", ()):
                    if ast.unparse(call).startswith("done_by("):
                        place = ast.literal_eval(call.args[0])
                        found.append((module, f"{scope}{method.name}", place))
    return found


@pytest.mark.parametrize(("module", "method", "place"), seams())
def test_each_seam_leads_to_a_function_of_the_same_parameters(
    module: str, method: str, place: str
) -> None:
    declared: object = import_module(f"codesign.{module}")
    for name in method.split("."):
        declared = getattr(declared, name)
    declared = getattr(declared, "fget", getattr(declared, "__func__", declared))
    room, _, name = place.partition(":")
    function = getattr(import_module(f"codesign.{room}"), name)
    ours, theirs = (list(signature(x).parameters.values()) for x in (declared, function))
    assert [x.name for x in ours[1:]] == [x.name for x in theirs[1:]]
    assert [x.default for x in ours[1:]] == [x.default for x in theirs[1:]]


def test_there_are_seams() -> None:
    plot = "results.hardware_result", "HardwareResult.plot", "results.plots.design:plot_design"
    assert plot in seams()


@pytest.mark.parametrize("package", FENCED)
def test_some_packages_have_one_room(package: str) -> None:
    users = {
        module
        for module, tree in sources().items()
        if any(target.split(".")[0] == package for target, _ in imports(tree))
    }
    assert users == FENCED[package]


@pytest.mark.parametrize("module", COSTS)
def test_costs_know_no_file_and_no_solver(module: str) -> None:
    tree = sources()[module]
    packages = {target.split(".")[0] for target, _ in imports(tree)}
    assert packages <= COSTS_MAY_IMPORT
    assert "open" not in called(tree)


@pytest.mark.parametrize("module", CHECK)
def test_the_check_shares_nothing_with_what_it_checks(module: str) -> None:
    for target, _ in imports(sources()[module]):
        imported = own_module(target)
        if imported is None:
            whole_numbers = {"numpy"} if module.startswith("checking.certificate.") else set()
            assert target.split(".")[0] in CHECK_MAY_IMPORT | whole_numbers
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
    text = {"results", "results.text", "results.text.check"}  # rooms that are docstrings, and it
    assert {name for name in own if not name.startswith("checking")} == CHECK_MAY_USE | text
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
