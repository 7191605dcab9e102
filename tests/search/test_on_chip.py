"""Where tensors may stay on chip, the optimum is the enumerated one: places, widths, tilings, SRAM.

Objective, tie-breaks, budgets, every figure of the design, and what an infeasible problem is told
are compared with `oracle`. Networks that move data or write in place are in
``test_on_chip_moving.py``.
"""

from __future__ import annotations

from itertools import product

import oracle
import pytest
from compare_designs import compare
from on_chip_features import features
from random_on_chip import on_chip_case
from seeds import check_all, half_long

KINDS = ("plain", "sharing", "sram")
SEEDS = range(24, 40)
CASES = [*product(KINDS, SEEDS), ("sram", 49)]  # infeasible with places given: rare
BLOCK = 100
LONG_BLOCKS = (0, *range(1000, 2000, BLOCK))  # the first seed of each

SEEN: dict[tuple[str, int], set[str]] = {}  # features of the problems made so far


@pytest.mark.parametrize(("kind", "seed"), half_long(CASES, 3))
def test_optimum_is_the_enumerated_one(kind: str, seed: int) -> None:
    case = on_chip_case(seed, kind)
    SEEN[kind, seed] = features(case)
    compare(case)
    if seed % 6 == 0:
        compare(case, "whole")


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_BLOCKS)
@pytest.mark.parametrize("kind", KINDS)
def test_optimum_is_the_enumerated_one_long(kind: str, first: int) -> None:
    def check(seed: int) -> None:
        case = on_chip_case(seed, kind)
        compare(case)
        compare(case, "whole")

    check_all(range(first, first + BLOCK), check)


def test_problems_contain_every_feature() -> None:
    count: dict[str, int] = {}
    for kind, seed in CASES:
        for feature in SEEN.get((kind, seed)) or features(on_chip_case(seed, kind)):
            count[feature] = count.get(feature, 0) + 1
    wanted = [f"objective {metric}" for metric in oracle.METRICS]
    wanted += [f"budget {metric}" for metric in oracle.METRICS]
    wanted += ["given on chip", "given in DRAM", "multi-pass", "several arrays", "SRAM sizes"]
    wanted += ["least SRAM", "most SRAM", "three free tensors", "none kept", "kept input"]
    wanted += ["kept weight tensor", "kept residual", "kept input and residual"]
    wanted += ["residual kept, input not", "kept in and out", "kept in, not out"]
    wanted += ["kept past another layer", "kept in a batch", "pooled into a kept tensor"]
    wanted += ["groups of a kept tensor", "multi-pass of a kept tensor", "one width, two places"]
    wanted += ["kept in several widths", "feasible by what is kept", "infeasible with places given"]
    missing = [feature for feature in wanted if not count.get(feature)]
    assert not missing, f"in none of the problems: {missing}; found {count}"
    problems = len(CASES)
    assert 0.08 <= count["infeasible"] / problems <= 0.25
    assert count["some kept"] >= 0.2 * problems
    assert count["all kept"] >= 0.1 * problems
    assert count["better by what is kept"] + count["feasible by what is kept"] >= 0.4 * problems


def test_a_bound_is_never_above_the_solution_it_came_with() -> None:
    """HiGHS returns one 8e-9 above it here, which would rule out designs of equal area."""
    compare(on_chip_case(1324, "plain"))
