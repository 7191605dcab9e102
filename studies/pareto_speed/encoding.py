"""Genes of a design: how the baseline draws it, repairs it and reads it.

A row of genes is ``rows, cols, PE weight bits, PE activation bits`` (indices into the choices),
the silicon to use (0 to `FINE`, logarithmic between the limits), a width per layer's weights and
a width per activation tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from population import Floats, Ints, Population, Tables

from codesign.problem.tolerances import ceiling
from codesign.units import UM2_PER_MM2

HARDWARE = 4  # genes of the array and its PEs
AREA = 4  # the gene of the silicon
WIDTHS = 5  # the first gene of a width
FINE = 255
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Encoding:
    """Genes of the designs of a problem.

    Attributes
    ----------
    tables : Tables
    low_mm2, high_mm2 : float
        Silicon the gene chooses between; equal: all there is, as any design may use.
    noise : float or None
        Limit that the repair keeps.
    trim : bool
        The repair also lowers widths that the noise limit leaves room to lower.
    """

    tables: Tables
    low_mm2: float
    high_mm2: float
    noise: float | None = None
    trim: bool = True

    @cached_property
    def highest(self) -> Ints:
        """(genes,): the largest value of each gene; the smallest is 0."""
        space, choices = self.tables.space, self.tables.problem.choices
        hardware = (choices.rows, choices.cols, choices.pe_weight_bits, choices.pe_activation_bits)
        widths = len(space.weight_noise) + len(space.variable_noise)
        return np.array(
            [*(len(x) - 1 for x in hardware), FINE, *([len(space.widths) - 1] * widths)]
        )

    # Reading ------------------------------------------------------------------------------------

    def designs(self, genes: Ints) -> Population:
        """The designs of repaired genes, with PEs no wider than their widest operand."""
        tables, layers = self.tables, len(self.tables.layers)
        weight = genes[:, WIDTHS : WIDTHS + layers]
        tensor = genes[:, WIDTHS + layers :]
        return Population(
            shape=genes[:, 0] * len(tables.problem.choices.cols) + genes[:, 1],
            pe_weight_bits=self._least_pe(tables.pe_weight_bits, weight),
            pe_activation_bits=self._least_pe(tables.pe_activation_bits, tensor),
            weight=weight,
            tensor=tensor,
        )

    def _least_pe(self, offered: Ints, widths: Ints) -> Ints:
        return offered[np.searchsorted(offered, self.tables.space.widths[widths].max(axis=1))]

    def sram_bits(self, genes: Ints, designs: Population) -> Floats:
        """(designs,): what the chosen silicon leaves for SRAM, at least what any tiling needs."""
        span = np.log(self.high_mm2 / self.low_mm2)
        silicon_mm2 = self.low_mm2 * np.exp(span * genes[:, AREA] / FINE)
        left_um2 = silicon_mm2 * UM2_PER_MM2 - self.tables.base_um2(designs)
        least = self.tables.least_sram_bits(designs)
        return np.maximum(np.floor(left_um2 / self.tables.um2_per_bit), least)

    def price(self, genes: Ints) -> dict[str, Floats]:
        """Metrics of the designs of repaired genes."""
        designs = self.designs(genes)
        return self.tables.price(designs, self.sram_bits(genes, designs))

    def check(self, metrics: dict[str, Floats]) -> None:
        """Designs are within the limits, or the repair is wrong."""
        assert (metrics["area_mm2"] <= ceiling(self.high_mm2)).all()
        if self.noise is not None:
            assert (metrics["noise"] <= ceiling(self.noise)).all()

    # Repair -------------------------------------------------------------------------------------

    def repaired(self, genes: Ints) -> Ints:
        """The nearest genes within the limits: PEs, widths, noise, then the array."""
        genes = np.clip(genes, 0, self.highest)
        if self.noise is not None:
            self._widen_pes(genes)
        self._clip_widths(genes)
        if self.noise is not None:
            self._raise_widths(genes)
            if self.trim:
                self._lower_widths(genes)
        self._shrink_arrays(genes)
        return genes

    def _caps(self, genes: Ints) -> Ints:
        """(designs, width genes): the largest index the PEs take."""
        tables, widths = self.tables, self.tables.space.widths
        w = np.searchsorted(widths, tables.pe_weight_bits[genes[:, 2]], side="right") - 1
        a = np.searchsorted(widths, tables.pe_activation_bits[genes[:, 3]], side="right") - 1
        counts = (len(tables.layers), len(tables.tensors))
        return np.repeat(np.column_stack([w, a]), counts, axis=1)

    def _clip_widths(self, genes: Ints) -> None:
        genes[:, WIDTHS:] = np.minimum(genes[:, WIDTHS:], self._caps(genes))

    def _noises(self, widths: Ints) -> Floats:
        """(designs, width genes): noise of each width."""
        table = self.noise_table
        return table[np.arange(len(table)), widths]

    @cached_property
    def noise_table(self) -> Floats:
        """(width genes, widths): noise of each."""
        space = self.tables.space
        return np.concatenate([space.weight_noise, space.variable_noise])

    @cached_property
    def elements(self) -> Floats:
        """(width genes,): elements each moves once, what a bit of its width costs at least."""
        tables, network = self.tables, self.tables.problem.network
        moved = tables.moved_of_tensor.sum(axis=0)
        np.add.at(moved, tables.input_of, [network.tensors[x.input] for x in network.layers])
        return np.concatenate([tables.weight_count.astype(float), moved])

    def _widen_pes(self, genes: Ints) -> None:
        """Widen the narrower operand of PEs that cannot be quiet enough."""
        rows = np.arange(len(genes))
        while len(rows):
            loud = self._noises(self._caps(genes[rows])).sum(axis=1) > self.noise
            rows = rows[loud]
            bits = np.column_stack(
                [
                    self.tables.pe_weight_bits[genes[rows, 2]],
                    self.tables.pe_activation_bits[genes[rows, 3]],
                ]
            )
            narrower = 2 + bits.argmin(axis=1)
            genes[rows, narrower] += 1

    def _raise_widths(self, genes: Ints) -> None:
        """Raise, one by one, the width that loses most noise per element moved."""
        caps, table, elements = self._caps(genes), self.noise_table, self.elements
        each = np.arange(len(table))
        rows = np.arange(len(genes))
        while len(rows):
            widths = genes[rows, WIDTHS:]
            noise = table[each, widths]
            loud = noise.sum(axis=1) > self.noise * (1 + 1e-12)
            rows, widths, noise = rows[loud], widths[loud], noise[loud]
            higher = np.minimum(widths + 1, caps[rows])
            gain = (noise - table[each, higher]) / elements
            genes[rows, WIDTHS + gain.argmax(axis=1)] += 1

    def _lower_widths(self, genes: Ints) -> None:
        """Lower, one by one, the width that saves most per noise, while the noise limit is kept."""
        table, elements = self.noise_table, self.elements
        each = np.arange(len(table))
        rows = np.arange(len(genes))
        while len(rows):
            widths = genes[rows, WIDTHS:]
            noise = table[each, widths]
            room = self.noise * (1 + 1e-12) - noise.sum(axis=1)
            more = table[each, np.maximum(widths - 1, 0)] - noise
            fits = (widths > 0) & (more <= room[:, None])
            worth = np.where(fits, elements / np.maximum(more, 1e-300), 0.0)
            some = fits.any(axis=1)
            rows = rows[some]
            genes[rows, WIDTHS + worth[some].argmax(axis=1)] -= 1

    def _shrink_arrays(self, genes: Ints) -> None:
        """Take rows or columns, the longer side, until array and least SRAM fit the silicon."""
        tables = self.tables
        sides = (np.array(tables.problem.choices.rows), np.array(tables.problem.choices.cols))
        rows = np.arange(len(genes))
        while len(rows):
            designs = self.designs(genes[rows])
            least_um2 = tables.base_um2(designs) + tables.um2_per_bit * tables.least_sram_bits(
                designs
            )
            rows = rows[
                (least_um2 > self.high_mm2 * UM2_PER_MM2) & (genes[rows, :2] > 0).any(axis=1)
            ]
            lengths = [np.where(genes[rows, x] > 0, sides[x][genes[rows, x]], 0) for x in (0, 1)]
            genes[rows, np.argmax(lengths, axis=0)] -= 1
