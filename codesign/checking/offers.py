"""What hardware options offer a layer: least cycles and traffic at each pair of widths.

Options are looked at one by one or in groups. A group offers the least of what its members do, so
what it cannot do none of them can.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from codesign.checking.arithmetic import Array, Elements, cycles, precision_passes
from codesign.checking.network import Layer
from codesign.checking.pricing import Pairs, Threshold
from codesign.checking.problem import UM2_PER_MM2, Option, Problem
from codesign.checking.tilings import Stairs, ideal_traffic, shape_of

UNLIMITED_BITS = 10**40  # more SRAM than any tiling needs


@dataclass(frozen=True)
class Group:
    """Hardware options: every array with every pair of PE widths.

    ``ideal``: whatever the SRAM, of every tiling the least traffic that any array allows.
    """

    arrays: tuple[tuple[int, int], ...]
    pe_bits: tuple[tuple[int, int], ...]
    ideal: bool = False

    @property
    def options(self) -> Iterable[Option]:
        """All of them."""
        return (Option(*array, *bits) for array, bits in product(self.arrays, self.pe_bits))


class Offers:
    """A problem's hardware options, against a claim."""

    def __init__(self, problem: Problem, threshold: Threshold) -> None:
        self.problem, self.threshold = problem, threshold
        network = problem.network
        allowed = (problem.allowed(source) for source in network.sources)
        self.widths = tuple(sorted({bits for each in allowed for bits in each}))
        self._stairs: dict[tuple[object, ...], Stairs] = {}

    @cached_property
    def capacity(self) -> dict[Option, int]:
        """Most SRAM that an area limit leaves each option of a better design; none: left out.

        A layer that multiplies needs room for a tile, so without SRAM nothing runs.
        """
        every = ((option, self._capacity(option)) for option in self.problem.choices.options)
        return {option: bits for option, bits in every if bits >= 1}

    def _capacity(self, option: Option) -> int:
        base_um2, slope = self.problem.base_area_um2(option), self.problem.technology.sram_slope
        bits = UNLIMITED_BITS
        limit = self.threshold.limits.get("area_mm2")
        if limit is not None:
            bits = math.floor((limit * UM2_PER_MM2 - base_um2) / slope)
        if self.threshold.objective == "area_mm2":  # and smaller than claimed
            below = math.ceil((self.threshold.below * UM2_PER_MM2 - base_um2) / slope) - 1
            bits = min(bits, below)
        return self.problem.choices.most_sram(bits)

    def pairs(self, group: Group) -> list[Pairs]:
        """For each layer, what a group offers; layers of one geometry share theirs."""
        known: dict[tuple[object, ...], Pairs] = {}
        found = []
        for layer in self.problem.network.layers:
            key = shape_of(layer, Array(1, 1, 1))
            if key not in known:
                known[key] = self._moved(layer) if layer.moves else self._offered(layer, group)
            found.append(known[key])
        return found

    def _moved(self, layer: Layer) -> Pairs:
        """What only moves runs everywhere, and streams."""
        return {(0, ba): (0, layer.ifmap * ba) for ba in self.widths}

    def _offered(self, layer: Layer, group: Group) -> Pairs:
        ideal = ideal_traffic(layer)
        found: dict[tuple[int, int], tuple[int, int] | None] = {}
        for rows, cols in group.arrays:
            array = Array(rows, cols, self.problem.technology.engine)
            once, stairs = (
                cycles(layer, array),
                None if group.ideal else self._stairs_of(layer, array),
            )
            mine = self._open(group, rows, cols)
            for bw, ba in product(self.widths, repeat=2):
                capacity, passes = self._best(mine, bw, ba)
                if capacity is None:
                    continue
                moved = self._least_traffic(stairs, ideal, bw, ba, capacity)
                if moved is None:
                    continue
                known = found.get((bw, ba)) or (once * passes, moved)
                found[bw, ba] = min(known[0], once * passes), min(known[1], moved)
        return found

    def _open(self, group: Group, rows: int, cols: int) -> list[tuple[Option, int]]:
        every = (Option(rows, cols, *bits) for bits in group.pe_bits)
        return [(x, self.capacity[x]) for x in every if x in self.capacity]

    def _best(self, options: list[tuple[Option, int]], bw: int, ba: int) -> tuple[int | None, int]:
        """Most SRAM and fewest passes among the options that run a pair of widths."""
        runs = [
            (bits, precision_passes(bw, ba, x.pe_weight_bits, x.pe_activation_bits))
            for x, bits in options
        ]
        if not self.problem.choices.multi_pass:
            runs = [(bits, passes) for bits, passes in runs if passes == 1]
        if not runs:
            return None, 1
        return max(bits for bits, _ in runs), min(passes for _, passes in runs)

    @staticmethod
    def _least_traffic(
        stairs: Stairs | None, ideal: Elements, bw: int, ba: int, sram_bits: int
    ) -> int | None:
        if stairs is None:
            return ideal.bits(bw, ba, 0)
        return stairs.least_traffic(bw, ba, sram_bits)

    def _stairs_of(self, layer: Layer, array: Array) -> Stairs:
        key = shape_of(layer, array)
        if key not in self._stairs:
            self._stairs[key] = Stairs(layer, array, self.widths)
        return self._stairs[key]
