"""Tiny random problems that a plain enumeration can answer, every feature of the model among them.

The same seed always gives the same problem. Budgets are set from designs that exist, so that they
bind: some are kept exactly by one design only, some are a little too tight for any.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import oracle
import oracle_tilings
import oracle_widths
from random_chains import random_chain
from random_choices import WIDER, WIDTHS, random_choices, wide_where_only_moved, with_sram
from random_machines import with_machine
from random_networks import random_network

from codesign import solve
from codesign.problem.choices import Choices, OnChip
from codesign.problem.problem import Metric, Problem
from codesign.specs.network import Network
from codesign.specs.technology import AreaFit, Energies, Technology

OBJECTIVES = ("latency_s",) * 4 + ("area_mm2",) * 3 + ("dram_bits", "noise") * 2
OBJECTIVES += ("model_bits", "bops")


class Size(NamedTuple):
    """How much there is to enumerate: assignments of widths, and hardware options, at most."""

    assignments: int
    options: int


DEEP, BROAD = Size(assignments=1000, options=8), Size(assignments=150, options=36)


class Case(NamedTuple):
    """A problem and every design of its space, the budgets left aside."""

    problem: Problem
    points: list[oracle.Point]


def random_case(
    seed: int,
    *,
    moving: bool = False,
    sharing: bool = False,
    in_place: bool = False,
    reusing: bool = False,
    padded: bool = False,
    sram: bool = False,
    machine: str = "",
) -> Case:
    """Problem number ``seed``: every fourth has many hardware options, the others many widths.

    Parameters
    ----------
    moving : bool
        With layers that only move data, parts of tensors and transposed convolutions.
    sharing : bool
        With groups of sources that share a width, or ties of weights to inputs.
    in_place : bool
        With all that ``moving`` has, and layers that read one part of a tensor and write another.
    reusing : bool
        With layers that use the weights of an earlier one.
    padded : bool
        With windows that see nothing but padding.
    sram : bool
        With some SRAM sizes on offer, or limits on it, at times too small for anything.
    machine : str
        On machines of a kind, as `with_machine`.
    """
    other = f"{seed} {moving} {sharing}" + " in place" * in_place + f" {machine}" * bool(machine)
    other += " reusing" * reusing + " padded" * padded
    usual = not (moving or sharing or in_place or reusing or padded or machine)
    rng = random.Random(seed if usual else other)
    size = BROAD if seed % 4 == 3 else DEEP
    layers = rng.choice((1, 2, 2, 3) if in_place else (1, 2, 3, 3, 4, 4, 4))
    network = random_network(rng, layers, 1, moving, in_place, reusing, padded)
    choices = random_choices(rng, network, size.options)
    if (moving or in_place) and rng.random() < 0.4:
        choices = wide_where_only_moved(rng, network, choices)
    if sharing:
        choices = with_sharing(rng, network, choices)
    if machine:
        choices = with_machine(rng, choices, machine)
    choices = affordable(rng, network, choices, size.assignments // len(choices.mapping))
    clock_hz = 10 ** rng.uniform(7, 9.5)
    problem = Problem(
        network=network,
        technology=random_technology(rng),
        clock_hz=clock_hz,
        dram_bits_per_s=balanced_bandwidth(rng, network, choices, clock_hz),
        area_overhead=rng.choice((1.0, 1.0, rng.uniform(0.5, 3))),
        choices=choices,
        sensitivity=random_sensitivity(rng, network) if rng.random() < 0.3 else None,
        objective=rng.choice(OBJECTIVES),
    )
    points = oracle.all_points(problem)
    if sram and points:
        problem = replace(
            problem, choices=with_sram(random.Random(f"sram {seed}"), choices, points)
        )
        points = oracle.all_points(problem)
    if points:
        problem = with_budgets(rng, problem, points)
    return Case(problem, points)


def steep_case(seed: int) -> Case:
    """Problem number ``seed`` with noise over many orders of magnitude and budgets used up.

    Costs a solver's tolerance apart decide here whether a design keeps its budgets.
    """
    rng = random.Random(f"steep {seed}")
    problem = random_case(seed).problem
    table = {}
    for source in oracle_widths.noise_sources(problem.network):
        scale, base = 10 ** rng.uniform(-4, 3), rng.uniform(2, 8)
        table[source] = {bits: scale * base**-bits for bits in (*WIDTHS, WIDER)}
    problem = replace(problem, sensitivity=table, quality=None, budgets={})
    points = oracle.all_points(problem)
    if points:
        anchor = good_point(rng, points)
        others = ("latency_s", "area_mm2", "dram_bits", "bops")
        metrics = ["noise", *rng.sample(others, rng.choice((0, 1, 2)))]
        problem = replace(problem, budgets={name: anchor.value(name) for name in metrics})
    objective = rng.choice(("latency_s", "area_mm2", "dram_bits", "noise"))
    return Case(replace(problem, objective=objective), points)


def mid_size_problem(
    seed: int,
    objective: Metric,
    budgeted: Sequence[Metric],
    on_chip: OnChip = "none",
    machine: str = "",
) -> Problem:
    """A problem beyond enumeration: 3 to 8 layers, 36 to 100 hardware options, three widths.

    On a kind of ``machine``, as `with_machine`, as many options or more.

    Each budget is well above the least value of its metric within the budgets before it; noise
    is bounded by that of the network at 4 bits.
    """
    rng = random.Random(seed)
    network = random_network(rng, layers=rng.randint(3, 8), scale=3)
    return _mid_size(rng, network, objective, budgeted, on_chip, machine=machine)


def mid_size_chain(seed: int, objective: Metric, budgeted: Sequence[Metric]) -> Problem:
    """The same, of 4 to 6 layers that may be fused, with less bandwidth on 12 hardware options."""
    rng = random.Random(f"chain {seed}")
    network = random_chain(rng, rng.randint(4, 6), tall=rng.random() < 0.5)
    slower = rng.choice((1, 4, 9))
    fewer = {"rows": (2, 8), "cols": (2, 4, 8), "pe_weight_bits": (8,)}
    return _mid_size(rng, network, objective, budgeted, "bands", slower, **fewer)


def _mid_size(
    rng: random.Random,
    network: Network,
    objective: Metric,
    budgeted: Sequence[Metric],
    on_chip: OnChip,
    slower: float = 1,
    machine: str = "",
    **fewer: tuple[int, ...],
) -> Problem:
    offered = {
        "rows": rng.choice(((2, 4, 8), (1, 4, 8, 16))),
        "cols": rng.choice(((2, 4, 8), (2, 4, 8, 12, 16))),
        "weight_bits": (2, 4, 8),
        "activation_bits": (2, 4, 8),
        "pe_weight_bits": (4, 8),
        "pe_activation_bits": (4, 8),
    }
    choices = Choices(**{**offered, **fewer}, on_chip=on_chip)
    if machine:
        choices = with_machine(rng, choices, machine)
    clock_hz = 5e8
    problem = Problem(
        network=network,
        technology=random_technology(rng),
        clock_hz=clock_hz,
        dram_bits_per_s=balanced_bandwidth(rng, network, choices, clock_hz) / slower,
        choices=choices,
    )
    for metric in budgeted:
        limit = problem.uniform_noise(4)
        if metric != "noise":
            least = solve(replace(problem, objective=metric)).metrics[metric]
            limit = least * rng.uniform(1.5, 4 if metric == "area_mm2" else 2)
        problem = replace(problem, budgets={**problem.budgets, metric: limit})
    return replace(problem, objective=objective)


# --- choices ----------------------------------------------------------------------------------


def with_sharing(rng: random.Random, network: Network, choices: Choices) -> Choices:
    """Groups, ties or both; fewer where nothing would suit all members."""
    sources = oracle_widths.noise_sources(network)
    if rng.random() < 0.8:  # widths that weights and tensors can both take
        thin = [bits for bits in choices.weight_bits if bits <= max(choices.pe_activation_bits)]
        wide = [bits for bits in choices.activation_bits if bits <= max(choices.pe_weight_bits)]
        choices = replace(
            choices,
            weight_bits=(*choices.weight_bits, *wide[-2:]),
            activation_bits=(*choices.activation_bits, *thin[-2:]),
        )
    tied = rng.random() < 0.5
    count = rng.choice((1, 1, 2, 3)) if not tied else rng.choice((0, 0, 1, 2))
    groups = []
    for _ in range(count):
        kind = rng.choice(("", "", "weight:", "tensor:"))
        mine = [source for source in sources if source.startswith(kind)] or sources
        groups.append(rng.sample(mine, min(len(mine), rng.choice((2, 2, 3, 4)))))
    pinned = dict(choices.pinned)
    while True:
        shared = replace(choices, shared=tuple(map(tuple, groups)), tied=tied, pinned=pinned)
        if all(
            oracle_widths.common_widths(shared, each)
            for each in oracle_widths.alike(network, shared)
        ):
            return shared
        if pinned:
            pinned.pop(rng.choice([*pinned]))
        elif groups:
            groups.pop()
        else:
            tied = False


def affordable(rng: random.Random, network: Network, choices: Choices, most: int) -> Choices:
    """Pin or drop widths until few enough assignments are left to enumerate."""

    def free(choices: Choices) -> dict[str, list[int]]:
        """The first source of each set of one width, and the widths it may take."""
        sets = oracle_widths.alike(network, choices)
        return {each[0]: oracle_widths.common_widths(choices, each) for each in sets}

    def assignments(choices: Choices) -> int:
        return math.prod(len(bits) for bits in free(choices).values())

    alone = not choices.shared and not choices.tied
    while assignments(choices) > most:
        several = {source: bits for source, bits in free(choices).items() if len(bits) > 1}
        if rng.random() < 0.5 or not alone:
            source = rng.choice([*several])
            bits = rng.choice(several[source])
            choices = replace(choices, pinned={**choices.pinned, source: bits})
        elif len(choices.weight_bits) >= len(choices.activation_bits):
            choices = replace(choices, weight_bits=choices.weight_bits[1:])
        else:
            choices = replace(choices, activation_bits=choices.activation_bits[1:])
    return choices


# --- technology, bandwidth, sensitivity -------------------------------------------------------


ENERGIES = Energies(  # each of another size, so that none stands in for another
    j_per_bop=1.1e-15,
    j_per_mac=1.7e-14,
    sram_read_j_per_bit=1.9e-13,
    sram_write_j_per_bit=2.9e-13,
    static_w=3.1e-3,
    static_w_per_mm2=0.027,
)


def random_technology(rng: random.Random) -> Technology:
    """Fits around the published ones; SRAM from nearly free to dearer than the array."""
    fits = {
        "single-port": AreaFit(
            slope=2.94 * 10 ** rng.uniform(-1, 1), intercept=rng.choice((0.0, 3065.0))
        ),
        "dual-port": AreaFit(slope=4.16, intercept=3535.0),
    }
    return Technology(
        name="random",
        pe_area_um2=AreaFit(
            slope=1.694 * 10 ** rng.uniform(-0.5, 0.5), intercept=rng.uniform(0, 300)
        ),
        sram_fits=fits,
        sram=rng.choice(("single-port", "single-port", "dual-port")),
        engine=rng.choice((9, 9, 9, 9, 4, 1)),
        energy=ENERGIES,
    )


def balanced_bandwidth(
    rng: random.Random, network: Network, choices: Choices, clock_hz: float
) -> float:
    """DRAM bits per second at which computing and moving take about as long."""
    rows, cols = rng.choice(choices.rows), rng.choice(choices.cols)
    cycles = sum(oracle_tilings.array_cycles(layer, rows, cols, 9) for layer in network.layers)
    elements = sum(
        layer.weights + layer.ifmap + network.touched(layer, layer.output)
        for layer in network.layers
    )
    bits = elements * (choices.weight_bits[-1] + choices.activation_bits[-1]) / 2
    return bits / cycles * clock_hz * 2 ** rng.uniform(-2, 3)


def random_sensitivity(rng: random.Random, network: Network) -> dict[str, dict[int, float]]:
    """A table for every noise source, now and then with zeros or out of order."""
    table = {}
    silent = rng.choice(WIDTHS) if rng.random() < 0.15 else math.inf
    for source in oracle_widths.noise_sources(network):
        scale, base = 10 ** rng.uniform(-2, 2), rng.uniform(1.5, 5)
        values = {bits: scale * base**-bits for bits in (*WIDTHS, WIDER)}
        if rng.random() < 0.1:
            values[rng.choice(WIDTHS)] *= 7
        table[source] = {bits: e if bits < silent else 0.0 for bits, e in values.items()}
    return table


# --- budgets ----------------------------------------------------------------------------------


def with_budgets(rng: random.Random, problem: Problem, points: Sequence[oracle.Point]) -> Problem:
    """Budgets around a good design, now and then just out of reach."""
    quality = f"uniform:{_middle_width(rng, problem)}" if rng.random() < 0.15 else None
    count = rng.choice((0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 6))
    metrics = rng.sample(oracle.METRICS, count)
    if rng.random() < 0.7:  # a budget on the objective itself is allowed but idle
        metrics = [metric for metric in metrics if metric != problem.objective]
    if quality is not None:
        metrics = [metric for metric in metrics if metric != "noise"]
    anchor = good_point(rng, points)
    budgets = {name: anchor.value(name) * _slack(rng) for name in metrics}
    if metrics and rng.random() < 0.15:
        for name in rng.sample(metrics, rng.randint(1, min(2, len(metrics)))):
            budgets[name] = anchor.value(name) * rng.uniform(0.5, 0.99)
    positive = {name: limit for name, limit in budgets.items() if limit > 0}
    return replace(problem, budgets=positive, quality=quality)


def _slack(rng: random.Random) -> float:
    return rng.choice((1.0, 1.0, rng.uniform(1, 1.05), rng.uniform(1, 1.5)))


def _middle_width(rng: random.Random, problem: Problem) -> int:
    choices = problem.choices
    widths = (*choices.weight_bits, *choices.activation_bits)
    return rng.choice([bits for bits in WIDTHS if min(widths) <= bits <= max(widths)])


def good_point(rng: random.Random, points: Sequence[oracle.Point]) -> oracle.Point:
    """A design no other beats in some random weighting of two or three metrics."""
    weights = [0.001] * len(oracle.METRICS)
    for i in rng.sample(range(len(weights)), rng.choice((2, 2, 3))):
        weights[i] = rng.uniform(0.1, 1)

    def score(point: oracle.Point) -> float:
        return sum(
            weight * math.log(value + 1e-12)
            for weight, value in zip(weights, point.metrics, strict=True)
        )

    return min(points, key=score)


def with_budgets_used_up(case: Case, rng: random.Random) -> Case:
    """The least of one metric where any one design, mostly a poor one, sets the budgets.

    Little is then within them, and multipliers alone seldom find the best of it.
    """
    objective = rng.choice([metric for metric in oracle.METRICS if metric != "area_mm2"])
    if not case.points:
        return case
    values = rng.choice(case.points).value
    others = [metric for metric in oracle.METRICS if metric != objective]
    limited = rng.sample(others, rng.choice((2, 3, 4)))
    budgets = {metric: values(metric) for metric in limited if values(metric) > 0}
    problem = replace(case.problem, objective=objective, quality=None, budgets=budgets)
    return Case(problem, case.points)
