"""Rows and objectives of a model at every choice: the exact costs, and choices read back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from pair_models import CONV, FC, PAIR, choose, listed, pair_model, product_model, space_of
from pyomo.repn import generate_standard_repn

from codesign.problem.goal import Goal
from codesign.problem.metrics import METRICS
from codesign.problem.tolerances import ROW_SCALE
from codesign.search.milp.choice import exclude, exclude_costlier, read_choice
from codesign.search.milp.formulation import build, objective_unit
from codesign.search.milp.highs import minimise
from codesign.space.candidates import Candidates, candidates
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution, price


def real_model(goal: Goal) -> tuple[HardwareSpace, Candidates, pyo.ConcreteModel]:
    """The same two layers with the options the product lists for them."""
    space = space_of(PAIR, (2, 4))
    offered = candidates(space, np.arange(2), np.zeros(2), np.full(2, 1e6))
    return space, offered, build(space, offered, goal)


def legal_choices(
    space: HardwareSpace, offered: Candidates
) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """Every option, tensor widths and run of each layer that agree."""
    inputs = [space.tensor_index[layer.input] for layer in space.problem.network.layers]
    rows = [list(enumerate(zip(c.option, c.ifmap, strict=True))) for c in offered.layers]
    for h, option in enumerate(offered.options):
        for tensors in product((0, 1), repeat=2):
            fitting = [
                [o for o, (mine, ifmap) in rows[i] if mine == option and ifmap == tensors[t]]
                for i, t in enumerate(inputs)
            ]
            for runs in product(*fitting):
                yield h, tensors, runs


def priced(
    space: HardwareSpace, offered: Candidates, tensors: tuple[int, ...], runs: Any
) -> Solution | None:
    """The design of a choice, each layer with the tiling that needs what its run does."""
    rows = offered.layers
    need = max(float(c.need[o]) for c, o in zip(rows, runs, strict=True))
    weight = [int(c.weight[o]) for c, o in zip(rows, runs, strict=True)]
    return price(space, int(rows[0].option[runs[0]]), tensors, weight, need)


def run_to_result(model: pyo.ConcreteModel) -> None:
    """Give SRAM and latencies the least values the rows allow."""
    model.sram.set_value(0.0)
    need = max(pyo.value(row.body) for row in model.tiles_fit.values())
    model.sram.set_value(need / ROW_SCALE)
    if not hasattr(model, "latency"):
        return
    for latency in model.latency.values():
        latency.set_value(0.0)
    for i, latency in model.latency.items():
        roofs = (model.compute_roof[i], model.memory_roof[i])
        latency.set_value(max(pyo.value(roof.body) for roof in roofs))


@pytest.mark.parametrize("metric", METRICS)
def test_objective_is_the_exact_metric(metric: str) -> None:
    space, offered, model = real_model(Goal(metric, {}))
    compared = 0
    for h, tensors, runs in legal_choices(space, offered):
        choose(model, h, tensors, runs)
        run_to_result(model)
        point = priced(space, offered, tensors, runs)
        assert point is not None
        value = pyo.value(model.objective) * objective_unit(model)
        # Pricing gives every layer the best tiling within the SRAM the largest needs.
        if metric in ("latency_s", "dram_bits"):
            assert value >= point.metrics[metric] * (1 - 1e-12)
            compared += value == pytest.approx(point.metrics[metric], rel=1e-12)
        else:
            assert value == pytest.approx(point.metrics[metric], rel=1e-12)
            compared += 1
    assert compared >= 32


def test_rows_hold_exactly_for_designs_within_the_limits() -> None:
    space, offered, _ = real_model(Goal("noise", {}))
    points = [
        (choice, priced(space, offered, *choice[1:])) for choice in legal_choices(space, offered)
    ]
    middle = {
        name: float(np.median([point.metrics[name] for _, point in points if point]))
        for name in METRICS
    }
    model = build(space, offered, Goal("noise", middle))
    verdicts = set()
    for (h, tensors, runs), point in points:
        choose(model, h, tensors, runs)
        run_to_result(model)
        held = all(
            pyo.value(row.upper - row.body) >= -1e-9
            for row in model.component_data_objects(pyo.Constraint)
            if not row.equality
        )
        agreed = all(
            pyo.value(row.upper - row.body) == pytest.approx(0, abs=1e-12)
            for row in model.component_data_objects(pyo.Constraint)
            if row.equality
        )
        assert agreed
        assert point is not None
        exact = value_of_run(space, offered, runs, tensors, h)
        assert held == all(exact[name] <= middle[name] * (1 + 2e-9) for name in METRICS)
        verdicts.add(held)
    assert verdicts == {True, False}


def value_of_run(
    space: HardwareSpace, offered: Candidates, runs: Any, tensors: tuple[int, ...], h: int
) -> dict[str, float]:
    """Metrics of exactly these runs, each with its own tiling."""
    bits = space.widths
    network = space.problem.network
    rows = list(zip(offered.layers, runs, strict=True))
    moved = [16 * bits[tensors[1]], 8 * 8 + 8 * bits[tensors[0]]]  # mid; out and the residual in
    traffic = [
        float(c.traffic[o]) + float(extra) for (c, o), extra in zip(rows, moved, strict=True)
    ]
    weight = [int(bits[c.weight[o]]) for c, o in rows]
    ifmap = [int(bits[c.ifmap[o]]) for c, o in rows]
    need = max(float(c.need[o]) for c, o in rows)
    compute = [float(c.compute_s[o]) for c, o in rows]
    sizes = [(layer.macs, layer.weights, layer.C) for layer in network.layers]
    reductions = {2: 1.0, 16: 4.0}  # log2 of C
    return {
        "latency_s": sum(max(c, t / 1e8) for c, t in zip(compute, traffic, strict=True)),
        "area_mm2": ((2, 4)[h] * 250_000 + 50_000 + 100 * need) * 1e-6,
        "dram_bits": sum(traffic),
        "noise": sum(4.0**-b for b in (*weight, *(int(bits[t]) for t in tensors))),
        "model_bits": float(sum(size[1] * b for size, b in zip(sizes, weight, strict=True))),
        "bops": sum(
            macs * (w * a + w + a + reductions[C])
            for (macs, _, C), w, a in zip(sizes, weight, ifmap, strict=True)
        ),
    }


def test_a_noise_limit_of_zero_is_a_row_of_zero() -> None:
    model = pair_model(Goal("bops", {"noise": 0.0}))
    row = model.within_budget["noise"]
    assert pyo.value(row.upper) == 0
    # Measured as without a limit, in thousandths of the least the layers can have: 2·4^−4.
    golden = pair_model(Goal("noise", {}))
    values = [generate_standard_repn(e).linear_coefs for e in (row.body, golden.objective.expr)]
    assert values[0] == values[1]
    assert max(values[0]) == pytest.approx(1000 * 4.0**-2 / (2 * 4.0**-4))


def test_each_choice_is_excluded_once() -> None:
    # Solved again and again, each choice excluded, the programme lists all of them in order.
    space, offered = space_of(PAIR, (2, 4)), listed(CONV, FC)
    model = build(space, offered, Goal("latency_s", {}))
    expected = sorted(
        value_of_run(space, offered, runs, tensors, h)["latency_s"]
        for h, tensors, runs in legal_choices(space, offered)
    )
    found, choices = [], set()
    while (outcome := minimise(model)).status == "optimal":
        found.append(pyo.value(model.objective) * objective_unit(model))
        assert outcome.bound * objective_unit(model) == pytest.approx(found[-1])
        choices.add(tuple(run.name for run in model.run.values() if pyo.value(run) > 0.5))
        exclude(model)
    assert outcome.status == "infeasible"
    assert found == pytest.approx(expected)
    assert len(choices) == len(expected) == 36


@pytest.mark.parametrize("metric", ["latency_s", "dram_bits", "noise", "model_bits", "bops"])
def test_with_a_choice_only_what_costs_no_less_is_excluded(metric: str) -> None:
    space, offered = space_of(PAIR, (2, 4)), listed(CONV, FC)
    every = [
        (choice, value_of_run(space, offered, choice[2], choice[1], choice[0])[metric])
        for choice in legal_choices(space, offered)
    ]
    besides = 0
    for choice, value in every:
        model = build(space, offered, Goal(metric, {}))
        choose(model, *choice)
        exclude_costlier(model, space, offered, metric)
        (row,) = model.excluded.values()
        assert pyo.value(row.body) > row.upper
        for other, its_value in every:
            choose(model, *other)
            if pyo.value(row.body) > row.upper:
                assert its_value >= value * (1 - 1e-12)
                besides += other != choice
    assert besides > len(every)


def test_a_tensor_in_place_of_weights_has_no_weights() -> None:
    # ``project`` owns weights, ``match`` does not: its runs add neither model bits nor noise.
    for metric, others in (("model_bits", set()), ("noise", {"width"})):
        model = product_model(Goal(metric, {}))
        body = generate_standard_repn(model.objective.expr)
        names = {variable.name for variable in body.linear_vars}
        assert {name for name in names if name.startswith("run")} == {
            f"run[0,{o}]" for o in range(4)
        }
        assert {name.partition("[")[0] for name in names} == {"run", *others}


def test_the_chosen_values_are_read() -> None:
    offered = listed(CONV, FC)
    model = pair_model(Goal("noise", {}))
    choose(model, option=1, tensors=(0, 1), runs=(7, 5))
    choice = read_choice(model, space_of(PAIR, (2, 4)), offered)
    assert (choice.option, choice.variable_width, choice.weight) == (1, (0, 1), (1, 0))
    assert choice.sram_bits == 500  # the larger of 140 and 500
    offered = listed(FC, CONV)
    model = build(space_of(PAIR, (2, 4)), offered, Goal("noise", {}))
    choose(model, option=1, tensors=(0, 1), runs=(5, 7))
    assert read_choice(model, space_of(PAIR, (2, 4)), offered).sram_bits == 500  # of 500 and 140


def test_the_chosen_values_are_read_despite_rounding() -> None:
    offered = listed(CONV, FC)
    model = pair_model(Goal("noise", {}))
    choose(model, option=0, tensors=(1, 1), runs=(4, 3))
    for variable in [*model.run.values(), *model.width.values()]:
        variable.set_value(abs(variable.value - 1e-7), skip_validation=True)
    choice = read_choice(model, space_of(PAIR, (2, 4)), offered)
    assert (choice.option, choice.variable_width, choice.weight) == (0, (1, 1), (1, 1))
    assert choice.sram_bits == 1000
