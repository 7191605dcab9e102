"""Bounds on all segments of hybrids at once: never above what any hardware in a box costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from random_hybrids import hybrid_case
from seeds import mostly_long

from codesign import InfeasibleError, solve
from codesign.problem.goal import Goal
from codesign.problem.problem import Problem
from codesign.results.dataflow_design import DataflowDesign, platform_of
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED, Relaxed, Weighted
from codesign.search.dataflow.hybrid import HybridGoal, HybridSearch
from codesign.search.dataflow.pair_bounds import PairDual
from codesign.search.dataflow.table import Range
from codesign.space.dataflow import PipelineSpace
from codesign.space.hardware_boxes import Boxes, BoxTables
from codesign.space.segment_energy import SegmentEnergy
from codesign.space.segments import SharedTables
from codesign.stopping import StopCondition

SEEDS, LONG_SEEDS = (1, 7, 18), range(300, 340)
AIM = 1.2  # of the best, up to which bounds are told


def all_there(space: PipelineSpace) -> BoxTables:
    """Tables of a space, all of its widths allowed; with energy where that is known."""
    allowed = [np.ones(len(bits), dtype=bool) for bits in space.bits]
    rates, _ = space.platform.rates(0.0)
    energy = None if rates is None else SegmentEnergy(space, rates)
    return BoxTables(SharedTables(space), allowed, math.inf, energy)


def cut(boxes: Boxes) -> list[tuple[Boxes, np.ndarray]]:
    """Boxes in every size down to the smallest, each with the numbers of those before."""
    found = []
    while boxes.whole.any():
        boxes, of = boxes.halved()
        found.append((boxes, of))
    return found


@pytest.mark.parametrize(("seed", "kind"), [*((x, "") for x in SEEDS), (4, "energy"), (7, "fpga")])
def test_a_box_costs_no_more_than_what_is_in_it(seed: int, kind: str) -> None:
    problem = hybrid_case(seed, kind).problem
    tables = all_there(PipelineSpace(problem, platform_of(problem)))
    boxes = tables.first()
    costs = tables.costs(boxes)
    for smaller, of in cut(boxes):
        each = tables.costs(smaller)
        there = np.isfinite(each.impossible)
        assert (costs.hardware[of] <= each.hardware * (1 + 1e-12)).all()
        assert (costs.impossible[of][there] == 0).all()
        assert (costs.traffic[of] <= each.traffic)[there].all()
        assert (costs.time[of] <= each.time)[there].all()
        if tables.energy is not None:
            assert (costs.energy[of] <= each.energy * (1 + 1e-12))[there].all()
        costs = each
    count = len(tables.tables.arrays) * math.prod(len(x) for x in tables.pe_bits)
    arrays = [tables.arrays(m, a[:2], b[:2]) for m, a, b in zip(*smaller, strict=True)]
    assert sum(map(len, arrays)) == count * len(tables.lows)  # all of them, each once


@pytest.mark.parametrize(("seed", "kind"), [*((x, "") for x in SEEDS), (9, "energy")])
def test_the_smallest_boxes_cost_what_their_tilings_do(seed: int, kind: str) -> None:
    problem = hybrid_case(seed, kind).problem
    space = PipelineSpace(problem, platform_of(problem))
    tables = all_there(space)
    for n, i in enumerate(space.chosen_layers):
        w, a = (space.bits[c or 0][-1] for c in (space.weight_class[i], space.input_class[i]))
        bits = np.array([w, a, w + a + space.network.layers[i].accumulation_bits])
        for array in tables.tables.arrays:
            of = tables.tables.on(i, array)
            low = np.array([tables.of_array(array).least[0]])
            for r, most in enumerate(tables.highs):
                box = Boxes(np.array([0]), low.copy(), tables.of_array(array).most.copy())
                box.mapping[:] = space.choices.mapping.index(array.mapping)
                box.most[0, 4] = r + 1
                costs = tables.costs(box)
                fits = of.tilings.need @ bits <= most
                classes = space.input_class[i], space.weight_class[i]
                wide = tuple(len(space.bits[c or 0]) - 1 for c in classes)
                taken = costs.impossible[0, n][wide] == 0
                pe = max(space.choices.pe_weight_bits), max(space.choices.pe_activation_bits)
                same = space.weight_class[i] != space.input_class[i]
                assert taken == (bool(fits.any()) and w <= pe[0] and a <= pe[1]) or not same
                if taken:
                    moved = (of.tilings.traffic @ bits)[fits].min()
                    assert costs.traffic[0, n][wide] == moved
                    own_s = of.cycles / problem.clock_hz
                    beside = tables.beside(i)
                    moved_s = (moved + beside) / problem.dram_bits_per_s
                    assert costs.time[0, n][wide] == max(own_s, moved_s)
                if taken and tables.energy is not None:
                    spent = tables.energy.tiled(i, array, of, bits)[fits].min()
                    spent += tables.energy.on(i, array)[wide]
                    assert costs.energy[0, n][wide] == pytest.approx(spent, rel=1e-12)


def opened(problem: Problem) -> HybridGoal:
    """The search of a problem, with its first bounds."""
    search = HybridSearch(PipelineSpace(problem, platform_of(problem)), StopCondition(None))
    goal = HybridGoal(search, Goal(problem.objective, dict(problem.budgets)), None, None, 1e-9)
    for segments in search.tables.families(problem.choices.segments):
        goal._open(segments)
    return goal


def hold(seed: int, kind: str = "", segments: int = 1) -> None:
    """No bound rules out the segments of the best design, in boxes of any size, or is above it.

    Bounds on the metric are those of an aim that it is well below.
    """
    problem = hybrid_case(seed, kind, segments).problem
    try:
        design = solve(problem, ties="leave")
    except InfeasibleError:
        return
    assert isinstance(design, DataflowDesign)
    family = opened(problem).families[len(design.segments) - 1]
    s, value = family.segments.index(design.spans), design.metrics[problem.objective] * (1 + 1e-6)
    interval_s = design.metrics["interval_s"] * (1 + 1e-6)
    assert family.first is not None
    dual, aim = family.first.copied(), AIM * value
    timed = problem.objective == "interval_s"
    while True:
        dual.within(Range(interval_s, aim if timed else interval_s))
        targets = family.any.targets(dual.span, aim)
        dual.toward(targets, family.any.own(dual.span, targets), aim)
        found = ascend(dual, targets, full=True)
        assert found.value <= PRUNED
        assert dual.alive[s].any()
        assert np.where(dual.alive[s], dual.lower[s], math.inf).min() <= value
        assert dual.least > -math.inf or not value > 0
        if not dual.boxes.whole.any():
            return
        dual.halve()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_design_is_never_ruled_out(seed: int) -> None:
    hold(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", mostly_long([19, 3, 9, 12, 21, 26, 33, 38], 1))
def test_the_best_design_of_two_segments_is_never_ruled_out(seed: int) -> None:
    hold(seed, segments=2)


@pytest.mark.parametrize("seed", [19, 32])
def test_least_sums_of_pairs_are_those_of_what_has_them(seed: int) -> None:
    """Whatever the weights, that of the metrics told with it; and no box has less."""
    goal = opened(hybrid_case(seed, segments=2).problem)
    family, rng = goal.families[-1], np.random.default_rng(seed)
    dual, span = family.first, Range(1e-6, 1e-2)
    assert isinstance(dual, PairDual)
    dual.within(span)
    scale = dual.scaled({**dict.fromkeys(dual.rows, 1.0), **family.any.targets(span, 1.0)})
    for _ in range(4):
        weights = scale * rng.uniform(0.1, 1, len(scale))
        found = dual.solve(weights, rule_out=False)
        assert math.isclose(found.value, float(found.metrics @ weights), rel_tol=1e-9)
        sums, _, _ = dual.pair_sums(weights)
        assert sums.min() == found.value


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG_SEEDS)
def test_best_designs_are_never_ruled_out(seed: int) -> None:
    hold(seed)


class _Either(Weighted):
    """What keeps either of two targets, but never both."""

    rows = ("area", "dram_bits")

    def solve(self, weights: np.ndarray) -> Relaxed:
        nothing, metrics = np.zeros(0, dtype=np.int64), np.where(weights > 0, 0.5, 3.0)
        if (weights > 0).all():
            metrics = np.full(2, math.inf)
        return Relaxed(float(weights[weights > 0] @ metrics[weights > 0]), metrics, *[nothing] * 2)


def test_what_no_choice_has_of_both_is_ruled_out() -> None:
    """Without a warning of what is beyond numbers."""
    assert ascend(_Either(), {"area": 1.0, "dram_bits": 1.0}).value == math.inf
