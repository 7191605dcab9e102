"""Bounds are bounds: priced optima and marginals against every assignment of widths.

Tables of compute times and traffic are random; whatever a relaxation claims of a small network is
compared with the best of all assignments, their metrics added up in plain Python.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from enumerated_assignments import (
    DRAWN,
    EXACT,
    NETWORKS,
    ONE_WIDTH,
    OPTIONS,
    Case,
    Floats,
    all_assignments,
    case,
    cost,
    least,
    network,
    point,
    priced_case,
    random_batch,
    random_prices,
)

from codesign import Choices, Network, Problem
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.search.bounds import layer_tables
from codesign.search.bounds import relaxation as bounds
from codesign.search.bounds.lagrangian import Dual
from codesign.search.bounds.layer_tables import NOISE
from codesign.search.bounds.narrowest import least_with_narrowest
from codesign.search.bounds.relaxation import Relaxation
from codesign.space.hardware import HardwareSpace


@pytest.fixture(params=DRAWN)
def drawn(request: pytest.FixtureRequest) -> tuple[Case, Floats]:
    """A case and four sets of coefficients for its batch, shape (4, options, 5)."""
    return priced_case(request.param)


# --- priced optima ------------------------------------------------------------------------------


def test_priced_optimum_is_the_enumerated_one(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    for coefficients in all_prices:
        answer = relaxation.solve(given.batch, coefficients)
        for b, assignments in enumerate(given.assignments):
            assert answer.value[b] == pytest.approx(least(assignments, coefficients[b]), rel=EXACT)


@pytest.mark.parametrize("cached", [1, 200, 2000])
def test_tables_minimised_piece_by_piece_give_the_same(
    drawn: tuple[Case, Floats], cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In earnest only tables too large for a cache are; these of three or four widths never.
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    at_once = [relaxation.solve(given.batch, coefficients) for coefficients in all_prices]
    monkeypatch.setattr(layer_tables, "CACHED", cached)
    monkeypatch.setattr(bounds, "MAX_BATCH", 1)
    relaxation = Relaxation(given.space)  # an option at a time, too
    for coefficients, whole in zip(all_prices, at_once, strict=True):
        answer = relaxation.solve(given.batch, coefficients)
        assert answer.value.tolist() == whole.value.tolist()
        assert answer.variable_width.tolist() == whole.variable_width.tolist()


def test_the_assignment_returned_has_the_metrics_returned(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    for coefficients in all_prices:
        answer = relaxation.solve(given.batch, coefficients)
        for b, assignments in enumerate(given.assignments):
            if math.isinf(answer.value[b]):
                continue
            metrics = {(one.variable_width, one.weight): one.metrics for one in assignments}
            chosen = metrics[
                tuple(answer.variable_width[b].tolist()), tuple(answer.weight[b].tolist())
            ]
            assert answer.metrics[b].tolist() == pytest.approx(chosen, rel=EXACT)
            total = float(coefficients[b] @ answer.metrics[b])
            assert answer.value[b] == pytest.approx(total, rel=EXACT)


def test_an_option_alone_is_answered_as_among_others(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    for coefficients in all_prices:
        answer = relaxation.solve(given.batch, coefficients)
        for b in range(OPTIONS):
            alone = relaxation.solve(given.batch.take(np.array([b])), coefficients[[b]])
            assert alone.value[0] == answer.value[b]
            assert np.array_equal(alone.metrics[0], answer.metrics[b])
            assert np.array_equal(alone.variable_width[0], answer.variable_width[b])
            assert np.array_equal(alone.weight[0], answer.weight[b])


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
    choices = Choices(**every, on_chip="none", shared=(("weight:b", "tensor:y"),))
    space = HardwareSpace(Problem(network=described, choices=choices, dram_bits_per_s=100.0))
    batch = random_batch(space, random.Random(1))
    for m in range(len(ADDITIVE_METRICS)):
        coefficients = np.zeros((OPTIONS, len(ADDITIVE_METRICS)))
        coefficients[:, m] = 1.0
        values = Relaxation(space).solve(batch, coefficients).value
        for b in range(OPTIONS):
            truth = least(all_assignments(space, batch, b), coefficients[b])
            assert values[b] == pytest.approx(truth, rel=EXACT)


def test_marginals_are_the_optima_of_forced_choices(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    for coefficients, b in product(all_prices[:2], range(OPTIONS)):
        pair, width, *_ = relaxation.marginals(given.batch.take(np.array([b])), coefficients[[b]])
        truth_width, truth_pair = enumerated_marginals(given, b, coefficients[b])
        assert width == pytest.approx(truth_width, rel=EXACT)
        assert pair == pytest.approx(truth_pair, rel=EXACT)


def test_the_narrowest_width_is_the_optimum_of_what_has_it(drawn: tuple[Case, Floats]) -> None:
    """Somewhere: in a tensor, or in weights that are no tensor."""
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    layers = given.space.problem.network.layers
    if any(layer.moves for layer in layers):
        assert not relaxation.narrows  # they stand at the narrowest of all widths
        return
    for coefficients in all_prices[:2]:
        found = least_with_narrowest(relaxation, given.batch, coefficients)
        for b, assignments in enumerate(given.assignments):
            mine = [
                one
                for one in assignments
                if 0 in one.variable_width
                or any(w == 0 and x.uses_weights for w, x in zip(one.weight, layers, strict=True))
            ]
            assert found[b] == pytest.approx(least(mine, coefficients[b]), rel=EXACT)


def enumerated_marginals(given: Case, b: int, coefficients: Floats) -> tuple[Floats, Floats]:
    """Least cost with each variable at each width, with each layer at each pair of widths."""
    space = given.space
    count, layers = len(space.widths), space.problem.network.layers
    width = np.full((len(space.variables), count), np.inf)
    pair = np.full((len(layers), count, count), np.inf)
    inputs = [space.tensor_index[layer.input] for layer in layers]
    for one in given.assignments[b]:
        value = cost(one, coefficients)
        for v, chosen in enumerate(one.variable_width):
            width[v, chosen] = min(width[v, chosen], value)
        for i, v in enumerate(inputs):
            where = (i, one.weight[i], one.variable_width[v])
            pair[where] = min(pair[where], value)
    return width, pair


@pytest.mark.parametrize("name", NETWORKS)
def test_tables_of_a_single_width(name: str) -> None:
    drawn = priced_case(f"{name}/{ONE_WIDTH}")
    assert len(drawn[0].space.widths) == 1
    test_priced_optimum_is_the_enumerated_one(drawn)
    test_the_assignment_returned_has_the_metrics_returned(drawn)
    test_marginals_are_the_optima_of_forced_choices(drawn)


def test_worst_is_above_every_assignment(drawn: tuple[Case, Floats]) -> None:
    given, _ = drawn
    relaxation = Relaxation(given.space)
    for m in range(len(ADDITIVE_METRICS)):
        worst = relaxation.upper_bound(given.batch, m)
        for b, assignments in enumerate(given.assignments):
            highest = max((one.metrics[m] for one in assignments), default=-math.inf)
            assert highest <= worst[b] * (1 + EXACT)


def test_nothing_runs() -> None:
    given = case("residual", 0)
    none = replace(given.batch, traffic=np.full_like(given.batch.traffic, np.inf))
    relaxation = Relaxation(given.space)
    coefficients = np.ones((OPTIONS, len(ADDITIVE_METRICS)))
    assert np.isinf(relaxation.solve(none, coefficients).value).all()
    pair, width, *_ = relaxation.marginals(none.take(np.array([0])), coefficients[:1])
    assert np.isinf(width).all()
    assert np.isinf(pair).all()
    assert (relaxation.upper_bound(none, 0) == -np.inf).all()
    dual = Dual(relaxation, "latency_s", {"noise": 1.0})
    assert np.isinf(dual.bound(none).value).all()


def test_compute_times_may_be_the_same_for_all_widths() -> None:
    given = case("residual", 1)
    narrow = replace(given.batch, compute_s=given.batch.compute_s[:, :, :1, :1])
    wide = replace(
        given.batch, compute_s=np.broadcast_to(narrow.compute_s, given.batch.compute_s.shape)
    )
    coefficients = np.array([random_prices(random.Random(b)) for b in range(OPTIONS)])
    relaxation = Relaxation(given.space)
    answers = [relaxation.solve(batch, coefficients) for batch in (narrow, wide)]
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
    for coefficients in all_prices:
        answer = relaxation.solve(given.batch, coefficients)
        for b, assignments in enumerate(given.assignments):
            truth = least(assignments, coefficients[b])
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
    for coefficients, b in product(all_prices[:2], range(OPTIONS)):
        pair, width, *_ = relaxation.marginals(given.batch.take(np.array([b])), coefficients[[b]])
        truth_width, truth_pair = enumerated_marginals(given, b, coefficients[b])
        assert (width <= truth_width * (1 + EXACT)).all()
        assert (pair <= truth_pair * (1 + EXACT)).all()


@pytest.fixture
def tables_of_one_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables so small that no layer shares a width variable with another."""
    monkeypatch.setattr(bounds, "MAX_TABLE", 1)
    monkeypatch.setattr(bounds, "MAX_ENTRIES", 1)
    monkeypatch.setattr(bounds, "MAX_BATCH", 1)


@pytest.mark.usefixtures("tables_of_one_axis")
def test_cut_operands_bound_from_below(drawn: tuple[Case, Floats]) -> None:
    given, all_prices = drawn
    relaxation = Relaxation(given.space)
    assert all(len(scope) <= 1 for scope in relaxation._scopes)
    for coefficients, b in product(all_prices[:2], range(OPTIONS)):
        answer = relaxation.solve(given.batch, coefficients)
        assert answer.value[b] <= least(given.assignments[b], coefficients[b]) * (1 + EXACT)
        metrics = {(one.variable_width, one.weight): one.metrics for one in given.assignments[b]}
        chosen = tuple(answer.variable_width[b].tolist()), tuple(answer.weight[b].tolist())
        assert answer.runs[b] == (chosen in metrics)
        if answer.runs[b]:
            assert answer.metrics[b].tolist() == pytest.approx(metrics[chosen], rel=EXACT)
        pair, width, *_ = relaxation.marginals(given.batch.take(np.array([b])), coefficients[[b]])
        truth_width, truth_pair = enumerated_marginals(given, b, coefficients[b])
        assert (width <= truth_width * (1 + EXACT)).all()
        assert (pair <= truth_pair * (1 + EXACT)).all()


@pytest.mark.usefixtures("tables_of_one_axis")
def test_noise_of_cut_weights_stands_with_their_layer() -> None:
    # Bound by noise alone, each member of a group may be as noisy as it likes: no more, no less.
    given = case("weights alike", 0)
    relaxation = Relaxation(given.space)
    coefficients = np.zeros((OPTIONS, len(ADDITIVE_METRICS)))
    coefficients[:, ADDITIVE_METRICS.index("noise")] = 1.0
    every = replace(given.batch, traffic=np.zeros_like(given.batch.traffic))
    problem = given.space.problem
    silent = sum(
        min(problem.noise_of(x, bits) for bits in problem.allowed_bits(x))
        for x in problem.noise_sources
    )
    assert relaxation.solve(every, coefficients).value.tolist() == pytest.approx([silent] * OPTIONS)


def relaxed(space: HardwareSpace) -> list[str]:
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
    coefficients = np.tile([1.0, 0.01, 0.5, 0.0, 0.0], (OPTIONS, 1))
    for name in RESIDUAL:
        given = case(name, 0)
        values = Relaxation(given.space).solve(given.batch, coefficients).value
        truths = [least(each, coefficients[b]) for b, each in enumerate(given.assignments)]
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
    space = HardwareSpace(Problem(network=chain, choices=Choices(on_chip="none")))
    assert relaxed(space) == []
    for tensors, expected in ((4, []), (3, ["e"]), (2, ["c", "e"])):
        monkeypatch.setattr(bounds, "MAX_TABLE", len(space.widths) ** tensors)
        assert relaxed(space) == expected


# --- widths that no design within the limits has --------------------------------------------------


@pytest.mark.parametrize("name", RESIDUAL[:2])
def test_widths_that_noise_forbids_are_no_values_and_change_no_bound(name: str) -> None:
    given = case(name, 0)
    space, whole = given.space, Relaxation(given.space)
    every = [one.metrics[NOISE] for each in given.assignments for one in each]
    limit = float(np.quantile(every, 0.02))
    fewer = whole.within({"noise": limit})
    left = np.frombuffer(fewer.left, dtype=bool)
    assert 0 < left.sum() < len(space.widths)
    latency, bound = (
        [least_within(each, limit) for each in given.assignments],
        [
            Dual(each, "latency_s", {"noise": limit}).bound(given.batch).value
            for each in (whole, fewer)
        ],
    )
    assert (bound[1] >= bound[0] * (1 - 1e-9)).all()
    assert (bound[1] <= np.array(latency) * (1 + 1e-9)).all()


def least_within(assignments: Any, noise: float) -> float:
    """The least latency of assignments of no more noise."""
    quiet = (one.metrics[0] for one in assignments if one.metrics[NOISE] <= noise * (1 + 1e-9))
    return min(quiet, default=math.inf)
