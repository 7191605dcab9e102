"""Least energy, and designs within limits on energy, against plain enumeration of all tilings."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from compare_energy import EXACT, check
from enumerated_assignments import network, point
from enumerated_energy import EnergyPoint, energy_points, least_energy
from random_energy import MOST_POINTS, drawn, small
from random_on_chip import on_chip_case
from seeds import half_long, mostly_long
from small_layers import square

from codesign import (
    Choices,
    Layer,
    Network,
    SpecError,
    load_network,
    load_technology,
    pareto,
    solve,
)
from codesign.arrays import Bools, Floats
from codesign.checking import check_content
from codesign.problem.problem import Problem
from codesign.search import least_over_srams
from codesign.search.bounds.layer_tables import NOISE
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.hardware_search import HardwareSearch
from codesign.search.lexicographic import LexicographicSearch, Method
from codesign.search.option_batches import OptionBatches
from codesign.search.sram_ranges import SramRanges
from codesign.space import shape_order
from codesign.space.capacities import Capacities
from codesign.space.energy import EnergyCosts
from codesign.space.energy_tilings import undominated_rows
from codesign.space.hardware import HardwareSpace
from codesign.space.placement import FREE

KINDS = ("none", "tensors", "mapping", "reconfigurable", "widening")
WHOLE = ((107, "none"), (119, "none"), (110, "tensors"), (108, "mapping"), (139, "reconfigurable"))
FUSED = (502, 503, 523, 538)  # problems whose best designs have fused layers
MACHINES = ("bands mapping", "bands widening", "bands reconfigurable", "bands terms")
FRONTS = ((50, "tensors"), (51, "tensors"), (52, "tensors"), (538, "bands"))
POWERED = 12  # problems


def powered(problem: Problem, w_per_mm2: float) -> Problem:
    """The problem of the least energy where power at all times is by area alone."""
    given = problem.technology.energy
    assert given is not None
    energy = replace(given, static_w=None, static_w_per_mm2=w_per_mm2)
    technology = replace(problem.technology, energy=energy)
    return replace(problem, technology=technology, objective="energy_j", budgets={})


@pytest.mark.slow
@pytest.mark.parametrize("kind", mostly_long(["none", "tensors"], 1))
def test_sram_is_split_where_that_is_left_to_the_programme(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power by area that outweighs all else, and ranges of SRAM that no bound has halved before."""
    monkeypatch.setattr(least_over_srams, "MOST_HALVINGS", 0)
    found = 0
    for seed in range(200, 200 + POWERED):
        problem, points = drawn(seed, kind)
        problem = powered(problem, 10.0 ** (seed % 4))
        if not points:
            continue
        right = least_energy([*energy_points(problem)], "energy_j", {})
        design = solve(problem)
        assert design.metrics["energy_j"] == pytest.approx(right, rel=EXACT), seed
        assert design.proof.bound == pytest.approx(right, rel=2 * EXACT), seed
        found += 1
    assert found >= POWERED // 4


def test_what_rules_out_less_sram_holds_within_its_own_limit_alone() -> None:
    """The least area within ever more energy, of one search that remembers what it has proven."""
    problem = powered(drawn(3, "none")[0], 1e3)
    points = [*energy_points(problem)]
    search = LexicographicSearch(HardwareSpace(problem))
    energies = sorted({point.metrics["energy_j"] for point in points})
    for limit in energies[:: len(energies) // 20]:
        limits = {"energy_j": limit}
        found = search.minimise(("area_mm2", "noise"), limits).solution
        assert found is not None
        right = least_energy(points, "area_mm2", limits)
        assert found.metrics["area_mm2"] == pytest.approx(right, rel=EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 3])
def test_choices_above_a_limit_are_excluded_where_power_is_not_told_apart(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least latency within energy, with all power counted as that of the least SRAM."""

    def alike(_: EnergyCosts, least_w: Floats, *_others: object) -> Bools:
        return np.zeros(len(least_w), dtype=bool)

    monkeypatch.setattr(EnergyCosts, "power_grows", alike)
    monkeypatch.setattr(HardwareSearch, "_growth", lambda *_: None)
    problem = powered(drawn(seed, "none")[0], 10.0**seed)
    points = [*energy_points(problem)]
    energies = sorted(point.metrics["energy_j"] for point in points)
    limits = {"energy_j": energies[len(energies) // 20]}
    design = solve(replace(problem, objective="latency_s", budgets=limits))
    right = least_energy(points, "latency_s", limits)
    assert design.metrics["latency_s"] == pytest.approx(right, rel=EXACT)
    assert design.proof.bound == pytest.approx(right, rel=2 * EXACT)


def test_a_residual_on_chip_is_read_at_its_own_width() -> None:
    """Where all tensors fit beside all tiles: no layer's table tells of their places."""
    sides = {"K": 8, "C": 8, "P": 8, "Q": 8, "R": 3, "S": 3, "H": 8, "W": 8}
    chain = ["in", "a", "b", "c", "d", "out"]
    layers = tuple(
        Layer(name=f"l{n}", input=x, output=y, residuals=beside, **sides)
        for n, (x, y, beside) in enumerate(
            zip(chain, chain[1:], [(), (), ("a",), (), ("c",)], strict=False)
        )
    )
    network = Network(name="residual", layers=layers, tensors=dict.fromkeys(chain, 512))
    problem = Problem(network=network, objective="energy", quality="uniform:6")
    energy = problem.technology.energy
    assert energy is not None
    energy = replace(energy, sram_read_j_per_bit=1.5e-11)  # nearly what a bit of DRAM takes
    choices = Choices(rows=(8,), cols=(8,), square=False, sram_bits=(2**17,), on_chip="tensors")
    problem = replace(
        problem, technology=replace(problem.technology, energy=energy), choices=choices
    )
    design = solve(problem)
    assert sum(place == "chip" for place in design.on_chip.values()) == 4
    assert design.proof.bound == pytest.approx(design.metrics["energy_j"], rel=1e-8)
    assert check_content(json.loads(json.dumps(design.to_dict())), "design").holds


def test_ranges_of_sram_are_halved_between_sizes_on_offer() -> None:
    rng = np.random.default_rng(4)
    for count in range(2, 30):
        sizes = np.unique(rng.integers(1, 10**4, count)).astype(float)
        capacities = Capacities.of_sizes(tuple(sizes.astype(int).tolist()))
        low, middle, high = np.sort(rng.choice(sizes, (3, 20)), axis=0)
        every = SramRanges(np.arange(20), low, high, np.zeros(20), np.zeros((20, 1)), np.zeros(20))
        halves = every.halves(middle, capacities)
        assert np.isin([halves.low, halves.high], sizes).all()
        for n in range(20):
            mine = halves.take(halves.option == n)
            within = (mine.low[:, None] <= sizes) & (sizes <= mine.high[:, None])
            assert (within.sum(axis=0) == ((low[n] <= sizes) & (sizes <= high[n]))).all()


def test_a_limit_on_energy_that_does_not_bind_costs_no_further_proof() -> None:
    problem = Problem(
        network=load_network("alexnet"),
        choices=Choices(on_chip="none"),
        quality="uniform:6",
        budgets={"area_mm2": 2.0},
    )
    free = solve(problem)
    limit = free.metrics["energy_j"] * 1.01
    design = solve(replace(problem, budgets={**problem.budgets, "energy_j": limit}))
    assert design.metrics == free.metrics
    assert design.proof.status == "optimal"
    assert design.solver.programmes == free.solver.programmes


def test_tilings_that_none_beats_are_kept() -> None:
    rng = np.random.default_rng(1)
    for count in (0, 1, 2, 5, 30, 200):
        for values in (2, 4, 30):
            need, traffic, energy_j = costs = rng.integers(values, size=(3, count)).astype(float)
            kept = undominated_rows(need, traffic, energy_j).tolist()
            every = [tuple(row) for row in costs.T.tolist()]
            right = {
                mine
                for mine in every
                if not any(
                    other != mine and all(x <= y for x, y in zip(other, mine, strict=True))
                    for other in every
                )
            }
            assert {every[row] for row in kept} == right
            assert len(kept) == len(right)


@cache
def points_of_two() -> list[EnergyPoint]:
    """All designs of `two_alike`."""
    return [*energy_points(two_alike())]


def two_alike(**asked: Any) -> Problem:
    """Two layers of one geometry, whose SRAM reads outweigh DRAM: weights cost most to fetch."""
    layers = [square(8, 8, 6, 3, name=x, input=x, output=x + "y") for x in "ab"]
    tensors = {layer.input: 8 * 36 for layer in layers} | {x.output: 8 * 36 for x in layers}
    given = load_technology("tsmc28")
    assert given.energy is not None
    energy = replace(given.energy, sram_read_j_per_bit=2e-11, static_w_per_mm2=0.027)
    of_array = {"rows": (1,), "cols": (1,), "pe_weight_bits": (8,), "pe_activation_bits": (8,)}
    widths = {"weight_bits": (8,), "activation_bits": (8,), "on_chip": "none"}
    return Problem(
        network=Network(name="two", layers=tuple(layers), tensors=tensors),
        technology=replace(given, energy=energy),
        dram_bits_per_s=1e9,
        dram_energy_j_per_bit=4e-12,
        choices=Choices(**of_array, **widths, sram_bits=(912,)),
        **asked,
    )


@pytest.mark.parametrize("method", ["search", "whole"])
def test_tilings_move_more_where_that_takes_less_energy(method: Method) -> None:
    """Tilings of least energy, of least traffic, and one of each where no more may be moved."""
    points = points_of_two()
    least = min(points, key=lambda point: point.metrics["energy_j"]).metrics
    frugal = min(points, key=lambda point: point.metrics["dram_bits"]).metrics
    assert least["dram_bits"] > frugal["dram_bits"] * 1.01
    assert least["energy_j"] < frugal["energy_j"] * 0.95
    between = (least["dram_bits"] + frugal["dram_bits"]) / 2
    found = set()
    for limit in (least["dram_bits"], between, frugal["dram_bits"]):
        problem = two_alike(objective="energy_j", budgets={"dram_bits": limit})
        design = solve(problem, method=method)
        right = least_energy(points, "energy_j", problem.budgets)
        assert design.metrics["energy_j"] == pytest.approx(right, rel=EXACT)
        assert design.proof.status == "optimal"
        found.add(design.metrics["dram_bits"])
    assert len(found) == 3
    problem = two_alike(objective="dram_bits", budgets={"energy_j": least["energy_j"]})
    assert solve(problem, method=method).metrics["dram_bits"] == least["dram_bits"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", mostly_long(range(6), 2))
def test_the_optimum_is_the_enumerated_one(seed: int, kind: str) -> None:
    check(seed, kind)


@pytest.mark.slow
@pytest.mark.parametrize("seed", FUSED)
def test_the_optimum_where_layers_may_be_fused_is_the_enumerated_one(seed: int) -> None:
    check(seed, "bands")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["none", "tensors"])
@pytest.mark.parametrize(
    "first", [0, *(pytest.param(x, marks=pytest.mark.long) for x in range(100, 300, 20))]
)
def test_the_tilings_of_finer_shapes_bound_all(
    first: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few there are: on more the same steps are taken as on these that are enumerated.

    And widths are left out however small the tables, as of larger networks.
    """
    few = {"FEW_SHAPES": 0, "FEW_TILINGS": 9, "WORTH_IDEAL": 1, "LARGE_TABLES": 0, "NEAREST": 1}
    for name, value in few.items():
        monkeypatch.setattr(least_over_srams, name, value)
    monkeypatch.setattr(shape_order, "COARSE_SIDES", (4, 2))
    for seed in range(first, first + (20 if first else 4)):
        if drawn(seed, kind)[1]:
            check(seed, kind)


def test_widths_that_no_better_design_has_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three layers alike, none is so narrow: its noise would make the others too wide."""
    left, leave_out = list[bool](), least_over_srams.LeastOverSrams._leave_out_narrowest

    def told(self: least_over_srams.LeastOverSrams, *given: Any) -> bool:
        left.append(leave_out(self, *given))
        return left[-1]

    monkeypatch.setattr(least_over_srams, "LARGE_TABLES", 0)
    monkeypatch.setattr(least_over_srams.LeastOverSrams, "_leave_out_narrowest", told)
    described = network(*(point(f"{n}", f"t{n}", f"t{n + 1}", 8, 8, P=8, H=8) for n in range(3)))
    widths = {"weight_bits": (5, 6, 7, 8), "activation_bits": (5, 6, 7, 8)}
    pes = {"rows": (2, 4), "cols": (4,), "pe_weight_bits": (8,), "pe_activation_bits": (8,)}
    choices = Choices(**widths, **pes, on_chip="none")
    problem = Problem(network=described, choices=choices, quality="uniform:6", objective="energy_j")
    found, whole = solve(problem, ties="leave"), solve(problem, ties="leave", method="whole")
    assert any(left)
    assert found.metrics["energy_j"] == pytest.approx(whole.metrics["energy_j"], rel=EXACT)
    assert found.proof.bound == pytest.approx(whole.metrics["energy_j"], rel=2 * EXACT)


@pytest.mark.parametrize("seed", [0, 3])
def test_pes_that_split_are_of_several_widths(seed: int) -> None:
    """Each with bounds, tilings and places of its own, where tensors may stay on chip."""
    given = drawn(seed, "widening")[0]
    choices = replace(given.choices, cols=given.choices.cols[-1:], pe_weight_bits=(2, 4, 8))
    problem = replace(given, choices=choices, objective="energy_j", budgets={})
    right = least_energy([*energy_points(problem)], "energy_j", {})
    design = solve(problem)
    assert design.metrics["energy_j"] == pytest.approx(right, rel=EXACT)
    assert design.proof.bound == pytest.approx(right, rel=2 * EXACT)


@pytest.mark.long
@pytest.mark.parametrize("kind", [*KINDS, "bands", *MACHINES])
@pytest.mark.parametrize("block", range(10))
def test_the_optimum_is_the_enumerated_one_at_length(block: int, kind: str) -> None:
    for seed in range(100 + 20 * block, 120 + 20 * block):
        if drawn(seed, kind)[1]:
            check(seed, kind)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "kind"), half_long(FRONTS))
def test_a_front_between_latency_and_energy_is_the_enumerated_one(seed: int, kind: str) -> None:
    problem, points = drawn(seed, kind)
    if not points or len(points) > MOST_POINTS // 4:
        pytest.skip("too many designs to enumerate, or none")
    front = pareto(replace(problem, objective="latency_s", budgets={}), ("latency_s", "energy_j"))
    found = {(d.metrics["latency_s"], d.metrics["energy_j"]) for d in front.designs}
    pairs = {(p.metrics["latency_s"], p.metrics["energy_j"]) for p in points}
    right = [
        mine
        for mine in pairs
        if not any(
            other[0] <= mine[0] * (1 + EXACT)
            and other[1] <= mine[1] * (1 + EXACT)
            and (other[0] < mine[0] * (1 - EXACT) or other[1] < mine[1] * (1 - EXACT))
            for other in pairs
        )
    ]
    assert front.complete
    for mine in right:
        assert any(mine == pytest.approx(other, rel=10 * EXACT) for other in found)
    for other in found:
        assert any(other == pytest.approx(mine, rel=10 * EXACT) for mine in right)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"dram_energy_j_per_bit": None}, "not known: no energy of a DRAM bit is given"),
    ],
)
def test_where_energy_is_not_searched_for(changed: dict[str, Any], told: str) -> None:
    problem = replace(Problem(network=load_network("alexnet"), objective="energy"), **changed)
    with pytest.raises(SpecError, match=told):
        solve(problem)
    with pytest.raises(SpecError, match=told):
        pareto(replace(problem, objective="latency"), ("latency", "energy"), points=2)


@pytest.mark.parametrize(("seed", "kind"), WHOLE)
def test_the_whole_programme_finds_the_enumerated_optimum(seed: int, kind: str) -> None:
    check(seed, kind, "whole")


@pytest.mark.parametrize("seed", [5, 13])
def test_the_whole_programme_takes_fused_layers_at_the_power_of_what_is_built(seed: int) -> None:
    problem = powered(drawn(seed, "bands")[0], 10.0 ** (seed % 4))
    design = solve(problem, method="whole")
    assert design.fused_runs
    right = least_energy([*energy_points(problem)], "energy_j", {})
    assert design.metrics["energy_j"] == pytest.approx(right, rel=EXACT)
    assert design.proof.bound == pytest.approx(right, rel=2 * EXACT)


@pytest.mark.long
@pytest.mark.parametrize("kind", [*KINDS, "bands"])
@pytest.mark.parametrize("block", range(4))
def test_the_whole_programme_finds_the_enumerated_optimum_at_length(block: int, kind: str) -> None:
    for seed in range(100 + 20 * block, 120 + 20 * block):
        if drawn(seed, kind)[1]:
            check(seed, kind, "whole")


def test_a_bound_is_what_its_assignment_takes() -> None:
    """Of tensors on chip for nothing as well, which take energy when they are read."""
    free = 0
    for seed in range(300, 312):
        problem = small(replace(on_chip_case(seed).problem, budgets={}, objective="energy_j"))
        space = HardwareSpace(replace(problem, quality=None))
        options, coefficients = np.array([0]), np.zeros((1, len(space.additive_metrics)))
        coefficients[:, -1] = 1.0
        batch = OptionBatches(space, ("energy_j",)).of_options(options, np.array([1e9]))
        relaxation = Relaxation(space).of(batch)
        found = relaxation.solve(batch, coefficients)
        coefficients[:, NOISE] = found.value / found.metrics[:, NOISE] * 10.0 ** (seed % 4)
        found = relaxation.solve(batch, coefficients)
        free += any(layer.residuals for layer in problem.network.layers) and FREE in batch.places
        if found.runs[0]:
            spent = (coefficients * found.metrics).sum(axis=1)
            assert found.value == pytest.approx(spent, rel=1e-9)
    assert free >= 3
