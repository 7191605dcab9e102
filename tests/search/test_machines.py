"""On machines of all kinds the optimum is the enumerated one: mappings, PEs that split, terms.

Objective, tie-breaks, budgets, every figure of the design, and what an infeasible problem is told
are compared with `oracle`; with all tensors in DRAM, some on chip, or layers fused.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import oracle
import oracle_machine
import pytest
from compare_designs import compare
from machine_terms import crossed
from oracle_widths import layer_widths
from random_bands import bands_case
from random_machines import KINDS
from random_on_chip import on_chip_case
from random_problems import Case, random_case, with_budgets_used_up
from seeds import check_all, half_long

from codesign.problem.problem import Problem
from codesign.search import (
    best_bound,
    group_bounds,
    least_hardware,
    least_metric,
    screening,
)
from codesign.search.bounds import layer_tables, relaxation

SEEDS = {"none": range(14, 22), "tensors": range(6, 10), "bands": range(2, 3)}  # of each kind
SLOW = {("none", "terms", 4), ("none", "terms", 13), ("none", "several", 16)}  # above a second
CASES = [(on_chip, kind, seed) for on_chip in SEEDS for kind in KINDS for seed in SEEDS[on_chip]]
CASES += [("none", "reconfigurable", seed) for seed in range(22, 27)]
CASES = [case for case in CASES if case not in SLOW]
BLOCK = 50
LONG_BLOCKS = range(1000, 1400, BLOCK)  # the first seed of each

SEEN: dict[tuple[str, str, int], set[str]] = {}  # features of the problems made so far


def machine_case(on_chip: str, kind: str, seed: int) -> Case:
    """Problem number ``seed`` on a kind of machine, of all kinds there are else in turn."""
    if on_chip == "tensors":
        others = ("plain", "moving", "sharing", "in place", "sram", "broad")
        return on_chip_case(seed, others[seed % len(others)], kind)
    if on_chip == "bands":
        others = ("chain", "tall", "broken", "sram", "sharing", "moving")
        return bands_case(seed, others[seed % len(others)], kind)
    return random_case(
        seed,
        moving=seed % 5 == 1,
        sharing=seed % 7 == 2,
        in_place=seed % 9 == 4,
        sram=seed % 6 == 5,
        machine=kind,
    )


@pytest.mark.parametrize(("on_chip", "kind", "seed"), half_long(CASES, 3))
def test_optimum_is_the_enumerated_one(on_chip: str, kind: str, seed: int) -> None:
    case = machine_case(on_chip, kind, seed)
    SEEN[on_chip, kind, seed] = features(case)
    compare(case)
    if seed % 8 == 0:
        compare(case, "whole")


def test_a_tensor_on_chip_for_nothing_is_there_without_an_incumbent_too() -> None:
    # A choice that left it in DRAM, as layers' costs did not, broke a budget and took others along.
    compare(on_chip_case(1111, "broad", "reconfigurable"))


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_BLOCKS)
@pytest.mark.parametrize(("on_chip", "kind"), [*product(SEEDS, KINDS)])
def test_optimum_is_the_enumerated_one_long(on_chip: str, kind: str, first: int) -> None:
    def check(seed: int) -> None:
        case = machine_case(on_chip, kind, seed)
        compare(case)
        compare(case, "whole")

    check_all(range(first, first + BLOCK), check)


# --- budgets used up, and terms of all kinds ------------------------------------------------------

MORE = [pytest.param(first, marks=pytest.mark.long) for first in range(1000, 1200, BLOCK)]


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, *MORE])
@pytest.mark.parametrize("kind", KINDS)
def test_budgets_that_some_poor_design_sets(kind: str, first: int) -> None:
    def check(seed: int) -> None:
        rng = random.Random(f"used up {kind} {seed}")
        where = rng.choice(("none", "tensors", "tensors", "bands"))
        compare(with_budgets_used_up(machine_case(where, kind, seed), rng))

    check_all(range(first, first + (BLOCK if first else 3)), check)


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, *MORE])
@pytest.mark.parametrize("kind", KINDS)
def test_terms_of_all_kinds_at_once(kind: str, first: int) -> None:
    def check(seed: int) -> None:
        where = ("none", "tensors", "bands")[seed % 3]
        case = crossed(machine_case(where, kind, seed), seed)
        compare(case)
        compare(case, "whole")

    check_all(range(first, first + (BLOCK if first else 2)), check)


# --- paths that only large problems take ----------------------------------------------------------

LATER = [pytest.param(first, marks=pytest.mark.long) for first in range(1000, 1200, 50)]


def seeds_from(first: int, few: int) -> range:
    """A few, or in a long run fifty; of problems with many hardware options, each fourth."""
    return range(first + 3, first + 3 + 4 * (50 if first >= 1000 else few), 4)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bound options in groups, and as one, wherever that can be done."""
    for module, name, value in (
        (screening, "MOST_UNSCREENED", 1),
        (least_hardware, "MOST_UNBISECTED", 0),
        (group_bounds, "LEAST_IDEAL_GROUP", 1),
        (group_bounds, "NEAR_INCUMBENT", 2.0),
        (group_bounds, "SHORT_MILP_PAIRS", np.inf),
        (group_bounds, "SOLVED_BETWEEN_ATTEMPTS", 1),
        (group_bounds, "SOLVED_BEFORE_ALL", 1),
        (group_bounds, "LEAST_GROUP", 2),
        (least_metric, "ONE_BATCH", 2),
        (least_metric, "FIRST_BATCH", 1),
        (best_bound, "BOUNDED_TOGETHER", 1),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("first", [500, *LATER])
@pytest.mark.parametrize("kind", KINDS)
def test_options_bounded_as_one(kind: str, first: int) -> None:
    check_all(seeds_from(first, 2), lambda seed: compare(random_case(seed, machine=kind)))


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("first", [500, *LATER])
@pytest.mark.parametrize("kind", KINDS)
def test_options_bounded_as_one_with_tensors_on_chip(kind: str, first: int) -> None:
    seeds = seeds_from(first, 1)
    check_all(seeds, lambda seed: compare(on_chip_case(seed, "broad", kind)))


@pytest.mark.slow
@pytest.mark.parametrize("first", [500, *LATER])
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_of_tables_cut_apart(kind: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, names in (
        (relaxation, ("MAX_TABLE", "MAX_JOINTS", "MAX_KEPT")),
        (layer_tables, ("MAX_ENTRIES", "MAX_BATCH", "CACHED", "MAX_FAMILY")),
    ):
        for most in names:
            monkeypatch.setattr(module, most, 1)
    check_all(seeds_from(first, 1), lambda seed: compare(machine_case("none", kind, seed)))
    check_all(seeds_from(first, 1), lambda seed: compare(machine_case("tensors", kind, seed)))


# --- what changes, and what does not --------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_mapping_more_on_offer_never_hurts(seed: int) -> None:
    """Of enumerated designs: those of each machine alone are those of all on offer."""
    problem, points = random_case(seed, machine="several")
    alone = [
        point
        for mapping in problem.choices.mapping
        for point in oracle.all_points(
            replace(problem, choices=replace(problem.choices, mapping=(mapping,)))
        )
    ]
    assert sorted(map(repr, alone)) == sorted(map(repr, points))


# --- the seeds contain what they should -----------------------------------------------------------


def features(case: Case) -> set[str]:
    """What a problem's machines are, and what its best design makes of them."""
    problem, points = case
    choices, layers = problem.choices, problem.network.layers
    truth = oracle.best(points, problem.objective, problem.budgets)
    found = {f"objective {problem.objective}", "feasible" if truth else "infeasible"}
    found |= {f"budget {metric}" for metric in problem.budgets}
    found |= {f"{mapping} on offer" for mapping in choices.mapping}
    present = {
        "fill": choices.fill_cycles,
        "load": choices.weight_load,
        "factor": any(oracle_machine.cycle_factor(choices, x) != 1 for x in layers),
        "multi-pass": choices.precision == "multi-pass",
        "multi-pass, another mapping": choices.precision == "multi-pass"
        and choices.mapping != ("window",),
        "widening": choices.precision == "widening",
        "square": choices.square,
        "pins": bool(choices.pinned),
        "SRAM sizes": bool(choices.sram_bits),
        "reconfigurable, widening": choices.reconfigurable and choices.precision == "widening",
    }
    if truth is not None:
        present |= _chosen(problem, truth)
    return found | {name for name, here in present.items() if here}


def _chosen(problem: Problem, truth: oracle.Point) -> dict[str, bool]:
    """What the best design is like."""
    hardware, choices, layers = truth.hardware, problem.choices, problem.network.layers
    computed = [x for x in layers if not x.moves]
    others = [name for name in choices.mapping if name not in hardware.mapping]
    modes = len(hardware.mapping) > 1 and _modes_differ(problem, truth)
    engines = [
        oracle.engine_at(problem, hardware, *layer_widths(layer, truth.widths))
        for layer in computed
    ]
    array = hardware.rows, hardware.cols, problem.technology.engine
    return {
        f"{hardware.mapping[0]} chosen": len(hardware.mapping) == 1,
        "layers of several mappings": modes,
        f"{hardware.mapping[0]} chosen of several": bool(others),
        "a PE split": choices.precision == "widening"
        and any(engine > problem.technology.engine for engine in engines),
        "PEs split in several ways": choices.precision == "widening" and len({*engines}) > 1,
        "columns folded": any(hardware.cols < layer.K for layer in computed),
        "groups side by side, another mapping": hardware.mapping != ("window",)
        and any(
            oracle_machine.groups_at_once(layer, *array, hardware.mapping[0]) > 1
            for layer in computed
        ),
        "batch": any(layer.N > 1 for layer in computed),
        "weight tensor": any(layer.weight_tensor for layer in computed),
        "inserted zeros": any(layer.input_dilation not in (1, (1, 1)) for layer in computed),
        "moved": len(computed) < len(layers),
        "kept": bool(truth.on_chip),
        "fused": bool(truth.bands),
    }


def _modes_differ(problem: Problem, truth: oracle.Point) -> bool:
    """Whether no one mapping is as fast in all layers as they are."""
    bits = [layer_widths(layer, truth.widths) for layer in problem.network.layers]
    layers = [*zip(problem.network.layers, bits, strict=True)]

    def cycles(hardware: oracle.HardwareOption) -> int:
        return sum(oracle.layer_cycles(problem, x, hardware, *b) or 0 for x, b in layers)

    own = [truth.hardware._replace(mapping=(name,)) for name in truth.hardware.mapping]
    return cycles(truth.hardware) < min(map(cycles, own))


def test_problems_contain_every_feature() -> None:
    count = Counter[str]()
    for case in CASES:
        count.update(SEEN.get(case) or features(machine_case(*case)))
    wanted = [f"objective {metric}" for metric in oracle.METRICS]
    wanted += [f"budget {metric}" for metric in oracle.METRICS]
    wanted += ["fill", "load", "factor", "multi-pass", "multi-pass, another mapping", "widening"]
    wanted += ["square", "pins", "SRAM sizes", "a PE split", "PEs split in several ways"]
    wanted += ["columns folded", "groups side by side, another mapping", "batch", "weight tensor"]
    wanted += ["moved", "kept", "fused", "feasible", "layers of several mappings"]
    wanted += ["reconfigurable, widening"]
    for mapping in ("window", "im2col", "output"):
        wanted += [f"{mapping} on offer", f"{mapping} chosen", f"{mapping} chosen of several"]
    rare = [feature for feature in wanted if count[feature] < 2]
    assert not rare, f"too rare in the problems: {rare}; found {count}"
    assert 0.05 <= count["infeasible"] / len(CASES) <= 0.25
