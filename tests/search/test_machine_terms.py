"""On machines with optional terms the optimum is the enumerated one.

Compute and DRAM that pass in part one after the other, and buffers of operands' own, alone and
together on machines of other mappings, on random problems of every kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import oracle
import pytest
from compare_designs import compare
from machine_terms import all_terms_case, buffers_case, overlap_case
from random_problems import Case
from seeds import check_all

from codesign import Choices, Layer, Network, Problem

CASES: dict[str, Callable[[int], Case]] = {
    "overlap": overlap_case,
    "buffers": buffers_case,
    "all": all_terms_case,
}
LONG_BLOCKS = range(1000, 3000, 100)  # the first seed of each


@pytest.mark.slow
@pytest.mark.parametrize("term", CASES)
def test_optimum_is_the_enumerated_one(term: str) -> None:
    def check(seed: int) -> None:
        compare(CASES[term](seed), "whole" if seed % 6 == 0 else "search")

    check_all(range(8), check)


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_BLOCKS)
@pytest.mark.parametrize("term", CASES)
def test_optimum_is_the_enumerated_one_long(term: str, first: int) -> None:
    def check(seed: int) -> None:
        case = CASES[term](seed)
        compare(case)
        compare(case, "whole")

    check_all(range(first, first + 100), check)


def test_traffic_that_passes_during_compute_counts_as_well() -> None:
    """A layer far from the memory roof, whose tilings cost SRAM the less the more they move."""
    layer = Layer(name="conv", K=8, C=8, P=8, Q=8, H=8, W=8, R=3, S=3, input="in", output="out")
    choices = Choices(
        rows=(1,), cols=(1,), weight_bits=(4,), activation_bits=(4,), on_chip="none", overlap=0.5
    )
    problem = Problem(
        network=Network(name="one", layers=(layer,), tensors={"in": 512, "out": 512}),
        choices=choices,
        dram_bits_per_s=1e10,
    )
    points = oracle.all_points(problem)
    assert len({point.value("latency_s") for point in points}) > 3
    compare(Case(problem, points), "whole")
    limit = sorted(point.value("latency_s") for point in points)[1]
    for objective in ("area_mm2", "latency_s"):
        tight = replace(problem, objective=objective, budgets={"latency_s": limit})
        compare(Case(tight, points), "whole")
        compare(Case(tight, points))
