"""Problems for the tests of certificates, as the solver and as the check read them."""

from __future__ import annotations

import json
from typing import Any

from random_problems import Case, random_case, steep_case

from codesign import Problem
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.problem import Problem as CheckedProblem
from codesign.checking.problem import read_problem
from codesign.problem.file import problem_to_dict

PRICED = ("latency_s", "dram_bits", "noise", "model_bits", "bops")


def written(content: Any) -> Any:
    """Content as JSON has it, anew for each use."""
    return json.loads(json.dumps(content))


def problem_of(seed: int) -> Case:
    """Random tiny problems of every kind."""
    if seed % 3 == 0:
        return steep_case(seed)
    return random_case(seed, moving=seed % 2 == 0, sharing=seed % 5 < 2)


def as_checked(problem: Problem) -> CheckedProblem:
    """A problem as the check reads it."""
    return read_problem(Entry("problem", written(problem_to_dict(problem)), Ledger()))
