"""Random problems on machines with optional terms: the same questions, their budgets as tight."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import oracle
import oracle_tilings
from random_bands import KINDS as BAND_KINDS
from random_bands import bands_case
from random_on_chip import KINDS as CHIP_KINDS
from random_on_chip import on_chip_case
from random_problems import Case, random_case, steep_case

from codesign.problem.problem import Problem

BUFFERS = ("weight_buffer_bits", "ifmap_buffer_bits", "accumulator_bits")
MAPPINGS = (("window",), ("im2col",), ("output",), ("window", "output"), ("im2col", "output"))
OF_MACHINES = {"latency_s", "area_mm2", "dram_bits"}  # metrics that the terms change
OVERLAPS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.999999)


def plain_case(seed: int) -> Case:
    """A random problem of any kind: tensors in DRAM, on chip, or in bands."""
    kind = seed % 5
    if kind == 0:
        return random_case(seed, moving=seed % 2 == 0, sharing=seed % 3 == 0)
    if kind == 1:
        return steep_case(seed)
    if kind == 2:
        return on_chip_case(seed, CHIP_KINDS[seed % len(CHIP_KINDS)])
    return bands_case(seed, BAND_KINDS[seed % len(BAND_KINDS)])


def overlap_case(seed: int) -> Case:
    """Compute and DRAM pass in part one after the other."""
    rng = random.Random(f"overlap {seed}")
    return with_terms(plain_case(seed), overlap=rng.choice(OVERLAPS))


def buffers_case(seed: int) -> Case:
    """Some operands have buffers, about as large as some layer needs one."""
    rng = random.Random(f"buffers {seed}")
    case = plain_case(seed)
    names = [name for name in BUFFERS if rng.random() < 0.6] or [rng.choice(BUFFERS)]
    sizes = {name: buffer_bits(rng, case.problem, BUFFERS.index(name)) for name in names}
    return with_terms(case, **sizes)


def skipping_case(seed: int, kind: str) -> Case:
    """Layers that insert zeros, on a machine that skips them; every third with tensors on chip."""
    if seed % 3 == 2:
        case = on_chip_case(seed, "moving", kind)
    else:
        case = random_case(seed, moving=True, in_place=seed % 5 == 4, machine=kind)
    skips = with_terms(case, zero_skipping=True)
    return crossed(skips, seed) if seed % 4 == 3 else skips


def all_terms_case(seed: int) -> Case:
    """Buffers, in part one after the other, on machines of several mappings."""
    rng = random.Random(f"all terms {seed}")
    case = buffers_case(seed)
    terms: dict[str, Any] = {"overlap": rng.choice(OVERLAPS), "fill_cycles": rng.random() < 0.5}
    mapping = rng.choice(MAPPINGS)
    terms |= {"mapping": mapping, "reconfigurable": len(mapping) > 1 and rng.random() < 0.7}
    choices = case.problem.choices
    splits = all(x & (x - 1) == 0 for x in (*choices.pe_weight_bits, *choices.pe_activation_bits))
    if splits and rng.random() < 0.4:
        terms["precision"] = "widening"
    return with_terms(case, **terms)


def crossed(case: Case, seed: int) -> Case:
    """A problem on any machine with an overlap, buffers or both."""
    rng, terms = random.Random(f"crossed {seed}"), dict[str, Any]()
    if rng.random() < 0.6:
        terms["overlap"] = rng.choice(OVERLAPS)
    if rng.random() < 0.7 or not terms:
        for operand, name in enumerate(BUFFERS):
            if rng.random() < 0.5:
                terms[name] = buffer_bits(rng, case.problem, operand)
    return with_terms(case, **terms)


def buffer_bits(rng: random.Random, problem: Problem, operand: int) -> int:
    """Bits of a buffer that a tiling of every layer, or of most, fits."""
    choices, needs = problem.choices, [1]
    for layer in problem.network.layers:
        if layer.moves:
            continue
        array = rng.choice(choices.rows), rng.choice(choices.cols), problem.technology.engine
        bw, ba = rng.choice(choices.weight_bits), rng.choice(choices.activation_bits)
        bits = bw, ba, bw + ba + oracle_tilings.reduction_bits(layer)
        costs = oracle_tilings.layer_costs(layer, *array)
        held = sorted({oracle_tilings.held_bits(cost, bits)[operand] for cost in costs})
        needs.append(held[min(len(held) - 1, rng.choice((0, 0, 1, 2, 99)))])
    exact = max(needs) - rng.choice((0, 0, 0, 1))
    return max(1, rng.choice((exact, exact, exact * 2, sorted(needs)[len(needs) // 2])))


def with_terms(case: Case, **terms: Any) -> Case:
    """The same problem on another machine; a budget that as many designs keep, if any do."""
    problem, points = case
    problem = replace(problem, choices=replace(problem.choices, **terms))
    made = oracle.all_points(problem)
    if points and made:
        kept = dict(problem.budgets)
        for metric in OF_MACHINES & kept.keys():
            before, after = (sorted(x.value(metric) for x in each) for each in (points, made))
            kept[metric] = _as_tight(kept[metric], before, after)
        problem = replace(problem, budgets=kept)
    return Case(problem, made)


def _as_tight(limit: float, before: Sequence[float], after: Sequence[float]) -> float:
    """A limit that the same share of values keeps; of equal shares as far above the last."""
    kept = bisect_right(before, limit * (1 + oracle.TOLERANCE))
    if kept == 0:
        return limit * after[0] / before[0] if before[0] else limit
    nearest = before[kept - 1]
    value = after[min(len(after) - 1, kept * len(after) // len(before) - 1)]
    return value * limit / nearest if nearest else value
