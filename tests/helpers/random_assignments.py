"""Random questions of bit allocation alone, small enough to enumerate every assignment."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import oracle
import oracle_widths
from random_choices import random_choices
from random_networks import random_network
from random_problems import affordable, random_sensitivity, with_sharing

from codesign.problem.choices import Choices
from codesign.problem.problem import Problem
from codesign.specs.network import Layer, Network

METRICS = ("noise", "model_bits", "bops", "latency_s")
TIES = ("noise", "model_bits")
LEAST_BUDGET = 1e-30  # that a problem takes; a cost may be nothing but what cancelling left

Table = dict[str, dict[tuple[int | None, int], float]]


class Assigned(NamedTuple):
    """One assignment of widths and its metrics."""

    widths: Mapping[str, int]
    metrics: Mapping[str, float]


class Case(NamedTuple):
    """A question and every assignment, the budgets left aside."""

    problem: Problem
    table: Table | None
    all: list[Assigned]
    costs: Mapping[str, Table]
    fixed: Mapping[str, int]


def random_case(seed: int, costly: bool = False, reusing: bool = False) -> Case:
    """Question number ``seed``: every other with movement layers, most with shared widths.

    ``reusing``: with layers that use the weights of an earlier one.
    Costly ones have tables of costs too, and some layers of a fixed width that the tables lack.
    """
    kind = "costly " * costly + "reusing " * reusing
    rng, moving = random.Random(f"{kind}assignment {seed}"), seed % 2 == 1
    layers = rng.choice((2, 3, 4, 5, 6))
    network = random_network(rng, layers=layers, moving=moving, reusing=reusing)
    choices = random_choices(rng, network, 4)
    if rng.random() < 0.6:
        choices = with_sharing(rng, network, choices)
    choices = affordable(rng, network, choices, 1500)
    table = None if rng.random() < 0.2 else random_table(rng, network, choices)
    known, costs, fixed = METRICS if table else METRICS[:3], {}, {}
    if costly:
        names = ("energy", "size")[: rng.randint(1, 2)]
        costs = {name: random_cost(rng, network, choices) for name in names}
        known += tuple(f"cost:{name}" for name in names)
        fixed = {} if choices.shared or choices.tied else random_fixed(rng, network, choices)
        choices = replace(choices, pinned={**choices.pinned, **fixed})
        for lacking in [*costs.values(), *([table] if table else [])]:
            if rng.random() < 0.7:
                for source in fixed:
                    lacking.pop(source.removeprefix("weight:"), None)
    problem = Problem(
        network=network,
        choices=choices,
        sensitivity=random_sensitivity(rng, network) if rng.random() < 0.5 else None,
        objective=rng.choice(("noise", *known)),
    )
    every = all_assignments(problem, table, costs)
    return Case(_with_budgets(rng, problem, known, every), table, every, costs, fixed)


def random_cost(rng: random.Random, network: Network, choices: Choices) -> Table:
    """Values of any size, many of them 0 now and then."""
    scale, share = 10.0 ** rng.choice((-24, -12, -3, 3, 12)), rng.choice((0.0, 0.0, 0.5))
    return {
        name: {pair: 0.0 if rng.random() < share else x * scale for pair, x in row.items()}
        for name, row in random_table(rng, network, choices).items()
    }


def random_fixed(rng: random.Random, network: Network, choices: Choices) -> dict[str, int]:
    """Weights of some layers, of a width on offer."""
    owning = [f"weight:{x.name}" for x in network.layers if oracle_widths.has_weights(x)]
    some = [source for source in owning if rng.random() < 0.3]
    return {x: rng.choice(oracle_widths.source_widths(choices, x)) for x in some}


def random_table(rng: random.Random, network: Network, choices: Choices) -> Table:
    """Latencies of every layer at every pair of widths: smooth, ragged, or with many ties."""
    kind = rng.choice(("smooth", "ragged", "tied"))
    tensors = {*choices.weight_bits, *choices.activation_bits, *choices.pinned.values()}
    widths = sorted(tensors)

    def seconds(layer: Layer, bw: int, ba: int) -> float:
        if kind == "ragged":
            return rng.choice((0.0, rng.uniform(1e-6, 1e-3)))
        exact = 1e-9 * (layer.macs + 1) * (bw * ba + 3 * ba)
        if kind == "tied":
            return 1e-6 * math.ceil(1e6 * exact / 16) * (bw + 3) // 4
        return exact * rng.uniform(0.9, 1.1)

    table: Table = {}
    for layer in network.layers:
        if not layer.moves:
            table[layer.name] = {(w, a): seconds(layer, w, a) for w in widths for a in widths}
        elif rng.random() < 0.5:
            table[layer.name] = {(None, a): seconds(layer, 0, a) for a in widths}
    return table


def all_assignments(
    problem: Problem, table: Table | None, costs: Mapping[str, Table] = MappingProxyType({})
) -> list[Assigned]:
    """Every assignment of widths with its metrics; what a table lacks costs nothing."""
    tables = {f"cost:{name}": each for name, each in costs.items()}
    tables |= {} if table is None else {"latency_s": table}
    found = []
    for widths in oracle_widths.all_widths(problem):
        noise, model_bits, bops = oracle.width_metrics(problem, widths)
        metrics = {"noise": noise, "model_bits": model_bits, "bops": bops}
        for metric, each in tables.items():
            values = []
            for layer in problem.network.layers:
                bw, ba = oracle_widths.layer_widths(layer, widths)
                row = each.get(layer.name)
                values.append(0.0 if row is None else row[None if layer.moves else bw, ba])
            metrics[metric] = math.fsum(values)
        found.append(Assigned(widths, metrics))
    return found


def within(every: Sequence[Assigned], limits: Mapping[str, float]) -> list[Assigned]:
    """Assignments that keep all limits."""
    return [
        each
        for each in every
        if all(each.metrics[m] <= x * (1 + oracle.TOLERANCE) for m, x in limits.items())
    ]


def best(case: Case) -> Assigned | None:
    """The assignment of least objective, then noise, then model size; None where there is none."""
    left = within(case.all, case.problem.budgets)
    for metric in (case.problem.objective, *TIES):
        if not left:
            return None
        left = within(left, {metric: min(each.metrics[metric] for each in left)})
    return left[0]


def _with_budgets(
    rng: random.Random, problem: Problem, known: Sequence[str], every: Sequence[Assigned]
) -> Problem:
    """Budgets at or around a good assignment, now and then just out of reach."""
    anchor = _good(rng, known, every)
    names = [name for name in known if name != problem.objective or rng.random() < 0.1]
    names = rng.sample(names, rng.randint(0, len(names)))
    slack = {name: rng.choice((1.0, 1.0, rng.uniform(1, 1.3))) for name in names}
    if rng.random() < 0.12:
        slack = {name: rng.uniform(0.5, 0.99) for name in names}
    budgets = {name: anchor.metrics[name] * slack[name] for name in names}
    return replace(problem, budgets={name: x for name, x in budgets.items() if x >= LEAST_BUDGET})


def _good(rng: random.Random, known: Sequence[str], every: Sequence[Assigned]) -> Assigned:
    weights = {name: rng.uniform(0, 1) for name in known}

    def score(each: Assigned) -> float:
        return sum(weights[name] * math.log(each.metrics[name] + 1e-12) for name in known)

    return min(every, key=score)
