"""Tables of hardware options for the bounds: each option's own, and envelopes of many.

An envelope is a dominating option: its cycles, its DRAM traffic and the widths that run on it are
at least as good as those of every option it stands for, though no such hardware need exist. What
bounds it from below bounds all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.search.bounds.layer_tables import Batch
from codesign.space.hardware import HardwareSpace


class OptionBatches:
    """Batches of a space's options, as far as some metrics need them."""

    def __init__(self, space: HardwareSpace, metrics: Collection[str]) -> None:
        self.space = space
        self.moves_data = "latency_s" in metrics or "dram_bits" in metrics

    def of_options(self, options: Ints, sram_bits: Floats) -> Batch:
        """Tables of options, each with its own SRAM capacity."""
        shape_of = self.space.shape_of[options]
        traffic = np.empty((len(options), *self.space.compulsory_traffic.shape))
        for shape in self.space.shapes_among(options):
            mine = shape_of == shape
            traffic[mine] = self.traffic(int(shape), sram_bits[mine])
        return self._runnable(options, traffic, self.space.shape_cycles[shape_of])

    def traffic(self, shape: int, sram_bits: Floats) -> Floats:
        """(capacities, geometries, widths, widths): least DRAM bits of a tiling that fits.

        Just 0, or inf where none fits, where no metric depends on it.
        """
        if self.moves_data:
            return self.space.traffic_within(shape, sram_bits)
        fits = self.space.least_need(shape) <= sram_bits[:, None, None, None]
        return np.where(fits, 0.0, np.inf)

    def of_pe_pairs(self, options: Ints, traffic: Floats) -> tuple[Batch, Ints]:
        """An envelope of the options of each pair of PE widths, and each option's row of them.

        It has the least cycles of all arrays; ``traffic`` (geometries, widths, widths) is given.
        """
        space = self.space
        cycles = space.shape_cycles[space.shapes_among(options)].min(axis=0)
        pair = options % space.pe_pairs
        pairs, first, row = np.unique(pair, return_index=True, return_inverse=True)
        each = np.broadcast_to(traffic, (len(pairs), *traffic.shape))
        return self._runnable(options[first], each, cycles[None]), row

    def of_shapes(
        self, options: Ints, shapes: Ints, row: Ints, sram_bits: Floats | None = None
    ) -> Batch:
        """An envelope of the options of each shape: any of their PEs, the best tilings.

        Parameters
        ----------
        shapes, row : ints, shape (shapes,), (options,)
            The options' shapes, and which of them is each option's.
        sram_bits : floats, shape (shapes,), optional
            Capacities that tilings must fit in.
        """
        space = self.space
        runs_on = space.runnable(options)
        runs = np.zeros((len(shapes), *runs_on.shape[1:]), dtype=bool)
        np.logical_or.at(runs, row, runs_on)
        compute_s = space.shape_cycles[shapes][:, :, None, None] / space.problem.clock_hz
        if space.problem.choices.precision == "multi-pass":
            factor = np.full((len(shapes), *runs.shape[2:]), np.iinfo(np.int64).max)
            np.minimum.at(factor, row, space.option_precision_factor(options))
            compute_s = compute_s * factor[:, None]
        traffic = space.compulsory_traffic
        if sram_bits is not None:
            each = zip(shapes.tolist(), sram_bits[:, None], strict=True)
            traffic = np.concatenate([self.traffic(shape, bits) for shape, bits in each])
        return Batch(compute_s, np.where(runs, traffic, np.inf))

    def _runnable(self, options: Ints, traffic: Floats, cycles: Ints) -> Batch:
        """Tables with the widths that run on the options' PEs, in as many passes as they take."""
        compute_s = cycles[:, :, None, None] / self.space.problem.clock_hz
        factor = self.space.option_precision_factor(options)
        if (factor > 1).any():
            compute_s = compute_s * factor[:, None]
        compute_s = np.broadcast_to(compute_s, (len(options), *compute_s.shape[1:]))
        return Batch(compute_s, np.where(self.space.runnable(options), traffic, np.inf))


def envelope(batches: Sequence[Batch]) -> Batch:
    """One dominating option of all options of some batches."""
    compute_s = [np.broadcast_to(b.compute_s, b.traffic.shape).min(axis=0) for b in batches]
    traffic = [b.traffic.min(axis=0) for b in batches]
    return Batch(np.min(compute_s, axis=0)[None], np.min(traffic, axis=0)[None])
