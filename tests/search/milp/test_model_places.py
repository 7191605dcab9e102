"""Rows and objectives of a model whose tensors may stay on chip, at random choices.

What a choice takes and costs is counted from the layers' description, as `oracle` does.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import oracle
import oracle_on_chip
import oracle_tilings
import pyomo.environ as pyo
import pytest
from pair_models import TECHNOLOGY
from pyomo.repn import generate_standard_repn

from codesign import Choices, Layer, Network, Problem
from codesign.problem.goal import Goal
from codesign.problem.metrics import METRICS
from codesign.problem.tolerances import ROW_SCALE
from codesign.search.milp.formulation import build, objective_unit
from codesign.space.candidates import Candidates, candidates
from codesign.space.hardware import HardwareSpace

# q is held past ``key``, its last reader adds it; k stands in for weights.
KEPT = Network(
    name="kept",
    layers=(
        Layer(name="query", K=2, C=2, P=3, H=3, input="x", output="q"),
        Layer(name="key", K=2, C=2, P=3, H=3, input="x", output="k"),
        Layer(name="match", K=3, C=2, P=3, H=3, input="q", output="s", weight_tensor="k"),
        Layer(name="last", K=2, C=3, P=3, H=3, input="s", output="y", residuals=("q",)),
    ),
    tensors={"x": 6, "q": 6, "k": 6, "s": 9, "y": 6},
)

HARDWARE = oracle.HardwareOption(1, 2, 4, 4)
CHOICES = 60


def kept_space(**more: Any) -> HardwareSpace:
    """One array of 1 × 2 PEs of 4 × 4 bits, widths of 2 and 4 bits, 100 Mbit/s of DRAM."""
    choices = Choices(
        rows=(1,),
        cols=(2,),
        weight_bits=(2, 4),
        activation_bits=(2, 4),
        pe_weight_bits=(4,),
        pe_activation_bits=(4,),
        on_chip="tensors",
        **more,
    )
    given = {"technology": TECHNOLOGY, "clock_hz": 1e6, "dram_bits_per_s": 1e8}
    return HardwareSpace(Problem(network=KEPT, choices=choices, **given))


class Choice(NamedTuple):
    """Bits of each weight and tensor, tensors on chip, and each layer's row."""

    widths: Mapping[str, int]
    on_chip: frozenset[str]
    runs: tuple[int, ...]


def listed(space: HardwareSpace) -> Candidates:
    """All tilings that some SRAM makes the best."""
    return candidates(space, np.arange(1), np.zeros(1), np.full(1, 1e6))


def rows_of(space: HardwareSpace, offered: Candidates, i: int, choice: Choice) -> list[int]:
    """Rows of a layer at the widths and places of a choice."""
    layer, rows, bits = KEPT.layers[i], offered.layers[i], space.widths.tolist()
    bw, ba = oracle.layer_widths(layer, choice.widths)
    variant = (layer.input in choice.on_chip) + 2 * (layer.weight_tensor in choice.on_chip)
    mine = zip(rows.weight, rows.ifmap, rows.variant, strict=True)
    return [o for o, (w, a, v) in enumerate(mine) if (bits[w], bits[a], v) == (bw, ba, variant)]


def random_choice(rng: random.Random, space: HardwareSpace, offered: Candidates) -> Choice:
    """One where all agree."""
    names = [f"weight:{name}" for name in ("query", "key", "last")]
    names += [f"tensor:{name}" for name in "xqks"]
    widths = {name: rng.choice((2, 4)) for name in names}
    on_chip = frozenset(name for name in "qks" if rng.random() < 0.5)
    choice = Choice(widths, on_chip, ())
    runs = tuple(rng.choice(rows_of(space, offered, i, choice)) for i in range(4))
    return choice._replace(runs=runs)


def taken(space: HardwareSpace, offered: Candidates, choice: Choice) -> dict[str, float]:
    """SRAM bits of a choice, and its metrics."""
    problem, (widths, on_chip, runs) = space.problem, choice
    live = oracle_on_chip.live_bits(problem, widths, on_chip)
    sram_bits, dram_bits, latency_s = 0.0, 0.0, 0.0
    for layer, rows, o, beside in zip(KEPT.layers, offered.layers, runs, live, strict=True):
        bw, ba = oracle.layer_widths(layer, widths)
        need, traffic = float(rows.need[o]), float(rows.traffic[o])
        stay = layer.weight_tensor in on_chip, layer.input in on_chip
        costs = oracle_tilings.layer_costs(layer, HARDWARE.rows, HARDWARE.cols, 1)
        assert (need, traffic) in oracle_tilings.best_tilings(layer, costs, bw, ba, *stay)
        moved = traffic + sum(oracle.output_and_residual_bits(problem, layer, widths, on_chip))
        cycles = oracle.layer_cycles(problem, layer, HARDWARE, bw, ba)
        assert cycles is not None
        sram_bits, dram_bits = max(sram_bits, need + beside), dram_bits + moved
        latency_s += max(cycles / problem.clock_hz, moved / problem.dram_bits_per_s)
    noise, model_bits, bops = oracle.width_metrics(problem, widths)
    size = min(oracle.on_offer(problem, {int(sram_bits)}, int(sram_bits)), default=None)
    found = {"latency_s": latency_s, "dram_bits": dram_bits, "noise": noise, "bops": bops}
    found |= {"model_bits": model_bits, "sram_bits": sram_bits}
    return found | ({} if size is None else {"area_mm2": oracle.area_mm2(problem, HARDWARE, size)})


def set_choice(
    model: pyo.ConcreteModel, space: HardwareSpace, offered: Candidates, choice: Choice
) -> None:
    """Set all binaries to a choice, SRAM and times to the least that the rows allow."""
    bits = space.widths.tolist()
    model.build[0].set_value(1)
    for (i, o), run in model.run.items():
        run.set_value(int(choice.runs[i] == o))
    for (t, b), width in model.width.items():
        (source,) = space.variables[t]
        width.set_value(int(choice.widths[source] == bits[b]))
    for (x, b), resident in model.resident.items():
        name = space.placed[x]
        there = name in choice.on_chip and choice.widths[f"tensor:{name}"] == bits[b]
        resident.set_value(int(there))
    model.sram.set_value(0.0)
    needed = max(pyo.value(row.body) for row in model.tiles_fit.values()) / ROW_SCALE
    model.sram.set_value(needed)
    for i, latency in model.latency.items() if hasattr(model, "latency") else ():
        latency.set_value(0.0)
        roofs = (model.compute_roof[i], model.memory_roof[i])
        latency.set_value(max(pyo.value(roof.body) for roof in roofs))


def broken(model: pyo.ConcreteModel) -> set[str]:
    """Constraints with a row that does not hold."""
    return {
        row.parent_component().local_name
        for row in model.component_data_objects(pyo.Constraint)
        if pyo.value(row.body - row.upper) > 1e-9
        or (row.equality and pyo.value(row.upper - row.body) > 1e-9)
    }


@pytest.mark.parametrize("metric", METRICS)
def test_objective_is_the_exact_metric(metric: str) -> None:
    space = kept_space()
    offered = listed(space)
    model = build(space, offered, Goal(metric, {}))
    rng = random.Random(metric)
    kept = set()
    for _ in range(CHOICES // 3):
        choice = random_choice(rng, space, offered)
        set_choice(model, space, offered, choice)
        assert broken(model) == set()
        exact = taken(space, offered, choice)[metric]
        assert pyo.value(model.objective) * objective_unit(model) == pytest.approx(exact)
        kept.add(choice.on_chip)
    assert len(kept) >= 6


def test_rows_hold_exactly_for_designs_within_the_limits() -> None:
    space = kept_space()
    offered, rng = listed(space), random.Random(0)
    choices = [random_choice(rng, space, offered) for _ in range(CHOICES)]
    every = [taken(space, offered, choice) for choice in choices]
    limits = {name: float(np.quantile([x[name] for x in every], 0.75)) for name in METRICS}
    model = build(space, offered, Goal("noise", limits))
    verdicts = []
    for choice, exact in zip(choices, every, strict=True):
        set_choice(model, space, offered, choice)
        over = {name for name in METRICS if exact[name] > limits[name] * (1 + 2e-9)}
        assert bool(over) == bool(broken(model))
        assert broken(model) <= {"silicon", "within_budget"}
        verdicts.append(bool(over))
    assert 0.1 < np.mean(verdicts) < 0.9


def test_a_tensor_on_chip_saves_no_more_than_it_would_move() -> None:
    """Beside a limit far below what moves, too: what is clipped is clipped on both sides."""
    space = kept_space()
    model = build(space, listed(space), Goal("noise", {"dram_bits": 5.0}))
    row = generate_standard_repn(model.within_budget["dram_bits"].body)
    each = zip(row.linear_vars, row.linear_coefs, strict=True)
    taken_of = {variable.name: coefficient for variable, coefficient in each}
    for (x, b), resident in model.resident.items():
        moved = taken_of[model.width[int(space.placed_variable[x]), b].name]
        assert moved > 0
        assert moved + taken_of[resident.name] == pytest.approx(0, abs=1e-9)


def test_what_does_not_agree_breaks_a_row() -> None:
    """A tensor on chip that a layer reads from DRAM, or the other way round, or at no width."""
    space = kept_space()
    offered, rng = listed(space), random.Random(1)
    model = build(space, offered, Goal("latency_s", {}))
    found: set[str] = set()
    for _ in range(CHOICES):
        choice = random_choice(rng, space, offered)
        name = rng.choice("qks")
        set_choice(model, space, offered, choice._replace(on_chip=choice.on_chip ^ {name}))
        wrong = broken(model)
        assert wrong
        found |= wrong
        set_choice(model, space, offered, choice)
        x = space.placed.index(name)
        for b in range(2):
            if pyo.value(model.resident[x, b]) != 1:
                model.resident[x, b].set_value(1)
                assert broken(model) & {"resident_at_width", "resident_inputs", "resident_weights"}
                model.resident[x, b].set_value(0)
    assert found >= {"resident_inputs", "resident_weights"}


def test_of_sizes_on_offer_the_one_that_holds_all_is_paid() -> None:
    sizes = (60, 90, 140, 400)
    space = kept_space(sram_bits=sizes)
    offered, rng = listed(space), random.Random(2)
    model = build(space, offered, Goal("area_mm2", {}))
    paid = set()
    for _ in range(CHOICES):
        choice = random_choice(rng, space, offered)
        set_choice(model, space, offered, choice)
        exact = taken(space, offered, choice)
        fitting = []
        for n, size in enumerate(sizes):
            for m, each in model.size.items():
                each.set_value(int(m == n))
            share = pyo.value(model.one_size[1].body) / ROW_SCALE + pyo.value(model.sram)
            model.sram.set_value(share)  # what the row says that S is
            if not broken(model):
                fitting.append(size)
                area = pyo.value(model.objective) * objective_unit(model)
                if len(fitting) == 1:
                    assert area == pytest.approx(exact["area_mm2"])
        assert fitting == [size for size in sizes if size >= exact["sram_bits"]]
        paid |= {*fitting[:1]}
    assert len(paid) >= 3
