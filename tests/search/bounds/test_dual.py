"""Dual bounds are bounds: never above the best of all assignments within the limits.

Tables of compute times and traffic are random, as in `test_bounds`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest
from enumerated_assignments import (
    DRAWN,
    EXACT,
    NETWORKS,
    OPTIONS,
    SEEDS,
    Case,
    Floats,
    Widths,
    all_assignments,
    case,
    priced_case,
)
from seeds import half_long

from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.problem.tolerances import ceiling
from codesign.search.bounds import relaxation as bounds
from codesign.search.bounds.lagrangian import Dual, DualBound
from codesign.search.bounds.relaxation import Relaxation
from codesign.space.hardware import HardwareSpace


@pytest.fixture(params=DRAWN)
def drawn(request: pytest.FixtureRequest) -> tuple[Case, Floats]:
    """A case and four sets of coefficients for its batch, shape (4, options, 5)."""
    return priced_case(request.param)


GOALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("latency_s", ("noise",)),
    ("dram_bits", ("model_bits",)),
    ("noise", ("latency_s", "dram_bits")),
    ("latency_s", ("noise", "model_bits", "bops")),
    ("model_bits", ("latency_s", "noise", "dram_bits")),
)
TASKS = [(name, seed, *goal) for name in NETWORKS for seed in SEEDS[:2] for goal in GOALS]
ONCE = [pytest.param(*x, marks=[pytest.mark.long] * (x[1] != SEEDS[0])) for x in TASKS]


def limits_between(given: Case, limited: tuple[str, ...], rng: random.Random) -> dict[str, float]:
    """Limits near the metrics of some assignment, now and then out of reach."""
    pool = given.assignments[0]
    anchor = rng.choice(pool)
    return {
        name: max(anchor.metrics[ADDITIVE_METRICS.index(name)], 1e-6)
        * rng.choice((0.8, 1.0, 1.0, 1.2))
        for name in limited
    }


def constrained(assignments: tuple[Widths, ...], metric: str, limits: Mapping[str, float]) -> float:
    """The best metric within limits by enumeration, inf where there is none."""
    kept = [(ADDITIVE_METRICS.index(name), ceiling(limit)) for name, limit in limits.items()]
    main = ADDITIVE_METRICS.index(metric)
    return min(
        (one.metrics[main] for one in assignments if all(one.metrics[m] <= x for m, x in kept)),
        default=math.inf,
    )


def check_bound(given: Case, metric: str, limits: Mapping[str, float], found: DualBound) -> None:
    """A bound is no larger than the truth, and an assignment reached is one within the limits."""
    for b, assignments in enumerate(given.assignments):
        truth = constrained(assignments, metric, limits)
        assert found.value[b] <= truth, "not a lower bound"
        assert truth <= found.incumbent[b] * (1 + EXACT)
        if math.isfinite(found.incumbent[b]):
            chosen = (tuple(found.variable_width[b].tolist()), tuple(found.weight[b].tolist()))
            one = next(one for one in assignments if (one.variable_width, one.weight) == chosen)
            assert one.metrics[ADDITIVE_METRICS.index(metric)] == pytest.approx(
                found.incumbent[b], rel=EXACT
            )
            for name, limit in limits.items():
                assert one.metrics[ADDITIVE_METRICS.index(name)] <= ceiling(limit)


@pytest.mark.parametrize(("name", "seed", "metric", "limited"), half_long(ONCE, 4))
def test_dual_never_exceeds_the_constrained_optimum(
    name: str, seed: int, metric: str, limited: tuple[str, ...]
) -> None:
    given = case(name, seed)
    for trial in range(3):
        rng = random.Random(f"{name} {seed} {metric} {limited} {trial}")
        limits = limits_between(given, limited, rng)
        found = Dual(Relaxation(given.space), metric, limits).bound(given.batch)
        check_bound(given, metric, limits, found)


@pytest.mark.parametrize(("name", "seed", "metric", "limited"), half_long(TASKS[::3]))
def test_dual_of_relaxed_residuals_never_exceeds_it_either(
    name: str,
    seed: int,
    metric: str,
    limited: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "MAX_TABLE", 1)
    given = case(name, seed)
    for trial in range(3):
        limits = limits_between(given, limited, random.Random(f"relaxed {name} {trial}"))
        found = Dual(Relaxation(given.space), metric, limits).bound(given.batch)
        check_bound(given, metric, limits, found)


@pytest.mark.parametrize(
    ("start", "name", "seed", "metric", "limited"),
    [(start, *task) for start, task in zip(cycle((0.0, 1e-9, 1e9)), TASKS[::4], strict=False)],
)
def test_dual_from_any_start_and_with_an_early_stop(
    start: float, name: str, seed: int, metric: str, limited: tuple[str, ...]
) -> None:
    given = case(name, seed)
    limits = limits_between(given, limited, random.Random(f"start {name} {seed}"))
    dual = Dual(Relaxation(given.space), metric, limits)
    first = np.full((OPTIONS, len(limited)), start)
    check_bound(given, metric, limits, dual.bound(given.batch, start=first))
    truth = [constrained(each, metric, limits) for each in given.assignments]
    stop = float(np.median([t for t in truth if math.isfinite(t)] or [1.0])) * 0.9
    check_bound(given, metric, limits, dual.bound(given.batch, start=first, cutoff=stop))


def test_without_limits_the_dual_is_the_optimum(drawn: tuple[Case, Floats]) -> None:
    given, _ = drawn
    for metric in ADDITIVE_METRICS:
        found = Dual(Relaxation(given.space), metric, {}).bound(given.batch)
        truth = [constrained(each, metric, {}) for each in given.assignments]
        assert found.value.tolist() == pytest.approx(truth, rel=EXACT)
        assert found.incumbent.tolist() == pytest.approx(truth, rel=EXACT)


@pytest.mark.parametrize("also", [{}, {"bops": 1e30}])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_limit_kept_by_rounding_alone_rules_nothing_out(
    name: str, also: Mapping[str, float]
) -> None:
    """The least of a metric is the ceiling of its limit: sums may exceed that by their rounding."""
    noise = ADDITIVE_METRICS.index("noise")
    for seed in (1, 5, 7, 10):
        given = case(name, seed)
        relaxation = Relaxation(given.space)
        for b, assignments in enumerate(given.assignments):
            least = min((one.metrics[noise] for one in assignments), default=0.0)
            if least:
                limits = {"noise": least / ceiling(1.0), **also}
                while ceiling(limits["noise"]) < least:
                    limits["noise"] = math.nextafter(limits["noise"], math.inf)
                found = Dual(relaxation, "latency_s", limits).bound(given.batch.take(np.array([b])))
                truth = constrained(assignments, "latency_s", limits)
                assert truth * (1 - 1e-3) <= found.value[0] <= truth * (1 + EXACT)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["chain", "residual", "product", "groups"])
def test_with_one_limit_the_price_is_the_best(name: str, seed: int) -> None:
    # max over λ ≥ 0 of min (latency + λ·noise) − λ·limit, at every λ where two assignments meet.
    given = case(name, seed)
    limits = limits_between(given, ("noise",), random.Random(f"price {name} {seed}"))
    found = Dual(Relaxation(given.space), "latency_s", limits).bound(given.batch)
    limit = ceiling(limits["noise"])
    for b, assignments in enumerate(given.assignments):
        if min((one.metrics[2] for one in assignments), default=0.0) > limit:
            continue  # no price is best: the dual rises for ever
        values = best_dual(assignments, limit)
        assert found.value[b] == pytest.approx(values, rel=1e-6)


def best_dual(assignments: tuple[Widths, ...], limit: float) -> float:
    """The dual of latency under a noise limit at its best price: where two tangents cross."""
    lines = {(one.metrics[0], one.metrics[2] - limit) for one in assignments}
    lower = [line for line in lines if not any(beats(other, line) for other in lines)]
    prices = [0.0] + [
        (a[0] - b[0]) / (b[1] - a[1]) for a in lower for b in lower if a[1] < 0 <= b[1]
    ]
    return max(min(t + price * slope for t, slope in lower) for price in prices if price >= 0)


def beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether a line is below another for every price."""
    return one != other and one[0] <= other[0] and one[1] <= other[1]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("silent", [True, False])
def test_a_noise_limit_of_zero(name: str, silent: bool) -> None:
    # Only widths without any noise keep it: from 4 bits on, or none.
    given = case(name, 0)
    sources = given.space.problem.noise_sources
    noise = {bits: 0.0 if silent and bits >= 4 else 2.0**-bits for bits in range(1, 9)}
    space = HardwareSpace(replace(given.space.problem, sensitivity=dict.fromkeys(sources, noise)))
    assignments = tuple(all_assignments(space, given.batch, b) for b in range(OPTIONS))
    given = Case(space, given.batch, assignments)
    for metric in ("latency_s", "bops"):
        found = Dual(Relaxation(space), metric, {"noise": 0.0}).bound(given.batch)
        check_bound(given, metric, {"noise": 0.0}, found)
        assert silent or np.isinf(found.value).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_limits_nothing_keeps_are_proven_out_of_reach(name: str) -> None:
    given = case(name, 0)
    relaxation = Relaxation(given.space)
    for limited in ("noise", "model_bits", "dram_bits"):
        m = ADDITIVE_METRICS.index(limited)
        lowest = min(one.metrics[m] for each in given.assignments for one in each)
        if lowest == 0:  # no weights, no noise
            continue
        found = Dual(relaxation, "latency_s", {limited: lowest * 0.9}).bound(given.batch)
        assert np.isinf(found.value).all()
        assert np.isinf(found.incumbent).all()


def test_dual_of_cut_operands_never_exceeds_the_constrained_optimum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "MAX_TABLE", 1)
    monkeypatch.setattr(bounds, "MAX_ENTRIES", 1)
    monkeypatch.setattr(bounds, "MAX_BATCH", 1)
    for name, seed, metric, limited in TASKS[::3]:
        given = case(name, seed)
        limits = limits_between(given, limited, random.Random(f"cut {name} {seed}"))
        found = Dual(Relaxation(given.space), metric, limits).bound(given.batch)
        check_bound(given, metric, limits, found)
