"""What the layers of fused runs cost: shares of one roof, and of one need.

A run takes as long as all its cycles or all its DRAM bits, whichever is longer, each with the share
of the other that does not overlap: no less than any share of the one and the rest of the other. So
each layer is counted by the same shares, and the sum is a bound; where the parts of a run are put
together, the longer of the two takes its place.

Likewise the need: a layer counts its own weights, band and resident tensors, and runs only where
these fit beside the least that the run's other layers take. A run that is too large in all may be
charged for it: so many DRAM bits for each SRAM bit that it takes, less as many for each that there
is. Of a run that fits that is no more than nothing, so the bound stays one; where the parts of a
run are put together, what was charged is given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from codesign.checking.certificate.fused_runs import FusedRuns
from codesign.checking.certificate.layer_scopes import LayerScope
from codesign.checking.certificate.whole_numbers import MOST_IN_64_BITS, Whole, largest
from codesign.checking.cost_model import accumulation_bits
from codesign.checking.fusion import FusedRun, input_elements, psum_elements
from codesign.checking.problem import Problem

ROOF_SHARES = 8  # whole shares of a run's cycles and DRAM bits that a bound may count
MOST_PRICE = 10**6  # of an SRAM bit, in so many parts of a DRAM bit


class Weights(NamedTuple):
    """How a bound counts a run.

    Attributes
    ----------
    compute : int
        Of `ROOF_SHARES` those of its cycles; its DRAM bits count by the rest.
    sram : int
        Charged for an SRAM bit, in parts of a DRAM bit of which it has `ROOF_SHARES`.
    """

    compute: int = 0
    sram: int = 0


class Part(NamedTuple):
    """Some layers of a run.

    Attributes
    ----------
    run : int
        Its number, from 1 on.
    layers : int
        How many.
    compute, memory : int
        Time of their cycles and of their DRAM bits, each with what of the other adds, in units of
        latency; 0 where no latency matters.
    held_bits, psum_bits : int
        SRAM bits: of weights, bands and resident tensors together; the most of partial sums. 0
        where all that the run may hold fits.
    excess_bits : int
        Of those held, and of the partial sums of the run's first layer, what is more than the SRAM
        has, which counts with that layer. 0 where the others are.
    spent : int
        Energy, in units, that counts of its time and for what is charged.
    """

    run: int
    layers: int
    compute: int
    memory: int
    held_bits: int
    psum_bits: int
    excess_bits: int
    spent: int

    def with_others(self, other: Part) -> Part:
        """With other layers of the same run."""
        return Part(
            self.run,
            self.layers + other.layers,
            self.compute + other.compute,
            self.memory + other.memory,
            self.held_bits + other.held_bits,
            max(self.psum_bits, other.psum_bits),
            self.excess_bits + other.excess_bits,
            self.spent + other.spent,
        )


class RunCosts:
    """Runs as a bound counts them, in some SRAM.

    Parameters
    ----------
    weights : mapping of int to Weights
        By the number of a run, from 1 on; nothing but DRAM bits counts where there is no entry.
    capacity_bits : int
    """

    def __init__(
        self, fused_runs: FusedRuns, weights: Mapping[int, Weights], capacity_bits: int
    ) -> None:
        self.fused_runs, self.capacity_bits = fused_runs, capacity_bits
        self.problem: Problem = fused_runs.problem
        numbers = range(len(fused_runs.runs) + 1)
        self._weights = [weights.get(number, Weights()) for number in numbers]

    def counted(self, part: Part) -> int:
        """Time of the roofs that counts, in units of latency."""
        share = self._weights[part.run].compute
        rest = ROOF_SHARES - share
        return (share * part.compute + rest * part.memory) // ROOF_SHARES

    def charged(self, part: Part) -> int:
        """DRAM bits charged for SRAM bits, in parts of which a bit has `ROOF_SHARES`."""
        return self._weights[part.run].sram * part.excess_bits

    def all_counted(self, run: Whole, compute: Whole, memory: Whole) -> Whole:
        """What counts of each of many, each a multiple of `ROOF_SHARES`."""
        share = self._of_runs([x.compute for x in self._weights], run)
        rest = ROOF_SHARES - share
        found: Whole = share * (compute // ROOF_SHARES) + rest * (memory // ROOF_SHARES)
        return found

    def all_charged(self, run: Whole, excess_bits: Whole) -> Whole:
        """What is charged for each of many."""
        price = self._of_runs([x.sram for x in self._weights], run)
        if largest(price) * largest(excess_bits, signed=True) >= MOST_IN_64_BITS:
            excess_bits = excess_bits.astype(object)
        found: Whole = price * excess_bits
        return found

    def _of_runs(self, each: list[int], run: Whole) -> Whole:
        return np.array(each)[np.maximum(run, 0)][:, None]

    def fits(self, part: Part) -> bool:
        """Whether these layers fit the SRAM."""
        return part.held_bits + part.psum_bits <= self.capacity_bits

    def is_whole(self, part: Part) -> bool:
        """Whether these are all layers of the run."""
        return part.layers == len(self.fused_runs.runs[part.run - 1].layers)

    def least_beside(self, layer: int) -> tuple[Whole, Whole]:
        """(runs + 1,) each: the least bits that the other layers of a run hold, and of sums.

        The run's input, be it some rows or resident, unless it may be among what lives during this
        layer.
        """
        found = [(0, 0)] * len(self._weights)
        for number in self.fused_runs.of_layer(layer):
            others = {n: x for n, x in self._ends[number - 1].items() if n != layer}
            held = sum(x[0] for x in others.values())
            head = self.fused_runs.runs[number - 1].layers[0]
            if head in others and self._lives(self.problem.network.layers[head].input, layer):
                held -= self._input_bits(number - 1, head, 0)
            found[number] = held, max(x[1] for x in others.values())
        held_bits, sums = np.array(found).T
        return held_bits, sums

    def _lives(self, name: str, layer: int) -> bool:
        born, dies = self.problem.network.lifetimes.get(name, (0, -1))
        return born <= layer <= dies

    def _input_bits(self, run: int, number: int, end: int) -> int:
        """Of what is held of a layer's input, at its narrowest (0) or its widest (−1)."""
        layer = self.problem.network.layers[number]
        elements = input_elements(self.problem.network, self.fused_runs.runs[run], number)
        return elements * self.problem.allowed(f"tensor:{layer.input}")[end]

    @cached_property
    def tight(self) -> Whole:
        """(runs + 1,): whether a run may hold more than fits."""
        found = [False]
        for run, layers in zip(self.fused_runs.runs, self._ends, strict=True):
            most = sum(x[2] for x in layers.values()) + max(x[3] for x in layers.values())
            found.append(most + self._living_bits(run) > self.capacity_bits)
        return np.array(found)

    @cached_property
    def _ends(self) -> list[dict[int, tuple[int, int, int, int]]]:
        """Of each run, by its layers: the least and the most bits held, and of partial sums."""
        every = enumerate(self.fused_runs.runs)
        return [{n: self._ends_of(number, n) for n in run.layers} for number, run in every]

    def _ends_of(self, run: int, number: int) -> tuple[int, int, int, int]:
        layer, found = self.problem.network.layers[number], []
        for end in (0, -1):
            weight_bits = self.problem.allowed(f"{layer.weight_source}")[end]
            input_bits = self.problem.allowed(f"tensor:{layer.input}")[end]
            psum_bits = weight_bits + input_bits + accumulation_bits(layer)
            found.append(layer.weights * weight_bits + self._input_bits(run, number, end))
            found.append(psum_elements(layer) * psum_bits)
        return found[0], found[1], found[2], found[3]

    def _living_bits(self, run: FusedRun) -> int:
        """Bits of all that may be resident during a run, at the most."""
        network, bits = self.problem.network, 0
        for name, (born, dies) in network.lifetimes.items():
            if born <= run.layers[-1] and dies >= run.layers[0]:
                bits += network.tensors[name] * self.problem.allowed(f"tensor:{name}")[-1]
        return bits


class FusedColumns:
    """What a layer takes at each entry of its table at which it is in a run.

    Attributes
    ----------
    run : whole numbers, shape (entries,)
    dram_bits, input_bits : whole numbers, shape (entries, choices)
        All, and of these those of the run's input.
    fits : bool, shape (entries, choices)
    held_bits, psum_bits, excess_bits : whole numbers, shape (entries, choices)
        As `Part` has them.
    """

    def __init__(self, costs: RunCosts, scope: LayerScope, number: int, most_bits: Whole) -> None:
        layer, which, self.run = scope.layer, scope.which, scope.run
        weight_bits = np.array([x.weight_bits for x in scope.operands])[which]
        input_bits = np.array([x.input_bits for x in scope.operands])[which]
        weights = layer.weights * weight_bits
        self.input_bits = scope.fetched[:, None] * input_bits
        self.dram_bits = weights + self.input_bits + scope.moved_bits[:, None]
        held = weights + scope.held[:, None] * input_bits
        sums = psum_elements(layer) * (weight_bits + input_bits + accumulation_bits(layer))
        index = np.maximum(self.run, 0)
        other_held, other_sums = (x[index][:, None] for x in costs.least_beside(number))
        least = held + scope.live_bits[:, None] + other_held + np.maximum(sums, other_sums)
        self.fits = least <= most_bits
        tight = costs.tight[index][:, None]
        self.held_bits = (held + scope.counted_bits[:, None]) * tight
        self.psum_bits = sums * tight
        starts = costs.fused_runs.starts(number)[index][:, None] * tight
        capacity = costs.capacity_bits if starts.any() else 0
        self.excess_bits = self.held_bits + starts * (sums - capacity)
