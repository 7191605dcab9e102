"""Small networks with random tables, and all widths they may have, priced in plain Python."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from codesign import Choices, Layer, Network, Problem
from codesign.search.bounds.batch import Batch
from codesign.space.hardware import HardwareSpace

Floats = npt.NDArray[np.float64]

EXACT = 1e-9
OPTIONS = 3  # hardware options of a batch
ONE_WIDTH = -1  # the seed of a case in which everything has the same width
SEEDS = range(4)

# --- networks -----------------------------------------------------------------------------------


def point(name: str, source: str, target: str, K: int, C: int, **more: Any) -> Layer:
    """A layer over 4 positions: 1×1, C → K channels per group."""
    return Layer(
        **{"P": 4, "H": 4, "name": name, "K": K, "C": C, **more}, input=source, output=target
    )


def network(*layers: Layer) -> Network:
    """A network of these layers, every tensor as large as the layers say."""
    tensors: dict[str, int] = {}
    for layer in layers:
        tensors.setdefault(layer.input, layer.ifmap)
        tensors[layer.output] = layer.computed_outputs
    return Network(name="small", layers=layers, tensors=tensors)


NETWORKS: dict[str, Network] = {
    "chain": network(point("a", "x", "y", 3, 2), point("b", "y", "z", 2, 3)),
    "one layer": network(point("a", "x", "y", 3, 2)),
    "residual": network(
        point("a", "x", "y", 2, 2),
        point("b", "y", "z", 2, 2, residuals=("x",)),
        point("c", "z", "end", 1, 2),
    ),
    "residual is the input": network(
        point("a", "x", "y", 2, 2, residuals=("x",)), point("b", "y", "z", 2, 2)
    ),
    "several residuals": network(
        point("a", "x", "y", 2, 2),
        point("b", "y", "z", 2, 2, residuals=("x",)),
        point("c", "z", "u", 2, 2, residuals=("x", "y")),
        point("d", "u", "end", 2, 2, residuals=("x", "z", "z")),
    ),
    "branches": network(
        point("a", "x", "y", 2, 2),
        point("b", "x", "z", 2, 2),
        point("c", "y", "u", 2, 2, residuals=("z",)),
    ),
    "two inputs and two results": network(
        point("a", "x", "y", 3, 2), point("b", "w", "z", 3, 2), point("c", "y", "u", 1, 3)
    ),
    "two chains alike": network(
        point("a", "x", "y", 3, 2),
        point("b", "y", "z", 2, 3),
        point("c", "u", "v", 3, 2),
        point("d", "v", "w", 2, 3),
    ),
    "product": network(
        point("a", "x", "y", 2, 2), point("b", "y", "z", 4, 2, weight_tensor="x", residuals=("y",))
    ),
    "product with a newer factor": network(
        point("a", "x", "y", 2, 2),
        point("b", "x", "z", 4, 2, weight_tensor="y", residuals=("y",)),
        point("c", "z", "end", 1, 4),
    ),
    "product of two branches": network(
        point("a", "x", "y", 2, 2),
        point("b", "x", "z", 2, 2),
        point("c", "z", "u", 4, 2, weight_tensor="y"),
        point("d", "u", "v", 2, 4),
    ),
    "product with itself": network(point("a", "x", "y", 4, 2, weight_tensor="x")),
    "groups": network(
        point("a", "x", "y", 1, 1, G=4), point("b", "y", "z", 2, 2, G=2, residuals=("x",))
    ),
    "movement": network(
        point("a", "x", "y", 2, 2),
        point("b", "y", "z", 2, 2, moves=True, residuals=("x",)),
        point("c", "z", "u", 2, 2),
    ),
    "concatenation": Network(
        name="concatenation",
        layers=(
            point("a", "x", "both", 2, 2, parts={"both": 8}),
            point("b", "x", "y", 2, 2),
            point("c", "y", "both", 1, 2, moves=True, parts={"both": 4}),
            point("d", "both", "z", 2, 2, parts={"both": 8}),
        ),
        tensors={"x": 8, "y": 8, "both": 12, "z": 8},
    ),
    "tied": network(
        point("a", "x", "y", 2, 2),
        point("b", "y", "z", 2, 2, residuals=("x",)),
        point("c", "z", "end", 4, 2, weight_tensor="y"),
    ),
    "weights alike": network(
        point("a", "x", "y", 3, 2), point("b", "y", "z", 2, 3), point("c", "z", "end", 2, 2)
    ),
    "two groups": network(
        point("a", "x", "y", 2, 2),
        point("b", "y", "z", 2, 2, residuals=("x",)),
        point("c", "z", "u", 2, 2),
        point("d", "u", "end", 2, 2, residuals=("y",)),
    ),
    "weights like a far tensor": network(
        point("a", "x", "y", 2, 2), point("b", "y", "z", 2, 2), point("c", "z", "end", 2, 2)
    ),
}
SHARED: dict[str, dict[str, Any]] = {
    "tied": {"tied": True},
    "weights alike": {"shared": (("weight:a", "weight:b", "weight:c"),)},
    "two groups": {"shared": (("weight:a", "weight:c"), ("weight:d", "weight:b"))},
    "weights like a far tensor": {"shared": (("weight:c", "tensor:x"), ("tensor:y", "tensor:z"))},
}


# --- a case and all its assignments -------------------------------------------------------------


@dataclass(frozen=True)
class Widths:
    """An assignment (indices into the width list), its metrics in order of `ADDITIVE_METRICS`."""

    variable_width: tuple[int, ...]
    weight: tuple[int, ...]
    metrics: tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """A space, random tables for a batch, and all runnable assignments of each option."""

    space: HardwareSpace
    batch: Batch
    assignments: tuple[tuple[Widths, ...], ...]


@cache
def case(name: str, seed: int) -> Case:
    """A network with random choices and random tables."""
    rng = random.Random(f"{name} {seed}")
    described = NETWORKS[name]
    count = 2 if len(described.layers) > 3 else 3
    pinned = {
        source: rng.choice((3, 8))
        for source in Problem(network=described).noise_sources
        if rng.random() < 0.15 and name not in SHARED
    }
    weight_bits = tuple(rng.sample((1, 2, 4, 5), count)) + (2, 4, 6) * (name in SHARED)
    activation_bits = tuple(rng.sample((2, 4, 6, 8), 2))
    if seed == ONE_WIDTH:
        weight_bits, activation_bits, pinned = (4,), (4,), {}
    choices = Choices(
        **SHARED.get(name, {}),
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        pinned=pinned,
        rows=(1,),
        cols=(1,),
        output_bits=rng.choice((4, 8)),
        on_chip="none",
    )
    problem = Problem(network=described, choices=choices, dram_bits_per_s=100.0)
    if rng.random() < 0.5:
        problem = replace(problem, sensitivity=random_sensitivity(problem, rng))
    space = HardwareSpace(problem)
    batch = random_batch(space, rng)
    everything = [all_assignments(space, batch, b) for b in range(OPTIONS)]
    return Case(space, batch, tuple(everything))


def random_sensitivity(problem: Problem, rng: random.Random) -> dict[str, dict[int, float]]:
    """Noise that differs from tensor to tensor, does not always fall with the width, or is 0."""
    return {
        source: {bits: scale * rng.uniform(0.1, 3) * 2.0**-bits for bits in range(1, 9)}
        for source in problem.noise_sources
        for scale in [rng.choice((0.0, 1.0, 1.0, 1.0))]
    }


def random_batch(space: HardwareSpace, rng: random.Random) -> Batch:
    """Random times and traffic for three options; in the last one some pairs cannot run."""
    w, geometries = len(space.widths), len(space.geometries)
    numbers = np.random.default_rng(rng.randrange(2**32))
    compute_s = numbers.uniform(0.1, 3, (OPTIONS, geometries, w, w))
    traffic = numbers.integers(10, 400, (OPTIONS, geometries, w, w)).astype(np.float64)
    traffic[-1][numbers.random((geometries, w, w)) < 0.25] = np.inf
    return Batch(compute_s, traffic)


def all_assignments(space: HardwareSpace, batch: Batch, option: int) -> tuple[Widths, ...]:
    """Every assignment of widths that runs, with its metrics."""
    problem = space.problem
    bits = space.widths.tolist()
    layers = problem.network.layers
    variable_choices = [indices(bits, problem.allowed_bits(x[0])) for x in space.variables]
    shared = {source for members in space.variables for source in members}
    weight_choices = [
        indices(bits, problem.allowed_bits(f"weight:{layer.name}"))
        if layer.owns_weights and f"weight:{layer.name}" not in shared
        else (0,)
        for layer in layers
    ]
    found = []
    for variable_width in product(*variable_choices):
        width_of = {x: b for xs, b in zip(space.variables, variable_width, strict=True) for x in xs}
        at = {x[7:]: b for x, b in width_of.items() if x.startswith("tensor:")}
        for own in product(*weight_choices):
            weight = tuple(
                width_of.get(f"weight:{layer.name}", w)
                if layer.weight_tensor is None
                else at[layer.weight_tensor]
                for w, layer in zip(own, layers, strict=True)
            )
            metrics = metrics_of(space, batch, option, at, weight)
            if metrics is not None:
                found.append(Widths(variable_width, weight, metrics))
    return tuple(found)


def indices(bits: list[int], allowed: tuple[int, ...]) -> tuple[int, ...]:
    """Where the allowed widths stand in the list."""
    return tuple(bits.index(b) for b in allowed)


def metrics_of(
    space: HardwareSpace, batch: Batch, option: int, at: Mapping[str, int], weight: tuple[int, ...]
) -> tuple[float, ...] | None:
    """Latency, traffic, noise, model bits and BOPS of an assignment; None if it does not run."""
    problem, bits = space.problem, space.widths.tolist()
    network = problem.network
    latency_s = dram_bits = noise = model_bits = bops = 0.0
    for i, layer in enumerate(problem.network.layers):
        w, a = weight[i], at[layer.input]
        where = (option, int(space.geometry_of[i]), w, a)
        moved = float(batch.traffic[where])
        if math.isinf(moved):
            return None
        for name in (layer.output, *layer.residuals):
            moved += layer.parts.get(name, network.tensors[name]) * (
                bits[at[name]] if name in at else problem.choices.output_bits
            )
        latency_s += max(float(batch.compute_s[where]), moved / problem.dram_bits_per_s)
        dram_bits += moved
        if layer.moves:
            continue
        reduction = math.log2(layer.C * layer.R * layer.S)
        bops += layer.macs * (bits[w] * bits[a] + bits[w] + bits[a] + reduction)
        if layer.weight_tensor is None:
            model_bits += layer.G * layer.K * layer.C * layer.R * layer.S * bits[w]
            noise += problem.noise_of(f"weight:{layer.name}", bits[w])
    noise += sum(problem.noise_of(f"tensor:{name}", bits[b]) for name, b in at.items())
    return (latency_s, dram_bits, noise, model_bits, bops)


def random_prices(rng: random.Random) -> list[float]:
    """Prices of the order of one unit of each metric, some of them zero."""
    units = (1.0, 0.01, 3.0, 0.02, 0.002)
    return [rng.choice((0.0, rng.uniform(0, 2), rng.uniform(0, 2))) * unit for unit in units]


def cost(widths: Widths, prices: Floats) -> float:
    """Priced metrics of an assignment."""
    return math.fsum(p * m for p, m in zip(prices.tolist(), widths.metrics, strict=True))


def least(
    assignments: tuple[Widths, ...],
    prices: Floats,
    wanted: Callable[[Widths], bool] = lambda _: True,
) -> float:
    """The least cost of the assignments wanted, inf if there is none."""
    return min((cost(one, prices) for one in assignments if wanted(one)), default=math.inf)


DRAWN = [f"{name}/{seed}" for name in NETWORKS for seed in SEEDS]


def priced_case(text: str) -> tuple[Case, Floats]:
    """A case of `DRAWN` and four sets of prices for its batch, shape (4, options, 5)."""
    name, _, seed = text.partition("/")
    rng = random.Random(f"prices of {text}")
    prices = np.array([[random_prices(rng) for _ in range(OPTIONS)] for _ in range(4)])
    return case(name, int(seed)), prices
