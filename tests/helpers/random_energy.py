"""Random tiny problems about energy, with all their designs."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from enumerated_energy import EnergyPoint, energy_points
from machine_terms import BUFFERS, MAPPINGS, OVERLAPS, buffer_bits
from random_bands import bands_case
from random_on_chip import on_chip_case
from random_problems import random_case

from codesign.problem.choices import Choices
from codesign.problem.problem import Problem

METRICS = ("latency_s", "noise", "area_mm2", "dram_bits", "energy_j", "model_bits")
TERMS = ("fill", "overlap", "buffers", "all")
MOST_POINTS = 2_500  # of a problem: more take too long to enumerate
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


def few_arrays(given: Choices) -> Choices:
    """The choices with fewer arrays and PEs."""
    return replace(
        given,
        rows=given.rows[:2],
        cols=given.cols[:2],
        square=False,
        pe_weight_bits=given.pe_weight_bits[-1:],
        pe_activation_bits=given.pe_activation_bits[-1:],
    )


def small(problem: Problem) -> Problem:
    """The problem with fewer arrays, PEs and widths."""
    given = few_arrays(problem.choices)
    few = {"weight_bits": given.weight_bits[-2:], "activation_bits": given.activation_bits[-2:]}
    return replace(problem, choices=replace(given, **few))


def with_terms(rng: random.Random, problem: Problem, kind: str) -> Problem:
    """The problem on machines with an optional term of a kind, or with all of them at times."""
    terms: dict[str, Any] = {}
    wanted = TERMS[:3] if kind == "all" else (kind,)
    if "fill" in wanted:
        factors = {"3x3": "4/9", "1x1": rng.choice(("2", "1.37"))}
        fill, load = rng.choice(((True, False), (True, True), (False, True)))
        terms |= {"fill_cycles": fill, "weight_load": load}
        terms["cycle_factors"] = rng.choice(({}, factors))
    if "overlap" in wanted:
        terms["overlap"] = rng.choice(OVERLAPS)
    if "buffers" in wanted:
        chosen = [x for x in BUFFERS if rng.random() < 0.6] or [rng.choice(BUFFERS)]
        terms |= {x: buffer_bits(rng, problem, BUFFERS.index(x)) for x in chosen}
    if kind == "all":
        terms |= _machine(rng, problem)
    return replace(problem, choices=replace(problem.choices, **terms))


def _machine(rng: random.Random, problem: Problem) -> dict[str, Any]:
    """Mappings, in part each layer's own, and PEs that split, where theirs can."""
    choices, mapping = problem.choices, rng.choice(MAPPINGS)
    machine: dict[str, Any] = {"mapping": mapping}
    machine["reconfigurable"] = len(mapping) > 1 and rng.random() < 0.7
    splits = all(x & (x - 1) == 0 for x in (*choices.pe_weight_bits, *choices.pe_activation_bits))
    if splits and rng.random() < 0.5:
        machine["precision"] = "widening"
    return machine


def drawn(seed: int, kind: str) -> tuple[Problem, list[EnergyPoint]]:
    """A problem about energy, and all its designs; none where they are too many."""
    rng = random.Random(f"energy {kind} {seed}")
    if kind == "none" or (kind in TERMS and seed % 2):
        case = random_case(seed, moving=seed % 3 == 0, sram=seed % 3 == 1)
    elif kind == "tensors" or kind in TERMS:
        case = on_chip_case(seed, ("plain", "moving", "sram")[seed % 3])
    elif kind.startswith("bands"):
        case = bands_case(seed, BANDS[seed % len(BANDS)], kind.removeprefix("bands").strip())
    else:
        case = on_chip_case(seed, "plain", kind)
    problem = with_energy(rng, small(replace(case.problem, budgets={}, quality=None)))
    if kind in TERMS:
        problem = with_terms(rng, problem, kind)
    points: list[EnergyPoint] = []
    for point in energy_points(problem):
        points.append(point)
        if len(points) > MOST_POINTS:
            return problem, []
    return asked(rng, problem, points) if points else problem, points
