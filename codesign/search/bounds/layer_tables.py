"""The Lagrangian of each layer as a table over widths and places, for batches of hardware options.

Axes: ``B`` hardware options of a batch, ``U`` geometries with each variant of resident operands,
``K`` kinds of a family, ``w`` widths.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.roofline import longer, weights_of_roofs
from codesign.problem.metrics import ADDITIVE_METRICS, ENERGY
from codesign.search.bounds.batch import Batch, RunPrices
from codesign.search.bounds.charged_costs import (
    CACHED,
    along,
    charged_costs,
    energies_alone,
    of_fused,
    on_chip_s,
    static_w,
)
from codesign.search.bounds.elimination import Scope
from codesign.search.bounds.families import Family, Kind
from codesign.search.bounds.states import ALONE, UNKNOWN, States
from codesign.search.bounds.table_axes import TableAxes
from codesign.space.widths import WidthSpace

if TYPE_CHECKING:
    from codesign.search.bounds.fused_entries import FusedEntries
    from codesign.search.bounds.run_prices import RunPricing

# Kinds of cost; costs of one's own follow, see `codesign.space.shares`.
LATENCY, DRAM, NOISE, MODEL, BOPS = range(len(ADDITIVE_METRICS))
ONLY_ENERGY = np.zeros((1, 1)), np.zeros((1, 1)), np.ones((1, 1))  # coefficients
MAX_ENTRIES = 2**23  # entries of one table (64 MiB)
MAX_BATCH = 2**21  # entries of one table over all options worked on at once (16 MiB)
MAX_FAMILY = 2**20  # entries of one family's table for one option


class LayerTables:
    """The tables of a space's layers, each over the variables of its scope."""

    def __init__(
        self,
        space: WidthSpace,
        states: States,
        scopes: list[Scope],
        check_time: Callable[[], None] = lambda: None,
        apart: bool = False,
    ) -> None:
        self.check_time, self.apart = check_time, apart
        self.space, self.states, self.scopes = space, states, scopes
        self.widths = space.widths[states.left]
        self.layers = space.problem.network.layers
        self.member_of: list[tuple[int, int]] = []  # of each layer: family, kind
        self.families = self._find_families()

    @property
    def entries(self) -> int:
        """Of the largest family's table for one option."""
        return max(family.entries for family in self.families)

    def _find_families(self) -> list[Family]:
        kinds: list[list[Kind]] = []
        found: dict[tuple[object, ...], tuple[int, int]] = {}
        open_family: dict[tuple[object, ...], int] = {}
        for i in range(len(self.layers)):
            self.check_time()
            kind = self._kind(i)
            if kind.key not in found:
                family = open_family.get(kind.axes)
                most = MAX_FAMILY // math.prod(kind.sizes)
                if family is None or len(kinds[family]) >= most:
                    family = open_family[kind.axes] = len(kinds)
                    kinds.append([])
                found[kind.key] = family, len(kinds[family])
                kinds[family].append(kind)
            self.member_of.append(found[kind.key])
        return [Family(members, self.space, self.states.left) for members in kinds]

    def _kind(self, i: int) -> Kind:
        space, states = self.space, self.states
        free, weight_axis, input_axis = self._operand_axes(i)
        noise, barred = self._operand_terms(i)
        sizes = [len(self.widths)] * free + [states.sizes[v] for v in self.scopes[i]]
        axes = TableAxes(space, states, i, self.scopes[i], free, sizes)
        extra, held, variant = axes.tables()
        extra_j, extra_port_bits = (
            np.zeros((1,) * len(sizes))
            if costs is None
            else axes.moved_j(costs.moved_per_bit(self.layers[i]))
            for costs in (space.energy, space.port)
        )
        return Kind(
            free=free,
            apart=weight_axis < free and self.apart and states.is_plain(space.weight_index[i]),
            sizes=tuple(sizes),
            weight_axis=weight_axis,
            input_axis=input_axis,
            member=int(space.shares.member_of[i]),
            geometry=int(space.geometry_of[i]),
            weights=float(space.weight_shares[i]),
            noise=noise,
            barred=barred,
            extra_j=extra_j,
            extra_bits=extra,
            extra_port_bits=extra_port_bits,
            held_bits=held,
            variant=variant,
            fused=self._fused(axes, held, weight_axis, input_axis),
        )

    def moved_port_bits(self, i: int) -> Floats:
        """SRAM bits read and written of a layer's output and residuals, over its table's axes.

        Of a layer whose table runs over all that it depends on.
        """
        number, member = self.member_of[i]
        family = self.families[number]
        return np.broadcast_to(family.extra_port_bits[member], family.sizes)

    def _fused(
        self, axes: TableAxes, held: Ints, weight_axis: int, input_axis: int
    ) -> FusedEntries | None:
        """Entries of a layer in fused runs; see `codesign.search.bounds.fused_entries`."""
        if not self.states.runs:
            return None
        from codesign.search.bounds.fused_entries import fused_entries  # where runs are on offer

        return fused_entries(axes, held, weight_axis, input_axis, self.check_time)

    def cut_weights(self, i: int) -> bool:
        """Whether the noise of a layer's weights stands in its table, cut from their variable."""
        variable = self.space.weight_index[i]
        cut = self.layers[i].uses_weights and variable not in (None, *self.scopes[i])
        return cut and not (self.apart and self.states.is_plain(variable))

    def _operand_axes(self, i: int) -> tuple[int, int, int]:
        """Free axes of a layer's table, and those of its weights' and its input's widths."""
        scope, weight = self.scopes[i], self.space.weight_index[i]
        ifmap = int(self.space.input_index[i])
        alone: list[int | None] = []
        if weight is None or weight not in scope:
            alone.append(weight)
        if ifmap not in scope and ifmap not in alone:
            alone.append(ifmap)

        def axis(variable: int | None) -> int:
            if variable in alone:
                return alone.index(variable)
            return len(alone) + scope.index(variable)

        return len(alone), axis(weight), axis(ifmap)

    def _operand_terms(self, i: int) -> tuple[Floats, Floats]:
        """Noise of weights (w,) and widths barred (w, w) that no width variable stands for."""
        space, scope, layer = self.space, self.scopes[i], self.layers[i]
        weight, ifmap, left = space.weight_index[i], int(space.input_index[i]), self.states.left
        noise = space.weight_noise[i]
        if self.cut_weights(i):
            noise = space.noise_row(layer.weight_source) / space.weight_uses[i]
        allowed = np.broadcast_to(space.weight_allowed[i, left][:, None], (len(left),) * 2)
        if weight is not None and weight not in scope:
            allowed = allowed & space.variable_allowed[weight, left][:, None]
        if ifmap not in scope:
            allowed = allowed & space.variable_allowed[ifmap, left]
        return noise[left], np.where(allowed, 0.0, np.inf)

    # Tables of the Lagrangian -------------------------------------------------------------------

    def full(
        self, number: int, batch: Batch, coefficients: Floats, prices: RunPrices | None
    ) -> Floats:
        """(B, K, w, …): Lagrangian of a family's kinds, free axes first."""
        family = self.families[number]
        table = self._sum(self._parts(number, batch, coefficients, prices), slice(None))
        shape = (*table.shape[:2], *family.sizes)
        return table if table.shape == shape else np.broadcast_to(table, shape)

    def least(
        self, number: int, batch: Batch, coefficients: Floats, prices: RunPrices | None
    ) -> Floats:
        """(B, K, w, …): the least of `full` over the free axes.

        Without the table over all axes, which no cache holds: a few widths of the first at a time.
        """
        family = self.families[number]
        if not family.free:
            return self.full(number, batch, coefficients, prices)
        parts = self._parts(number, batch, coefficients, prices)
        shape = np.broadcast_shapes(*(x.shape for x in parts))
        least = np.empty((*shape[:2], *shape[2 + family.free :]))
        free = tuple(range(2, 2 + family.free))
        step, rows = self._at_once(family)
        for begin in range(0, shape[0], rows):
            some = [x[begin : begin + rows] if len(x) > 1 else x for x in parts]
            mine = least[begin : begin + rows]
            for first in range(0, family.sizes[0], step):
                found = self._sum(some, slice(first, first + step)).min(axis=free)
                np.copyto(mine, found if not first else np.minimum(mine, found))
        shape = (*least.shape[:2], *family.sizes[family.free :])
        return least if least.shape == shape else np.broadcast_to(least, shape)

    @staticmethod
    def _at_once(family: Family) -> tuple[int, int]:
        """How many widths of the first axis, of how many options, are summed up in a cache."""
        if family.entries > CACHED:
            return max(1, CACHED * family.sizes[0] // family.entries), 1
        return family.sizes[0], max(1, CACHED // family.entries)

    def narrowest(self, number: int, batch: Batch, coefficients: Floats) -> Floats:
        """(B, K, w, …): `least`, of the first free axis at its first width alone."""
        family = self.families[number]
        table = self._sum(self._parts(number, batch, coefficients, None), slice(0, 1))
        least = table.min(axis=tuple(range(2, 2 + family.free)))
        shape = (*least.shape[:2], *family.sizes[family.free :])
        return least if least.shape == shape else np.broadcast_to(least, shape)

    def reduced(self, number: int, full: Floats) -> Floats:
        """(B, K, w, …): least of a family's table over its free axes."""
        free = self.families[number].free
        return np.asarray(full.min(axis=tuple(range(2, 2 + free)))) if free else full

    @staticmethod
    def _sum(parts: Sequence[Floats], widths: slice) -> Floats:
        """The sum of tables, for some widths of the first axis that all of them have."""
        total = parts[0][:, :, widths] if parts[0].shape[2] > 1 else parts[0]
        for part in parts[1:]:
            total = total + (part[:, :, widths] if part.shape[2] > 1 else part)
        return np.asarray(total)

    def _parts(
        self, number: int, batch: Batch, coefficients: Floats, prices: RunPrices | None
    ) -> list[Floats]:
        """What adds up to the Lagrangian of a family's kinds, along its axes."""
        family = self.families[number]
        each = family.shared(self.space.shares.by_member(coefficients))  # (B, K or 1, kinds)
        charged: list[bool] = np.any(each, axis=(0, 1)).tolist()
        pairs = np.zeros((1, 1, 1, 1))
        if charged[BOPS]:
            pairs = pairs + each[..., BOPS, None, None] * family.bops
        for m, costs in enumerate(family.costs, len(ADDITIVE_METRICS)):
            if charged[m]:
                pairs = pairs + each[..., m, None, None] * costs
        noise = each[..., NOISE, None]
        per_width = noise * family.noise
        if charged[MODEL]:
            per_width = per_width + each[..., MODEL, None] * (family.weights[:, None] * self.widths)
        pairs = pairs + per_width[..., None]
        latency, dram = each[..., LATENCY], each[..., DRAM]
        timed, counts_energy = charged[LATENCY] or charged[DRAM], self.space.counts_energy
        energy = each[..., -1] if counts_energy else np.zeros_like(latency)
        counts_energy = counts_energy and charged[-1]
        if family.settled and not timed and not counts_energy:  # whether it runs is enough
            barred = np.where(np.isfinite(family.traffic(batch)), family.barred, np.inf)
            return [family.spread(pairs + barred)]
        of_bands = None
        if family.bands and prices is not None:
            with_input = pairs + self._barred_in_runs(family, batch)
            if counts_energy:
                with_input = with_input + along(energy, with_input) * of_fused(family, batch)
            of_bands = self._of_bands(family, with_input, (noise, energy[..., None]), prices)
        parts = [family.spread(pairs, of_bands)]
        if not timed and not family.fused and (energy == 1).all():
            each_j = (self._energies(number, mode) for mode in batch.each_mode)
            return [*parts, reduce(np.minimum, each_j)]
        modes = [self.costs_of(number, mode) for mode in batch.each_mode]
        if family.fused and prices is not None:
            per_s = latency + energy * static_w(batch)[:, None] if counts_energy else latency
            parts.append(self._in_runs(family, batch, per_s, modes[0][1], prices))
        of_modes = [
            charged_costs(mode, (latency, dram, energy), *costs)
            for mode, costs in zip(batch.each_mode, modes, strict=True)
        ]
        if len(of_modes) == 1:
            return [*parts, *of_modes[0]]
        totals = (sum(x[1:], x[0]) for x in of_modes)
        return [*parts, reduce(np.minimum, totals)]

    def _energies(self, number: int, batch: Batch) -> Floats:
        """(B, K, w, …): J of layers that no run fuses, with static power; inf as of `costs_of`."""
        key = (self, ENERGY), number
        if key not in batch.fixed:
            family, bits_per_s = self.families[number], self.space.dram_bits_per_s
            if self.space.exposed or batch.port is not None:
                parts = charged_costs(batch, ONLY_ENERGY, *self.costs_of(number, batch))
                batch.fixed[key] = (sum(parts[1:], parts[0]),)
            else:
                batch.fixed[key] = (energies_alone(family, batch, bits_per_s),)
        return batch.fixed[key][0]

    def costs_of(self, number: int, batch: Batch) -> tuple[Floats, ...]:
        """(B, K, w, …) each: latency, inf where widths cannot run or tiles do not fit; DRAM bits.

        And, where the goal counts it, energy without static power. Bits and energies are finite
        everywhere. Without a memory, a latency is the compute time.
        """
        key = self, number
        if key not in batch.fixed:
            family, moved = self.families[number], None
            if family.settled:
                bits = family.spread(family.traffic(batch)) + family.barred_or_extra_bits
            else:
                rows, held, which = family.rooms_asked
                moved = batch.traffic_beside(rows, held)
                bits = np.take(moved, which, axis=1) + family.barred_or_extra_bits
            never = np.isinf(bits)
            if math.isinf(self.space.dram_bits_per_s):
                latency_s = np.where(never, np.inf, on_chip_s(family, batch, moved))
            else:
                memory_s = bits / self.space.dram_bits_per_s
                latency_s = longer(on_chip_s(family, batch, moved), memory_s, self.space.exposed)
            np.copyto(bits, 0.0, where=never)
            if family.fused:
                latency_s, bits = self._with_fused(family, batch, latency_s, bits)
            batch.fixed[key] = latency_s, bits, *self._energy(family, batch, moved)
        return batch.fixed[key]

    def _energy(self, family: Family, batch: Batch, moved: Floats | None) -> list[Floats]:
        """(B, K, w, …), where counted: J without static power; 0 where no tile fits.

        ``moved``: DRAM bits of what is asked of rooms.
        """
        tables = batch.energy
        if tables is None:
            return []
        if family.settled:
            found = family.spread(family.of_kinds(tables.layers))
        else:
            rows, helds, which = family.rooms_asked
            asked = rows, helds, batch.room_of, batch.sram_bits
            found = np.take(tables.beside(*asked, moved), which, axis=1)
        found = found + family.extra_j
        found = np.where(np.isinf(found), 0.0, found)
        return [self._fused_energy(family, batch, found) if family.fused else found]

    def _fused_energy(self, family: Family, batch: Batch, alone: Floats) -> Floats:
        """(B, K, w, …): energies of layers alone, or in fused runs, where those are of entries.

        0 of an entry that was cut from what tells. Where the input's value stands for a run, what
        depends on the width of the band is left out.
        """
        run, moved_j = family.of_runs("run"), family.of_runs("moved_j")
        of_pairs, of_bands = of_fused(family, batch), None
        if family.bands:
            of_bands = np.zeros((*of_pairs.shape[:3], family.bands))
        in_run = family.spread(of_pairs, of_bands) + moved_j
        return np.where(run == ALONE, alone, np.where(run >= 0, in_run, 0.0))

    def _with_fused(
        self, family: Family, batch: Batch, latency_s: Floats, bits: Floats
    ) -> tuple[Floats, Floats]:
        """Latencies, 0 in fused runs, and DRAM bits; inf where a run does not fit, or begin so."""
        run, fused_bits, need = (family.of_runs(name) for name in ("run", "bits", "need"))
        fits = np.isfinite(family.spread(self._barred_in_runs(family, batch)))
        if batch.rooms:
            fits = fits & (need <= batch.sram_bits.reshape(-1, *(1,) * need.ndim))
        in_run = np.where(((run >= 0) & fits) | (run == UNKNOWN), 0.0, np.inf)
        latency_s = np.where(run == ALONE, latency_s, in_run)
        return latency_s, np.where(run == ALONE, bits, np.where(run >= 0, fused_bits, 0.0))

    def _barred_in_runs(self, family: Family, batch: Batch) -> Floats:
        """(B, K, w, w): 0, or inf where the PEs of an option do not run a pair of widths."""
        runs = family.of_left(np.where(batch.pairs_run, 0.0, np.inf))
        return np.asarray(runs[:, None] + family.barred)

    def run_prices(self, batch: Batch, coefficients: Floats) -> RunPrices | None:
        """Weights of roofs and prices of SRAM for the fused runs; None where there are none."""
        if not self.states.runs:
            return None
        if batch.prices is not None:
            return self._chargeable(batch.prices)
        each = self.space.shares.by_member(coefficients)
        per_s, per_bit, noise = (each[..., m] for m in (LATENCY, DRAM, NOISE))
        if batch.energy is not None and each[..., -1].any():
            assert self.space.energy is not None
            per_s = per_s + each[..., -1] * batch.energy.static_w[:, None]
            per_bit = per_bit + each[..., -1] * self.space.energy.fetched_j_per_bit
        return self._chargeable(self._pricing.choose(batch, per_s, per_bit, noise))

    def _chargeable(self, prices: RunPrices) -> RunPrices:
        """No price of runs whose first layer's table was cut from what tells.

        There, what there is of the SRAM is not taken off what the other layers are charged for.
        """
        if not self._cut_first:
            return prices
        price = prices.price.copy()
        price[:, self._cut_first] = 0.0
        return replace(prices, price=price)

    @cached_property
    def _cut_first(self) -> list[int]:
        """Those runs."""
        found = []
        for r in self.states.runs:
            family, kind = self.member_of[self.space.runs[r].first]
            if (self.families[family].fused[kind].run == UNKNOWN).any():
                found.append(r)
        return found

    @cached_property
    def _pricing(self) -> RunPricing:
        from codesign.search.bounds.run_prices import RunPricing  # where runs are on offer alone

        return RunPricing(self.states)

    def _in_runs(
        self, family: Family, batch: Batch, latency: Floats, bits: Floats, prices: RunPrices
    ) -> Floats:
        """(B, K, w, …): what entries in fused runs cost beside DRAM bits.

        ``latency`` (B, K or 1) is what a second costs.
        """
        run, own, first = (family.of_runs(name) for name in ("run", "own", "first"))
        at = np.maximum(run, 0)
        column = (-1, *(1,) * run.ndim)
        share, price = prices.share[:, at], prices.price[:, at]
        of_compute, of_memory = weights_of_roofs(share, self.space.exposed)
        mean = of_compute * family.compute_s(batch)
        mean = mean + of_memory * (bits / self.space.dram_bits_per_s)
        charged = price * (own - first * prices.sram_bits.reshape(column))
        return np.where(run >= 0, along(latency, mean) * mean + charged, 0.0)

    def _of_bands(
        self, family: Family, pairs: Floats, charges: tuple[Floats, Floats], prices: RunPrices
    ) -> Floats:
        """(B, K, bw, bands): the least over widths of the band that each run reads.

        ``charges`` (B, K or 1, 1) are the coefficients of noise and energy.
        """
        noise, energy = charges
        read = family.of_runs("input_noise")
        finite = np.where(np.isfinite(read), read, 0.0)
        charged = np.where(np.isfinite(read), noise * finite, np.inf)  # (B, K, ba)
        runs = np.array([x.band_runs for x in family.fused])
        held = prices.price[:, runs] * family.of_runs("band_elements")  # (B, K, bands)
        if energy.any():
            held = held + energy * family.of_runs("band_j")
        each = pairs + charged[:, :, None, :]
        columns = [
            (each + (held[:, :, n, None] * self.widths)[:, :, None]).min(axis=3)
            for n in range(family.bands)
        ]
        return np.stack(columns, axis=3)

    def largest(self, number: int, batch: Batch, metric: int) -> Floats:
        """(B, K): the most that a family's kinds have of a kind of cost; −inf where none runs."""
        if batch.modes:
            each = [self.largest(number, mode, metric) for mode in batch.modes]
            return np.asarray(np.max(each, axis=0))
        family = self.families[number]
        if self.space.shares.kinds[metric] == ENERGY and not family.fused:  # needed anyway
            each_j = self._energies(number, batch)
            each_j = np.where(np.isinf(each_j), -np.inf, each_j)
            return np.asarray(each_j.max(axis=tuple(range(2, each_j.ndim))))
        latency_s, dram_bits, *energies = self.costs_of(number, batch)
        runs = np.isfinite(latency_s)
        if family.fused:  # a run takes no longer than its layers, each by the larger of its roofs
            memory_s = dram_bits / self.space.dram_bits_per_s
            alone_s = longer(family.compute_s(batch), memory_s, self.space.exposed)
            latency_s = np.maximum(latency_s, alone_s)
            unknown = np.array([x.run for x in family.fused]) == UNKNOWN
            latency_s, dram_bits = (np.where(unknown, np.inf, x) for x in (latency_s, dram_bits))
        if metric == LATENCY:
            value = latency_s
        elif metric == DRAM:
            value = dram_bits
        elif self.space.shares.kinds[metric] == ENERGY:
            value = energies[0] + along(static_w(batch), latency_s) * np.where(runs, latency_s, 0)
            if family.bands:
                value = value + self._most_of_bands(family, batch)
            value = np.where(unknown, np.inf, value)
        else:
            if metric in (NOISE, MODEL):
                rows = family.noise if metric == NOISE else family.weights[:, None] * self.widths
                pairs = np.broadcast_to(rows[..., None], family.bops.shape)
            else:
                own = metric - len(ADDITIVE_METRICS)
                pairs = family.bops if metric == BOPS else family.costs[own]
            most = np.repeat(pairs[None].max(axis=3)[..., None], family.bands, axis=3)
            value = family.spread(pairs[None], most if family.bands else None)
        entries = np.where(runs, value, -np.inf)
        return np.asarray(entries.reshape(*entries.shape[:2], -1).max(axis=2))

    def _most_of_bands(self, family: Family, batch: Batch) -> Floats:
        """(B, K, w, …): the most energy that depends on a band's width, where one is read."""
        most = of_fused(family, batch).max(axis=3)[..., None]
        most = most + family.of_runs("band_j")[:, None] * float(self.widths.max())
        return family.spread(np.zeros((*most.shape[:2], 1, 1)), most)
