"""What must hold between the answers to related questions, whatever the questions are."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from drawn_problems import (
    EXACT,
    answer,
    decisive,
    decisive_values,
    few,
    problems,
    same_answer,
    value,
)
from hypothesis import given
from hypothesis import strategies as st

from codesign import Design, Layer, Network, Problem
from codesign.problem.metrics import METRICS

pytestmark = pytest.mark.long

# --- more never hurts ---------------------------------------------------------------------------


@few
@given(problem=problems(), factor=st.floats(1.0, 3.0), data=st.data())
def test_a_larger_budget_never_hurts(problem: Problem, factor: float, data: st.DataObject) -> None:
    metric = data.draw(st.sampled_from(sorted(problem.budgets) or ["area_mm2"]))
    limit = problem.budgets.get(metric, 0.05)
    tight = replace(problem, budgets={**problem.budgets, metric: limit})
    loose = replace(problem, budgets={**problem.budgets, metric: limit * factor})
    assert value(answer(loose)) <= value(answer(tight)) * EXACT


@few
@given(problem=problems("latency_s"), area=st.floats(0.005, 0.1), more=st.floats(0, 0.1))
def test_a_larger_area_budget_never_slows(problem: Problem, area: float, more: float) -> None:
    small = replace(problem, budgets={**problem.budgets, "area_mm2": area})
    large = replace(problem, budgets={**problem.budgets, "area_mm2": area + more})
    assert value(answer(large)) <= value(answer(small)) * EXACT


@few
@given(problem=problems("latency_s"), factor=st.floats(1.0, 8.0))
def test_more_bandwidth_is_never_slower(problem: Problem, factor: float) -> None:
    faster = replace(problem, dram_bits_per_s=problem.dram_bits_per_s * factor)
    assert value(answer(faster)) <= value(answer(problem)) * EXACT


@few
@given(problem=problems("latency_s"), factor=st.floats(1.0, 8.0))
def test_a_higher_clock_is_never_slower(problem: Problem, factor: float) -> None:
    faster = replace(problem, clock_hz=problem.clock_hz * factor)
    assert value(answer(faster)) <= value(answer(problem)) * EXACT


@few
@given(problem=problems(), data=st.data())
def test_more_choices_never_hurt(problem: Problem, data: st.DataObject) -> None:
    offers = {
        "rows": 6,
        "cols": 5,
        "weight_bits": 5,
        "activation_bits": 5,
        "pe_weight_bits": 6,
        "pe_activation_bits": 6,
    }
    name = data.draw(st.sampled_from(sorted(offers)))
    wider = {name: (*getattr(problem.choices, name), offers[name])}
    more = replace(problem, choices=replace(problem.choices, **wider))
    assert value(answer(more)) <= value(answer(problem)) * EXACT


@few
@given(problem=problems(), data=st.data())
def test_a_pin_never_helps(problem: Problem, data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(problem.noise_sources))
    bits = data.draw(st.sampled_from(problem.allowed_bits(source)))
    pinned = replace(problem, choices=replace(problem.choices, pinned={source: bits}))
    assert value(answer(problem)) <= value(answer(pinned)) * EXACT


# --- budgets and bounds are kept ----------------------------------------------------------------


@few
@given(problem=problems())
def test_no_design_exceeds_a_budget(problem: Problem) -> None:
    design = answer(problem)
    if design is not None:
        for metric, limit in problem.budgets.items():
            assert design.metrics[metric] <= limit * EXACT
        assert design.proof.bound <= design.proof.objective == design.metrics[problem.objective]


@few
@given(problem=problems(), data=st.data())
def test_the_optimum_is_kept_by_a_budget_of_its_own_value_and_by_none_below(
    problem: Problem, data: st.DataObject
) -> None:
    design = answer(problem)
    if design is None or design.proof.objective == 0:
        return
    best = design.proof.objective
    other = data.draw(
        st.sampled_from([metric for metric in METRICS if metric != problem.objective])
    )
    just = replace(problem, budgets={**problem.budgets, problem.objective: best})
    assert decisive(answer(just)) == decisive_values(design)
    # Asked for another metric, the same value still can be kept, and anything smaller cannot.
    assert answer(replace(just, objective=other)) is not None
    short = {**problem.budgets, problem.objective: best * (1 - 1e-6)}
    assert answer(replace(problem, budgets=short, objective=other)) is None


# --- what must not matter -----------------------------------------------------------------------


@few
@given(problem=problems())
def test_names_do_not_matter(problem: Problem) -> None:
    network = problem.network
    names = {name: f"z{99 - i} {name}" for i, name in enumerate(network.tensors)}
    layers = tuple(
        replace(
            layer,
            name=f"y{99 - i} {layer.name}",
            input=names[layer.input],
            output=names[layer.output],
            residuals=tuple(names[name] for name in layer.residuals),
            weight_tensor=layer.weight_tensor and names[layer.weight_tensor],
        )
        for i, layer in enumerate(network.layers)
    )
    tensors = {names[name]: elements for name, elements in network.tensors.items()}
    mapped = {f"weight:{old.name}": f"weight:{new.name}" for old, new in pairs(network, layers)}
    mapped |= {f"tensor:{old}": f"tensor:{new}" for old, new in names.items()}
    noise = problem.sensitivity
    renamed = replace(
        problem,
        network=Network(name="other", layers=layers, tensors=tensors),
        sensitivity=noise and {mapped[source]: values for source, values in noise.items()},
    )
    one, other = answer(problem), answer(renamed)
    same_answer(one, other)
    if one is not None and other is not None:
        assert one.hardware == other.hardware
        assert one.metrics == other.metrics
        assert {names[name]: bits for name, bits in one.tensor_bits.items()} == other.tensor_bits


def pairs(network: Network, layers: tuple[Layer, ...]) -> list[tuple[Layer, Layer]]:
    """Each layer beside its renamed one."""
    return list(zip(network.layers, layers, strict=True))


@few
@given(problem=problems())
def test_the_order_of_lists_does_not_matter(problem: Problem) -> None:
    lists = ("rows", "cols", "weight_bits", "activation_bits")
    lists += ("pe_weight_bits", "pe_activation_bits")
    turned = {name: getattr(problem.choices, name)[::-1] * 2 for name in lists}
    tensors = dict(reversed(problem.network.tensors.items()))
    other = replace(
        problem,
        network=replace(problem.network, tensors=tensors),
        choices=replace(problem.choices, **turned),
        budgets=dict(reversed(problem.budgets.items())),
    )
    same_answer(answer(problem), answer(other))


@few
@given(problem=problems())
def test_the_order_of_independent_layers_does_not_matter(problem: Problem) -> None:
    # Two copies of a network beside each other, one after the other or layer by layer in turn.
    def copy(layer: Layer, mark: str) -> Layer:
        return replace(
            layer,
            name=mark + layer.name,
            input=mark + layer.input,
            output=mark + layer.output,
            residuals=tuple(mark + name for name in layer.residuals),
            weight_tensor=layer.weight_tensor and mark + layer.weight_tensor,
        )

    layers = problem.network.layers[:2]
    copies = [[copy(layer, mark) for layer in layers] for mark in "ab"]
    sizes = problem.network.tensors
    used = [name for x in copies[0] + copies[1] for name in (*x.reads, x.output)]
    tensors = {name: sizes[name[1:]] for name in dict.fromkeys(used)}
    problem = replace(problem, sensitivity=None)
    answers = [
        answer(replace(problem, network=Network(name="two", layers=tuple(order), tensors=tensors)))
        for order in (
            [*copies[0], *copies[1]],
            [layer for pair in zip(*copies, strict=True) for layer in pair],
        )
    ]
    same_answer(*answers)


@few
@given(problem=problems())
def test_pruning_changes_nothing(problem: Problem) -> None:
    same_answer(answer(problem), answer(problem, method="whole"))


@few
@given(problem=problems())
def test_the_same_question_has_the_same_answer(problem: Problem) -> None:
    one, other = answer(problem), answer(problem)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        for field in fields(Design):
            if field.name != "solver":
                assert getattr(one, field.name) == getattr(other, field.name)
        assert replace(one.solver, seconds=0.0) == replace(other.solver, seconds=0.0)


@few
@given(problem=problems(), factor=st.sampled_from((2.0, 0.125)))
def test_units_of_time_do_not_matter(problem: Problem, factor: float) -> None:
    # Everything that is per second is scaled, by powers of two so that rounding is the same.
    budgets = dict(problem.budgets)
    if "latency_s" in budgets:
        budgets["latency_s"] /= factor
    scaled = replace(
        problem,
        clock_hz=problem.clock_hz * factor,
        dram_bits_per_s=problem.dram_bits_per_s * factor,
        budgets=budgets,
    )
    one, other = answer(problem), answer(scaled)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        for metric in (problem.objective, "area_mm2", "noise"):
            unit = 1 / factor if metric == "latency_s" else 1.0
            assert other.metrics[metric] == pytest.approx(one.metrics[metric] * unit, rel=2e-9)
