"""Members that share widths, bounded one by one: no bound above, and none below without a cause."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from enumerated_assignments import EXACT, OPTIONS, network, point, random_batch
from random_suites import sharing_case
from seeds import mostly_long

from codesign import Choices, Problem, Suite
from codesign.search.bounds.apart import taken_apart
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.relaxation import Relaxation
from codesign.space.hardware import HardwareSpace

SEEDS = range(200)


def two_of_one_model(rng: random.Random) -> HardwareSpace:
    """Three layers over more and over fewer positions, with the same weights."""
    members = []
    for name, P in (("many", 4), ("few", 1)):
        layers = (
            point("a", "x", "y", 3, 2, P=P, H=P),
            point("b", "y", "z", 3, 3, P=P, H=P, residuals=("y",)),
            point("c", "z", "end", 2, 3, P=P, H=P),
        )
        members.append(replace(network(*layers), name=name, model="one"))
    suite = Suite(members, [rng.uniform(0.1, 3), rng.uniform(0.1, 3)])
    widths = tuple(rng.sample((1, 2, 4, 5), 3))
    choices = Choices(
        rows=(1,), cols=(1,), weight_bits=widths, activation_bits=(2, 4), on_chip="none"
    )
    return HardwareSpace(Problem(network=suite.network, choices=choices, dram_bits_per_s=100.0))


def of_a_decoder(seed: int) -> HardwareSpace:
    """Keys of two phases: a tensor of both that one writes whole, the other in part."""
    problem = sharing_case(seed).problem
    return HardwareSpace(replace(problem, choices=replace(problem.choices, on_chip="none")))


def prices(space: HardwareSpace, rng: random.Random, count: int) -> np.ndarray:
    """Coefficients (options, metrics), some of them 0."""
    return np.array(
        [
            [rng.choice((0.0, 1.0, rng.uniform(0, 10))) for _ in space.additive_metrics]
            for _ in range(count)
        ]
    )


@pytest.mark.parametrize("seed", mostly_long(SEEDS, 15))
def test_no_bound_is_above_the_least_of_all_together(seed: int) -> None:
    rng = random.Random(f"apart {seed}")
    space = of_a_decoder(seed) if seed % 2 else two_of_one_model(rng)
    batch, whole = random_batch(space, rng), Relaxation(space)
    apart = whole.by_member()
    if not space.coupled:  # what they share is pinned
        assert apart is whole
        return
    assert apart.cuts
    assert not whole.cuts
    for _ in range(4):
        coefficients = prices(space, rng, OPTIONS)
        least = whole.solve(batch, coefficients).value
        found = apart.solve(batch, coefficients).value
        assert (found <= least * (1 + EXACT) + EXACT).all()
        for b in np.flatnonzero(np.isfinite(least)).tolist():
            single, mine = batch.take(np.array([b])), coefficients[[b]]
            truth, bound = whole.marginals(single, mine), apart.marginals(single, mine)
            for one, other in zip(bound, truth, strict=True):
                assert (one <= other * (1 + EXACT) + EXACT).all()


@pytest.mark.parametrize("seed", mostly_long(SEEDS, 15))
def test_what_waits_for_the_dram_loses_nothing(seed: int) -> None:
    rng = random.Random(f"apart, from DRAM {seed}")
    space = two_of_one_model(rng)
    drawn = random_batch(space, rng)
    widths = np.asarray(space.widths, dtype=float)
    of_weights, of_ifmap = (
        np.array([[rng.uniform(1, 9) for _ in range(drawn.traffic.shape[1])]] * OPTIONS)
        for _ in range(2)
    )
    traffic = of_weights[..., None, None] * widths[:, None] + of_ifmap[..., None, None] * widths
    batch = Batch(np.zeros_like(drawn.compute_s), traffic)
    whole = Relaxation(space)
    for _ in range(4):
        coefficients = prices(space, rng, OPTIONS)
        coefficients[:, [n for n, x in enumerate(space.additive_metrics) if "bops" in x]] = 0.0
        least = whole.solve(batch, coefficients).value
        found = whole.by_member().solve(batch, coefficients)
        assert found.value == pytest.approx(least, rel=EXACT)
        total = (coefficients * found.metrics).sum(axis=1)
        assert (total >= least * (1 - EXACT)).all()


def test_a_table_is_what_is_taken_off_it_and_the_rest() -> None:
    table = np.array([[[[5.0, 7.0], [np.inf, np.inf], [3.0, 2.0]]]])
    rest, least = taken_apart(table, 3)
    assert least[0, 0].tolist() == pytest.approx([5.0, np.inf, 2.0], rel=EXACT)
    assert (least[0, 0] <= [5.0, np.inf, 2.0]).all()
    assert rest[0, 0].tolist() == [[0.0, 2.0], [np.inf, np.inf], [1.0, 0.0]]
    same, of_each = taken_apart(np.array([[[[5.0, 7.0]]]]), 3)  # the same at every value
    assert of_each.shape == (1, 1, 3)
    assert same[0, 0].tolist() == [[0.0, 2.0]] * 3
