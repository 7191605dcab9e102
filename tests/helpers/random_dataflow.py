"""Random tiny problems of the dataflow architecture, with all their pipelines."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import dataflow_oracle
import oracle_widths
from dataflow_oracle import Base, Corner, Group
from oracle_fpga import random_fpga
from oracle_stages import stages_on_offer
from oracle_waits import network_reads
from random_choices import WIDTHS
from random_energy import with_energy
from random_machines import FACTORS, KERNELS, MAPPINGS
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
from codesign.specs.network import Layer, Network

KINDS = ("plain", "moving", "in_place", "reusing", "padded", "fpga", "energy", "joined", "tail")
OBJECTIVES = ("interval_s",) * 6 + ("latency_s",) * 3 + ("area_mm2",) * 2
OBJECTIVES += ("dram_bits", "noise", "model_bits", "bops")
MOST_PIPELINES = 4000  # kept ones, of all widths: more take too long to enumerate
SIDES = (1, 2, 3, 4, 6)


class Case(NamedTuple):
    """A problem and every pipeline of its space, the budgets left aside."""

    problem: Problem
    groups: list[Group]


def dataflow_case(seed: int, kind: str = "") -> Case:
    """Problem number ``seed``, of some kind where none is said."""
    rng = random.Random(f"dataflow {seed} {kind}")
    kind = kind or rng.choice(KINDS)
    while True:
        case = _drawn(rng, kind)
        if case is not None:
            return case


def _drawn(rng: random.Random, kind: str) -> Case | None:
    network = random_tiny_network(rng, kind)
    most = rng.choice({"joined": (1, 2, 4), "tail": (1,)}.get(kind, (16, 32, 64)))
    choices = affordable(rng, network, random_choices(rng, network), most)
    clock_hz = 10 ** rng.uniform(7, 9.5)
    problem = Problem(
        network=network,
        technology=random_technology(rng),
        clock_hz=clock_hz,
        dram_bits_per_s=balanced_bandwidth(rng, network, choices, clock_hz),
        area_overhead=rng.choice((1.0, 1.0, rng.uniform(0.5, 3))),
        choices=choices,
        sensitivity=random_sensitivity(rng, network) if rng.random() < 0.3 else None,
        objective="interval_s",
    )
    if kind == "fpga":
        fpga = random_fpga(rng, most_waiting(problem), problem.technology.engine)
        problem = replace(problem, technology=fpga)
        layers = network.layers
        if rng.random() < 0.95 and not all(any(stages_on_offer(problem, x)) for x in layers):
            return None
    if kind == "energy":
        problem = with_energy(rng, problem)
    if too_many(problem):
        return None
    groups = dataflow_oracle.all_groups(problem)
    if sum(len(group.bases) * len(group.waits) for group in groups) > MOST_PIPELINES:
        return None
    if kind == "tail" and any(group.bases for group in groups):
        problem = _torn(rng, problem, groups)
    elif any(group.bases for group in groups):
        problem = with_goal(rng, problem, [x for x in groups if x.bases])
    return Case(problem, groups)


def most_waiting(problem: Problem) -> int:
    """Bits that no FIFO exceeds; over which the more reads there are the fewer blocks."""
    reads, depth = network_reads(problem.network), 2 * len(problem.network.layers) + 2
    bits = max(*problem.choices.activation_bits, *problem.choices.pinned.values(), 0)
    return math.ceil(max(x.elements for x in reads) * bits * depth) * (1 if len(reads) < 4 else 8)


def _joined(rng: random.Random, tail: bool) -> Network:
    """Branches of one size that part and meet, of kernels as different as can be.

    Or, with a tail, what one branch passes on is read twice, late by a stage that another keeps
    waiting, and by stages that are last: starting it late lets less wait, and all take longer.
    """
    channels, rows, names = rng.choice((1, 2, 3)), 2 if tail else rng.randint(3, 8), ["in"]
    fed, added = ["in", "in", "t1", "t1", "t3"], [[], [], ["t0"], [], []]
    kernels = [rng.choice((1, 1, 3, 5, 7)) for _ in range(5)]
    if tail:
        kernels = [7, 1, 1, rng.choice((3, 5, 7)), rng.choice((5, 7))]
    for n in range(0 if tail else rng.choice((3, 4))):
        fed[n] = names[-1] if rng.random() < 0.5 else rng.choice(names)
        others = [name for name in names if name != fed[n] or rng.random() < 0.1]
        added[n] = rng.sample(others, min(len(others), rng.choice((0, 1, 1, 2))))
        names.append(f"t{n}")
    count = 5 if tail else len(names) - 1
    layers = tuple(
        Layer(
            name=f"layer{n}",
            C=channels,
            K=channels,
            P=rows,
            H=rows,
            R=kernels[n],
            input=fed[n],
            output=f"t{n}",
            residuals=tuple(added[n]),
        )
        for n in range(count)
    )
    names = ["in", *(layer.output for layer in layers)]
    return Network(name="joined", layers=layers, tensors=dict.fromkeys(names, channels * rows))


def random_tiny_network(rng: random.Random, kind: str) -> Network:
    """A network of one image; mostly one in which something waits."""
    if kind in ("joined", "tail"):
        return _joined(rng, kind == "tail")
    flags = {name: kind == name for name in ("moving", "in_place", "reusing", "padded")}
    while True:
        layers = rng.choice((1, 2) if kind == "in_place" else (1, 2, 3, 3, 4))
        found = random_network(rng, layers, 1, **flags)
        plain = len({layer.input for layer in found.layers}) == len(found.layers)
        if found.images == 1 and len(found.layers) <= 5 and not (plain and rng.random() < 0.7):
            return found


def random_choices(rng: random.Random, network: Network) -> Choices:
    pinned = {
        source: rng.choice(WIDTHS)
        for source in oracle_widths.noise_sources(network)
        if rng.random() < 0.15
    }
    square = rng.random() < 0.15
    rows = rng.sample(SIDES, rng.choice((1, 2, 2)))
    factors = {kernel: rng.choice(FACTORS) for kernel in KERNELS if rng.random() < 0.3}
    terms = rng.random() < 0.25
    choices = Choices(
        rows=tuple(rows),
        cols=tuple(rows if square else rng.sample(SIDES, rng.choice((1, 2, 2)))),
        square=square,
        mapping=tuple(rng.sample(MAPPINGS, rng.choice((1, 1, 2)))),
        weight_bits=tuple(rng.sample(WIDTHS, rng.choice((1, 2, 2)))),
        activation_bits=tuple(rng.sample(WIDTHS, rng.choice((1, 2, 2)))),
        pinned=pinned,
        output_bits=rng.choice((4, 8, 8, 16)),
        on_chip="none",
        fill_cycles=terms and rng.random() < 0.5,
        weight_load=terms and rng.random() < 0.5,
        cycle_factors=factors if terms else {},
        zero_skipping=rng.random() < 0.3,
        architecture=("dataflow",),
    )
    return with_sharing(rng, network, choices) if rng.random() < 0.2 else choices


def too_many(problem: Problem) -> bool:
    """Whether there is more to look at than is quick."""
    ways, lags = 1, 1
    for layer in problem.network.layers:
        heights = len(dataflow_oracle.bands(layer))
        ways, lags = ways * min(12, 4 * heights), lags * heights
    return lags > (200 if len(dataflow_oracle.all_widths(problem)) < 4 else 100) or ways > 10**5


def with_goal(rng: random.Random, problem: Problem, groups: Sequence[Group]) -> Problem:
    """Some objective, and budgets around a design or a little out of reach."""
    hardware = dataflow_oracle.names(problem)
    known = dataflow_oracle.metrics_of(problem, *_any(rng, groups))
    objectives = [x for x in OBJECTIVES if x in known] + [*hardware]
    objectives += ["energy_j"] * (4 if "energy_j" in known else 0)
    objective = rng.choice(objectives)
    drawn = [dataflow_oracle.metrics_of(problem, *_any(rng, groups)) for _ in range(30)]
    anchor = min(drawn, key=lambda x: (x[rng.choice((objective, "interval_s"))], x["noise"]))
    named = rng.sample([*known], rng.choice((0, 1, 1, 2, 2, 3, 4)))
    if objective == "interval_s" and rng.random() < 0.7:
        named += [rng.choice(hardware)]
    slack = rng.choice((1.0, 1.0, 1.2, 0.97))
    budgets = {name: anchor[name] * slack for name in dict.fromkeys(named) if name != objective}
    return replace(
        problem, objective=objective, budgets={x: most for x, most in budgets.items() if most > 0}
    )


def _torn(rng: random.Random, problem: Problem, groups: Sequence[Group]) -> Problem:
    """The latency, or the area, least where the other is within a limit between their bests."""
    one, other = rng.choice((("latency_s", "area_mm2"), ("area_mm2", "latency_s")))
    ends = [
        dataflow_oracle.best(replace(problem, objective=metric), groups) for metric in (one, other)
    ]
    most, least = (end.metrics[other] for end in ends if end is not None)
    limit = least + rng.choice((0.0, 0.5, rng.random())) * (most - least)
    return replace(problem, objective=one, budgets={other: limit})


def _any(rng: random.Random, groups: Sequence[Group]) -> tuple[Group, Base, Corner]:
    group = rng.choice(groups)
    path = rng.choice(group.waits)
    return group, rng.choice(group.bases), rng.choice(path)
