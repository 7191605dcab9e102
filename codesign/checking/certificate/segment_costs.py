"""What hybrids of some segments cost at least on boxes of hardware, in a range of the interval.

Beside the costs of stages (`codesign.checking.certificate.pipeline_costs`) there is the time that
each segment takes for an image, which the range's end limits. A layer of a segment takes the longer
of its cycles and of all that it moves from and to DRAM, its output and residuals among it, so these
are in its scope. Arrays and their SRAM count with their least area, and so does power at all times
that grows with it.

A segment is one stage, numbered as its last layer, without a lag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np

from codesign.checking.certificate.metric_units import Threshold
from codesign.checking.certificate.pipeline_costs import PipelineCosts
from codesign.checking.certificate.pipeline_stages import DRAM, MOST_PARTS, Range
from codesign.checking.certificate.pipeline_waits import Detour
from codesign.checking.certificate.shared_boxes import BoxesOfEach
from codesign.checking.certificate.shared_hardware import SharedHardware
from codesign.checking.certificate.shared_layers import OnBoxes
from codesign.checking.certificate.stage_options import Offer, best_rows
from codesign.checking.certificate.whole_numbers import Whole, rounded_down
from codesign.checking.cost_model import bops
from codesign.checking.dataflow import Read, reads
from codesign.checking.network import Network
from codesign.checking.problem import Problem
from codesign.checking.segment import within
from codesign.checking.technology import ENERGY

SEGMENTS = "segment_s", "second_segment_s"  # seconds that each takes for an image


class Shared(NamedTuple):
    """A layer of a segment at widths of all that it touches, on each box.

    Attributes
    ----------
    fixed : whole numbers, shape (rows,)
        Whatever the box.
    on_box : mapping of str to whole numbers, shape (B,)
        Of each metric that depends on it.
    runs : bools, shape (B,)
    """

    fixed: Whole
    on_box: Mapping[str, Whole]
    runs: Whole


def segment_reads(network: Network, segments: Sequence[range]) -> list[Read]:
    """Reads of a network whose segments are stages, numbered as their last layers; by readers.

    What crosses waits in DRAM; so does what a segment reads of the network's input, which is there
    when its time begins.
    """
    found = []
    for read in reads(network, ()):
        into, out_of = within(segments, read.reader), within(segments, read.writer)
        if into is not None and into != out_of:
            after = int(read.writer is not None)
            read = read._replace(reader=segments[into][-1], after=after, images=0)
        elif into is None and out_of is not None:
            images = 2 if network.layers[read.reader].moves else 0
            read = read._replace(after=read.after + 1, images=images)
        if into != out_of:
            read = read._replace(until_output=False, stored=True)
        if out_of is not None:
            read = read._replace(writer=segments[out_of][-1])
        if into != out_of or into is None:
            found.append(read)
    return sorted(found, key=lambda x: x.reader)


class SegmentCosts(PipelineCosts):
    """Costs of the hybrids of some segments that are better than claimed, as of `PipelineCosts`.

    Parameters
    ----------
    boxes : BoxesOfEach
        Of hardware that the segments may share, one at least.
    """

    def __init__(
        self,
        problem: Problem,
        threshold: Threshold,
        span: Range,
        detours: Sequence[Detour],
        offers: Mapping[int, Offer],
        segments: tuple[range, ...],
        hardware: SharedHardware,
        boxes: BoxesOfEach,
        like: PipelineCosts | None = None,
    ) -> None:
        self.segments = segments
        self.hardware, self.boxes = hardware, boxes
        stages = {n: x for n, x in offers.items() if within(segments, n) is None}
        super().__init__(problem, threshold, span, detours, stages, like)
        self._on: dict[int, OnBoxes] = {}

    def _reads(self) -> list[Read]:
        return segment_reads(self.network, self.segments)

    def _limits(self) -> dict[str, Fraction]:
        found = super()._limits()
        if self.span.most_s is not None:
            found |= dict.fromkeys(SEGMENTS[: len(self.segments)], self.span.most_s)
        return found

    def _own_classes(self, n: int) -> list[int]:
        found = super()._own_classes(n)
        if within(self.segments, n) is not None:
            found += [c for c, _ in self._beside(n) if c is not None]
        return found

    def _beside(self, n: int) -> list[tuple[int | None, int]]:
        """Elements that a layer of a segment moves beside operands, with classes of widths.

        Its output and residuals; of one that only moves data its input too. None of a result.
        """
        layer = self.network.layers[n]
        names = [layer.output, *layer.residuals]
        found = [(x, self.network.touched(layer, x)) for x in names]
        found += [(layer.input, layer.ifmap)] if layer.moves else []
        return [(self.class_of.get(f"tensor:{x}"), count) for x, count in found]

    # Costs --------------------------------------------------------------------------------------

    @cached_property
    def taken(self) -> Whole:
        """(B, rows): what the hardware takes, and its power at all times."""
        found = np.zeros((self.boxes.size, self.rows), dtype=np.int64)
        for name in self.problem.technology.per_bit:
            if name not in self.names:
                continue
            each = [self.hardware.taken(x, name, self.unit[name]) for x in self.boxes.each]
            taken = np.sum(each, axis=0, dtype=object)
            found[:, self.names.index(name)] = np.minimum(taken, MOST_PARTS)
            static = self._static_by_area * self.unit[name]  # 0 on an FPGA
            if static:
                static /= self.unit[ENERGY]
                spent = taken * static.numerator // static.denominator
                found[:, self.names.index(ENERGY)] = np.minimum(spent, MOST_PARTS)
        return found

    def constant(self) -> Whole:
        """As of `PipelineCosts`; with the least that any box takes."""
        return np.asarray(super().constant() + self.taken.min(axis=0))

    def of_layer(self, n: int, bits: Mapping[int, int]) -> Whole:
        """As of `PipelineCosts`; of segments' what is best on any box."""
        if within(self.segments, n) is None:
            return super().of_layer(n, bits)
        row, found = {x: r for r, x in enumerate(self.names)}, [self.nothing(0)]
        for each in self.shared(n, bits):
            costs = np.repeat(each.fixed[None], int(each.runs.sum()), axis=0)
            for name, amounts in each.on_box.items():
                costs[:, row[name]] += amounts[each.runs]
            found.append(costs[best_rows(costs)])
        return np.concatenate(found)

    def shared(self, n: int, bits: Mapping[int, int]) -> list[Shared]:
        """A layer of a segment at widths of its scope, in each way, and of its own weights."""
        beside = sum(
            count * (self.problem.choices.output_bits if c is None else self._width(c, bits))
            for c, count in self._beside(n)
        )
        fixed, layer = self._of_lags(n, bits)[0].copy(), self.network.layers[n]
        if ENERGY in self.names and self.energies is not None:
            fixed[self.names.index(ENERGY)] += self._beside_j(n, beside, bits)
        if layer.moves:
            none = np.zeros(self.boxes.size, dtype=np.int64)
            return [self._shared(n, fixed, none, none + beside, none, none == 0)]
        if n not in self._on:
            side = within(self.segments, n) or 0
            self._on[n] = self.hardware.on(n, self.boxes.each[side])
        on, pairs = self._on[n], self.hardware.pairs(n)
        w_class, a_class = self.operand_classes(layer)
        a, found = self._width(a_class, bits), []
        for w in (bits[w_class],) if w_class in bits else self.domains[w_class]:
            mine, k = fixed.copy(), pairs.index((w, a))
            if "bops" in self.names:
                mine[self.names.index("bops")] += self._units("bops", bops(layer, w, a))
            if self.is_private[w_class]:
                mine += self.of_class(w_class, w)
            for way in range(len(on.bits)):
                if on.runs[way, k].any():
                    amounts = on.bits[way, k] + beside, on.spent[way, k], on.runs[way, k]
                    found.append(self._shared(n, mine, on.cycles, *amounts))
        return found

    def _beside_j(self, n: int, beside: int, bits: Mapping[int, int]) -> int:
        """Energy of what is beside operands, in units: of DRAM bits, and of an output's in SRAM."""
        assert self.energies is not None
        energies, (c, count) = self.energies[0], self._beside(n)[0]
        read = 0
        if not self.network.layers[n].moves:
            width = self.problem.choices.output_bits if c is None else self._width(c, bits)
            read = count * width
        return self._units(ENERGY, energies.dram * beside + energies.read * read)

    def _width(self, c: int, bits: Mapping[int, int]) -> int:
        return bits.get(c, self.domains[c][0])

    def _shared(
        self, n: int, fixed: Whole, cycles: Whole, bits: Whole, spent: Whole, runs: Whole
    ) -> Shared:
        found = dict[str, Whole]()
        if DRAM in self.names:
            found[DRAM] = self._parts(bits, 1 / self.unit[DRAM])
        segment = SEGMENTS[within(self.segments, n) or 0]
        if segment in self.names:
            unit, problem = self.unit[segment], self.problem
            own = self._parts(cycles, 1 / problem.clock_hz / unit)
            moved = self._parts(bits, 1 / problem.dram_bits_per_s / unit)
            found[segment] = np.maximum(own, moved)
        if ENERGY in self.names and self.hardware.energy is not None:
            found[ENERGY] = self._parts(spent, self.hardware.energy.unit / self.unit[ENERGY])
        return Shared(fixed, found, runs)

    @staticmethod
    def _parts(values: Whole, factor: Fraction) -> Whole:
        return np.minimum(rounded_down(values, factor), MOST_PARTS).astype(np.int64)
