"""Quality budgets: what ``sqnr:DB`` means, the model behind it, and the search within them."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import oracle
import oracle_widths
import pytest
from compare_designs import compare
from random_choices import WIDTHS
from random_problems import Case, good_point, random_case
from seeds import mostly_long

import codesign
from codesign import Problem, quality
from codesign.errors import SpecError
from codesign.specs.network import Layer, Network

CHAIN = Network(
    name="chain",
    layers=(Layer(name="l", K=4, C=6, P=4, H=4, input="x", output="y"),),
    tensors={"x": 24, "y": 16},
)


def test_decibels_are_a_limit_on_noise() -> None:
    assert Problem(network=CHAIN, quality="sqnr:30").budgets == {"noise": pytest.approx(1e-3)}
    assert Problem(network=CHAIN, quality="sqnr:-3.0103").budgets["noise"] == pytest.approx(2)
    # Two tensors of 6 bits: 2·4^−6, and 6 bits less a factor of two are 6·6.0206 − 3.0103 dB.
    uniform = Problem(network=CHAIN, quality="uniform:6").budgets["noise"]
    assert Problem(network=CHAIN, quality="sqnr:33.1133").budgets["noise"] == pytest.approx(uniform)


def test_a_table_needs_no_width_of_a_quality_in_decibels() -> None:
    table = {source: {4: 0.25, 8: 1e-5} for source in ("weight:l", "tensor:x")}
    choices = codesign.Choices(weight_bits=(4, 8), activation_bits=(4, 8))
    problem = Problem(network=CHAIN, choices=choices, sensitivity=table, quality="sqnr:20")
    assert codesign.solve(problem).metrics["noise"] == pytest.approx(2e-5)
    with pytest.raises(
        SpecError, match="'weight:l' at 6 bits, 'tensor:x' at 6 bits, which quality"
    ):
        replace(problem, quality="uniform:6")


@pytest.mark.parametrize(
    "text",
    [
        *("sqnr", "sqnr:", "sqnr:x", "sqnr:nan", "sqnr:inf", "sqnr:301", "sqnr:1_0", "SQNR:30"),
        *("30", "uniform:0", "uniform:33", "uniform:6.5", "uniform:" + "9" * 5000),
    ],
)
def test_other_qualities_are_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"write uniform:<bits>.* or sqnr:<decibels>"):
        Problem(network=CHAIN, quality=text)


@pytest.mark.parametrize("bits", [3, 5, 8])
def test_default_noise_is_the_ratio_of_a_uniform_tensor(bits: int) -> None:
    signal = np.random.default_rng(bits).uniform(-1, 1, size=200_000)
    step = 2 / 2**bits
    error = signal - (np.floor(signal / step) + 0.5) * step
    ratio = np.square(error).mean() / np.square(signal).mean()
    assert ratio == pytest.approx(4.0**-bits, rel=0.02)


def test_reciprocal_ratios_add_up_over_layers() -> None:
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=(300, 300)) for _ in range(4)]
    signal = rng.normal(size=(300, 400))
    exact, noisy, expected = signal, signal, 0.0
    for weights, bits in zip(layers, (6, 5, 7, 6), strict=True):
        expected += quality.relative_errors(weights, [bits])[bits]
        found = quality.quantise(noisy, bits, "tensor")
        expected += found.relative_error
        exact = weights @ exact
        noisy = quality.quantise(weights, bits).values @ found.values
    measured = np.square(noisy - exact).sum() / np.square(exact).sum()
    assert measured == pytest.approx(expected, rel=0.05)


# --- the least noise within size, bit operations and latency --------------------------------------


def allocation_case(seed: int) -> Case:
    """Bit allocation as HAWQ-V3 poses it: a random table, limits on size, BOPS and latency."""
    rng = random.Random(f"allocation {seed}")
    problem, points = random_case(seed)
    table = {
        source: {bits: rng.choice((0.0, 1.0, rng.lognormvariate(0, 2))) / bits for bits in WIDTHS}
        for source in oracle_widths.noise_sources(problem.network)
    }
    problem = replace(problem, sensitivity=table, quality=None, budgets={}, objective="noise")
    points = oracle.all_points(problem)
    if points:
        anchor = good_point(rng, points)
        slack = rng.choice((1.0, 1.0, 1.1, 1.5))
        limits = {name: anchor.value(name) * slack for name in ("model_bits", "bops", "latency_s")}
        problem = replace(problem, budgets={name: x for name, x in limits.items() if x > 0})
    return Case(problem, points)


@pytest.mark.slow
@pytest.mark.parametrize("seed", mostly_long(range(40), 7))
def test_least_noise_within_size_operations_and_latency(seed: int) -> None:
    compare(allocation_case(seed))


def test_the_limits_bind() -> None:
    cases = [allocation_case(seed) for seed in range(40)]
    binding = 0
    for problem, points in cases:
        within = oracle.least(points, "noise", problem.budgets) if points else None
        if within is not None:
            binding += within > (oracle.least(points, "noise", {}) or 0.0)
    assert binding > 15
