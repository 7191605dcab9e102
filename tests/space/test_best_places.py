"""The best places for widths that a search has met: no enumerated design of those has less."""

from __future__ import annotations

import math
from typing import Literal

import pytest
from placed_points import options_of
from random_bands import bands_case

from codesign.space.best_places import best_places
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import price


@pytest.mark.parametrize("metric", ["latency_s", "dram_bits"])
@pytest.mark.parametrize("kind", ["chain", "tall"])
def test_no_enumerated_places_are_better(
    kind: str, metric: Literal["latency_s", "dram_bits"]
) -> None:
    fused = 0
    for seed in range(8):
        problem, points = bands_case(seed, kind)
        if not points:
            continue
        space = HardwareSpace(problem)
        index = {int(bits): i for i, bits in enumerate(space.widths)}
        for point in points[:: max(1, len(points) // 12)]:
            option = options_of(space).index(point.hardware)
            widths = (
                [index[point.widths[members[0]]] for members in space.variables],
                [
                    index[point.widths.get(x.weight_source, min(index))]
                    for x in problem.network.layers
                ],
            )
            places = best_places(space, option, *widths, point.sram_bits, metric)
            assert places is not None
            made = price(space, option, *widths, point.sram_bits, places)
            assert made is not None
            same = (x for x in points if (x.hardware, x.widths) == (point.hardware, point.widths))
            i = ("latency_s", "area_mm2", "dram_bits").index(metric)
            least = min(x.metrics[i] for x in same if x.sram_bits <= point.sram_bits)
            assert made.metrics[metric] == pytest.approx(least, rel=1e-12, abs=math.ulp(0))
            fused += any(places[len(space.placed) :])
    assert fused > 0
