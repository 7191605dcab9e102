"""The product's optimum is the enumerated one: on hundreds of tiny random problems, all features.

Objective, tie-breaks, budgets, every figure of the design, and what an infeasible problem is told
are compared with `oracle`, which shares no code with the search.
"""

from __future__ import annotations

import math
import random

import oracle
import oracle_widths
import pytest
from compare_designs import EXACT, compare
from oracle_tilings import ORDERS, RELEVANT, groups_at_once, refetch, vertical
from random_problems import Case, random_case, steep_case
from seeds import check_all, half_long, mostly_long

from codesign.problem.choices import Choices
from codesign.problem.problem import Metric, Problem
from codesign.specs.network import Layer, Network

SEEDS = range(26, 66)  # which have all features often enough, as tested below
KINDS = {  # of problems beside the plain ones
    "moving": {"moving": True},
    "sharing": {"sharing": True},
    "moving and sharing": {"moving": True, "sharing": True},
    "in place": {"in_place": True},
}
KIND_SEEDS = [(kind, seed) for kind in KINDS for seed in range(27, 45)]
BLOCK = 100
LONG_BLOCKS = (0, 100, 200, *range(1000, 4000, BLOCK))  # the first seed of each
LONG_KIND_BLOCKS = (0, *range(1000, 1600, BLOCK))

SEEN: dict[int, set[str]] = {}  # features of the problems made so far
KINDS_SEEN: dict[tuple[str, int], set[str]] = {}


@pytest.mark.parametrize("seed", half_long(SEEDS))
def test_optimum_is_the_enumerated_one(seed: int) -> None:
    case = random_case(seed)
    SEEN[seed] = features(case)
    compare(case)


@pytest.mark.parametrize(("kind", "seed"), half_long(KIND_SEEDS))
def test_optimum_of_other_kinds_is_the_enumerated_one(kind: str, seed: int) -> None:
    case = random_case(seed, **KINDS[kind])
    KINDS_SEEN[kind, seed] = features(case)
    compare(case)
    if seed % 3 == 0:
        compare(case, "whole")


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_KIND_BLOCKS)
@pytest.mark.parametrize("kind", KINDS)
def test_optimum_of_other_kinds_is_the_enumerated_one_long(kind: str, first: int) -> None:
    def check(seed: int) -> None:
        case = random_case(seed, **KINDS[kind])
        compare(case)
        compare(case, "whole")

    check_all(range(first, first + BLOCK), check)


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_optimum_is_the_enumerated_one_long(first: int) -> None:
    check_all(range(first, first + BLOCK), lambda seed: compare(random_case(seed)))


@pytest.mark.parametrize("seed", mostly_long(range(30), 15))
def test_budgets_used_up_over_many_orders_of_magnitude(seed: int) -> None:
    compare(steep_case(seed))


# --- metrics that reach zero --------------------------------------------------------------------


SMALL = Choices(rows=(1, 2), cols=(1, 2), weight_bits=(2, 4), activation_bits=(2, 4, 8))


@pytest.mark.parametrize("budgets", [{}, {"noise": 0.01}, {"latency_s": 1e-6, "noise": 0.1}])
@pytest.mark.parametrize("objective", oracle.METRICS)
def test_network_without_weights(objective: Metric, budgets: dict[Metric, float]) -> None:
    product = Layer(name="l", K=4, C=6, P=4, H=4, input="x", output="y", weight_tensor="w")
    tensors = {"x": 24, "w": 24, "y": 16}
    network = Network(name="product", layers=(product,), tensors=tensors)
    problem = Problem(network=network, choices=SMALL, objective=objective, budgets=budgets)
    compare(Case(problem, oracle.all_points(problem)))


@pytest.mark.parametrize("quality", [None, "uniform:4"])
@pytest.mark.parametrize("objective", oracle.METRICS)
def test_noise_that_vanishes(objective: Metric, quality: str | None) -> None:
    layers = (
        Layer(name="l", K=4, C=6, P=4, H=4, input="x", output="y"),
        Layer(name="m", K=4, C=4, P=4, H=4, input="y", output="z"),
    )
    network = Network(name="chain", layers=layers, tensors={"x": 24, "y": 16, "z": 16})
    table = {source: {2: 0.1, 4: 0.0, 8: 0.0} for source in oracle_widths.noise_sources(network)}
    problem = Problem(
        network=network, choices=SMALL, objective=objective, sensitivity=table, quality=quality
    )
    compare(Case(problem, oracle.all_points(problem)))


# --- the seeds contain what they should -------------------------------------------------------


def features(case: Case) -> set[str]:
    """What a problem is made of."""
    problem, points = case
    truth = oracle.best(points, problem.objective, problem.budgets)
    found = {f"objective {problem.objective}", f"{len(problem.network.layers)} layers"}
    found |= {f"budget {metric}" for metric in problem.budgets}
    found.add("no design at all" if not points else "feasible" if truth else "infeasible")
    found |= {feature for feature, present in _choice_features(problem).items() if present}
    found |= {feature for feature, present in _kind_features(problem).items() if present}
    for layer in problem.network.layers:
        found |= {feature for feature, present in _layer_features(layer).items() if present}
        if any(groups_run_side_by_side(problem, layer, rows) for rows in problem.choices.rows):
            found.add("groups side by side")
        if problem.network.touched(layer, layer.output) < layer.computed_outputs:
            found.add("fused pooling")
    if truth is not None and problem.objective != "area_mm2" and "area_mm2" in problem.budgets:
        found.add("area budget")
        if max(p.sram_bits for p in points) > truth.sram_bits:
            found.add("SRAM binds")
    if truth is not None and any(
        math.isclose(truth.value(metric), limit, rel_tol=EXACT)
        for metric, limit in problem.budgets.items()
    ):
        found.add("a budget used up exactly")
    return found


def _choice_features(problem: Problem) -> dict[str, bool]:
    choices = problem.choices
    return {
        "pins": bool(choices.pinned),
        "multi-pass": choices.precision == "multi-pass",
        "square": choices.square,
        "sensitivity": problem.sensitivity is not None,
        "quality": problem.quality is not None,
        "overhead": problem.area_overhead != 1,
        "over 12 hardware options": len(oracle.hardware_options(problem)) > 12,
        "three widths": len(choices.weight_bits) == 3 or len(choices.activation_bits) == 3,
        "several results": len(oracle_widths.results(problem.network)) > 1,
    }


def _layer_features(layer: Layer) -> dict[str, bool]:
    kernel = f"kernel {layer.R}x{layer.S}"
    return {
        kernel: True,
        "residual": bool(layer.residuals),
        "input as residual": layer.input in layer.residuals,
        "weight tensor": layer.weight_tensor is not None,
        "a tensor times itself": layer.weight_tensor == layer.input,
        "groups": layer.G > 1 and layer.C > 1,
        "depthwise": layer.G > 1 and layer.C == 1,
        "batch": layer.N > 1,
        "stride": vertical(layer.stride) > 1,
        "dilation": vertical(layer.dilation) > 1 and layer.R > 1,
        "fully connected": layer.H * layer.W == 1,
        "appended": layer.appended > 0,
    }


def _kind_features(problem: Problem) -> dict[str, bool]:
    """What only the problems beside the plain ones have."""
    network, choices = problem.network, problem.choices
    layers = network.layers
    sets = [each for each in oracle_widths.alike(network, choices) if len(each) > 1]
    kinds = [{source.partition(":")[0] for source in each} for each in sets]
    writers = [layer.output for layer in layers]
    moving = [layer for layer in layers if layer.moves]
    return {
        "movement": bool(moving),
        "movement with residuals": any(layer.residuals for layer in moving),
        "movement in a batch": any(layer.N > 1 for layer in moving),
        "movement of more than the PEs take": any(
            min(oracle_widths.source_widths(choices, f"tensor:{layer.input}"))
            > max(choices.pe_activation_bits)
            for layer in moving
            if choices.precision == "fixed"
        ),
        "concatenation": len(writers) > len(set(writers)),
        "part of an input": any(layer.input in layer.parts for layer in layers),
        "one part read as input, another written": any(
            layer.output == layer.input for layer in layers
        ),
        "one part read as residual, another written": any(
            layer.output in layer.residuals for layer in layers
        ),
        "one part read as weights, another written": any(
            layer.output == layer.weight_tensor for layer in layers
        ),
        "part of a residual": any({*layer.residuals} & {*layer.parts} for layer in layers),
        "part of a weight tensor": any(layer.weight_tensor in layer.parts for layer in layers),
        "inserted zeros": any(vertical(layer.input_dilation) > 1 for layer in layers),
        "inserted zeros and row tiles": any(
            vertical(layer.input_dilation) > 1 and layer.P > 1 and layer.R > 1 for layer in layers
        ),
        "group": bool(choices.shared),
        "tie": choices.tied,
        "weights alike": {"weight"} in kinds,
        "tensors alike": {"tensor"} in kinds,
        "weights and tensors alike": {"weight", "tensor"} in kinds,
        "pinned and alike": any(x in choices.pinned for each in sets for x in each),
    }


def groups_run_side_by_side(problem: Problem, layer: Layer, rows: int) -> bool:
    """Whether some array with this many rows runs several groups at once."""
    engine = problem.technology.engine
    return any(groups_at_once(layer, rows, cols, engine) > 1 for cols in problem.choices.cols)


def test_seeds_contain_every_feature() -> None:
    count: dict[str, int] = {}
    for seed in SEEDS:
        for feature in SEEN.get(seed) or features(random_case(seed)):
            count[feature] = count.get(feature, 0) + 1
    wanted = [*_choice_features(random_case(0).problem), *_layer_features(_PLAIN)]
    wanted += [f"objective {metric}" for metric in oracle.METRICS]
    wanted += [f"budget {metric}" for metric in oracle.METRICS]
    wanted += [f"kernel {kernel}" for kernel in ("3x3", "5x5", "7x7", "1x3")]
    wanted += [f"{number} layers" for number in (1, 2, 3, 4)]
    wanted += ["groups side by side", "fused pooling", "SRAM binds", "a budget used up exactly"]
    rare = [feature for feature in wanted if count.get(feature, 0) < 3]
    assert not rare, f"too rare in the seeds: {rare}; found {count}"
    assert count.get("no design at all")
    share = count["infeasible"] / len(SEEDS)
    assert 0.12 <= share <= 0.25, f"{share:.0%} of the problems are infeasible"


def test_seeds_of_other_kinds_contain_every_feature() -> None:
    count: dict[str, int] = {}
    for kind, seed in KIND_SEEDS:
        for feature in KINDS_SEEN.get((kind, seed)) or features(random_case(seed, **KINDS[kind])):
            count[feature] = count.get(feature, 0) + 1
    wanted = [*_kind_features(random_case(0).problem), *_layer_features(_PLAIN)]
    wanted += [f"objective {metric}" for metric in oracle.METRICS]
    rare = [feature for feature in wanted if count.get(feature, 0) < 3]
    assert not rare, f"too rare in the seeds: {rare}; found {count}"


_PLAIN = Layer(name="plain", K=1, C=1, input="a", output="b")


# --- the oracle itself, where it can be checked more plainly still ----------------------------


@pytest.mark.parametrize("seed", range(20))
def test_refetch_counts_the_changes_of_a_tile_on_a_walk_through_the_loops(seed: int) -> None:
    rng = random.Random(seed)
    count = {loop: rng.choice((1, 1, 2, 3)) for loop in "kcp"}
    for order in ORDERS:
        for relevant in RELEVANT.values():
            own = math.prod(count[loop] for loop in relevant)
            walked = _fetches_on_a_walk(order, count, relevant)
            assert refetch(order, count, relevant) * own == walked


def _fetches_on_a_walk(order: str, count: dict[str, int], relevant: str) -> int:
    held, fetches = None, 0
    for a in range(count[order[0]]):
        for b in range(count[order[1]]):
            for c in range(count[order[2]]):
                at = dict(zip(order, (a, b, c), strict=True))
                wanted = tuple(at[loop] for loop in relevant)
                fetches += wanted != held
                held = wanted
    return fetches
