"""The MILP with fused runs at every enumerated design: its rows hold, and cost what it costs.

Each design of a random small problem, as `oracle` enumerates them, is set in the model. The model
offers all hardware options at once.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from functools import cache

import numpy as np
import oracle
import pyomo.environ as pyo
import pytest
from chosen_runs import broken, least_sram_bits, set_design, settle_rest, unit_bits
from compare_designs import compare
from pair_models import fused_joint, fused_offered, fused_space
from placed_points import PlacedPoint, PlacedPoints
from random_bands import KINDS, bands_case
from seeds import half_long

from codesign.problem.goal import Goal
from codesign.problem.metrics import ADDITIVE_METRICS, METRICS
from codesign.problem.tolerances import ROW_SCALE
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.domains import Domains
from codesign.search.milp.choice import exclude, read_choice
from codesign.search.milp.formulation import build, objective_unit
from codesign.search.milp.highs import minimise
from codesign.search.option_batches import OptionBatches
from codesign.space.candidates import Candidates, candidates
from codesign.space.hardware import HardwareSpace
from codesign.space.placement import FREE
from codesign.space.solution import price

SEEDS = range(2)
DESIGNS = 12  # of each problem, most of them with fused layers
EXACT = 1e-9
LATENCY = Goal("latency_s", {})
FEW = 4  # of those, where each is tried in many ways
OTHERS = 4  # tried of each layer
LARGEST = 1e300  # less than what cannot be
ROOFS = {"compute_roof", "memory_roof", "run_compute_roof", "run_memory_roof", "moves_alone"}


@cache
def designs(kind: str, seed: int) -> tuple[HardwareSpace, list[PlacedPoint]]:
    """The space of a problem, and some of its designs, or all if few."""
    problem, points = bands_case(seed, kind)
    space = HardwareSpace(replace(problem, budgets={}))
    rng = random.Random(f"{kind} {seed}")
    some = [point for point in points if point.bands or rng.random() < 0.2]
    placed = PlacedPoints(space)
    return space, [placed.of(x) for x in rng.sample(some, min(DESIGNS, len(some)))]


def every_option(space: HardwareSpace, *, traffic_matters: bool) -> Candidates:
    """All options of all hardware, whatever the SRAM."""
    count = len(space)
    most = np.full(count, min(space.capacities.max_bits, 1e9))
    return candidates(
        space,
        np.arange(count),
        np.full(count, space.capacities.min_bits),
        most,
        traffic_matters=traffic_matters,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", half_long(SEEDS))
@pytest.mark.parametrize("kind", KINDS)
def test_rows_hold_and_objectives_are_exact_at_enumerated_designs(kind: str, seed: int) -> None:
    space, every = designs(kind, seed)
    for metric in METRICS if every else ():
        offered = every_option(space, traffic_matters=metric != "latency_s")
        model = build(space, offered, Goal(metric, {}))
        for placed in every:
            set_design(model, space, offered, placed)
            settle_rest(model, space, offered, placed.point.sram_bits)
            assert broken(model) == set(), placed
            exact = placed.point.value(metric)
            found = pyo.value(model.objective) * objective_unit(model)
            assert found == pytest.approx(exact, rel=EXACT), (metric, placed)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_least_sram_is_that_of_the_smallest_design(kind: str) -> None:
    """Of widths and places, the least capacity that is enumerated."""
    for seed in SEEDS:
        space, _ = designs(kind, seed)
        if space.capacities.sizes or space.capacities.min_bits:
            continue
        translated = PlacedPoints(space)
        smallest: dict[object, PlacedPoint] = {}
        for point in sorted(bands_case(seed, kind).points, key=lambda x: x.sram_bits):
            placed = translated.of(point)
            smallest.setdefault(placed.choice, placed)
        rng = random.Random(seed)
        offered = every_option(space, traffic_matters=True)
        model = build(space, offered, Goal("area_mm2", {}))
        for placed in rng.sample([*smallest.values()], min(DESIGNS, len(smallest))):
            set_design(model, space, offered, placed)
            found = least_sram_bits(model) * unit_bits(space, offered)
            assert found == pytest.approx(placed.point.sram_bits, rel=EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_limits_forbid_just_what_is_beyond(kind: str) -> None:
    verdicts = []
    for seed in SEEDS:
        space, every = designs(kind, seed)
        if not every:
            continue
        limits = {
            name: float(np.quantile([x.point.value(name) for x in every], 0.6)) for name in METRICS
        }
        offered = every_option(space, traffic_matters=True)
        model = build(space, offered, Goal("noise", {x: y for x, y in limits.items() if y > 0}))
        for placed in every:
            set_design(model, space, offered, placed)
            settle_rest(model, space, offered, placed.point.sram_bits)
            over = {x for x, most in limits.items() if placed.point.value(x) > most * (1 + EXACT)}
            wrong = broken(model)
            assert bool(over) == bool(wrong), (over, wrong)
            assert wrong <= {"silicon", "within_budget"}
            verdicts.append(bool(over))
    assert True in verdicts


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["latency_s", "dram_bits", "area_mm2"])
def test_optima_are_the_enumerated_ones(kind: str, metric: str) -> None:
    """Solved as it stands, with a limit that leaves a part of the designs: none is cheaper."""
    other = "area_mm2" if metric != "area_mm2" else "dram_bits"
    for seed in SEEDS:
        problem, points = bands_case(seed, kind)
        if not points:
            continue
        space = HardwareSpace(replace(problem, budgets={}))
        offered = every_option(space, traffic_matters=True)
        for share in (0.02, 0.3):
            limits = {
                name: float(np.quantile([x.value(name) for x in points], share))
                for name in (other, "noise")
            }
            limits = {name: x for name, x in limits.items() if x > 0}
            truth = oracle.least(points, metric, limits)
            model = build(space, offered, Goal(metric, limits))
            outcome = minimise(model)
            if truth is None:
                assert outcome.status == "infeasible"
                continue
            found = pyo.value(model.objective) * objective_unit(model)
            assert found == pytest.approx(truth, rel=1e-6), (seed, share)


# --- joint options ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["latency_s", "dram_bits"])
@pytest.mark.parametrize("kind", KINDS)
def test_with_joint_options_designs_and_optima_are_the_enumerated_ones(
    kind: str, metric: str
) -> None:
    """Of one option in a given SRAM, layers alone with all entries of their tables."""
    compared = 0
    for seed in SEEDS:
        problem, points = bands_case(seed, kind)
        space = HardwareSpace(replace(problem, budgets={}))
        if not points or not space.runs:
            continue
        rng, translated = random.Random(f"{kind} {seed} {metric}"), PlacedPoints(space)
        every = [translated.of(x) for x in points]
        option = rng.choice(every).option
        sizes = [x.point.sram_bits for x in every if x.option == option]
        sram_bits = rng.choice(sizes)
        mine = [x for x in every if x.option == option and x.point.sram_bits <= sram_bits]
        offered, state = with_every_entry(space, option, sram_bits)
        model = build(space, offered, Goal(metric, {}))
        for placed in rng.sample(mine, min(FEW, len(mine))):
            if all(placed.on_chip[t] for t, x in enumerate(state) if x == FREE):
                set_design(model, space, offered, placed, sram_bits)
                settle_rest(model, space, offered, sram_bits)
                assert broken(model) == set(), placed
                made = price(space, *placed.choice[:3], sram_bits, placed.on_chip)
                assert made is not None
                found = pyo.value(model.objective) * objective_unit(model)
                assert found == pytest.approx(made.metrics[metric], rel=EXACT)
                check_other_rows(model, offered)
                compared += 1
        assert minimise(model).status == "optimal"
        found = pyo.value(model.objective) * objective_unit(model)
        assert found == pytest.approx(min(x.point.value(metric) for x in mine), rel=1e-6)
    assert compared


def check_other_rows(model: pyo.ConcreteModel, offered: Candidates) -> None:
    """In place of a layer's joint option none runs that has anything beside it elsewhere."""
    for i, rows in enumerate(offered.layers):
        chosen = [o for o in range(len(rows)) if model.run[i, o].value == 1]
        for mine in chosen if rows.joint else []:
            beside = [width != width[mine] for _, width in rows.widths_beside]
            beside += [there != there[mine] for _, _, there in rows.places_beside]
            others = np.any(beside, axis=0) if beside else np.zeros(len(rows), dtype=bool)
            model.run[i, mine].set_value(0)
            for o in np.flatnonzero(others)[:OTHERS].tolist():
                model.run[i, o].set_value(1)
                assert broken(model) - ROOFS - {"tiles_fit"}
                model.run[i, o].set_value(0)
            model.run[i, mine].set_value(1)


def with_every_entry(
    space: HardwareSpace, option: int, sram_bits: int
) -> tuple[Candidates, list[int]]:
    """Joint options of every layer, whatever they cost, and the states of tensors."""
    options, most = np.array([option]), np.array([float(sram_bits)])
    batch = OptionBatches(space, ADDITIVE_METRICS).of_options(options, most)
    relaxation = Relaxation(space).of(batch)
    forced = relaxation.forced(batch, np.ones((1, len(ADDITIVE_METRICS))))
    joint = forced.joint_choices(option, float(sram_bits), np.inf)
    domains = Domains.within(relaxation.marginals_of(forced), LARGEST)
    allowed = space.variable_allowed & domains.variable_allowed
    domains = domains._replace(variable_allowed=allowed)
    listed = candidates(space, options, most, most, *domains, joint, traffic_matters=True)
    return listed, [*batch.places[: len(space.placed)]]


# --- what is no design --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_agree_breaks_a_row(kind: str) -> None:
    """Another design's tensors, widths, runs, or what a run has beside it, in this one."""
    found = set[str]()
    for seed in SEEDS:
        space, every = designs(kind, seed)
        offered = every_option(space, traffic_matters=True)
        model = build(space, offered, Goal("latency_s", {}))
        groups = [model.resident, model.width, model.fuse, model.pair, model.source, model.beside]
        for one, other in itertools.pairwise(every):
            for group in groups:
                set_design(model, space, offered, other)
                theirs = [variable.value for variable in group.values()]
                set_design(model, space, offered, one)
                settle_rest(model, space, offered, one.point.sram_bits)
                own_weights = group is model.pair and aside(space, one) == aside(space, other)
                if own_weights or theirs == [variable.value for variable in group.values()]:
                    continue
                for variable, value in zip(group.values(), theirs, strict=True):
                    variable.set_value(value)
                wrong = broken(model) - {"tiles_fit", "runs_fit"} - ROOFS
                assert wrong, (group.name, one, other)
                found |= wrong
    assert found >= {"every_layer_runs", "input_widths", "resident_at_width", "fused_layers_run"}


def aside(space: HardwareSpace, placed: PlacedPoint) -> tuple[object, ...]:
    """Hardware, widths of tensors, and runs: what leaves each layer free to have any weights."""
    return placed.option, placed.variable_width, placed.on_chip[len(space.placed) :]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_run_has_beside_it_is_where_others_have_it(kind: str) -> None:
    """One by one, elsewhere: its input, what it writes, and what it adds."""
    moved = 0
    for seed in SEEDS:
        space, every = designs(kind, seed)
        offered = every_option(space, traffic_matters=True)
        model = build(space, offered, Goal("latency_s", {}))
        for placed in every[:FEW]:
            set_design(model, space, offered, placed)
            settle_rest(model, space, offered, placed.point.sram_bits)
            for (n, s, o), beside in model.beside.items():
                if beside.value == 0 and model.fuse[n].value == 1:
                    (mine,) = (
                        x for key, x in model.beside.items() if key[:2] == (n, s) and x.value == 1
                    )
                    for share in (1.0, 0.25):  # not in part, either
                        mine.set_value(1 - share)
                        beside.set_value(share)
                        assert broken(model) - ROOFS == {"beside_agrees"}, (n, s, o)
                    mine.set_value(1)
                    beside.set_value(0)
                    moved += 1
            for source in model.source.values():
                before = source.value
                for value in (1 - before, 0.5):
                    source.set_value(value)
                    assert broken(model) & {"resident_inputs", "source_at_width"}
                source.set_value(before)
                moved += 1
    assert moved


def test_no_joint_option_runs_at_a_width_that_is_not_left() -> None:
    """A layer that may be fused need not have any of its options; one at that width it must not."""
    left = np.ones((4, 2), dtype=bool)
    left[1, 1] = False  # q, which the last layer adds, at 4 bits
    model = build(fused_space(), fused_joint(left), LATENCY)
    for variable in model.component_data_objects(pyo.Var):
        variable.set_value(0, skip_validation=True)
    for o in range(4):
        model.run[3, o].set_value(1)
        forbidden = pyo.value(model.widths_beside[0, 1].body) > model.widths_beside[0, 1].upper
        assert forbidden == (o % 2 == 1)
        model.run[3, o].set_value(0)


@pytest.mark.slow
def test_each_choice_is_excluded_once() -> None:
    """Solved again and again, each choice excluded, the model lists all of them in order."""
    left = np.ones((4, 2), dtype=bool)
    left[:3, 1] = False  # s alone may have 4 bits, all else has 2
    space, offered = fused_space(), fused_offered(left)
    model = build(space, offered, LATENCY)
    found, values = set[object](), list[float]()
    while minimise(model).status == "optimal":
        values.append(pyo.value(model.objective))
        found.add(read_choice(model, space, offered))
        exclude(model)
    # q in DRAM or on chip; u likewise, or a band; s likewise at either width; no two bands.
    assert len(values) == len(found) == 2 * (3 * 2 * 3 - 2)
    assert values == pytest.approx(sorted(values))


@pytest.mark.parametrize(("kind", "seed"), [("broken", 61), ("moving", 99)])
def test_no_design_is_lost_at_the_edge_of_its_sram(kind: str, seed: int) -> None:
    """Of a problem whose area leaves just the SRAM that the best run takes."""
    compare(bands_case(seed, kind), "whole")


# --- the scale of models ------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [x for x in METRICS if x != "area_mm2"])  # of a mean array
def test_objectives_are_large_beside_the_gap_where_every_layer_is_fused(metric: str) -> None:
    """A unit taken from layers alone would be one of nothing, where none is left alone."""
    every = (designs("chain", seed)[0] for seed in range(20))
    space = next(x for x in every if any(len(r.layers) == len(x.geometry_of) for r in x.runs))
    offered = every_option(space, traffic_matters=True)
    nothing = tuple(
        replace(x, forced=np.zeros(len(x))).take(np.zeros(len(x), dtype=bool))
        for x in offered.layers
    )
    offered = replace(offered, layers=nothing)
    model = build(space, offered, Goal(metric, {}))
    assert minimise(model).status == "optimal"
    assert pyo.value(model.objective) >= 500


def test_a_resident_input_of_a_run_saves_no_more_than_it_would_move() -> None:
    """Beside a limit far below what moves, too: what is clipped is clipped on both sides."""
    space, _ = designs("chain", 0)
    offered = every_option(space, traffic_matters=True)
    limit = 5.0
    model = build(space, offered, Goal("noise", {"dram_bits": limit}))
    row, clipped = model.within_budget["dram_bits"], 0
    for variable in model.component_data_objects(pyo.Var):
        variable.set_value(0, skip_validation=True)
    nothing = pyo.value(row.body)
    for (n, b), source in model.source.items():
        layer = offered.fused[n].layers[0]
        for o in np.flatnonzero(layer.ifmap == b).tolist():
            model.pair[n, 0, o].set_value(1)
            source.set_value(1)
            own = min(float(layer.weight_bits[o]) / limit * ROW_SCALE, 2 * row.upper)
            assert pyo.value(row.body) - nothing == pytest.approx(own)
            clipped += float(layer.input_bits[o]) / limit * ROW_SCALE > 2 * row.upper
            model.pair[n, 0, o].set_value(0)
            source.set_value(0)
    assert clipped
