"""Fronts of suites held to the enumerated ones: their points, and what they say of the rest."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from compare_designs import check_proof
from compare_fronts import EQUAL, assert_same
from enumerated_fronts import nondominated
from enumerated_suites import SUMS, SuiteCase, front, least
from random_suites import suite_case

from codesign import InfeasibleError, pareto
from codesign.checking import check_content

MOST = 5  # points; of more a budget on the last objective cuts some off
MOST_PLACES = 60


def suite_front_case(seed: int) -> tuple[SuiteCase, tuple[str, ...]]:
    """A suite that is quick to enumerate, and objectives: of the whole, or one of a member."""
    rng = random.Random(f"front of suite {seed}")
    case = suite_case(seed, "none")
    while len(case.places) > MOST_PLACES:
        case = suite_case(rng.randrange(10**6), "none")
    members = case.problem.network.members
    metrics = ("latency_s", *rng.sample(("area_mm2", *SUMS[1:]), 2))
    objectives = metrics[: rng.choice((2, 2, 3))]
    if rng.random() < 0.4:
        share = f"{rng.choice(SUMS)}@{rng.choice(members).name}"
        objectives = (*objectives[:-1], share) if rng.random() < 0.5 else (share, *objectives[1:])
    kept = {x: limit for x, limit in case.problem.budgets.items() if rng.random() < 0.5}
    case = case._replace(problem=replace(case.problem, budgets=kept))
    truth = nondominated(np.array(front(case, objectives)).reshape(-1, len(objectives)))
    if len(truth) > MOST:
        limit = float(np.sort(truth[:, -1])[MOST - 1])
        kept = {**kept, objectives[-1]: limit}
        case = case._replace(problem=replace(case.problem, budgets=kept))
    return case, objectives


def compare_suite_front(seed: int) -> None:
    """Find the whole front and hold it to the enumerated one."""
    case, objectives = suite_front_case(seed)
    truth = nondominated(np.array(front(case, objectives)).reshape(-1, len(objectives)))
    if not len(truth):
        with pytest.raises(InfeasibleError):
            pareto(case.problem, objectives, points=None)
        return
    found = pareto(case.problem, objectives, points=None)
    assert found.complete
    assert_same(found.values, truth)
    for design in found.whole_designs:
        check_proof(design)
        report = check_content(json.loads(json.dumps(design.to_dict())), "design")
        assert report.holds, report.findings
    for ruled in found.ruled:
        limits = {x: limit * (1 - EQUAL) for x, limit in ruled.limits.items() if limit < math.inf}
        budgets = dict(case.problem.budgets)
        for name, limit in limits.items():
            budgets[name] = min(limit, budgets.get(name, math.inf))
        lowest = least(case, objectives[0], budgets)
        assert lowest is None or ruled.bound <= lowest * (1 + EQUAL), str(ruled)
