"""Problems for the tests of certificates, as the solver and as the check read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import random_bands
import random_machines
from random_on_chip import KINDS, on_chip_case
from random_problems import Case, random_case, steep_case

import codesign
from codesign import Design, Problem, certify
from codesign.checking import Report, check_content
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.problem import Problem as CheckedProblem
from codesign.checking.problem import read_problem
from codesign.errors import InfeasibleError
from codesign.problem.file import problem_to_dict

ADDITIVE = ("latency_s", "dram_bits", "noise", "model_bits", "bops")


def written(content: Any) -> Any:
    """Content as JSON has it, anew for each use."""
    return json.loads(json.dumps(content))


def problem_of(seed: int) -> Case:
    """Random tiny problems of every kind."""
    if seed % 3 == 0:
        return steep_case(seed)
    return random_case(seed, moving=seed % 2 == 0, sharing=seed % 5 < 2)


def chip_problem_of(seed: int) -> Case:
    """Random tiny problems of every kind whose tensors may stay on chip."""
    return on_chip_case(seed, KINDS[seed % len(KINDS)])


def bands_problem_of(seed: int) -> Case:
    """Random tiny problems of every kind whose layers may be fused."""
    kinds = random_bands.KINDS
    return random_bands.bands_case(seed, kinds[seed % len(kinds)])


def machine_problem_of(seed: int) -> Case:
    """Random tiny problems of every kind on machines of every kind, of places of every kind."""
    n, kind = divmod(seed, len(random_machines.KINDS))
    machine, other = random_machines.KINDS[kind], n // 3
    if n % 3 == 1:
        return on_chip_case(seed, KINDS[other % len(KINDS)], machine)
    if n % 3 == 2:
        kinds = random_bands.KINDS
        return random_bands.bands_case(seed, kinds[other % len(kinds)], machine)
    return random_case(seed, moving=other % 2 == 0, sharing=other % 5 < 2, machine=machine)


def as_checked(problem: Problem) -> CheckedProblem:
    """A problem as the check reads it."""
    return read_problem(Entry("problem", written(problem_to_dict(problem)), Ledger()))


def deep(design: Any, certificate: Any) -> Report:
    """The deep check of a design file's content."""
    return check_content(design, "design.json", certificate, "given.certificate")


@cache
def solved(seed: int, on_chip: bool = False) -> Design | None:
    """The best design of a random problem, if there is one; of one whose tensors may stay on chip.

    Those of seeds are others then.
    """
    case = chip_problem_of(seed) if on_chip else problem_of(seed)
    try:
        return codesign.solve(case.problem)
    except InfeasibleError:
        return None


def certify_and_check(design: Design) -> None:
    """The certificate of a design proves it, and says so."""
    certificate = certify(design)
    report = deep(written(design.to_dict()), written(certificate.to_dict()))
    assert report.findings == ()
    assert report.proven
    assert any(note.startswith("proven in exact arithmetic") for note in report.notes)
    assert certificate.left_to_solver == []


@cache
def tiny_texts() -> tuple[str, str]:
    """Design and certificate files of a problem with several groups, one by enumeration."""
    for seed in range(200):
        design = solved(seed)
        if design is None or design.problem.objective != "latency_s":
            continue
        certificate = certify(design).to_dict()
        ways = [group["by"] for group in certificate["groups"]]
        if len(ways) > 2 and "enumeration" in ways and "bound" in ways:
            return json.dumps(design.to_dict()), json.dumps(certificate)
    raise AssertionError("no such problem")


def tiny() -> tuple[Any, Any]:
    """Their content, anew for each use."""
    design, certificate = tiny_texts()
    return json.loads(design), json.loads(certificate)


def certify_if_feasible(solve: Callable[[], Design]) -> None:
    """Certify what a solve finds, and check that; nothing where there is no design."""
    try:
        design = solve()
    except InfeasibleError:
        return
    certify_and_check(design)


def claimed(design: Design, best: Design) -> Any:
    """The file of a design that says to be the answer to the question of another one."""
    value = design.proof.objective
    proof = replace(design.proof, bound=value, gap=0.0)
    return written(replace(design, problem=best.problem, proof=proof, solver=best.solver).to_dict())
