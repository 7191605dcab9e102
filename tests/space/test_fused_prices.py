"""Designs whose layers may be fused, priced; what is known of their SRAM and places beforehand.

Against the rows that `codesign.costs.fusion` makes of a run, and every design that `oracle`
enumerates of random small problems.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from fused_designs import fused_rows
from placed_points import PlacedPoint, PlacedPoints
from random_bands import KINDS, bands_case
from random_machines import KINDS as MACHINES

from codesign.costs.fusion import runs_of
from codesign.costs.totals import totals
from codesign.results.design import accelerator_of
from codesign.space.hardware import HardwareSpace
from codesign.space.least_runs import least_run_bits
from codesign.space.placement import FREE, IN_DRAM, settle
from codesign.space.solution import hardware_of, least_sram, price

SEEDS = range(4)
CASES = [(kind, seed) for kind in KINDS for seed in SEEDS]
CASES += [(f"chain, {machine}", seed) for machine in MACHINES for seed in (0, 1)]
DESIGNS = 10
EXACT = 1e-9

pytestmark = pytest.mark.slow


@cache
def designs(kind: str, seed: int) -> tuple[HardwareSpace, list[PlacedPoint]]:
    """The space of a problem, perhaps on a kind of machine, and all its designs."""
    network, _, machine = kind.partition(", ")
    problem, points = bands_case(seed, network, machine)
    space = HardwareSpace(replace(problem, budgets={}))
    return space, [*map(PlacedPoints(space).of, points)]


def some(every: list[PlacedPoint], *key: object) -> list[PlacedPoint]:
    """A few of them."""
    return random.Random(str(key)).sample(every, min(DESIGNS, len(every)))


# --- prices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_the_price_is_that_of_the_rows_of_each_layer(kind: str, seed: int) -> None:
    """To the last bit, so that a budget is kept by both or by none; energy, a long sum, nearly."""
    known, every = designs(kind, seed)
    problem, network = known.problem, known.problem.network
    space = HardwareSpace(problem)
    space.count_energy()
    for placed in some(every, kind, seed):
        point = placed.point
        found = price(space, *placed.choice[:3], point.sram_bits, placed.on_chip)
        assert found is not None
        if not space.capacities.sizes:  # of those the least that holds all
            assert found.sram_bits == point.sram_bits
        accelerator = accelerator_of(problem, hardware_of(space, found))
        tensor_bits = space.tensor_bits(placed.variable_width)
        weights = space.widths[list(placed.weight)].tolist()
        bits = [None if x.moves else b for x, b in zip(network.layers, weights, strict=True)]
        rows, least = fused_rows(
            network, accelerator, bits, tensor_bits, point.bands, point.on_chip, 0
        )
        spare = found.sram_bits - least
        assert spare >= 0
        rows, _ = fused_rows(
            network, accelerator, bits, tensor_bits, point.bands, point.on_chip, spare
        )
        stays = point.on_chip, runs_of(network, point.bands) or ()
        metrics, _ = totals(network, accelerator, tensor_bits, rows, problem.noise_of, *stays)
        assert found.metrics["energy_j"] == pytest.approx(metrics["energy_j"], rel=1e-13)
        exactly = {x: value for x, value in metrics.items() if x != "energy_j"}
        assert {x: found.metrics[x] for x in exactly} == exactly


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_the_least_sram_is_the_least_enumerated_within_limits(kind: str, seed: int) -> None:
    space, every = designs(kind, seed)
    if space.capacities.sizes or space.capacities.min_bits:
        return
    alike: dict[object, list[PlacedPoint]] = {}
    for placed in every:
        alike.setdefault(placed.choice, []).append(placed)
    for placed in some(every, kind, seed):
        known = price(space, *placed.choice[:3], placed.point.sram_bits, placed.on_chip)
        assert known is not None
        limits = {"latency_s": known.metrics["latency_s"] * 1.1}
        within = [
            x.point.sram_bits
            for x in alike[placed.choice]
            if x.point.value("latency_s") <= limits["latency_s"] * (1 + EXACT)
        ]
        assert least_sram(space, known, limits).sram_bits == min(within)


def test_a_run_that_does_not_fit_has_no_price() -> None:
    space, every = designs("chain", 0)
    fused = [x for x in every if x.point.bands]
    smallest = min(fused, key=lambda x: x.point.sram_bits)
    assert price(space, *smallest.choice[:3], smallest.point.sram_bits, smallest.on_chip)
    bits = smallest.point.sram_bits - 1
    assert price(space, *smallest.choice[:3], bits, smallest.on_chip) is None


# --- what is known of the SRAM beforehand -------------------------------------------------------


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_no_design_with_a_run_has_less_sram_than_the_run_takes_at_least(
    kind: str, seed: int
) -> None:
    """At the widths that are left, too."""
    space, every = designs(kind, seed)
    rng, count = random.Random(f"{kind} {seed}"), len(space.widths)
    for _ in range(4):
        wide, deep = (np.array([rng.random() < 0.8 for _ in range(count)]) for _ in range(2))
        least = least_run_bits(space, wide, deep).total
        for placed in every:
            for r in np.flatnonzero(placed.on_chip[len(space.placed) :]).tolist():
                layers = [x.layer for x in space.run_layers[r]]
                weights = [placed.weight[i] for i in layers]
                reads = [placed.variable_width[space.input_index[i]] for i in layers]
                if wide[weights].all() and deep[reads].all():
                    assert least[r] <= placed.point.sram_bits


def test_the_least_that_runs_take_is_met() -> None:
    met = 0
    for kind, seed in CASES:
        space, every = designs(kind, seed)
        if not space.capacities.sizes:
            every_width = np.ones(len(space.widths), dtype=bool)
            least = least_run_bits(space, every_width, every_width).total
            taken = {x.point.sram_bits for x in every}
            met += len(taken & {*least.tolist()})
    assert met >= 3


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_no_design_has_less_sram_than_its_shape_takes_or_use_for_more(kind: str, seed: int) -> None:
    space, every = designs(kind, seed)
    least = space.min_sram_bits_of_shapes
    for placed in every:
        assert least[space.shape_of[placed.option]] <= placed.point.sram_bits
    for placed in some(every, kind, seed):
        useful = space.useful_sram_bits(int(space.shape_of[placed.option]), moves_data=True)
        most = price(space, *placed.choice[:3], 1e15, placed.on_chip)
        enough = price(space, *placed.choice[:3], useful, placed.on_chip)
        if space.capacities.holding(useful) <= space.capacities.max_bits:
            assert most == enough


# --- places settled beforehand ------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_settled_places_are_those_of_every_design_or_of_none_worse(kind: str, seed: int) -> None:
    space, every = designs(kind, seed)
    rng, placed_count = random.Random(f"{kind} {seed}"), len(space.placed)
    if not every or not placed_count:
        return
    options = np.unique([x.option for x in every])
    for _ in range(4):
        sizes = {
            o: rng.choice([x.point.sram_bits for x in every if x.option == o]) for o in options
        }
        sram_bits = np.array([float(sizes[o]) for o in options])
        state = np.frombuffer(settle(space, options, sram_bits, True), dtype=np.uint8)
        free = np.flatnonzero(state[:placed_count] == FREE)
        never = np.flatnonzero(state == IN_DRAM)
        assert len(state) == placed_count + len(space.runs)
        # Runs are open or do not fit.
        assert FREE not in state[placed_count:]
        for placed in every:
            if placed.point.sram_bits <= sizes[placed.option]:
                assert not np.array(placed.on_chip)[never].any()
        for placed in some(every, kind, seed):
            size = sizes[placed.option]
            before = price(space, *placed.choice[:3], size, placed.on_chip)
            if before is None:
                continue
            kept = np.array(placed.on_chip)
            kept[free] = True
            after = price(space, *placed.choice[:3], size, kept.tolist())
            assert after is not None
            for metric in ("latency_s", "dram_bits"):
                assert after.metrics[metric] <= before.metrics[metric] * (1 + EXACT)


def test_some_places_are_settled() -> None:
    """Or the test above had nothing to say."""
    seen = set[tuple[str, int]]()
    for kind, seed in CASES:
        space, every = designs(kind, seed)
        for option in {x.option for x in every}:
            sizes = [x.point.sram_bits for x in every if x.option == option]
            for size in (min(sizes), max(sizes)):
                state = settle(space, np.array([option]), np.array([float(size)]), True)
                seen |= {("tensor", x) for x in state[: len(space.placed)]}
                seen |= {("run", x) for x in state[len(space.placed) :]}
    assert {("tensor", FREE), ("tensor", IN_DRAM), ("run", IN_DRAM)} <= seen


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_runs_of_the_space_are_those_of_the_network(kind: str, seed: int) -> None:
    """What a design has as bands is what it has as runs."""
    space, every = designs(kind, seed)
    for placed in some(every, kind, seed):
        chosen = np.flatnonzero(placed.on_chip[len(space.placed) :]).tolist()
        found = runs_of(space.problem.network, placed.point.bands)
        assert found == tuple(space.runs[r] for r in chosen)
