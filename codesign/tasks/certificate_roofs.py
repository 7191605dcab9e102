"""Which roof of each fused run a certificate's bound counts, or how much of either.

A run takes as long as the longer of its two roofs, so a bound counts most of that one. Which it is
depends on widths and places: the shares start from those of the design, and follow what is cheapest
at them: of a run that is taken there, the share of the longer roof grows. Any shares are as good an
argument as any others, see `codesign.checking.certificate.run_costs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.run_costs import ROOF_SHARES
from codesign.checking.certificate.verify import Verifier
from codesign.checking.cost_model import Array, cycles, precision_passes
from codesign.checking.fusion import FusedRun, moves_nothing
from codesign.results.design import Design

STEPS = (4, 4, 2, 2, 1, 1)  # by which shares change, round by round


class Roofs:
    """Shares of the roofs of a design's problem, for groups of hardware options."""

    def __init__(self, verifier: Verifier, design: Design) -> None:
        self.verifier, self.problem = verifier, verifier.problem
        self.runs = verifier.fused_runs.runs
        self.places, self.widths = dict(design.on_chip or {}), design.widths
        self.widths = {**self.widths, **{f"tensor:{x}": b for x, b in design.tensor_bits.items()}}
        self._known: dict[tuple[object, ...], dict[int, int]] = {}

    def shares(self, group: OptionGroup, prices: Mapping[str, Fraction]) -> dict[int, int]:
        """Good ones at some prices: with which the group closes, or comes near to it."""
        if not self.runs:
            return {}
        key = (group.arrays[0], group.pe_bits[-1])
        mine = self._known.get(key) or self._first(group)
        best, best_least = mine, -1
        for step in (*STEPS, 0):
            weighed = self.verifier.weighed(group, prices, mine)
            if weighed.elimination.least > best_least:
                best, best_least = mine, weighed.elimination.least
            parts = weighed.runs_taken()
            if weighed.closes or not step:
                break
            mine, before = dict(mine), mine
            for part in parts:
                sign = (part.compute > part.memory) - (part.compute < part.memory)
                share = mine.get(part.run, 0) + sign * step
                mine[part.run] = min(max(share, 0), ROOF_SHARES)
            if mine == before:
                break
        self._known[key] = best
        return best

    def written(self, shares: Mapping[int, int]) -> list[list[object]]:
        """As a certificate has them."""
        layers = self.problem.network.layers
        found = []
        for number, share in shares.items():
            run = self.runs[number - 1].layers
            found.append([layers[run[0]].name, layers[run[-1]].name, share])
        return [each for each in found if each[-1]]

    def _first(self, group: OptionGroup) -> dict[int, int]:
        """All of the longer roof, at the widths and places of the design."""
        found = {}
        for number, run in enumerate(self.runs, 1):
            compute_s = min(self._compute_s(run, group, array) for array in group.arrays)
            memory_s = self._dram_bits(run) / self.problem.dram_bits_per_s
            found[number] = ROOF_SHARES * (compute_s > memory_s)
        return found

    def _compute_s(self, run: FusedRun, group: OptionGroup, sides: tuple[int, int]) -> Fraction:
        array, count = Array(*sides, self.problem.technology.engine), 0
        for n in run.layers:
            layer = self.problem.network.layers[n]
            bits = self.widths[f"weight:{layer.name}"], self.widths[f"tensor:{layer.input}"]
            passes = min(precision_passes(*bits, *pe) for pe in group.pe_bits)
            count += cycles(layer, array) * passes
        return count / self.problem.clock_hz

    def _dram_bits(self, run: FusedRun) -> int:
        network, bits = self.problem.network, 0
        for n in run.layers:
            layer = network.layers[n]
            bits += layer.weights * self.widths[f"weight:{layer.name}"]
            moved = [
                x for x in (layer.output, *layer.residuals) if not moves_nothing(network, run, n, x)
            ]
            if n == run.layers[0]:
                moved.append(layer.input)
            for name in moved:
                staying = self.places.get(name) == "chip"
                bits += 0 if staying else network.touched(layer, name) * self._bits(name)
        return bits

    def _bits(self, name: str) -> int:
        return self.widths[f"tensor:{name}"]
