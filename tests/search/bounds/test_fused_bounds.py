"""Bounds where layers may be fused: against every enumerated design of random small problems.

Whatever a relaxation claims, of an option in its SRAM or of an envelope of many, is compared with
the designs that `oracle` enumerates.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from enumerated_assignments import random_prices
from placed_points import PlacedPoints
from random_bands import KINDS, bands_case

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.search.bounds import relaxation as bounds
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import Dual
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.option_batches import OptionBatches
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import price

SEEDS = range(3)
EXACT = 1e-9
PRICES = 4  # sets of coefficients
CASES = [(kind, seed) for kind in KINDS for seed in SEEDS]
ENERGIES = [("chain", 0, 1.0), ("chain", 3, 30.0), ("tall", 5, 1.0), ("tall", 6, 30.0)]
ENERGIES += [("broken", 5, 1.0), ("moving", 6, 1.0), ("sharing", 3, 1.0)]  # times SRAM reads
TRIED = 20  # designs of each option, where energies count

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Designs:
    """Designs of a problem, one row each; metrics in the order of `ADDITIVE_METRICS`."""

    option: Ints
    sram_bits: Ints
    metrics: Floats
    variable_width: Ints
    weight: Ints
    on_chip: Bools

    def within(self, batch: Batch, options: Ints, b: int) -> Bools:
        """Which are of an option of a batch, and fit the SRAM that it has there."""
        return np.asarray((self.option == options[b]) & (self.sram_bits <= batch.sram_bits[b]))


@cache
def designs(kind: str, seed: int) -> tuple[HardwareSpace, Designs] | None:
    """The space of a problem, and all its designs; None where there are none."""
    problem, points = bands_case(seed, kind)
    space = HardwareSpace(replace(problem, budgets={}))
    translated = PlacedPoints(space)
    every = [translated.of(point) for point in points]
    if not every or not space.runs:
        return None
    return space, Designs(
        np.array([x.option for x in every]),
        np.array([x.point.sram_bits for x in every]),
        np.array([[x.point.value(name) for name in ADDITIVE_METRICS] for x in every]),
        np.array([x.variable_width for x in every]),
        np.array([x.weight for x in every]),
        np.array([x.on_chip for x in every]),
    )


@pytest.fixture(params=CASES, ids=lambda x: f"{x[0]}-{x[1]}")
def case(request: pytest.FixtureRequest) -> tuple[HardwareSpace, Designs, random.Random]:
    """A space, its designs, and what to draw with."""
    kind, first = request.param
    every = (designs(kind, seed) for seed in itertools.count(first, 100))
    return *next(x for x in every if x is not None), random.Random(str(request.param))


def some_batch(space: HardwareSpace, every: Designs, rng: random.Random) -> tuple[Batch, Ints]:
    """All options, each with an SRAM that some of its designs fit."""
    options = np.unique(every.option)
    sizes = [rng.choice(np.unique(every.sram_bits[every.option == o]).tolist()) for o in options]
    return OptionBatches(space, ADDITIVE_METRICS).of_options(
        options, np.array(sizes, float)
    ), options


def prices(rng: random.Random, count: int) -> list[Floats]:
    """Coefficients of options, some 0; latencies here are of microseconds."""
    found = []
    for _ in range(PRICES):
        each = np.array([random_prices(rng) for _ in range(count)])
        each[:, 0] *= 10 ** rng.uniform(2, 7)
        found.append(each)
    return found


def least(every: Designs, rows: Bools, coefficients: Floats) -> float:
    """The least Lagrangian of some designs."""
    return float((every.metrics[rows] @ coefficients).min(initial=np.inf))


# --- the least Lagrangian -----------------------------------------------------------------------


def test_no_design_is_below_the_bound_of_its_option(
    case: tuple[HardwareSpace, Designs, random.Random],
) -> None:
    space, every, rng = case
    batch, options = some_batch(space, every, rng)
    relaxation = Relaxation(space).of(batch)
    for coefficients in prices(rng, len(options)):
        answer = relaxation.solve(batch, coefficients)
        for b in range(len(options)):
            truth = least(every, every.within(batch, options, b), coefficients[b])
            assert answer.value[b] <= truth * (1 + EXACT)


def test_no_design_is_below_the_bound_of_an_envelope(
    case: tuple[HardwareSpace, Designs, random.Random],
) -> None:
    """Ideal ones, in which no capacity is counted, and those of shapes in so much SRAM."""
    space, every, rng = case
    batches, options = OptionBatches(space, ADDITIVE_METRICS), np.unique(every.option)
    shapes = space.shapes_among(options)
    row = np.searchsorted(shapes, space.shape_of[options])
    most = [float(every.sram_bits[space.shape_of[every.option] == s].max()) for s in shapes]
    envelopes = [
        batches.of_pe_pairs(options, space.compulsory_traffic),
        (batches.of_shapes(options, shapes, row), row),
        (batches.of_shapes(options, shapes, row, np.array(most)), row),
    ]
    for batch, rows in envelopes:
        relaxation = Relaxation(space).of(batch)
        for coefficients in prices(rng, len(batch)):
            value = relaxation.solve(batch, coefficients).value
            for n, option in enumerate(options):
                mine = every.option == option
                truth = least(every, mine, coefficients[rows[n]])
                assert value[rows[n]] <= truth * (1 + EXACT)


def test_the_assignment_returned_has_the_metrics_returned(
    case: tuple[HardwareSpace, Designs, random.Random],
) -> None:
    """Where it is a design: what a run needs is charged for, and may be more than there is."""
    space, every, rng = case
    batch, options = some_batch(space, every, rng)
    relaxation = Relaxation(space).of(batch)
    for coefficients in prices(rng, len(options)):
        answer = relaxation.solve(batch, coefficients)
        for b, option in enumerate(options.tolist()):
            if answer.runs[b]:
                chosen = answer.variable_width[b].tolist(), answer.weight[b].tolist()
                on_chip = answer.on_chip[b].tolist()
                made = price(space, option, *chosen, float(batch.sram_bits[b]), on_chip)
                if made is not None:
                    exact = [made.metrics[name] for name in ADDITIVE_METRICS]
                    assert answer.metrics[b].tolist() == pytest.approx(exact, rel=EXACT)


@pytest.mark.parametrize(("kind", "seed", "factor"), ENERGIES)
def test_bounds_of_energy_hold_and_are_met(kind: str, seed: int, factor: float) -> None:
    """No design is below one; an assignment returned that is a design costs what is returned.

    Also where an SRAM bit takes more than a DRAM bit.
    """
    found = designs(kind, seed)
    assert found is not None
    rng, every = random.Random(f"energy {kind} {seed}"), found[1]
    problem = found[0].problem
    energy = problem.technology.energy
    assert energy is not None
    assert energy.sram_read_j_per_bit is not None
    energy = replace(energy, sram_read_j_per_bit=energy.sram_read_j_per_bit * factor)
    technology = replace(problem.technology, energy=energy)
    space = HardwareSpace(replace(problem, technology=technology))
    space.count_energy()
    asked, options = space.additive_metrics, np.unique(every.option)
    sizes = [rng.choice(np.unique(every.sram_bits[every.option == o]).tolist()) for o in options]
    batch = OptionBatches(space, asked).of_options(options, np.array(sizes, float))
    relaxation, fused = Relaxation(space).of(batch), 0
    for _ in range(PRICES):
        coefficients = np.zeros((len(options), len(asked)))
        coefficients[:, -1] = 1.0
        for m in rng.sample(range(len(asked) - 1), 2):
            scale = np.median(every.metrics[:, m]) or 1.0
            coefficients[:, m] = 1e-8 * 10 ** rng.uniform(-2, 2) / scale
        answer = relaxation.solve(batch, coefficients)
        for b in range(len(options)):
            priced = Priced(space, int(options[b]), float(sizes[b]), coefficients[b])
            rows = np.flatnonzero(every.within(batch, options, b)).tolist()
            for n in rng.sample(rows, min(TRIED, len(rows))):
                own = every.variable_width[n], every.weight[n], every.on_chip[n]
                assert answer.value[b] <= priced.cost(*own) * (1 + EXACT)
            if answer.runs[b]:
                own = answer.variable_width[b], answer.weight[b], answer.on_chip[b]
                told = float(answer.metrics[b] @ coefficients[b])
                truth = priced.cost(*own)
                assert told <= truth * (1 + EXACT)
                assert np.isinf(truth) or answer.value[b] <= told * (1 + EXACT)
                fused += bool(own[2][len(space.placed) :].any())
    assert fused > 0


@dataclass(frozen=True)
class Priced:
    """What designs of an option cost at some coefficients, priced exactly."""

    space: HardwareSpace
    option: int
    sram_bits: float
    coefficients: Floats

    def cost(self, variable_width: Ints, weight: Ints, on_chip: Bools) -> float:
        """Of all metrics; inf where it does not fit."""
        chosen = variable_width.tolist(), weight.tolist(), self.sram_bits, on_chip.tolist()
        made = price(self.space, self.option, *chosen)
        if made is None:
            return np.inf
        exact = [made.metrics[name] for name in self.space.additive_metrics]
        return float(np.array(exact) @ self.coefficients)


def test_no_design_within_limits_is_below_the_dual_bound(
    case: tuple[HardwareSpace, Designs, random.Random],
) -> None:
    space, every, rng = case
    batch, options = some_batch(space, every, rng)
    for metric in ("latency_s", "dram_bits"):
        share = rng.uniform(0.05, 0.9)
        limits = {
            name: float(np.quantile(every.metrics[:, ADDITIVE_METRICS.index(name)], share))
            for name in rng.sample(ADDITIVE_METRICS, 2)
            if name != metric
        }
        relaxation = Relaxation(space).within(limits)
        found = Dual(relaxation, metric, limits).bound(batch)
        kept = np.ones(len(every.option), dtype=bool)
        for name, limit in limits.items():
            kept &= every.metrics[:, ADDITIVE_METRICS.index(name)] <= limit * (1 + EXACT)
        of_metric = every.metrics[:, ADDITIVE_METRICS.index(metric)]
        for b in range(len(options)):
            rows = kept & every.within(batch, options, b)
            assert found.value[b] <= of_metric[rows].min(initial=np.inf) * (1 + EXACT)


def all_free_on_chip(batch: Batch, every: Designs) -> Bools:
    """Which designs have all tensors on chip that are for nothing, as some best design has."""
    state = np.frombuffer(batch.places, dtype=np.uint8)
    return np.asarray(every.on_chip[:, : len(state)][:, state == bounds.FREE].all(axis=1))


def test_no_design_is_above_the_most(case: tuple[HardwareSpace, Designs, random.Random]) -> None:
    space, every, rng = case
    batch, options = some_batch(space, every, rng)
    relaxation = Relaxation(space).of(batch)
    for m, name in enumerate(ADDITIVE_METRICS):
        worst = relaxation.upper_bound(batch, m)
        for b, option in enumerate(options.tolist()):
            rows = np.flatnonzero(every.within(batch, options, b) & all_free_on_chip(batch, every))
            for n in rng.sample(rows.tolist(), min(len(rows), 20)):
                made = price(
                    space,
                    option,
                    every.variable_width[n].tolist(),
                    every.weight[n].tolist(),
                    float(batch.sram_bits[b]),
                    every.on_chip[n].tolist(),
                )
                assert made is not None
                assert made.metrics[name] <= worst[b] * (1 + EXACT)


# --- forced choices -----------------------------------------------------------------------------


def check_marginals(
    space: HardwareSpace, every: Designs, rng: random.Random, most: int | None = None
) -> None:
    """Of each width, pair of widths, place and run: none is above the best design that has it."""
    batch, options = some_batch(space, every, rng)
    relaxation = Relaxation(space).of(batch)
    widths, placed = len(space.widths), len(space.placed)
    inputs = space.input_index
    for coefficients in prices(rng, len(options))[:2]:
        for b in range(len(options))[:most]:
            single = batch.take(np.array([b]))
            found = relaxation.marginals(single, coefficients[[b]])
            rows = every.within(batch, options, b)
            value = every.metrics[rows] @ coefficients[b]
            own, free, there = (
                x[rows] for x in (every.variable_width, every.weight, every.on_chip)
            )
            truth = tuple(np.full_like(x, np.inf) for x in found)
            pair, width, place, run = truth
            for n in range(len(value)):
                layers, variables = np.arange(len(inputs)), np.arange(own.shape[1])
                at = layers, free[n], own[n][inputs]
                pair[at] = np.minimum(pair[at], value[n])
                width[variables, own[n]] = np.minimum(width[variables, own[n]], value[n])
                fused = np.flatnonzero(there[n, placed:])
                run[fused] = np.minimum(run[fused], value[n])
                banded = {t for r in fused.tolist() for t in space.run_tensors[r]}
                for t in {*range(placed)} - banded:
                    where = int(there[n, t]), t, own[n, space.placed_variable[t]]
                    place[where] = min(place[where], value[n])
            assert widths == width.shape[1]
            free_ones = np.frombuffer(batch.places, dtype=np.uint8)[:placed] == bounds.FREE
            for name, mine, its in zip(found._fields, found, truth, strict=True):
                if name == "place":  # what is free is on chip in some best design
                    mine, its = mine[:, ~free_ones], its[:, ~free_ones]
                assert (mine <= its * (1 + EXACT)).all(), name


def test_marginals_are_not_above_the_best_of_forced_choices(
    case: tuple[HardwareSpace, Designs, random.Random],
) -> None:
    check_marginals(*case)


# --- couplings cut ------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [1, 40, 300])
def test_what_is_cut_bounds_from_below(
    case: tuple[HardwareSpace, Designs, random.Random],
    entries: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space, every, rng = case
    monkeypatch.setattr(bounds, "MAX_TABLE", entries)
    if entries == 1:  # then operands, too, are cut
        monkeypatch.setattr(bounds, "MAX_ENTRIES", 1)
        monkeypatch.setattr(bounds, "MAX_BATCH", 1)
    batch, options = some_batch(space, every, rng)
    relaxation = Relaxation(space).of(batch)
    for coefficients in prices(rng, len(options))[:2]:
        answer = relaxation.solve(batch, coefficients)
        for b in range(len(options)):
            truth = least(every, every.within(batch, options, b), coefficients[b])
            assert answer.value[b] <= truth * (1 + EXACT)
    check_marginals(space, every, rng, 2)
