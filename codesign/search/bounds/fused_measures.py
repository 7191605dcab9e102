"""What fused layers cost at widths and places that a relaxation has chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.roofline import longer, weights_of_roofs
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.search.bounds.batch import Batch, RunPrices
from codesign.search.bounds.states import States
from codesign.space.fusion import RunLayer
from codesign.space.widths import WidthSpace

NOISE = ADDITIVE_METRICS.index("noise")


@dataclass(frozen=True)
class FusedMeasures:
    """Of the runs that each option of a batch fuses.

    Attributes
    ----------
    on_chip : bools, shape (B, placed tensors and runs)
    """

    space: WidthSpace
    states: States
    batch: Batch
    coefficients: Floats
    prices: RunPrices
    on_chip: Bools

    def _coefficient(self, kind: int, x: RunLayer, rows: Ints) -> Floats:
        """(rows,): that of a kind of cost, of a layer."""
        return np.asarray(self._by_member[rows, self.space.shares.member_of[x.layer], kind])

    @cached_property
    def _by_member(self) -> Floats:
        return self.space.shares.by_member(self.coefficients)

    @cached_property
    def _chosen(self) -> list[tuple[int, Ints]]:
        """Runs that some option fuses, and those options."""
        first = len(self.space.placed)
        each = ((r, np.flatnonzero(self.on_chip[:, first + r])) for r in self.states.runs)
        return [(r, rows) for r, rows in each if len(rows)]

    def choose_band_widths(self, variable_width: Ints) -> None:
        """Give each band the width that the relaxation has given it, in place."""
        space, widths = self.space, self.space.widths
        left = np.zeros(len(widths), dtype=bool)
        left[self.states.left] = True
        for r, rows in self._chosen:
            deep = self.batch.pairs_run[rows].any(axis=1)
            for x in space.run_layers[r][1:]:
                v = int(space.input_index[x.layer])
                if len(space.variables[v]) == 1:
                    held = self.prices.price[rows, r, None] * (x.band_elements * widths)
                    charge = self._coefficient(NOISE, x, rows)
                    noise = charge[:, None] * space.variable_noise[v]
                    kept = deep & left & space.variable_allowed[v]
                    spent = self._least_spent(x, rows)
                    each = np.where(kept, held + noise + spent, np.inf)
                    variable_width[rows, v] = each.argmin(axis=1)

    def _least_spent(self, x: RunLayer, rows: Ints) -> Floats:
        """(rows, w): what the energy of a layer that reads a band costs at least at each width."""
        tables = self.batch.energy
        if tables is None:
            return np.zeros((len(rows), 1))
        energy = self._coefficient(-1, x, rows)[:, None, None]
        each = energy * (tables.fused[rows, x.geometry] + self._added_j(x) * self.space.widths)
        noise = self._coefficient(NOISE, x, rows)[:, None] * self.space.weight_noise[x.layer]
        allowed = self.space.weight_allowed[x.layer] & self.batch.pairs_run[rows].any(axis=2)
        return np.asarray((np.where(allowed, noise, np.inf)[..., None] + each).min(axis=1))

    def _added_j(self, x: RunLayer) -> float:
        """J for each bit of an element of what a layer reads that its run adds."""
        assert self.space.energy is not None
        return x.added_elements * self.space.energy.rates.sram_read_j_per_bit

    def energies(self, variable_width: Ints, latency_s: Floats, alone_j: Floats) -> Floats:
        """(B, layers, w): energies, those of layers alone given; see `of_layers`.

        Static power counts for the latencies given. Nothing where the goal does not count energy.
        """
        tables = self.batch.energy
        if tables is None:
            return alone_j
        found = np.array(np.broadcast_to(alone_j, latency_s.shape))
        for r, rows in self._chosen:
            for x in self.space.run_layers[r]:
                reads = variable_width[rows, self.space.input_index[x.layer]]
                own = tables.fused[rows, x.geometry, :, reads]
                moved = self._moved_j(x, rows, variable_width)[:, None]
                static = tables.static_w[rows, None] * latency_s[rows, x.layer]
                found[rows, x.layer] = own + moved + static
        return found

    def _moved_j(self, x: RunLayer, rows: Ints, variable_width: Ints) -> Floats:
        """(rows,): J of what a layer of a run moves, or adds, beside its weights."""
        space, on_chip = self.space, self.on_chip[rows]
        assert space.energy is not None
        width = space.widths[variable_width[rows]]
        fetched = np.full(len(rows), float(x.ifmap_elements * space.energy.fetched_j_per_bit))
        if x.source is not None:
            fetched = fetched * ~on_chip[:, x.source]
        total = width[:, space.input_index[x.layer]] * (fetched + self._added_j(x))
        per_bit = space.energy.moved_per_bit(space.problem.network.layers[x.layer])
        for (variable, elements, tensor), k in zip(x.moved, x.moved_number, strict=True):
            dram, chip = per_bit[k]
            if variable is None:
                total = total + dram * elements * space.problem.choices.output_bits
                continue
            there = dram if tensor is None else np.where(on_chip[:, tensor], chip, dram)
            total = total + there * (elements * width[:, variable])
        return np.asarray(total)

    def of_layers(
        self, variable_width: Ints, compute_s: Floats, latency_s: Floats, bits: Floats, runs: Bools
    ) -> tuple[Floats, Floats, Bools, Floats]:
        """Latencies by the mean of roofs, DRAM bits, what runs, and charges for SRAM.

        All (B, layers, w); given are those of layers alone.
        """
        space = self.space
        latency_s, bits = (np.array(np.broadcast_to(x, bits.shape)) for x in (latency_s, bits))
        runs = np.array(np.broadcast_to(runs, bits.shape))
        charged = np.zeros(bits.shape)
        for r, rows in self._chosen:
            share, price = self.prices.share[rows, r, None], self.prices.price[rows, r, None]
            of_compute, of_memory = weights_of_roofs(share, space.exposed)
            for x in space.run_layers[r]:
                i = x.layer
                mine = self._bits(x, rows, variable_width)
                seconds = mine / space.dram_bits_per_s
                bits[rows, i] = mine
                latency_s[rows, i] = of_compute * compute_s[rows, i] + of_memory * seconds
                reads = variable_width[rows, space.input_index[i]]
                runs[rows, i] = self.batch.pairs_run[rows, :, reads]
                charged[rows, i] = price * (x.weight_elements * space.widths)
        return latency_s, bits, runs, charged

    def beyond_means(self, variable_width: Ints, weight: Ints) -> Floats:
        """(B, layers): how much longer runs take than by the means of their roofs.

        Of all layers of a run together, with its first.
        """
        space = self.space
        beyond = np.zeros((len(self.batch), len(space.geometry_of)))
        for r, rows in self._chosen:
            compute_s, bits = np.zeros(len(rows)), np.zeros(len(rows))
            each = np.arange(len(rows))
            for x in space.run_layers[r]:
                pace = self.batch.compute_s[rows, x.geometry]
                several = pace.shape[-1] > 1
                bw, ba = weight[rows, x.layer], variable_width[rows, space.input_index[x.layer]]
                compute_s += pace[each, bw if several else 0, ba if several else 0]
                bits += self._bits(x, rows, variable_width)[each, bw]
            share, seconds = self.prices.share[rows, r], bits / space.dram_bits_per_s
            of_compute, of_memory = weights_of_roofs(share, space.exposed)
            mean = of_compute * compute_s + of_memory * seconds
            first = space.run_layers[r][0].layer
            beyond[rows, first] += longer(compute_s, seconds, space.exposed) - mean
        return beyond

    def slopes(self, variable_width: Ints, weight: Ints, held: Ints) -> tuple[Floats, Floats]:
        """(runs,) twice, of a batch of one: what a bound gains by each run's share and price.

        The roof of compute less that of memory; SRAM bits beyond what there is. 0 of what is not
        fused. ``held`` (layers,): bits that are resident while each runs.
        """
        space = self.space
        of_share, of_price = np.zeros(len(space.runs)), np.zeros(len(space.runs))
        for r, rows in self._chosen:
            compute_s, bits, need, psums = 0.0, 0.0, 0.0, 0.0
            for x in space.run_layers[r]:
                w, a = int(weight[0, x.layer]), int(variable_width[0, space.input_index[x.layer]])
                pace = self.batch.compute_s[0, x.geometry]
                compute_s += float(pace[w, a] if pace.shape[-1] > 1 else pace[0, 0])
                bits += float(self._bits(x, rows, variable_width)[0, w])
                bw, ba = int(space.widths[w]), int(space.widths[a])
                resident = x.source is not None and bool(self.on_chip[0, x.source])
                need += x.held_bits(bw, ba, resident)
                psums = max(psums, x.psum_bits(bw, ba))
            apart = 1 - space.exposed
            of_share[r] = apart * (compute_s - bits / space.dram_bits_per_s)
            beside = float(held[space.run_layers[r][0].layer])
            of_price[r] = need + psums + beside - float(self.prices.sram_bits[0])
        return of_share, of_price

    def _bits(self, x: RunLayer, rows: Ints, variable_width: Ints) -> Floats:
        """(rows, w): DRAM bits of a fused layer at each width of its weights."""
        space, on_chip = self.space, self.on_chip[rows]
        width = space.widths[variable_width[rows]]
        read = width[:, space.input_index[x.layer]] * float(x.ifmap_elements)
        bits = read if x.source is None else read * ~on_chip[:, x.source]
        for variable, elements, tensor in x.moved:
            if variable is None:
                bits = bits + elements * space.problem.choices.output_bits
            else:
                moved = elements * width[:, variable]
                bits = bits + (moved if tensor is None else moved * ~on_chip[:, tensor])
        return np.asarray(bits[:, None] + x.weight_elements * space.widths)
