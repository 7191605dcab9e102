"""Tiny random suites: two or three networks of few layers, few enough designs to enumerate."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import oracle_widths
from enumerated_suites import (
    SUMS,
    Place,
    SuiteCase,
    all_places,
    design_of,
    own_best,
    places_by_energy,
    places_of_shared,
)
from random_caches import random_phases
from random_chains import random_chain
from random_choices import random_choices
from random_energy import with_energy
from random_networks import random_network
from random_problems import balanced_bandwidth, random_sensitivity, random_technology

from codesign.problem.choices import Choices, OnChip
from codesign.problem.problem import Problem
from codesign.specs.network import Network
from codesign.specs.suite import Suite
from codesign.units import of_member

OBJECTIVES = ("latency_s",) * 6 + ("area_mm2",) * 2
OBJECTIVES += ("dram_bits", "noise", "model_bits", "bops")
MOST_ASSIGNMENTS = 8  # of widths, of a member
PLACES: tuple[OnChip, ...] = ("none", "tensors", "bands", "bands")


def suite_case(seed: int, on_chip: OnChip | None = None) -> SuiteCase:
    """Suite number ``seed``; where tensors may be is drawn unless it is given."""
    rng = random.Random(f"suite {seed}")
    drawn = rng.choice(PLACES)
    networks = [_network(rng) for _ in range(rng.choice((2, 2, 2, 3)))]
    choices = replace(random_choices(rng, networks[0], 4), pinned={})
    choices = replace(choices, on_chip=on_chip or drawn)
    own = [_pins(rng, network, choices) for network in networks]
    weights = [rng.choice((1.0, 1.0, 2.0, rng.uniform(0.1, 10))) for _ in networks]
    suite = Suite(networks, weights)
    joined = {
        f"{kind}:{name}/{rest}": bits
        for name, pins in zip(suite.names, own, strict=True)
        for (kind, rest), bits in ((source.split(":", 1), bits) for source, bits in pins.items())
    }
    tables = [random_sensitivity(rng, network) for network in networks]
    measured = rng.random() < 0.3
    clock_hz = 10 ** rng.uniform(7, 9.5)
    slower = 1 if choices.on_chip == "none" else rng.choice((1, 4, 9))
    terms = {
        "technology": random_technology(rng),
        "clock_hz": clock_hz,
        "dram_bits_per_s": balanced_bandwidth(rng, networks[0], choices, clock_hz) / slower,
        "area_overhead": rng.choice((1.0, rng.uniform(0.5, 3))),
    }
    alone = tuple(
        Problem(
            network=network,
            choices=replace(choices, pinned=pins),
            sensitivity=table if measured else None,
            **terms,
        )
        for network, pins, table in zip(networks, own, tables, strict=True)
    )
    sensitivity = {
        f"{kind}:{name}/{rest}": row
        for name, table in zip(suite.names, tables, strict=True)
        for (kind, rest), row in ((source.split(":", 1), row) for source, row in table.items())
    }
    problem = Problem(
        network=suite.network,
        choices=replace(choices, pinned=joined),
        sensitivity=sensitivity if measured else None,
        objective=rng.choice(OBJECTIVES),
        **terms,
    )
    return _with_budgets(rng, SuiteCase(problem, alone, all_places(alone)))


def sharing_case(seed: int) -> SuiteCase:
    """A suite of two networks of one model, which share weights and caches; number ``seed``."""
    rng = random.Random(f"sharing {seed}")
    networks = _of_one_model(rng)
    suite = Suite(networks, [rng.choice((1.0, 2.0, rng.uniform(0.1, 10))) for _ in networks])
    choices = replace(random_choices(rng, networks[0], 4), pinned={})
    choices = replace(choices, on_chip=rng.choice(PLACES[:2]))
    if tied := rng.random() < 0.2:
        choices = replace(choices, tied=True, weight_bits=choices.activation_bits)
    two = oracle_widths.noise_sources(networks[1])
    shared, _ = _shared(*networks)
    pins = {} if tied else _pins(rng, networks[0], choices)
    own = {} if tied else _pins(rng, networks[1], replace(choices, pinned=pins), pins)
    clock_hz = 10 ** rng.uniform(7, 9.5)
    terms = {
        "technology": random_technology(rng),
        "clock_hz": clock_hz,
        "dram_bits_per_s": balanced_bandwidth(rng, networks[0], choices, clock_hz),
        "objective": rng.choice(OBJECTIVES),
    }
    mine = [pins, {x: bits for x, bits in own.items() if x in two}]
    alone = tuple(
        Problem(network=network, choices=replace(choices, pinned=each), **terms)
        for network, each in zip(networks, mine, strict=True)
    )
    joined: dict[str, int] = {}
    for name, each, first in zip(suite.names, mine, (True, False), strict=True):
        for source, bits in each.items():
            if first or source not in shared or source.startswith("tensor:"):
                joined[source.replace(":", f":{name}/", 1)] = bits
    problem = Problem(network=suite.network, choices=replace(choices, pinned=joined), **terms)
    return _with_budgets(rng, SuiteCase(problem, alone, places_of_model(alone)))


def energy_case(seed: int) -> SuiteCase:
    """A suite whose energy counts, of all or of members; number ``seed``."""
    rng, case = random.Random(f"energy of suite {seed}"), suite_case(seed)
    problem = with_energy(rng, case.problem)
    terms = {x: getattr(problem, x) for x in ("technology", "dram_energy_j_per_bit")}
    alone = tuple(replace(x, **terms) for x in case.alone)
    shares = [of_member("energy_j", x.name) for x in problem.network.members]
    objective = rng.choice((problem.objective, problem.objective, "energy_j", *shares))
    problem = replace(problem, objective=objective, budgets={}, quality=None)
    case = SuiteCase(problem, alone, places_by_energy(alone), (*SUMS, "energy_j"))
    for _ in range(20):
        drawn = _with_budgets(rng, case)
        if any(x in drawn.problem.budgets for x in shares):
            return drawn
    return drawn


def places_of_model(alone: Sequence[Problem]) -> tuple[Place, ...]:
    """What two networks of one model may have, which share weights and caches."""
    shared, weights = _shared(*(problem.network for problem in alone))
    widths = {x: oracle_widths.source_widths(alone[0].choices, x) for x in shared}
    return places_of_shared(alone, widths, {x: weights[x] for x in shared if x in weights})


def _shared(first: Network, second: Network) -> tuple[list[str], dict[str, int]]:
    """Sources of noise that two networks of one model share; how many weights the second has."""
    one, two = (oracle_widths.noise_sources(network) for network in (first, second))
    weights = {f"weight:{x.name}": x.weights for x in second.layers}
    return [x for x in one if x in two and (x in weights or x[7:] in first.cache)], weights


def _of_one_model(rng: random.Random) -> list[Network]:
    """A network in two batches, or two phases of the attention of a decoder."""
    if rng.random() < 0.3:
        phases = [*random_phases(rng)]
        rng.shuffle(phases)
        return phases
    layers = rng.choice((1, 2, 2))
    one = random_chain(rng, 2) if rng.random() < 0.5 else random_network(rng, layers=layers)
    named = [replace(one, name="one", model="m"), replace(one, name="two", model="m")]
    return [network.batched(rng.choice((1, 2, 3))) for network in named]


def regret_case(seed: int) -> SuiteCase | None:
    """The same suite, to be as near as can be to what each member has alone; None: one has nothing.

    Within an area that is drawn; with weights, which do not count for that, far apart.
    """
    case = suite_case(seed)
    if not case.places:
        return None
    rng = random.Random(f"regret {seed}")
    area, kind = rng.choice(case.places).area_mm2, rng.choice(("latency_s",) * 2 + ("dram_bits",))
    network = case.problem.network
    members = (replace(x, weight=10 ** rng.uniform(-2, 2)) for x in network.members)
    asked = replace(
        case.problem,
        network=replace(network, members=tuple(members)),
        budgets={"area_mm2": area},
        objective="regret",
        quality=None,
    )
    case = case._replace(problem=asked)
    own = [own_best(case, m, kind) for m in range(len(case.alone))]
    named = zip(asked.network.members, own, strict=True)
    references = {of_member(kind, x.name): best[kind] for x, best in named if best is not None}
    return None if None in own else case._replace(problem=replace(asked, references=references))


def _network(rng: random.Random) -> Network:
    if rng.random() < 0.5:
        return random_chain(rng, 2)
    return random_network(rng, layers=rng.choice((1, 2, 2)), moving=rng.random() < 0.3)


def _pins(
    rng: random.Random, network: Network, choices: Choices, known: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Pins that leave few assignments of widths, besides those that are known."""
    pins = dict(known or {})
    free = {
        source: oracle_widths.source_widths(choices, source)
        for source in oracle_widths.noise_sources(network)
    }
    while math.prod(map(len, free.values())) > MOST_ASSIGNMENTS:
        source = rng.choice([x for x, widths in free.items() if len(widths) > 1])
        pins[source] = rng.choice(free[source])
        free[source] = [pins[source]]
    return pins


def _with_budgets(rng: random.Random, case: SuiteCase) -> SuiteCase:
    """Budgets around a design, of members and of the whole, now and then out of reach."""
    problem, members = case.problem, case.problem.network.members
    if not case.places:
        return case
    places = rng.choices(case.places, k=100)
    drawn = [design_of(case, x, [*map(rng.choice, x.members)]) for x in places]
    names = ["area_mm2", *case.kinds, *(f"{kind}@{x.name}" for x in members for kind in case.kinds)]
    noises = [f"noise@{x.name}" for x in members]
    chosen = rng.sample(names, rng.choice((0, 1, 2, 2, 3, 4)))
    if rng.random() < 0.7:
        chosen = [*dict.fromkeys((*(x for x in chosen if x != "noise"), *noises))]
    chosen = [x for x in chosen if x != problem.objective]
    weight = {name: rng.uniform(0.1, 1) for name in names}
    anchor = min(
        drawn,
        key=lambda x: sum(weight[name] * math.log(x[name] + 1e-12) for name in names),
    )
    budgets = {x: anchor[x] * rng.choice((1.0, 1.0, rng.uniform(1, 1.3))) for x in chosen}
    if chosen and rng.random() < 0.15:
        budgets[rng.choice(chosen)] *= rng.uniform(0.5, 0.99)
    budgets = {x: limit for x, limit in budgets.items() if limit > 0}
    return case._replace(problem=replace(problem, budgets=budgets))
