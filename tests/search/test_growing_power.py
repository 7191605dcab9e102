"""Power that grows with the SRAM: ranges of it by labels and by MILPs, and what these assume."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from compare_energy import EXACT, check
from enumerated_energy import energy_points, least_energy
from random_energy import drawn
from seeds import mostly_long

from codesign import Design, solve
from codesign.problem.problem import Problem
from codesign.search import by_labels, least_over_srams, sram_trials
from codesign.search.hardware_search import HardwareSearch
from codesign.search.lexicographic import LexicographicSearch
from codesign.space import shape_order
from codesign.space.energy import StaticGrowth
from codesign.space.hardware import HardwareSpace
from codesign.specs.technology import Energies

POWERED = 5  # problems


@pytest.mark.slow
def test_planes_of_growing_power_hold_for_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows (36) and (37) are of ranges of SRAM and of latency that the best design is within."""
    monkeypatch.setattr(least_over_srams, "MOST_HALVINGS", 0)
    monkeypatch.setattr(by_labels, "suits_labels", lambda *_: False)
    given, seen = HardwareSearch._growth, []

    def growth(search: HardwareSearch, option: int, *asked: Any) -> StaticGrowth:
        made = given(search, option, *asked)
        seen.append((search, option, made))
        return made

    monkeypatch.setattr(HardwareSearch, "_growth", growth)
    found = 0
    for seed in range(200, 200 + 3 * POWERED):
        seen.clear()
        problem, points = drawn(seed, "none")
        if not points:
            continue
        energies = problem.technology.energy
        assert energies is not None
        energies = replace(energies, static_w=None, static_w_per_mm2=10.0 ** (seed % 4 - 3))
        technology = replace(problem.technology, energy=energies)
        noises = sorted({point.metrics["noise"] for point in points})
        budgets = {"noise": noises[len(noises) // 3]} if noises[-1] > 0 else {}
        asked_for = {"objective": "energy_j", "budgets": budgets}
        design = solve(replace(problem, technology=technology, **asked_for), ties="leave")
        latency_s, bits = design.metrics["latency_s"], design.hardware.sram_bits
        for search, option, made in seen:
            (low, high), (least_s, most_s) = made.sram_bits, made.latency_s["energy_j"]
            if low <= bits <= high and _on(search, option) == _hardware(design):
                assert least_s <= latency_s * (1 + 1e-9)
                assert latency_s <= most_s * (1 + 1e-9)
                found += 1
    assert found >= POWERED // 4


def _on(search: HardwareSearch, option: int) -> tuple[int, ...]:
    space = search.space
    columns = space.rows, space.cols, space.pe_weight_bits, space.pe_activation_bits
    return tuple(int(x[option]) for x in columns)


def _hardware(design: Design) -> tuple[int, ...]:
    built = design.hardware
    return built.rows, built.cols, built.pe_weight_bits, built.pe_activation_bits


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["none", "tensors"])
def test_labels_and_programmes_prove_the_enumerated_best(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least energy, of equally good designs the least area, and of these the least noise."""
    found = 0
    for seed in seeds_of(kind):
        problem, points = drawn(seed, kind)
        if not points:
            continue
        technology = replace(problem.technology, energy=powered_by_area(problem, seed))
        problem = replace(problem, technology=technology, objective="energy_j", budgets={})
        points = [*energy_points(problem)]
        noises = sorted({point.metrics["noise"] for point in points})
        limits = {"noise": noises[len(noises) // 3]} if noises[-1] > 0 else {}
        for halvings, labelled in ((0, True), (12, True), (0, False)):
            monkeypatch.undo()
            monkeypatch.setattr(least_over_srams, "MOST_HALVINGS", halvings)
            if not labelled:
                monkeypatch.setattr(by_labels, "suits_labels", lambda *_: False)
                monkeypatch.setattr(sram_trials, "suits_labels", lambda *_: False)
            held, design = dict(limits), solve(replace(problem, budgets=limits))
            for metric in ("energy_j", "area_mm2", "noise"):
                right = least_energy(points, metric, held)
                assert design.metrics[metric] == pytest.approx(right, rel=EXACT), (seed, metric)
                held[metric] = right
            assert design.proof.ties == "broken"
        found += 1
    assert found >= len(seeds_of(kind)) // 2


@pytest.mark.slow
@pytest.mark.parametrize("first", mostly_long([460, *range(472, 1000, 12)], 1))
def test_what_is_proven_within_some_limits_says_nothing_beyond_them(first: int) -> None:
    """One search is asked one question after the other; ranges of SRAM are kept as cuts."""
    asked = 0
    for seed in range(first, first + 12):
        problem, points = drawn(seed, "none")
        if not points:
            continue
        technology = replace(problem.technology, energy=powered_by_area(problem, seed))
        problem = replace(problem, technology=technology, objective="energy_j", budgets={})
        points = [*energy_points(problem)]
        rng, search = random.Random(seed), LexicographicSearch(HardwareSpace(problem))
        for _ in range(6):
            metric = rng.choice(("energy_j", "energy_j", "area_mm2", "latency_s"))
            anchor, names = rng.choice(points).metrics, ("noise", "latency_s", "energy_j")
            limits = {x: anchor[x] * rng.choice((1.0, 1.3)) for x in rng.sample(names, 2)}
            limits = {x: limit for x, limit in limits.items() if x != metric and limit > 0}
            found = search.minimise((metric,), limits)
            right = least_energy(points, metric, limits)
            assert found.complete
            if right is None:
                assert found.solution is None, (seed, metric)
                continue
            assert found.solution is not None, (seed, metric)
            assert found.solution.metrics[metric] == pytest.approx(right, rel=EXACT), seed
            assert found.first.bound == pytest.approx(right, rel=2 * EXACT), seed
            asked += 1
    assert asked > 20


def seeds_of(kind: str) -> range:
    """Few that are soon enumerated."""
    return range(300, 300 + {"none": 6, "tensors": 4}[kind])


def powered_by_area(problem: Problem, seed: int) -> Energies:
    """Power at all times that is next to nothing, or outweighs all else."""
    energies = problem.technology.energy
    assert energies is not None
    return replace(energies, static_w=None, static_w_per_mm2=10.0 ** (seed % 4 - 3))


@pytest.mark.slow
def test_ranges_of_sram_bounded_as_one_are_told_apart_where_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = {"FEW_SHAPES": 0, "FEW_TILINGS": 9, "WORTH_IDEAL": 1, "LARGE_TABLES": 0, "NEAREST": 1}
    for name, value in {**few, "FEW_OPTIONS": 0}.items():
        monkeypatch.setattr(least_over_srams, name, value)
    monkeypatch.setattr(shape_order, "COARSE_SIDES", (4, 2))
    check(5017, "tensors")
