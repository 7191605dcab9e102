"""codesign: the proven best neural-network accelerator for a network and a silicon budget."""

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
    from codesign.results.design import Design
    from codesign.results.evaluation import Evaluation
    from codesign.results.explanation import Explanation
    from codesign.results.front import Front
    from codesign.search.progress import FrontProgress, Progress
    from codesign.specs.accelerator import Accelerator
    from codesign.specs.load import load_accelerator, load_memory, load_network, load_technology
    from codesign.specs.network import Layer, Network
    from codesign.specs.onnx import from_onnx
    from codesign.specs.technology import Technology
    from codesign.study import Study
    from codesign.tasks.assign import assign
    from codesign.tasks.certify import certify
    from codesign.tasks.evaluate import evaluate
    from codesign.tasks.fit_area import fit_area
    from codesign.tasks.pareto import pareto
    from codesign.tasks.solve import solve

_HOME = {
    "Accelerator": "specs.accelerator",
    "AreaFitResult": "results.area_fit",
    "Assignment": "results.assignment",
    "Choices": "problem.choices",
    "CodesignError": "errors",
    "Design": "results.design",
    "Evaluation": "results.evaluation",
    "Explanation": "results.explanation",
    "Front": "results.front",
    "FrontProgress": "search.progress",
    "InfeasibleError": "errors",
    "Layer": "specs.network",
    "Network": "specs.network",
    "Problem": "problem.problem",
    "Progress": "search.progress",
    "SolverError": "errors",
    "SpecError": "errors",
    "Study": "study",
    "Technology": "specs.technology",
    "assign": "tasks.assign",
    "certify": "tasks.certify",
    "check": "checking",
    "evaluate": "tasks.evaluate",
    "fit_area": "tasks.fit_area",
    "from_onnx": "specs.onnx",
    "load_accelerator": "specs.load",
    "load_memory": "specs.load",
    "load_network": "specs.load",
    "load_technology": "specs.load",
    "pareto": "tasks.pareto",
    "solve": "tasks.solve",
}

__version__ = "0.1.0"
__all__ = [
    "Accelerator",
    "AreaFitResult",
    "Assignment",
    "Choices",
    "CodesignError",
    "Design",
    "Evaluation",
    "Explanation",
    "Front",
    "FrontProgress",
    "InfeasibleError",
    "Layer",
    "Network",
    "Problem",
    "Progress",
    "SolverError",
    "SpecError",
    "Study",
    "Technology",
    "assign",
    "certify",
    "check",
    "evaluate",
    "fit_area",
    "from_onnx",
    "load_accelerator",
    "load_memory",
    "load_network",
    "load_technology",
    "pareto",
    "quality",
    "solve",
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
