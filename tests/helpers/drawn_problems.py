"""Random problems that hypothesis draws, and what ties leave no choice about in their answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import codesign
from codesign import Choices, Design, InfeasibleError, Layer, Network, Problem
from codesign.problem.choices import OnChip
from codesign.problem.metrics import METRICS

EXACT = 1 + 1e-9
few = settings(
    deadline=None,
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

# --- random questions ---------------------------------------------------------------------------


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """One to four layers over 4 channels and 6 rows: chains, skips, groups, products, a batch."""
    images = draw(st.sampled_from((1, 1, 2)))
    shape: dict[str, Any] = {"N": images, "P": 6, "Q": 3, "H": 6, "W": 3}
    layers: list[Layer] = []
    names = ["t0"]
    for number in range(draw(st.integers(1, 4))):
        source = draw(st.sampled_from(names[-2:]))
        kind = draw(st.sampled_from(("3x3", "1x1", "grouped", "depthwise", "dilated")))
        form: dict[str, Any] = {
            "3x3": {"K": 4, "C": 4, "R": 3, "S": 3},
            "1x1": {"K": 4, "C": 4},
            "grouped": {"G": 2, "K": 2, "C": 2, "R": 3, "S": 3},
            "depthwise": {"G": 4, "K": 1, "C": 1, "R": 3, "S": 3},
            "dilated": {"K": 4, "C": 4, "R": 3, "S": 1, "dilation": 2},
        }[kind]
        residuals = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
        target = f"t{number + 1}"
        ends = {"input": source, "output": target, "residuals": tuple(residuals)}
        layers.append(Layer(name=f"l{number}", **shape, **form, **ends))
        names.append(target)
    if draw(st.booleans()):  # a product of two tensors: 4·18·images = 72·images elements each
        product = {"G": 4 * images, "K": 18, "C": 1, "P": 18, "H": 18}
        ends = {
            "input": names[-1],
            "output": "product",
            "weight_tensor": draw(st.sampled_from(names)),
        }
        layers.append(Layer(name="product", **product, **ends))
    sizes = {layer.input: layer.ifmap for layer in layers}
    sizes |= {layer.output: layer.computed_outputs for layer in layers}
    used = {name for layer in layers for name in (*layer.reads, layer.output)}
    return Network(
        name="drawn", layers=tuple(layers), tensors={n: sizes[n] for n in used_in(sizes, used)}
    )


def used_in(sizes: Mapping[str, int], used: set[str]) -> list[str]:
    """Names in use, in the order of first mention."""
    return [name for name in sizes if name in used]


def some(values: tuple[int, ...], most: int) -> st.SearchStrategy[tuple[int, ...]]:
    """A few different ones of these values."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True).map(tuple)


@st.composite
def spaces(draw: st.DrawFn, on_chip: OnChip = "none") -> Choices:
    """A few arrays, widths and PE widths."""
    return Choices(
        rows=draw(some((1, 2, 4, 8), 2)),
        cols=draw(some((1, 2, 3, 4), 2)),
        weight_bits=draw(some((2, 4, 6, 8), 2)),
        activation_bits=draw(some((2, 4, 6, 8), 2)),
        pe_weight_bits=draw(st.sampled_from(((), (8,), (4, 8)))),
        pe_activation_bits=draw(st.sampled_from(((), (8,)))),
        precision=draw(st.sampled_from(("fixed", "fixed", "multi-pass"))),
        on_chip=on_chip,
    )


@st.composite
def noise_tables(draw: st.DrawFn, network: Network) -> dict[str, dict[int, float]]:
    """Noise of every tensor, some tensors not sensitive at all."""
    scale = st.sampled_from((0.0, 0.5, 1.0, 3.0))
    return {
        source: {bits: level * 4.0**-bits for bits in range(2, 9)}
        for source in Problem(network=network).noise_sources
        for level in [draw(scale)]
    }


@st.composite
def problems(draw: st.DrawFn, objective: str | None = None, on_chip: OnChip = "none") -> Problem:
    """A network, a space, a balanced platform and budgets that mostly can be kept."""
    limits = {
        "area_mm2": st.floats(0.015, 0.2),
        "latency_s": st.floats(2e-6, 5e-5),
        "noise": st.one_of(st.just(0.0), st.floats(0.01, 0.6), st.floats(0.01, 0.6)),
        "dram_bits": st.floats(3e3, 4e4),
        "model_bits": st.floats(500, 8000),
        "bops": st.floats(2e5, 5e6),
    }
    names = draw(st.lists(st.sampled_from(sorted(limits)), max_size=3, unique=True))
    network = draw(networks())
    return Problem(
        network=network,
        sensitivity=draw(st.sampled_from((None, None, "table"))) and draw(noise_tables(network)),
        choices=draw(spaces(on_chip)),
        clock_hz=draw(st.sampled_from((1e8, 2e8))),
        dram_bits_per_s=draw(st.sampled_from((5e8, 4e9))),
        objective=objective or draw(st.sampled_from(METRICS)),
        budgets={name: draw(limits[name]) for name in names},
    )


def answer(problem: Problem, **how: Any) -> Design | None:
    """The design, or None where there is none."""
    try:
        design = codesign.solve(problem, **how)
    except InfeasibleError:
        return None
    assert design.proof.status == "optimal"
    return design


def value(design: Design | None) -> float:
    """The objective reached, inf without a design."""
    return math.inf if design is None else design.proof.objective


def decisive(design: Design | None) -> dict[str, float] | None:
    """Objective, area and noise: what ties leave no choice about."""
    if design is None:
        return None
    names = (design.problem.objective, "area_mm2", "noise")
    return {name: pytest.approx(design.metrics[name], rel=2e-9) for name in names}


def decisive_values(design: Design) -> dict[str, float]:
    """Objective, area and noise of a design as plain numbers."""
    return {name: design.metrics[name] for name in (design.problem.objective, "area_mm2", "noise")}


def same_answer(one: Design | None, other: Design | None) -> None:
    """Objective, area and noise agree, or there is no design either way."""
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert decisive(one) == decisive_values(other)
