"""Where layers may be fused, the optimum is the enumerated one: runs, places, tilings, SRAM.

Objective, tie-breaks, budgets, every figure of the design, and what an infeasible problem is told
are compared with `oracle`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import oracle
import pytest
from band_features import band_features
from compare_designs import EXACT, compare
from random_bands import KINDS, bands_case, without_bands
from seeds import check_all, half_long

from codesign import InfeasibleError, solve
from codesign.problem.problem import Problem
from codesign.search.bounds import relaxation

SEEDS = range(8, 18)
BLOCK = 100
LONG_BLOCKS = (0, *range(1000, 2000, BLOCK))  # the first seed of each

# A bound of the SRAM that presolve makes too much of; a run that writes a result beside a resident
# input; SRAM as good as unlimited; no width left for some layer of a run.
FOUND = (("broken", 61), ("chain", 100), ("moving", 99), ("tall", 72), ("moving", 48))
FOUND += (("chain", 3079), ("sharing", 2104), ("moving", 1012), ("moving", 1137), ("broken", 1153))

SEEN: dict[tuple[str, int], set[str]] = {}  # features of the problems made so far


@pytest.mark.parametrize("seed", half_long(SEEDS, 4))
@pytest.mark.parametrize("kind", KINDS)
def test_optimum_is_the_enumerated_one(kind: str, seed: int) -> None:
    case = bands_case(seed, kind)
    SEEN[kind, seed] = band_features(case)
    compare(case)
    if seed % 6 == 0:
        compare(case, "whole")


@pytest.mark.parametrize(("kind", "seed"), FOUND)
def test_optimum_where_a_fault_has_been_found(kind: str, seed: int) -> None:
    case = bands_case(seed, kind)
    compare(case)
    compare(case, "whole")


@pytest.mark.parametrize(("kind", "seed"), [("chain", 5016), ("chain", 5003), ("sharing", 5053)])
def test_optimum_where_tables_are_cut_from_places(
    kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the relaxation then chooses need be no design: a band without a run that holds it."""
    for most in ("MAX_TABLE", "MAX_FINE_TABLE", "MAX_ENTRIES"):
        monkeypatch.setattr(relaxation, most, 4)
    compare(bands_case(seed, kind))


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_BLOCKS)
@pytest.mark.parametrize("kind", KINDS)
def test_optimum_is_the_enumerated_one_long(kind: str, first: int) -> None:
    def check(seed: int) -> None:
        case = bands_case(seed, kind)
        compare(case)
        compare(case, "whole")

    check_all(range(first, first + BLOCK), check)


def test_problems_contain_every_feature() -> None:
    count = Counter[str]()
    for kind in KINDS:
        for seed in SEEDS:
            count.update(SEEN.get((kind, seed)) or band_features(bands_case(seed, kind)))
    wanted = [f"objective {metric}" for metric in oracle.METRICS]
    wanted += [f"budget {metric}" for metric in oracle.METRICS]
    wanted += ["given as a band", "given on chip", "given in DRAM", "multi-pass", "several arrays"]
    wanted += ["SRAM sizes", "least SRAM", "most SRAM", "two layers at most", "three ways to fuse"]
    wanted += [
        "run of 2",
        "run of 3",
        "run of 4",
        "two runs",
        "compute-bound",
        "memory-bound",
        "batch",
    ]
    wanted += ["input resident", "output resident", "both resident", "resident past a run"]
    wanted += ["inner residual", "input added", "input added, resident", "other residual"]
    wanted += ["strided", "transposed", "grouped", "several widths", "multi-pass run"]
    wanted += ["bands smaller than tensors", "all rows held", "part read or written"]
    wanted += ["pooled at its end", "other residual, resident", "nothing fused"]
    missing = [feature for feature in wanted if not count[feature]]
    assert not missing, f"in none of the problems: {missing}; found {count}"
    problems = len(KINDS) * len(SEEDS)
    assert 0.05 <= count["infeasible"] / problems <= 0.25
    assert count["fused"] >= 0.4 * problems
    assert count["better by what is fused"] + count["feasible by what is fused"] >= 0.35 * problems


# --- against problems without bands ---------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_places_never_help(kind: str) -> None:
    """Of enumerated designs: those without runs are all there are where none are on offer."""
    for seed in range(8):
        problem, points = bands_case(seed, kind)
        if "band" in problem.choices.places.values():
            continue
        unfused = oracle.all_points(without_bands(problem))
        assert {*map(repr, unfused)} == {repr(point) for point in points if not point.bands}


# --- places given ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_places_of_an_optimum_given_it_is_found_again(kind: str) -> None:
    for seed in range(2):
        problem = bands_case(110 + seed, kind).problem
        try:
            design = solve(problem)
        except InfeasibleError:
            continue
        again = solve(placed(problem, dict(design.on_chip or {})))
        for metric in (problem.objective, "area_mm2", "noise"):
            assert again.metrics[metric] == pytest.approx(design.metrics[metric], rel=EXACT, abs=0)
        assert again.on_chip == design.on_chip


def placed(problem: Problem, places: dict[str, str]) -> Problem:
    """The same with these places given."""
    return replace(problem, choices=replace(problem.choices, places=places))
