"""Least energy, and designs within limits on energy, against plain enumeration of all tilings."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from enumerated_energy import EnergyPoint, energy_points, least_energy
from random_bands import bands_case
from random_on_chip import on_chip_case
from random_problems import random_case

from codesign import Choices, InfeasibleError, SpecError, load_network, pareto, solve
from codesign.checking import check_content
from codesign.problem.problem import Problem
from codesign.search import least_metric
from codesign.search.bounds.layer_tables import NOISE
from codesign.search.bounds.relaxation import Relaxation
from codesign.search.lexicographic import Method
from codesign.search.option_batches import OptionBatches
from codesign.space.energy_tilings import undominated_rows
from codesign.space.hardware import HardwareSpace
from codesign.space.placement import FREE

METRICS = ("latency_s", "noise", "area_mm2", "dram_bits", "energy_j", "model_bits")
KINDS = ("none", "tensors", "mapping", "reconfigurable", "widening")
WHOLE = ((107, "none"), (119, "none"), (110, "tensors"), (108, "mapping"), (139, "reconfigurable"))
POWERED = 12  # problems
MOST_POINTS = 2_500  # of a problem: more take too long to enumerate
EXACT = 1e-6
BANDS = ("chain", "tall", "broken", "sram", "moving")  # kinds of problems whose layers may be fused


def with_energy(rng: random.Random, problem: Problem) -> Problem:
    """The problem with energies of which each part matters at times."""
    given = problem.technology.energy
    assert given is not None
    energy = replace(
        given,
        static_w=rng.choice((None, 3e-3 * 10 ** rng.uniform(-3, 0))),
        static_w_per_mm2=rng.choice((None, 0.027, 10 ** rng.uniform(-1, 2))),
        sram_read_j_per_bit=1.9e-13 * 10 ** rng.uniform(-1, 2.3),
        sram_write_j_per_bit=2.9e-13 * 10 ** rng.uniform(-1, 2.3),
    )
    technology = replace(problem.technology, energy=energy)
    per_bit = 2e-11 * 10 ** rng.uniform(-1, 0.5)
    return replace(problem, technology=technology, dram_energy_j_per_bit=per_bit)


def asked(rng: random.Random, problem: Problem, points: list[EnergyPoint]) -> Problem:
    """The problem with energy as its objective, or among its budgets."""
    objective = rng.choice(("energy_j", "energy_j", "latency_s", "dram_bits", "area_mm2"))
    budgets = {}
    for metric in rng.sample(METRICS, rng.choice((0, 1, 1, 2, 2))):
        if metric != objective:
            values = sorted({point.metrics[metric] for point in points})
            budgets[metric] = values[int(len(values) * rng.random() ** 2)] or 1e-9
    if objective != "energy_j":
        values = sorted(point.metrics["energy_j"] for point in points)
        budgets.setdefault("energy_j", values[int(len(values) * rng.random() ** 2)])
    return replace(problem, objective=objective, budgets=budgets, quality=None)


def small(problem: Problem) -> Problem:
    """The problem with fewer arrays, PEs and widths."""
    given = problem.choices
    choices = replace(
        given,
        rows=given.rows[:2],
        cols=given.cols[:2],
        square=False,
        pe_weight_bits=given.pe_weight_bits[-1:],
        pe_activation_bits=given.pe_activation_bits[-1:],
        weight_bits=given.weight_bits[-2:],
        activation_bits=given.activation_bits[-2:],
    )
    return replace(problem, choices=choices)


def drawn(seed: int, kind: str) -> tuple[Problem, list[EnergyPoint]]:
    """A problem about energy, and all its designs; none where they are too many."""
    rng = random.Random(f"energy {kind} {seed}")
    if kind == "none":
        case = random_case(seed, moving=seed % 3 == 0, sram=seed % 3 == 1)
    elif kind == "tensors":
        case = on_chip_case(seed, ("plain", "moving", "sram")[seed % 3])
    elif kind.startswith("bands"):
        case = bands_case(seed, BANDS[seed % len(BANDS)], kind.removeprefix("bands").strip())
    else:
        case = on_chip_case(seed, "plain", kind)
    problem = with_energy(rng, small(replace(case.problem, budgets={}, quality=None)))
    points: list[EnergyPoint] = []
    for point in energy_points(problem):
        points.append(point)
        if len(points) > MOST_POINTS:
            return problem, []
    return asked(rng, problem, points) if points else problem, points


def check(seed: int, kind: str, method: Method = "search") -> None:
    problem, points = drawn(seed, kind)
    if not points:
        pytest.skip("too many designs to enumerate, or none")
    right = least_energy(points, problem.objective, problem.budgets)
    if right is None:
        with pytest.raises(InfeasibleError):
            solve(problem, method=method)
        return
    design = solve(problem, method=method)
    assert design.proof.status == "optimal"
    assert design.metrics[problem.objective] == pytest.approx(right, rel=EXACT)
    assert design.proof.bound == pytest.approx(right, rel=2 * EXACT)
    report = check_content(json.loads(json.dumps(design.to_dict())), "design")
    assert report.holds, report.findings[:2]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["none", "tensors"])
def test_sram_is_split_where_that_is_left_to_the_programme(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power by area that outweighs all else, and ranges of SRAM that no bound has halved before."""
    monkeypatch.setattr(least_metric, "MOST_HALVINGS", 0)
    found = 0
    for seed in range(200, 200 + POWERED):
        problem, points = drawn(seed, kind)
        given = problem.technology.energy
        assert given is not None
        energy = replace(given, static_w=None, static_w_per_mm2=10.0 ** (seed % 4))
        technology = replace(problem.technology, energy=energy)
        problem = replace(problem, technology=technology, objective="energy_j", budgets={})
        if not points:
            continue
        right = least_energy([*energy_points(problem)], "energy_j", {})
        design = solve(problem)
        assert design.metrics["energy_j"] == pytest.approx(right, rel=EXACT), seed
        assert design.proof.bound == pytest.approx(right, rel=2 * EXACT), seed
        found += 1
    assert found >= POWERED // 4


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


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_the_optimum_is_the_enumerated_one(seed: int, kind: str) -> None:
    check(seed, kind)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", range(10))
def test_the_optimum_is_the_enumerated_one_at_length(block: int, kind: str) -> None:
    for seed in range(100 + 20 * block, 120 + 20 * block):
        if drawn(seed, kind)[1]:
            check(seed, kind)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_front_between_latency_and_energy_is_the_enumerated_one(seed: int) -> None:
    problem, points = drawn(50 + seed, "tensors")
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


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
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


def test_the_whole_programme_does_not_count_energy_of_fused_layers() -> None:
    problem = Problem(network=load_network("alexnet"), choices=Choices(on_chip="bands"))
    with pytest.raises(SpecError, match="does not count it where layers may be fused"):
        solve(replace(problem, objective="energy"), method="whole")
