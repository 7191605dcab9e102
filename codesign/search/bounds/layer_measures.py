"""What layers cost at given widths and places of tensors, for batches of hardware options.

Axes: ``B`` hardware options of a batch, ``w`` widths.
"""

from __future__ import annotations

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.roofline import longer
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.port_tables import PortTables
from codesign.space.widths import WidthSpace


class LayerMeasures:
    """Latency, DRAM bits and energy of a space's layers."""

    def __init__(self, space: WidthSpace) -> None:
        self.space = space

    def in_best_mode(
        self, batch: Batch, charges: Floats, variable_width: Ints, on_chip: Bools
    ) -> tuple[Floats, Floats, Floats, Bools]:
        """(B, layers, w) each: latency, DRAM bits, energy, whether it runs; in the cheapest mode.

        ``charges`` (B, 3, layers or 1, 1) are the coefficients of latency, DRAM bits and, where
        that counts, energy.
        """
        space, ba = self.space, variable_width[:, self.space.input_index]
        moved = space.moved_bits(variable_width, on_chip)[..., None]
        found: list[tuple[Floats, Floats, Floats, Bools]] = []
        asked = self._rooms_asked(variable_width, on_chip) if space.placed else None
        for mode in batch.each_mode:
            traffic = self._traffic(mode, ba, asked)
            runs = np.isfinite(traffic)
            total = np.where(runs, traffic, 0.0) + moved
            own_s = compute_s(mode, space, ba)
            if mode.port is not None:
                port_bits = self._port_bits(mode.port, variable_width, on_chip, traffic)
                own_s = np.maximum(own_s, port_bits / mode.port.bits_per_s)
            latency_s = longer(own_s, total / space.dram_bits_per_s, space.exposed)
            energy_j = np.zeros((1, 1, 1))
            if mode.energy is not None:
                moved_j = space.moved_j(variable_width, on_chip)[..., None]
                static_j = mode.energy.static_w[:, None, None] * latency_s
                own_j = self._operands_j(mode, ba, asked, traffic)
                energy_j = np.where(runs, own_j + moved_j + static_j, 0.0)
            found.append((latency_s, total, energy_j, runs))
        if len(found) == 1:
            return found[0]
        costs = [
            np.where(runs, sum(charges[:, m] * x for m, x in enumerate(parts)), np.inf)
            for *parts, runs in found
        ]
        best = np.argmin(costs, axis=0)[None]
        latency_s, total, energy_j, runs = (
            np.take_along_axis(np.array(np.broadcast_arrays(*x)), best, axis=0)[0]
            for x in zip(*found, strict=True)
        )
        return latency_s, total, energy_j, np.asarray(runs, dtype=bool)

    def _port_bits(
        self, tables: PortTables, variable_width: Ints, on_chip: Bools, traffic: Floats
    ) -> Floats:
        """(B, layers, w): SRAM bits of layers with each width of weights, and so much traffic."""
        rows = self._rows_asked(variable_width, on_chip)
        of_operands = tables.asked(rows.reshape(len(rows), -1), traffic.reshape(len(rows), -1))
        beside = self.space.moved_j(variable_width, on_chip, port=True)[..., None]
        return np.asarray(of_operands.reshape(traffic.shape) + beside)

    def _operands_j(
        self, batch: Batch, input_width: Ints, asked: tuple[Ints, Ints] | None, traffic: Floats
    ) -> Floats:
        """(B, layers, w): J of each layer beside outputs and residuals, without static power."""
        tables, b = batch.energy, np.arange(len(batch))[:, None]
        assert tables is not None
        if asked is None:
            u = self.space.geometry_of[None, :]
            return np.asarray(tables.layers[b, u, :, input_width])
        row, held = asked
        known = row.reshape(len(batch), -1), held, batch.room_of, batch.sram_bits
        return tables.beside(*known, traffic.reshape(held.shape)).reshape(row.shape)

    def _traffic(self, batch: Batch, input_width: Ints, asked: tuple[Ints, Ints] | None) -> Floats:
        """(B, layers, w): DRAM bits of each layer's tiling at each width of its weights."""
        count = len(batch)
        if asked is None:
            u = self.space.geometry_of[None, :]
            return np.asarray(batch.traffic[np.arange(count)[:, None], u, :, input_width])
        row, held = asked
        return batch.traffic_beside(row.reshape(count, -1), held).reshape(row.shape)

    def _rooms_asked(self, variable_width: Ints, on_chip: Bools) -> tuple[Ints, Ints]:
        """(B, layers, w) rows of a room table, and (B, layers × w) bits of tensors on chip."""
        space, widths = self.space, len(self.space.widths)
        bits = space.placed_elements * self.space.widths[variable_width[:, space.placed_variable]]
        tensors = on_chip[:, : len(space.placed)]
        held = np.repeat(space.lifetimes.held(bits * tensors), widths, axis=1)
        return self._rows_asked(variable_width, on_chip), np.asarray(held)

    def _rows_asked(self, variable_width: Ints, on_chip: Bools) -> Ints:
        """(B, layers, w): rows of a room table, of each width of the layers' weights."""
        space, widths = self.space, len(self.space.widths)
        ba, kind = variable_width[:, space.input_index], space.geometry_of[None, :]
        if space.placed:
            kind = space.variants(on_chip) * len(space.geometries) + kind
        return np.asarray((kind[..., None] * widths + np.arange(widths)) * widths + ba[..., None])


def compute_s(batch: Batch, space: WidthSpace, input_width: Ints) -> Floats:
    """(B, layers, w or 1): compute time of each layer at each width of its weights."""
    table, rows = batch.compute_s, np.arange(len(batch))[:, None]
    inputs = input_width if table.shape[-1] > 1 else 0
    return np.asarray(table[rows, space.geometry_of[None], :, inputs])
