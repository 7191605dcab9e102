"""Bounds are bounds: priced optima, marginals and duals against every assignment of widths.

Tables of compute times and traffic are random; whatever a relaxation claims of a small network is
compared with the best of all assignments, their metrics added up in plain Python.
"""

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
import pytest

from codesign import Choices, Layer, Network, Problem, bounds
from codesign.bounds import Relaxation
from codesign.dual import Dual, DualBound
from codesign.layer_tables import PRICED, Batch
from codesign.problem import BUDGET_TOLERANCE
from codesign.space import Space

Floats = npt.NDArray[np.float64]

EXACT = 1e-9
OPTIONS = 3  # hardware options of a batch
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
    """An assignment (indices into the width list) and its metrics, in the order of `PRICED`."""

    variable_width: tuple[int, ...]
    weight: tuple[int, ...]
    metrics: tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """A space, random tables for a batch, and all runnable assignments of each option."""

    space: Space
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
    choices = Choices(
        **SHARED.get(name, {}),
        weight_bits=tuple(rng.sample((1, 2, 4, 5), count)) + (2, 4, 6) * (name in SHARED),
        activation_bits=tuple(rng.sample((2, 4, 6, 8), 2)),
        pinned=pinned,
        rows=(1,),
        cols=(1,),
        output_bits=rng.choice((4, 8)),
    )
    problem = Problem(network=described, choices=choices, dram_bits_per_s=100.0)
    if rng.random() < 0.5:
        problem = replace(problem, sensitivity=random_sensitivity(problem, rng))
    space = Space(problem)
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


def random_batch(space: Space, rng: random.Random) -> Batch:
    """Random times and traffic for three options; in the last one some pairs cannot run."""
    w, geometries = len(space.widths), len(space.geometries)
    numbers = np.random.default_rng(rng.randrange(2**32))
    compute_s = numbers.uniform(0.1, 3, (OPTIONS, geometries, w, w))
    traffic = numbers.integers(10, 400, (OPTIONS, geometries, w, w)).astype(np.float64)
    traffic[-1][numbers.random((geometries, w, w)) < 0.25] = np.inf
    return Batch(compute_s, traffic)


def all_assignments(space: Space, batch: Batch, option: int) -> tuple[Widths, ...]:
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
    space: Space, batch: Batch, option: int, at: Mapping[str, int], weight: tuple[int, ...]
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


@pytest.fixture(params=[f"{name}/{seed}" for name in NETWORKS for seed in SEEDS])
def drawn(request: pytest.FixtureRequest) -> tuple[Case, Floats]:
    """A case and four sets of prices for its batch, shape (4, options, 5)."""
    name, _, seed = request.param.partition("/")
    rng = random.Random(f"prices of {request.param}")
    prices = np.array([[random_prices(rng) for _ in range(OPTIONS)] for _ in range(4)])
    return case(name, int(seed)), prices


# --- priced optima ------------------------------------------------------------------------------


def test_priced_optimum_is_the_enumerated_one(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    for prices in all_prices:
        answer = relaxation.solve(given.batch, prices)
        for b, assignments in enumerate(given.assignments):
            assert answer.value[b] == pytest.approx(least(assignments, prices[b]), rel=EXACT)


def test_the_assignment_returned_has_the_metrics_returned(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    for prices in all_prices:
        answer = relaxation.solve(given.batch, prices)
        for b, assignments in enumerate(given.assignments):
            if math.isinf(answer.value[b]):
                continue
            metrics = {(one.variable_width, one.weight): one.metrics for one in assignments}
            chosen = metrics[
                tuple(answer.variable_width[b].tolist()), tuple(answer.weight[b].tolist())
            ]
            assert answer.metrics[b].tolist() == pytest.approx(chosen, rel=EXACT)
            total = float(prices[b] @ answer.metrics[b])
            assert answer.value[b] == pytest.approx(total, rel=EXACT)


def test_weights_like_a_tensor_and_the_tensor_as_weights() -> None:
    # Equal shapes and scopes; one has weights to store and to be noisy, the other has none.
    layers = (
        point("a", "x", "y", 2, 2),
        point("b", "x", "u", 2, 2),
        point("c", "x", "v", 2, 2, weight_tensor="y", parts={"y": 4}),
        point("d", "u", "end", 2, 2, residuals=("v",)),
    )
    described = Network(
        name="alike", layers=layers, tensors={"x": 8, "y": 8, "u": 8, "v": 8, "end": 8}
    )
    every = {"weight_bits": (2, 4), "activation_bits": (2, 4), "rows": (1,), "cols": (1,)}
    choices = Choices(**every, shared=(("weight:b", "tensor:y"),))
    space = Space(Problem(network=described, choices=choices, dram_bits_per_s=100.0))
    batch = random_batch(space, random.Random(1))
    for m in range(len(PRICED)):
        prices = np.zeros((OPTIONS, len(PRICED)))
        prices[:, m] = 1.0
        values = Relaxation(space).solve(batch, prices).value
        for b in range(OPTIONS):
            truth = least(all_assignments(space, batch, b), prices[b])
            assert values[b] == pytest.approx(truth, rel=EXACT)


def test_marginals_are_the_optima_of_forced_choices(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    for prices, b in product(all_prices[:2], range(OPTIONS)):
        width, pair = relaxation.marginals(given.batch.take(np.array([b])), prices[[b]])
        truth_width, truth_pair = enumerated_marginals(given, b, prices[b])
        assert width == pytest.approx(truth_width, rel=EXACT)
        assert pair == pytest.approx(truth_pair, rel=EXACT)


def enumerated_marginals(given: Case, b: int, prices: Floats) -> tuple[Floats, Floats]:
    """Least cost with each variable at each width, with each layer at each pair of widths."""
    space = given.space
    count, layers = len(space.widths), space.problem.network.layers
    width = np.full((len(space.variables), count), np.inf)
    pair = np.full((len(layers), count, count), np.inf)
    inputs = [space.tensor_index[layer.input] for layer in layers]
    for one in given.assignments[b]:
        value = cost(one, prices)
        for v, chosen in enumerate(one.variable_width):
            width[v, chosen] = min(width[v, chosen], value)
        for i, v in enumerate(inputs):
            where = (i, one.weight[i], one.variable_width[v])
            pair[where] = min(pair[where], value)
    return width, pair


def test_worst_is_above_every_assignment(drawn: tuple[Case, Floats]) -> None:
    given, _ = drawn
    relaxation = Relaxation(given.space)
    for m in range(len(PRICED)):
        worst = relaxation.worst(given.batch, m)
        for b, assignments in enumerate(given.assignments):
            highest = max((one.metrics[m] for one in assignments), default=-math.inf)
            assert highest <= worst[b] * (1 + EXACT)


def test_nothing_runs() -> None:
    given = case("residual", 0)
    none = replace(given.batch, traffic=np.full_like(given.batch.traffic, np.inf))
    relaxation = Relaxation(given.space)
    prices = np.ones((OPTIONS, len(PRICED)))
    assert np.isinf(relaxation.solve(none, prices).value).all()
    width, pair = relaxation.marginals(none.take(np.array([0])), prices[:1])
    assert np.isinf(width).all()
    assert np.isinf(pair).all()
    assert (relaxation.worst(none, 0) == -np.inf).all()
    dual = Dual(relaxation, "latency_s", {"noise": 1.0})
    assert np.isinf(dual.bound(none).value).all()


def test_compute_times_may_be_the_same_for_all_widths() -> None:
    given = case("residual", 1)
    narrow = replace(given.batch, compute_s=given.batch.compute_s[:, :, :1, :1])
    wide = replace(
        given.batch, compute_s=np.broadcast_to(narrow.compute_s, given.batch.compute_s.shape)
    )
    prices = np.array([random_prices(random.Random(b)) for b in range(OPTIONS)])
    relaxation = Relaxation(given.space)
    answers = [relaxation.solve(batch, prices) for batch in (narrow, wide)]
    assert answers[0].value.tolist() == answers[1].value.tolist()
    assert answers[0].metrics.tolist() == answers[1].metrics.tolist()


# --- residuals left out of the tables -----------------------------------------------------------

RESIDUAL = [name for name, net in NETWORKS.items() if any(x.residuals for x in net.layers)]


@pytest.fixture
def tiny_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables so small that every residual is relaxed."""
    monkeypatch.setattr(bounds, "MAX_TABLE", 1)


@pytest.mark.usefixtures("tiny_tables")
def test_relaxed_residuals_bound_from_below(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    for prices in all_prices:
        answer = relaxation.solve(given.batch, prices)
        for b, assignments in enumerate(given.assignments):
            truth = least(assignments, prices[b])
            assert answer.value[b] <= truth * (1 + EXACT)
            if given.space.problem.choices.shared:  # cut weights may run where the truth does not
                assert not (answer.runs[b] and math.isinf(truth))
            else:
                assert math.isinf(answer.value[b]) == math.isinf(truth)
                assert answer.runs[b] == math.isfinite(truth)
            if answer.runs[b]:
                metrics = {(one.variable_width, one.weight): one.metrics for one in assignments}
                chosen = metrics[
                    tuple(answer.variable_width[b].tolist()), tuple(answer.weight[b].tolist())
                ]
                assert answer.metrics[b].tolist() == pytest.approx(chosen, rel=EXACT)


@pytest.mark.usefixtures("tiny_tables")
def test_relaxed_marginals_bound_from_below(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    for prices, b in product(all_prices[:2], range(OPTIONS)):
        width, pair = relaxation.marginals(given.batch.take(np.array([b])), prices[[b]])
        truth_width, truth_pair = enumerated_marginals(given, b, prices[b])
        assert (width <= truth_width * (1 + EXACT)).all()
        assert (pair <= truth_pair * (1 + EXACT)).all()


@pytest.fixture
def tables_of_one_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables so small that no layer shares a width variable with another."""
    monkeypatch.setattr(bounds, "MAX_TABLE", 1)
    monkeypatch.setattr(bounds, "MAX_ENTRIES", 1)


@pytest.mark.usefixtures("tables_of_one_axis")
def test_cut_operands_bound_from_below(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    assert all(len(scope) <= 1 for scope in relaxation._scopes)
    for prices, b in product(all_prices[:2], range(OPTIONS)):
        answer = relaxation.solve(given.batch, prices)
        assert answer.value[b] <= least(given.assignments[b], prices[b]) * (1 + EXACT)
        metrics = {(one.variable_width, one.weight): one.metrics for one in given.assignments[b]}
        chosen = tuple(answer.variable_width[b].tolist()), tuple(answer.weight[b].tolist())
        assert answer.runs[b] == (chosen in metrics)
        if answer.runs[b]:
            assert answer.metrics[b].tolist() == pytest.approx(metrics[chosen], rel=EXACT)
        width, pair = relaxation.marginals(given.batch.take(np.array([b])), prices[[b]])
        truth_width, truth_pair = enumerated_marginals(given, b, prices[b])
        assert (width <= truth_width * (1 + EXACT)).all()
        assert (pair <= truth_pair * (1 + EXACT)).all()


@pytest.mark.usefixtures("tables_of_one_axis")
def test_dual_of_cut_operands_never_exceeds_the_constrained_optimum() -> None:
    for name, seed, metric, limited in TASKS[::3]:
        given = case(name, seed)
        limits = limits_between(given, limited, random.Random(f"cut {name} {seed}"))
        found = Dual(Relaxation(given.space), metric, limits).bound(given.batch)
        check_bound(given, metric, limits, found)


@pytest.mark.usefixtures("tables_of_one_axis")
def test_noise_of_cut_weights_stands_with_their_layer() -> None:
    # Bound by noise alone, each member of a group may be as noisy as it likes: no more, no less.
    given = case("weights alike", 0)
    relaxation = Relaxation(given.space)
    prices = np.zeros((OPTIONS, len(PRICED)))
    prices[:, PRICED.index("noise")] = 1.0
    every = replace(given.batch, traffic=np.zeros_like(given.batch.traffic))
    problem = given.space.problem
    silent = sum(
        min(problem.noise_of(x, bits) for bits in problem.allowed_bits(x))
        for x in problem.noise_sources
    )
    assert relaxation.solve(every, prices).value.tolist() == pytest.approx([silent] * OPTIONS)


def relaxed(space: Space) -> list[str]:
    """Layers whose table does not run over all their residuals."""
    scopes = Relaxation(space)._scopes
    return [
        layer.name
        for layer, scope in zip(space.problem.network.layers, scopes, strict=True)
        if any(space.tensor_index[name] not in scope for name in layer.residuals)
    ]


@pytest.mark.usefixtures("tiny_tables")
def test_relaxing_is_what_was_tested() -> None:
    strict = 0
    prices = np.tile([1.0, 0.01, 0.5, 0.0, 0.0], (OPTIONS, 1))
    for name in RESIDUAL:
        given = case(name, 0)
        values = Relaxation(given.space).solve(given.batch, prices).value
        truths = [least(each, prices[b]) for b, each in enumerate(given.assignments)]
        lower = any(v < t * (1 - 1e-6) for v, t in zip(values, truths, strict=True))
        assert relaxed(given.space) or not lower
        strict += lower
    assert strict > 0


def test_only_what_is_too_large_is_relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    # The residual of e reaches over four layers, that of c over three; either alone makes tables
    # of three tensors, both together, interleaved, of four.
    chain = network(
        point("a", "x", "y", 2, 2),
        point("b", "y", "z", 2, 2),
        point("c", "z", "u", 2, 2, residuals=("x",)),
        point("d", "u", "v", 2, 2),
        point("e", "v", "w", 2, 2, residuals=("y",)),
        point("f", "w", "end", 2, 2),
    )
    space = Space(Problem(network=chain))
    assert relaxed(space) == []
    for tensors, expected in ((4, []), (3, ["e"]), (2, ["c", "e"])):
        monkeypatch.setattr(bounds, "MAX_TABLE", len(space.widths) ** tensors)
        assert relaxed(space) == expected


# --- duals --------------------------------------------------------------------------------------

GOALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("latency_s", ("noise",)),
    ("dram_bits", ("model_bits",)),
    ("noise", ("latency_s", "dram_bits")),
    ("latency_s", ("noise", "model_bits", "bops")),
    ("model_bits", ("latency_s", "noise", "dram_bits")),
)
TASKS = [(name, seed, *goal) for name in NETWORKS for seed in SEEDS[:2] for goal in GOALS]


def limits_between(given: Case, limited: tuple[str, ...], rng: random.Random) -> dict[str, float]:
    """Limits near the metrics of some assignment, now and then out of reach."""
    pool = given.assignments[0]
    anchor = rng.choice(pool)
    return {
        name: max(anchor.metrics[PRICED.index(name)], 1e-6) * rng.choice((0.8, 1.0, 1.0, 1.2))
        for name in limited
    }


def constrained(assignments: tuple[Widths, ...], metric: str, limits: Mapping[str, float]) -> float:
    """The best metric within limits by enumeration, inf where there is none."""
    kept = [(PRICED.index(name), limit * (1 + BUDGET_TOLERANCE)) for name, limit in limits.items()]
    main = PRICED.index(metric)
    return min(
        (one.metrics[main] for one in assignments if all(one.metrics[m] <= x for m, x in kept)),
        default=math.inf,
    )


def check_bound(given: Case, metric: str, limits: Mapping[str, float], found: DualBound) -> None:
    """A bound is no larger than the truth, and an assignment reached is one within the limits."""
    for b, assignments in enumerate(given.assignments):
        truth = constrained(assignments, metric, limits)
        assert found.value[b] <= truth, "not a lower bound"
        assert truth <= found.reached[b] * (1 + EXACT)
        if math.isfinite(found.reached[b]):
            chosen = (tuple(found.variable_width[b].tolist()), tuple(found.weight[b].tolist()))
            one = next(one for one in assignments if (one.variable_width, one.weight) == chosen)
            assert one.metrics[PRICED.index(metric)] == pytest.approx(found.reached[b], rel=EXACT)
            for name, limit in limits.items():
                assert one.metrics[PRICED.index(name)] <= limit * (1 + 2 * BUDGET_TOLERANCE)


@pytest.mark.parametrize(("name", "seed", "metric", "limited"), TASKS)
def test_dual_never_exceeds_the_constrained_optimum(
    name: str, seed: int, metric: str, limited: tuple[str, ...]
) -> None:
    given = case(name, seed)
    for trial in range(3):
        rng = random.Random(f"{name} {seed} {metric} {limited} {trial}")
        limits = limits_between(given, limited, rng)
        found = Dual(Relaxation(given.space), metric, limits).bound(given.batch)
        check_bound(given, metric, limits, found)


@pytest.mark.parametrize(("name", "seed", "metric", "limited"), TASKS[::3])
@pytest.mark.usefixtures("tiny_tables")
def test_dual_of_relaxed_residuals_never_exceeds_it_either(
    name: str, seed: int, metric: str, limited: tuple[str, ...]
) -> None:
    given = case(name, seed)
    for trial in range(3):
        limits = limits_between(given, limited, random.Random(f"relaxed {name} {trial}"))
        found = Dual(Relaxation(given.space), metric, limits).bound(given.batch)
        check_bound(given, metric, limits, found)


@pytest.mark.parametrize(("name", "seed", "metric", "limited"), TASKS[::4])
@pytest.mark.parametrize("start", [0.0, 1e-9, 1e9])
def test_dual_from_any_start_and_with_an_early_stop(
    name: str, seed: int, metric: str, limited: tuple[str, ...], start: float
) -> None:
    given = case(name, seed)
    limits = limits_between(given, limited, random.Random(f"start {name} {seed}"))
    dual = Dual(Relaxation(given.space), metric, limits)
    first = np.full((OPTIONS, len(limited)), start)
    check_bound(given, metric, limits, dual.bound(given.batch, start=first))
    truth = [constrained(each, metric, limits) for each in given.assignments]
    stop = float(np.median([t for t in truth if math.isfinite(t)] or [1.0])) * 0.9
    check_bound(given, metric, limits, dual.bound(given.batch, start=first, stop=stop))


def test_without_limits_the_dual_is_the_optimum(drawn: tuple[Case, Floats]) -> None:
    given, _ = drawn
    for metric in PRICED:
        found = Dual(Relaxation(given.space), metric, {}).bound(given.batch)
        truth = [constrained(each, metric, {}) for each in given.assignments]
        assert found.value.tolist() == pytest.approx(truth, rel=EXACT)
        assert found.reached.tolist() == pytest.approx(truth, rel=EXACT)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["chain", "residual", "product", "groups"])
def test_with_one_limit_the_price_is_the_best(name: str, seed: int) -> None:
    # max over λ ≥ 0 of min (latency + λ·noise) − λ·limit, at every λ where two assignments meet.
    given = case(name, seed)
    limits = limits_between(given, ("noise",), random.Random(f"price {name} {seed}"))
    found = Dual(Relaxation(given.space), "latency_s", limits).bound(given.batch)
    limit = limits["noise"] * (1 + BUDGET_TOLERANCE)
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
    space = Space(replace(given.space.problem, sensitivity=dict.fromkeys(sources, noise)))
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
        m = PRICED.index(limited)
        lowest = min(one.metrics[m] for each in given.assignments for one in each)
        if lowest == 0:  # no weights, no noise
            continue
        found = Dual(relaxation, "latency_s", {limited: lowest * 0.9}).bound(given.batch)
        assert np.isinf(found.value).all()
        assert np.isinf(found.reached).all()
