"""Where tensors may stay on chip and layers only move data, the optimum is the enumerated one.

With parts of tensors, concatenations in place and transposed convolutions, and networks of many
tensors; as `test_on_chip`, which has those of few layers, all of which multiply.
"""

from __future__ import annotations

import oracle
import pytest
from compare_designs import compare
from on_chip_features import features
from random_on_chip import on_chip_case
from seeds import check_all, half_long

KINDS = ("moving", "in place", "deep")
SEEDS = range(15)
BLOCK = 100
LONG_BLOCKS = (0, *range(1000, 2000, BLOCK))  # the first seed of each

SEEN: dict[tuple[str, int], set[str]] = {}  # features of the problems made so far


@pytest.mark.parametrize("seed", half_long(SEEDS))
@pytest.mark.parametrize("kind", KINDS)
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
    for kind in KINDS:
        for seed in SEEDS:
            for feature in SEEN.get((kind, seed)) or features(on_chip_case(seed, kind)):
                count[feature] = count.get(feature, 0) + 1
    wanted = [f"objective {metric}" for metric in oracle.METRICS]
    wanted += [f"budget {metric}" for metric in oracle.METRICS]
    wanted += ["given on chip", "given in DRAM", "multi-pass", "kept past another layer"]
    wanted += ["part of a kept tensor read", "part of a kept tensor written", "moving"]
    wanted += ["part of a kept tensor read and another written", "moving on chip alone"]
    wanted += ["kept weight tensor", "kept residual", "kept in a batch"]
    rare = [feature for feature in wanted if count.get(feature, 0) < 2]
    assert not rare, f"too rare in the problems: {rare}; found {count}"
    problems = len(KINDS) * len(SEEDS)
    assert count["some kept"] >= 0.2 * problems
    assert count["better by what is kept"] + count["feasible by what is kept"] >= 0.4 * problems
