"""Random tiny problems of hybrids, with all their designs."""

from __future__ import annotations

import random
from dataclasses import replace

import hybrid_oracle
import numpy as np
from dataflow_oracle import Group
from oracle_fpga import random_fpga
from oracle_stages import stages_on_offer
from random_dataflow import (
    Case,
    most_waiting,
    random_choices,
    random_tiny_network,
    too_many,
    with_goal,
)
from random_energy import with_energy
from random_problems import (
    affordable,
    balanced_bandwidth,
    random_sensitivity,
    random_technology,
)

from codesign.problem.places import MOST_SEGMENTS
from codesign.problem.problem import Problem
from codesign.results.dataflow_design import DataflowDesign, platform_of
from codesign.results.records import PipelineSolverRecord, ProofRecord
from codesign.search.dataflow.fifos import Fifos
from codesign.search.dataflow.pricing import with_good_starts
from codesign.space.dataflow import PipelineSpace
from codesign.space.segments import HybridSpace, SegmentSpace, SharedTables, Sharing

KINDS = ("plain", "plain", "moving", "in_place", "reusing", "padded", "joined")
MOST_HYBRIDS = 6000  # kept ones, of all widths: more take too long to enumerate


def hybrid_case(seed: int, kind: str = "", segments: int = 1) -> Case:
    """Problem number ``seed``, of some kind where none is said; of so many segments at most."""
    rng = random.Random(f"hybrid {seed} {kind}" + f" {segments}" * (segments > 1))
    kind = kind or rng.choice(KINDS)
    while True:
        case = _drawn(rng, kind, segments)
        if case is not None:
            return case


def _problem(rng: random.Random, kind: str) -> Problem | None:
    """One without budgets."""
    network = random_tiny_network(rng, kind)
    if sum(not layer.moves for layer in network.layers) < 2:
        return None
    choices = random_choices(rng, network)
    few = rng.choice((1, 2, 4) if kind == "joined" else (2, 4, 8, 16))
    choices = affordable(rng, network, replace(choices, architecture=("hybrid",)), few)
    clock_hz = 10 ** rng.uniform(7, 9.5)
    problem = Problem(
        network=network,
        technology=replace(random_technology(rng), energy=None),
        clock_hz=clock_hz,
        dram_bits_per_s=balanced_bandwidth(rng, network, choices, clock_hz),
        area_overhead=rng.choice((1.0, 1.0, rng.uniform(0.5, 3))),
        choices=choices,
        sensitivity=random_sensitivity(rng, network) if rng.random() < 0.3 else None,
        objective="interval_s",
    )
    if kind in ("energy", "still"):
        problem = with_energy(rng, replace(problem, technology=random_technology(rng)))
    if kind == "still":
        problem = without_static_power(problem)
    if kind in ("fpga", "unfolded"):
        fpga = random_fpga(rng, most_waiting(problem), problem.technology.engine)
        problem = replace(problem, technology=fpga)
        if all(any(stages_on_offer(problem, x)) for x in network.layers) == (kind == "unfolded"):
            return None
    return problem


def without_static_power(problem: Problem) -> Problem:
    """A problem whose energy is a sum over what is done, not a product with the interval."""
    energy = problem.technology.energy
    assert energy is not None
    energy = replace(energy, static_w=None, static_w_per_mm2=None)
    return replace(problem, technology=replace(problem.technology, energy=energy))


def _drawn(rng: random.Random, kind: str, segments: int) -> Case | None:
    problem = _problem(rng, kind)
    if problem is None or too_many(problem):
        return None
    problem = replace(problem, choices=replace(problem.choices, segments=segments))
    groups: list[Group] = hybrid_oracle.all_hybrids(problem)
    if sum(len(group.bases) * len(group.waits) for group in groups) > MOST_HYBRIDS:
        return None
    if any(group.bases for group in groups):
        problem = with_goal(rng, problem, [x for x in groups if x.bases])
    return Case(problem, groups)


def drawn_hybrid(seed: int, count: int = MOST_SEGMENTS) -> DataflowDesign:
    """Any hybrid of so many segments of a random problem without budgets, with its figures."""
    rng = random.Random(f"drawn {seed} {count}")
    while True:
        problem = _problem(rng, rng.choice(KINDS))
        if problem is None:
            continue
        pairs = [x for x in hybrid_oracle.segments(problem.network) if len(x) == count]
        found = _drawn_of(rng, problem, rng.choice(pairs)) if pairs else None
        if found is not None:
            return found


def _drawn_of(
    rng: random.Random, problem: Problem, segments: tuple[range, ...]
) -> DataflowDesign | None:
    """Any with these segments; None where their PEs take no widths on offer."""
    choices = replace(problem.choices, segments=len(segments))
    problem = replace(problem, choices=choices)
    whole = PipelineSpace(problem, platform_of(problem))
    tables, of = SharedTables(whole), SegmentSpace(whole, segments)
    arrays = tuple(rng.choice(tables.arrays) for _ in segments)
    tiled = {i: tables.on(i, arrays[of.inside[i]]) for i in of.shared_layers}
    pes = max(problem.choices.pe_weight_bits), max(problem.choices.pe_activation_bits)
    sharing = Sharing(1, 1, ((*pes, (0.0,)),))
    space = HybridSpace(of, arrays, (sharing,) * len(segments), tiled)
    widths = np.array([rng.randrange(len(x)) for x in space.bits])
    for i in tiled:
        for c, most in zip((space.weight_class[i], space.input_class[i]), pes, strict=True):
            if space.bits[c or 0][int(widths[c or 0])] > most:
                return None
    options = {i: rng.randrange(len(x.rows)) for i, x in enumerate(space.options) if x is not None}
    options |= {i: rng.randrange(len(x.tilings.need)) for i, x in tiled.items()}
    found = with_good_starts(space, Fifos(space), options, widths)
    value = found.metrics[problem.objective]
    solver = {"name": "nobody", "version": "0", "seconds": 0.0, "method": "search"}
    return DataflowDesign(
        problem=problem,
        tensor_bits=found.tensor_bits,
        stages=found.stages,
        segments=found.segments,
        metrics=found.metrics,
        proof=ProofRecord.of(value, 0.0, "left", None),
        solver=PipelineSolverRecord(**solver, options=1, intervals=1, programmes=0),
    )
