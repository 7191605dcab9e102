"""Weights of roofs and prices of SRAM for fused runs, for batches of hardware options.

A run costs the larger of its roofs, compute and memory, and must fit the SRAM. For a lower bound
that is a sum over layers, one counts with a weight and the other with the rest, and what a run
needs beyond the SRAM is charged for at a price. Of a grid of both, each run has those that bound it
best by itself, where what it reads and writes is in DRAM at a middling width. (Lagrange
multipliers: any will do.)

Axes: ``B`` hardware options of a batch, ``R`` runs, ``g`` pairs of the grid, ``w`` widths.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.roofline import weights_of_roofs
from codesign.search.bounds.batch import Batch, RunPrices
from codesign.search.bounds.states import States

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
PRICES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # of an SRAM bit, in those of a DRAM bit


class RunPricing:
    """Chooses `RunPrices` for the runs of a space."""

    def __init__(self, states: States) -> None:
        self.states, self.space = states, states.space
        self.left, self.runs = states.left, states.runs
        space = states.space
        self.widths = space.widths[self.left].astype(np.float64)
        self.layers = sorted({x.layer for r in self.runs for x in space.run_layers[r]})
        self.number = {i: n for n, i in enumerate(self.layers)}

    @cached_property
    def _elements(self) -> Floats:
        """(layers,): weights of each."""
        return np.array([float(self.space.own_weights[i]) for i in self.layers])

    @cached_property
    def _ends(self) -> tuple[Floats, Floats]:
        """(R,) each: DRAM bits of what runs read and write, SRAM bits of what they read."""
        width = float(self.widths[len(self.widths) // 2])
        moved, held = np.zeros(len(self.runs)), np.zeros(len(self.runs))
        for n, r in enumerate(self.runs):
            run = self.space.run_layers[r]
            moved[n] = run[0].ifmap_elements + sum(each[1] for x in run for each in x.moved)
            held[n] = run[0].input_elements
        return moved * width, held * width

    @cached_property
    def _bands(self) -> tuple[Ints, Floats, Floats]:
        """Of each band: its run, by its place here; elements; noise of the tensor, inf off-list."""
        rows, elements, noise = [], [], []
        for n, r in enumerate(self.runs):
            for x in self.space.run_layers[r][1:]:
                v = int(self.space.input_index[x.layer])
                alone = len(self.space.variables[v]) == 1
                own = self.space.variable_noise[v, self.left] * alone
                allowed = self.space.variable_allowed[v, self.left]
                rows.append(n)
                elements.append(float(x.band_elements))
                noise.append(np.where(allowed, own, np.inf))
        return np.array(rows), np.array(elements), np.array(noise)

    def choose(self, batch: Batch, per_s: Floats, per_bit: Floats, noise: Floats) -> RunPrices:
        """The best of the grid.

        Parameters
        ----------
        per_s, per_bit, noise : floats, shape (B, members)
            Coefficients of latency, DRAM bits and noise, for each member of a suite.
        """
        count, space = len(batch), self.space
        share, price = (np.zeros((count, len(space.runs))) for _ in range(2))
        capacity = batch.sram_bits if batch.rooms else np.zeros(count)
        grid = [(s, p) for s in SHARES for p in (PRICES if batch.rooms else PRICES[:1])]
        shares, prices = np.array(grid).T
        of_compute, of_memory = weights_of_roofs(shares, space.exposed)
        of_bit, memory_s = (
            per_s / space.dram_bits_per_s + per_bit,
            of_memory / space.dram_bits_per_s,
        )
        dram = per_s[:, None] * memory_s[:, None] + per_bit[:, None]  # (B, g, members)
        sram = of_bit[:, None] * prices[:, None]
        of_layers, of_runs = space.shares.member_of[self.layers], space.member_of_run[self.runs]
        deep, wide = (np.any(batch.pairs_run, axis=a)[:, self.left] for a in (1, 2))
        barred = np.where(wide, 0.0, np.inf)
        own = noise[:, of_layers, None] * self._noise + (barred[:, None] + self._barred)
        per_width = (dram + sram)[:, :, of_layers, None] * (self._elements[:, None] * self.widths)
        weights = (per_width + own[:, None]).min(axis=3)  # (B, g, layers)
        geometry = space.geometry_of[self.layers]
        compute_s = batch.compute_s[:, geometry].min(axis=(2, 3))
        weights += per_s[:, None, of_layers] * of_compute[:, None] * compute_s[:, None]
        row, elements, read = self._bands
        of_bands = of_runs[row]
        bands = noise[:, of_bands, None] * np.where(np.isfinite(read), read, 0.0)
        bands = np.where(np.isfinite(read) & deep[:, None], bands, np.inf)
        held = sram[:, :, of_bands, None] * (elements[:, None] * self.widths)
        bands = (held + bands[:, None]).min(axis=3)  # (B, g, bands)
        moved, first = self._ends
        dram, sram = dram[:, :, of_runs], sram[:, :, of_runs]  # (B, g, R)
        value = dram * moved + sram * first - sram * (capacity[:, None, None] - self._psums)
        for n, r in enumerate(self.runs):
            mine = [self.number[x.layer] for x in space.run_layers[r]]
            value[:, :, n] += weights[:, :, mine].sum(axis=2) + bands[:, :, row == n].sum(axis=2)
        best = np.where(np.isfinite(value), value, -np.inf).argmax(axis=1)  # (B, R)
        share[:, self.runs] = shares[best]
        price[:, self.runs] = np.take_along_axis(sram, best[:, None], axis=1)[:, 0]
        return RunPrices(share, price, capacity)

    @cached_property
    def _noise(self) -> Floats:
        """(layers, w): of weights."""
        return self.space.weight_noise[self.layers][:, self.left]

    @cached_property
    def _barred(self) -> Floats:
        """(layers, w): 0, or inf where weights may not have the width."""
        return np.where(self.space.weight_allowed[self.layers][:, self.left], 0.0, np.inf)

    @cached_property
    def _psums(self) -> Floats:
        return self.states.least_run_bits.psums[self.runs]
