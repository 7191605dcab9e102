"""What must hold between answers where tensors may stay on chip and where they may not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from drawn_problems import EXACT, answer, decisive, decisive_values, few, problems, value
from hypothesis import given, settings
from hypothesis import strategies as st
from random_on_chip import on_chip_case
from seeds import mostly_long

from codesign import Problem

pytestmark = pytest.mark.slow

ON_CHIP = problems(on_chip="tensors")
fewer = settings(few, max_examples=5)


def without(problem: Problem) -> Problem:
    """The same where every tensor goes to DRAM and back."""
    return replace(problem, choices=replace(problem.choices, on_chip="none", places={}))


def placed(problem: Problem, places: dict[str, str]) -> Problem:
    """The same with these places given."""
    return replace(problem, choices=replace(problem.choices, places=places))


# --- against every tensor in DRAM -----------------------------------------------------------------


@fewer
@given(problem=ON_CHIP)
def test_keeping_tensors_never_hurts(problem: Problem) -> None:
    assert value(answer(problem)) <= value(answer(without(problem))) * EXACT


@fewer
@given(problem=ON_CHIP)
def test_with_every_tensor_in_dram_it_is_the_other_machine(problem: Problem) -> None:
    """No layer only moves data here, so that nothing else differs."""
    one = answer(placed(problem, dict.fromkeys(problem.network.tensors, "dram")))
    other = answer(without(problem))
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.metrics == other.metrics
        assert one.layer_designs == other.layer_designs
        assert set((one.on_chip or {}).values()) == {"dram"}
        assert other.on_chip is None


# --- places given ---------------------------------------------------------------------------------


@fewer
@given(problem=ON_CHIP, data=st.data())
def test_a_given_place_never_helps(problem: Problem, data: st.DataObject) -> None:
    names = [*problem.network.lifetimes] or [problem.network.outputs[0]]
    values = ("chip", "dram") if problem.network.lifetimes else ("dram",)
    chosen = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from(values)))
    design = answer(placed(problem, chosen))
    assert value(answer(problem)) <= value(design) * EXACT
    if design is not None and design.on_chip is not None:
        assert dict(design.on_chip) == {**design.on_chip, **chosen}


@fewer
@given(problem=ON_CHIP)
def test_the_places_of_the_optimum_given_it_is_found_again(problem: Problem) -> None:
    design = answer(problem)
    if design is not None and design.on_chip is not None:
        again = answer(placed(problem, dict(design.on_chip)))
        assert decisive(again) == decisive_values(design)


# --- more never hurts -----------------------------------------------------------------------------


@fewer
@given(problem=ON_CHIP, bits=st.integers(500, 20_000), factor=st.floats(1, 3))
def test_more_sram_on_offer_never_hurts(problem: Problem, bits: int, factor: float) -> None:
    values = [
        value(answer(replace(problem, choices=replace(problem.choices, max_sram_bits=most))))
        for most in (bits, math.ceil(bits * factor), None)
    ]
    assert values[1] <= values[0] * EXACT
    assert values[2] <= values[1] * EXACT


@fewer
@given(problem=ON_CHIP, factor=st.floats(1.0, 3.0), data=st.data())
def test_a_larger_budget_never_hurts(problem: Problem, factor: float, data: st.DataObject) -> None:
    metric = data.draw(st.sampled_from(sorted(problem.budgets) or ["area_mm2"]))
    limit = problem.budgets.get(metric, 0.05)
    tight = replace(problem, budgets={**problem.budgets, metric: limit})
    loose = replace(problem, budgets={**problem.budgets, metric: limit * factor})
    assert value(answer(loose)) <= value(answer(tight)) * EXACT


@fewer
@given(problem=problems("latency_s", on_chip="tensors"), factor=st.floats(1.0, 8.0))
def test_more_bandwidth_is_never_slower(problem: Problem, factor: float) -> None:
    faster = replace(problem, dram_bits_per_s=problem.dram_bits_per_s * factor)
    assert value(answer(faster)) <= value(answer(problem)) * EXACT


# --- what must not matter -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "moving", "in place", "sram"])
@pytest.mark.parametrize("seed", mostly_long(range(4), 1))
def test_names_and_the_order_of_tensors_do_not_matter(kind: str, seed: int) -> None:
    problem = on_chip_case(100 + seed, kind).problem
    names = {name: f"z{99 - i} {name}" for i, name in enumerate(problem.network.tensors)}
    choices = problem.choices
    one, other = answer(problem), answer(renamed(problem, names))
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert decisive(one) == decisive_values(other)
        assert one.hardware == other.hardware
        assert {**choices.places}.items() <= {**(one.on_chip or {})}.items()


def renamed(problem: Problem, names: dict[str, str]) -> Problem:
    """The same with other names of tensors, declared in reverse."""

    def source(key: str) -> str:
        kind, _, name = key.partition(":")
        return f"tensor:{names[name]}" if kind == "tensor" else key

    layers = tuple(
        replace(
            layer,
            input=names[layer.input],
            output=names[layer.output],
            residuals=tuple(names[name] for name in layer.residuals),
            weight_tensor=layer.weight_tensor and names[layer.weight_tensor],
            parts={names[name]: size for name, size in layer.parts.items()},
        )
        for layer in problem.network.layers
    )
    tensors = {names[name]: n for name, n in reversed(problem.network.tensors.items())}
    choices = replace(
        problem.choices,
        places={names[name]: place for name, place in problem.choices.places.items()},
        pinned={source(key): bits for key, bits in problem.choices.pinned.items()},
        shared=tuple(tuple(map(source, group)) for group in problem.choices.shared),
    )
    noise = problem.sensitivity
    return replace(
        problem,
        network=replace(problem.network, layers=layers, tensors=tensors),
        choices=choices,
        sensitivity=noise and {source(key): values for key, values in noise.items()},
    )
