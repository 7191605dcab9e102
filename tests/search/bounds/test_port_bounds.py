"""Bounds where the SRAM's port takes time: against every enumerated design of tiny problems."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracle import HardwareOption
from port_questions import drawn

from codesign.search.bounds.relaxation import Relaxation
from codesign.search.option_batches import OptionBatches
from codesign.space.hardware import HardwareSpace

EXACT = 1e-9
# Kinds of problems, and some whose designs are enumerated soon; stored channels, too.
SEEDS = {
    "none": (4, 6, 14, 1003),
    "tensors": (14, 15, 1002, 1004),
    "mapping": (2, 9, 1003),
    "reconfigurable": (2, 7, 14, 1000),
    "widening": (2, 14, 1001),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SEEDS)
@pytest.mark.parametrize("stored", [False, True])
def test_no_bound_is_above_the_least_enumerated_latency(kind: str, stored: bool) -> None:
    met = [ratio for seed in SEEDS[kind] for ratio in _of_least(seed, kind, stored)]
    assert max(met) <= 1 + EXACT
    # What binds is in the tables: they are the best of each option but for the choice of tiling.
    assert sum(ratio > 1 - 1e-3 for ratio in met) > len(met) / 2


def _of_least(seed: int, kind: str, stored: bool) -> list[float]:
    """Of options and envelopes: the bound, relative to the least latency in some SRAM."""
    problem, points = drawn(seed, kind, stored)
    space = HardwareSpace(replace(problem, budgets={}, objective="latency_s"))
    if not points or space.port is None:
        return []
    found, latency = [], np.zeros((1, len(space.additive_metrics)))
    latency[0, 0] = 1.0
    batches, relaxation = OptionBatches(space, ["latency_s"]), Relaxation(space)
    number = {_hardware(space, option): option for option in range(len(space))}
    sizes = sorted({point.sram_bits for point in points})
    for sram_bits in (sizes[0], sizes[len(sizes) // 2], sizes[-1]):
        least = np.full(len(space), np.inf)
        for point in points:
            if point.sram_bits <= sram_bits:
                n = number[point.hardware]
                least[n] = min(least[n], point.metrics["latency_s"])
        options = np.flatnonzero(np.isfinite(least))
        if not len(options):
            continue
        room = np.full(len(options), float(sram_bits))
        own = batches.of_options(options, room)
        every = np.repeat(latency, len(options), axis=0)
        found += (relaxation.of(own).solve(own, every).value / least[options]).tolist()
        shapes, row = np.unique(space.shape_of[options], return_inverse=True)
        most = np.full(len(shapes), float(sram_bits))
        envelopes = batches.of_shapes(options, shapes, row, most)
        every = np.repeat(latency, len(shapes), axis=0)
        bound = relaxation.of(envelopes).solve(envelopes, every).value
        assert (bound[row] <= least[options] * (1 + EXACT)).all()
    return found


def _hardware(space: HardwareSpace, option: int) -> HardwareOption:
    """An option as the enumeration has it."""
    pes = int(space.pe_weight_bits[option]), int(space.pe_activation_bits[option])
    sides = int(space.rows[option]), int(space.cols[option])
    return HardwareOption(*sides, *pes, space.mappings_of(option))
