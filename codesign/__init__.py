"""codesign: the proven best neural-network accelerator for a network and a silicon budget.

From Python: `load_network`, `Problem`, then `solve` (or `pareto`, `evaluate`, `assign`, `Study`).
``codesign help`` explains models, files and results; what follows is the house and its rooms.

**The rooms**, in the order in which data flows. A room imports from those above it alone; what
enters a room, what leaves it and what it must not import stands at its door, the docstring of its
``__init__``.

    errors units arrays   four exceptions; factors between units; names of array types
    files                 files read and written whole, digests, names fit to be printed
    stopping              why and when to stop: a time limit, Ctrl-C
    checking              recomputes a result from its file; ``certificate``: optimality, exactly
    specs                 what is given: networks, technologies, accelerators; ``onnx``: from ONNX
    costs                 what layers cost, alone and fused: cycles, traffic, area, bit operations
    quality               what a bitwidth costs in accuracy: noise, its measurement and its budget
    problem               the question: choices, one objective, budgets; the tolerances
    space                 the declared space as arrays: hardware options, tilings, priced points
    search                proves an optimum; ``bounds``: relaxations, ``milp``: Pyomo and HiGHS
    results               what was found; ``text``: reports, ``plots``: pictures, ``html``: pages
    tasks                 what can be asked: solve, pareto, evaluate, explain, compare, certify …
    exports               designs as other tools read them
    study                 grids of problems, each solved once, in one file
    cli                   the command line; ``help``: the pages of ``codesign help``

**How that is held.** The order, and that no circle is closed, are contracts of import-linter in
``pyproject.toml``, which ``tests/package/test_architecture.py`` runs. `checking` stands apart: it
shares nothing with what it checks, and nothing up to `search` asks it. Some packages have one
place: highspy ``search/milp/highs.py``, matplotlib ``results/plots`` and ``study/plot.py``, click
`cli`. One seam leads against the order: methods of data that a later room carries out, such as
``design.plot()`` or ``design.save()``, are declared with `codesign.specs.seam.done_by`, which
imports their bodies when they are called.

**The walk of one solve**, ``codesign solve resnet18 --max-area-mm2 6 --out design.json``:

    1. `codesign.cli.solve_commands.solve`: the words of a shell → options that do not contradict
       each other
    2. `codesign.specs.load.load_network`: a name → `Network`; likewise technology and memory
    3. `codesign.problem.posed.problem_of`: these and the options → a `Problem`, checked as a whole
    4. `codesign.tasks.solve.solve`: the problem → handed to the rooms that answer it, 5 to 10
    5. `codesign.space.hardware.HardwareSpace`: the problem → every hardware option, as arrays
    6. `codesign.search.lexicographic.LexicographicSearch.minimise`: the space → one goal after
       the other: the objective, then the least area, then the least noise
    7. `codesign.search.bounds.lagrangian.Dual.bound`: options, a goal → lower bounds of each
       option, and widths and places that are nearly the best
    8. `codesign.space.solution.price`: such widths and places → a solution with exact metrics,
       the incumbent
    9. `codesign.search.milp.solve.solve_milp`: what no bound rules out → the best solution of one
       option, priced again by 8, and a bound
    10. `codesign.tasks.build_design.build_design`: the solution proven best → a `Design`, each
       layer recomputed, with its proof
    11. `codesign.results.result_file.ResultFile.save`: the design → its file
    12. `codesign.results.text.layout.to_text`: the design → the report that `cli` prints

From room to room these are nine moves. Three return to a room that was left: the search has `space`
price what it finds and takes it up again, and a task makes a result of what was proven.
"""

from __future__ import annotations

TYPE_CHECKING = False  # of typing, whose import takes ten times as long as this file
if TYPE_CHECKING:
    from codesign import quality
    from codesign.checking import check
    from codesign.errors import CodesignError, InfeasibleError, SolverError, SpecError
    from codesign.problem.choices import Choices
    from codesign.problem.problem import Problem
    from codesign.results.area_fit import AreaFitResult
    from codesign.results.assignment import Assignment
    from codesign.results.comparison import Comparison
    from codesign.results.design import Design
    from codesign.results.evaluation import Evaluation
    from codesign.results.explanation import Explanation
    from codesign.results.front import Front
    from codesign.results.html.report import report
    from codesign.search.progress import FrontProgress, Progress
    from codesign.specs.accelerator import Accelerator
    from codesign.specs.given_pipeline import GivenPipeline
    from codesign.specs.given_stage import GivenStage
    from codesign.specs.load import load_accelerator, load_memory, load_network, load_technology
    from codesign.specs.network import Layer, Network
    from codesign.specs.onnx import from_onnx
    from codesign.specs.suite import Suite
    from codesign.specs.technology import Technology
    from codesign.study import Study
    from codesign.tasks.assign import assign
    from codesign.tasks.certify import certify
    from codesign.tasks.certify_infeasible import certify_infeasible
    from codesign.tasks.compare import compare
    from codesign.tasks.evaluate import evaluate
    from codesign.tasks.fit_area import fit_area
    from codesign.tasks.given_pipelines import load_pipeline
    from codesign.tasks.pareto import pareto
    from codesign.tasks.solve import solve
    from codesign.tasks.solve_batches import solve_batches

_HOME = {
    "Accelerator": "specs.accelerator",
    "AreaFitResult": "results.area_fit",
    "Assignment": "results.assignment",
    "Choices": "problem.choices",
    "CodesignError": "errors",
    "Comparison": "results.comparison",
    "Design": "results.design",
    "Evaluation": "results.evaluation",
    "Explanation": "results.explanation",
    "Front": "results.front",
    "FrontProgress": "search.progress",
    "GivenPipeline": "specs.given_pipeline",
    "GivenStage": "specs.given_stage",
    "InfeasibleError": "errors",
    "Layer": "specs.network",
    "Network": "specs.network",
    "Problem": "problem.problem",
    "Progress": "search.progress",
    "SolverError": "errors",
    "SpecError": "errors",
    "Study": "study",
    "Suite": "specs.suite",
    "Technology": "specs.technology",
    "assign": "tasks.assign",
    "certify": "tasks.certify",
    "certify_infeasible": "tasks.certify_infeasible",
    "check": "checking",
    "compare": "tasks.compare",
    "evaluate": "tasks.evaluate",
    "fit_area": "tasks.fit_area",
    "from_onnx": "specs.onnx",
    "load_accelerator": "specs.load",
    "load_memory": "specs.load",
    "load_network": "specs.load",
    "load_pipeline": "tasks.given_pipelines",
    "load_technology": "specs.load",
    "pareto": "tasks.pareto",
    "report": "results.html.report",
    "solve": "tasks.solve",
    "solve_batches": "tasks.solve_batches",
}

__version__ = "0.1.0"
__all__ = [
    "Accelerator",
    "AreaFitResult",
    "Assignment",
    "Choices",
    "CodesignError",
    "Comparison",
    "Design",
    "Evaluation",
    "Explanation",
    "Front",
    "FrontProgress",
    "GivenPipeline",
    "GivenStage",
    "InfeasibleError",
    "Layer",
    "Network",
    "Problem",
    "Progress",
    "SolverError",
    "SpecError",
    "Study",
    "Suite",
    "Technology",
    "assign",
    "certify",
    "certify_infeasible",
    "check",
    "compare",
    "evaluate",
    "fit_area",
    "from_onnx",
    "load_accelerator",
    "load_memory",
    "load_network",
    "load_pipeline",
    "load_technology",
    "pareto",
    "quality",
    "report",
    "solve",
    "solve_batches",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use, so that ``import codesign`` costs next to nothing."""
    from importlib import import_module

    if name in _HOME:
        value = getattr(import_module(f"codesign.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name == "quality":
        return import_module("codesign.quality")  # which makes it a name of this module
    raise AttributeError(f"module 'codesign' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
