"""The best pipeline of a problem held to that of an enumeration."""

from __future__ import annotations

import math

import dataflow_oracle
from random_dataflow import Case

from codesign import InfeasibleError, SpecError, solve
from codesign.results.dataflow_design import DataflowDesign
from codesign.search.lexicographic import Method, tie_breakers

SAME = 2e-6  # of what breaks ties, whose first metric is held with its tolerance
PRODUCTS = {"latency_s", "energy_j"}


def found(case: Case, method: Method) -> DataflowDesign | None:
    """The answer; None where there is none."""
    try:
        design = solve(case.problem, method=method)
    except (InfeasibleError, SpecError):
        return None
    assert isinstance(design, DataflowDesign)
    return design


def compare_case(case: Case, method: Method) -> None:
    """Hold an answer to the enumerated one."""
    problem, best = case.problem, dataflow_oracle.best(case.problem, case.groups)
    design = found(case, method)
    assert (design is None) == (best is None)
    if design is None or best is None:
        return
    products = PRODUCTS & {problem.objective, *problem.budgets}
    value = best.metrics[problem.objective]
    near = 1e-6 if products else 2e-8
    assert math.isclose(design.metrics[problem.objective], value, rel_tol=near)
    assert design.proof.status == "optimal"
    assert design.proof.bound <= value * (1 + 1e-7)
    for metric in tie_breakers(problem.technology):
        assert math.isclose(design.metrics[metric], best.metrics[metric], rel_tol=SAME)
