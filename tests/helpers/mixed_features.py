"""Tiny problems with features of machines mixed at will, and all their designs."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from enumerated_energy import METRICS, EnergyPoint, energy_points
from machine_terms import BUFFERS, OVERLAPS, buffer_bits
from random_choices import random_choices, with_sram
from random_energy import few_arrays, with_energy
from random_machines import FACTORS, PE_BITS
from random_networks import random_network
from random_problems import (
    affordable,
    balanced_bandwidth,
    random_sensitivity,
    random_technology,
    with_sharing,
)

from codesign.problem.choices import Choices
from codesign.problem.problem import Problem
from codesign.specs.layer import Layer
from codesign.specs.machine import MAPPINGS
from codesign.specs.network import Network

MOST_POINTS = 1500  # of a problem: more take too long to enumerate
KERNELS = ("1x1", "3x3", "1x3", "1x9", "3x3s1", "5x5")
SIGNAL_KERNELS = ((1, 3), (1, 5), (1, 9), (3, 1), (1, 1), (2, 4), (3, 3))
OBJECTIVES = ("energy_j",) * 2 + ("latency_s",) * 2
OBJECTIVES += ("dram_bits", "area_mm2", "noise", "model_bits", "bops")


def drawn(seed: int) -> tuple[Problem, list[EnergyPoint]]:
    """Problem number ``seed`` and all its designs, budgets aside; none where they are too many."""
    rng = random.Random(f"mixed {seed}")
    network = _signal(rng) if rng.random() < 0.35 else _network(rng)
    choices = random_choices(rng, network, 6)
    if rng.random() < 0.2:
        choices = with_sharing(rng, network, choices)
    choices = few_arrays(affordable(rng, network, _machine(rng, choices), 40))
    clock_hz = 10 ** rng.uniform(7, 9.5)
    problem = Problem(
        network=network,
        technology=random_technology(rng),
        clock_hz=clock_hz,
        dram_bits_per_s=balanced_bandwidth(rng, network, choices, clock_hz),
        area_overhead=rng.choice((1.0, rng.uniform(0.5, 3))),
        choices=choices,
        sensitivity=random_sensitivity(rng, network) if rng.random() < 0.2 else None,
    )
    problem = with_energy(rng, _with_buffers(rng, problem))
    points: list[EnergyPoint] = []
    for point in energy_points(problem):
        points.append(point)
        if len(points) > MOST_POINTS:
            return problem, []
    if points and rng.random() < 0.3:
        problem = replace(problem, choices=with_sram(rng, problem.choices, points))
        points = [*energy_points(problem)]
    return (_asked(rng, problem, points) if points else problem), points


def _network(rng: random.Random) -> Network:
    chances = {"moving": 0.35, "in_place": 0.15, "reusing": 0.15, "padded": 0.15}
    kinds: dict[str, bool] = {name: rng.random() < chance for name, chance in chances.items()}
    return random_network(rng, rng.choice((1, 2, 2, 3)), 1, **kinds)


def _signal(rng: random.Random) -> Network:
    """One or two layers over many columns and few rows."""
    C, H, W = rng.choice((1, 2, 3)), rng.choice((1, 1, 2, 4)), rng.randint(6, 24)
    layers, tensors = list[Layer](), {"in": C * H * W}
    for n in range(rng.choice((1, 1, 2))):
        R, S = rng.choice(SIGNAL_KERNELS)
        stride = rng.choice(((1, 1), (1, 1), (1, 2), (1, 3), (2, 2)))
        deep = C > 1 and rng.random() < 0.25
        K = rng.choice((1, 2) if deep else (1, 2, 4, 5, 8))
        groups = C if deep else 1
        P, Q = -(-H // stride[0]), -(-W // stride[1])
        sides = {"P": P, "Q": Q, "H": H, "W": W, "R": R, "S": S}
        more: dict[str, Any] = {"stride": stride, "dilation": rng.choice((1, 1, (1, 2)))}
        names = {"name": f"l{n}", "input": [*tensors][-1], "output": f"t{n}"}
        layers.append(Layer(G=groups, K=K, C=C // groups, **sides, **more, **names))
        C, H, W = groups * K, P, Q
        tensors[f"t{n}"] = C * H * W
    return Network(name="signal", layers=tuple(layers), tensors=tensors)


def _machine(rng: random.Random, choices: Choices) -> Choices:
    """The same choices on machines of any precision, mappings and terms."""
    mapping = tuple(rng.sample(MAPPINGS, rng.choice((1, 1, 2, 3))))
    terms: dict[str, Any] = {
        "precision": rng.choice(("fixed", "multi-pass", "widening", "widening")),
        "mapping": mapping,
        "reconfigurable": len(mapping) > 1 and rng.random() < 0.6,
        "fill_cycles": rng.random() < 0.35,
        "weight_load": rng.random() < 0.35,
        "on_chip": rng.choice(("none", "tensors", "tensors", "bands")),
    }
    if terms["precision"] == "widening":
        for name in ("pe_weight_bits", "pe_activation_bits"):
            wide = {min(b for b in PE_BITS if b >= bits) for bits in getattr(choices, name)}
            terms[name] = tuple(sorted(wide))
    if rng.random() < 0.35:
        terms["cycle_factors"] = {x: rng.choice(FACTORS) for x in KERNELS if rng.random() < 0.5}
    if rng.random() < 0.4:
        terms["overlap"] = rng.choice(OVERLAPS)
    if terms["on_chip"] != "bands":
        if rng.random() < 0.4:
            terms["sram_bits_per_cycle"] = int(10 ** rng.uniform(0.8, 2.8))
        if rng.random() < 0.35:
            terms["stored_channels"] = rng.choice((2, 3, 4, 5, 8))
        terms["zero_skipping"] = rng.random() < 0.3
    return replace(choices, **terms)


def _with_buffers(rng: random.Random, problem: Problem) -> Problem:
    names = [name for name in BUFFERS if rng.random() < 0.25]
    sizes = {name: buffer_bits(rng, problem, BUFFERS.index(name)) for name in names}
    return replace(problem, choices=replace(problem.choices, **sizes))


def _asked(rng: random.Random, problem: Problem, points: list[EnergyPoint]) -> Problem:
    """Some objective, and limits that a design keeps, or a little less."""
    objective, budgets, anchor = rng.choice(OBJECTIVES), {}, rng.choice(points)
    wanted = rng.sample(METRICS, rng.choice((0, 1, 2, 2, 3)))
    if objective != "energy_j" and rng.random() < 0.7:
        wanted = list(dict.fromkeys((*wanted, "energy_j")))
    for name in wanted:
        values = sorted({point.metrics[name] for point in points})
        tight = values[int(len(values) * rng.random() ** 2)]
        limit = anchor.metrics[name] if rng.random() < 0.5 else tight
        budgets[name] = (limit or 1e-9) * rng.choice((1, 1, 1, 1.01, 1.2, 0.999))
    return replace(problem, objective=objective, budgets=budgets, quality=None)
