"""What every choice of a problem costs, for arrays of hardware options at a time.

Layers of the same geometry share one table (ResNet-152 has 156 layers and about two dozen
geometries).
"""

from __future__ import annotations

from collections import abc
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.buffers import fits_buffers, in_unified
from codesign.costs.compute import PEArray
from codesign.costs.port import BITS
from codesign.costs.residency import moved_elements
from codesign.costs.stored import stored_tilings
from codesign.costs.tiling import check_tiles, least_needs, operand_bits, tilings
from codesign.errors import SpecError
from codesign.problem.metrics import ENERGY, is_cost, kinds_of
from codesign.problem.problem import Problem
from codesign.space.array_cycles import ArrayCycles
from codesign.space.capacities import Capacities
from codesign.space.energy import EnergyCosts, problem_rates
from codesign.space.hardware_metrics import hardware_metrics, most_sram_bits
from codesign.space.least_runs import least_run_bits
from codesign.space.room import PricedRooms, RoomTable, room_table
from codesign.space.shape_order import finer_shapes, finest_shape, smallest_alike
from codesign.space.shape_tilings import ShapeTilings, of_variant
from codesign.space.staircase import Staircase, least_of
from codesign.space.widths import WidthSpace
from codesign.specs.fpga import Fpga
from codesign.specs.machine import MACHINE_FIELDS, Mapping
from codesign.specs.network import Layer

MAX_CACHED_STEPS = 2**23  # steps of whole shapes' staircases kept (128 MiB)


class HardwareSpace(WidthSpace):
    """All hardware options of a problem and what every layer costs on them.

    Attributes
    ----------
    rows, cols, pe_weight_bits, pe_activation_bits : ints, shape (options,)
    shapes : tuple of PEArray
        Arrays of PEs as the technology has them, each with each mapping on offer; of a
        reconfigurable machine with the first. Where PEs split into narrower ones, what tiles suit
        an array depends on the widths of its PEs: each option is then a shape of its own.
    shape_rows, shape_cols : ints, shape (shapes,)
    shape_of : ints, shape (options,)
        Ascending: the options of a shape are consecutive, one for each pair of PE widths.
    pe_pairs : int
        Options of each shape.
    pair_of : ints, shape (options,)
        Which pair of PE widths each has.
    modes : tuple of str or None
        The mappings that a layer may take on its own; just None where it has the machine's.

    Parameters
    ----------
    within_noise : bool
        Without widths that no choice within the problem's limit on the noise has.
    """

    def __init__(self, problem: Problem, within_noise: bool = False) -> None:
        layers, choices = problem.network.layers, problem.choices
        costs = [x for x in (problem.objective, *problem.budgets) if is_cost(x)]
        if costs:
            raise SpecError(
                f"{costs[0]}: costs of one's own are known where only widths are chosen"
            )
        keys = [_geometry(problem, layer) for layer in layers]
        super().__init__(problem, keys, problem.dram_bits_per_s, within_noise)
        self.capacities = self._declared = Capacities.of(choices, _block_bits(problem))
        pairs = np.array([*product(choices.pe_weight_bits, choices.pe_activation_bits)])
        self.modes: tuple[Mapping | None, ...] = (None,)
        if choices.reconfigurable:
            self.modes = choices.mapping
        arrays = self._arrays()
        self.widens = choices.precision == "widening"
        self.pe_pairs = 1 if self.widens else len(pairs)
        self.shapes = tuple(x for x in arrays for _ in range(len(pairs) if self.widens else 1))
        self.shape_rows = np.array([array.rows for array in self.shapes])
        self.shape_cols = np.array([array.cols for array in self.shapes])
        self.shape_of = np.repeat(np.arange(len(self.shapes)), self.pe_pairs)
        self.pair_of = np.tile(np.arange(len(pairs)), len(arrays))
        self.pe_weight_bits, self.pe_activation_bits = pairs[self.pair_of].T
        self.rows, self.cols = self.shape_rows[self.shape_of], self.shape_cols[self.shape_of]
        pes = self.rows, self.cols, self.pe_weight_bits, self.pe_activation_bits
        self.hardware_metrics = hardware_metrics(problem, *pes)
        self.option_count = len(self.rows)
        for layer in self.geometries:  # no more tilings on the smallest array than memory holds
            for mapping in choices.mapping:
                check_tiles(layer, replace(arrays[0], mapping=mapping))
        self.pace = ArrayCycles(self)
        rates, self.no_energy = problem_rates(problem)
        self.energy = None
        if rates is not None:
            self.energy = EnergyCosts(rates, self.pace, self.variant_count)
        if choices.sram_bits_per_cycle is not None:  # its times, as bits of accesses
            self.port = EnergyCosts(BITS, self.pace, self.variant_count)
        if ENERGY in kinds_of((problem.objective, *problem.budgets)):
            self.count_energy()
        self.shape_tilings = ShapeTilings(self, self.pace, self.energy, self._declared)
        self._rooms: dict[tuple[int, bool, int | None, bool], RoomTable] = {}
        self._prices: dict[tuple[Mapping, ...], tuple[Floats, Floats]] = {}  # of `priced_rooms`
        self.ideally_tiled = False  # see `with_ideal_tilings`

    def count_energy(self) -> None:
        """Price the energy of every design.

        Raises
        ------
        SpecError
            It is not known.
        """
        if self.energy is None:
            raise SpecError(f"{ENERGY}: not known: {'; '.join(self.no_energy)}")
        self.counts_energy = True

    def _arrays(self) -> list[PEArray]:
        """Every array on offer, the PEs of the technology's engine."""
        choices, engine = self.problem.choices, self.problem.technology.engine
        return [
            PEArray(rows, cols, engine, mapping, choices.zero_skipping)
            for rows in choices.rows
            for cols in choices.cols
            if rows == cols or not choices.square
            for mapping in (choices.mapping[:1] if choices.reconfigurable else choices.mapping)
        ]

    def mappings_of(self, option: int) -> tuple[Mapping, ...]:
        """The mappings that the machine of an option has."""
        choices = self.problem.choices
        if choices.reconfigurable:
            return choices.mapping
        return (self.shapes[self.shape_of[option]].mapping,)

    def machine_of(self, option: int) -> dict[str, Any]:
        """The fields of `Machine` of an option."""
        machine = {name: getattr(self.problem.choices, name) for name in MACHINE_FIELDS}
        return machine | {"mapping": self.mappings_of(option)}

    def with_sram(self, min_bits: float, max_bits: float) -> HardwareSpace:
        """The same space with SRAMs of at least and at most so many bits; shares all tables."""
        made = copy(self)
        made.capacities = self.capacities.between(min_bits, max_bits)
        return made

    def with_ideal_tilings(self) -> HardwareSpace:
        """The same space where a smallest tile moves no more than is compulsory.

        On every array as on the finest, of which there must be one: what a layer takes so is no
        more than it does with any tiling, and none need be listed.
        """
        assert self.finest is not None
        made = copy(self)
        made._rooms, made.ideally_tiled = {}, True
        made.finer_shapes = np.full(len(self.shapes), self.finest)
        return made

    def at_rates(self, clock_hz: float, dram_bits_per_s: float) -> HardwareSpace:
        """The same space at another clock and DRAM bandwidth; shares all tables, none of time."""
        made = copy(self)
        made.problem = replace(self.problem, clock_hz=clock_hz, dram_bits_per_s=dram_bits_per_s)
        made.dram_bits_per_s = dram_bits_per_s
        return made

    # What an array shape changes ----------------------------------------------------------------

    @property
    def shape_cycles(self) -> Ints:
        """(shapes, geometries): see `ArrayCycles.of_shapes`."""
        return self.pace.of_shapes

    def cycles_on(self, options: Ints, mode: int | None = None) -> Ints:
        """(options, geometries, w, w), or of width 1: see `ArrayCycles.of_options`."""
        return self.pace.of_options(options, mode)

    def option_precision_factor(self, options: Ints) -> Ints:
        """(options, widths, widths): see `ArrayCycles.precision_factor`."""
        return self.pace.precision_factor(options)

    @cached_property
    def _moves(self) -> Bools:
        """(geometries, 1, 1): layers that only move data, at any width; one row where none does."""
        moves = np.array([geometry.moves for geometry in self.geometries])
        return (moves if moves.any() else moves[:1])[:, None, None]

    def runnable(self, options: Ints) -> Bools:
        """(options, geometries or 1, widths, widths): pairs of widths that run on the PEs at all.

        One entry stands for all geometries where they do not differ.
        """
        count = len(self.widths)
        if self.problem.choices.precision == "multi-pass":
            return np.ones((len(options), 1, count, count), dtype=bool)
        weights = self.widths <= self.pe_weight_bits[options, None]
        ifmaps = self.widths <= self.pe_activation_bits[options, None]
        return np.asarray((weights[:, None, :, None] & ifmaps[:, None, None, :]) | self._moves)

    @cached_property
    def _compulsory(self) -> Ints:
        """(variants × geometries, 3): DRAM elements of operands no tiling on any array is below."""
        engine = self.problem.technology.engine
        # A whole layer in one tile suits every array; only its pixels remain to be cut.
        stored = self.problem.network, self.problem.choices.stored_channels
        each = ((x, tilings(x, PEArray(x.C, x.K, engine))) for x in self.geometries)
        whole = [stored_tilings(tiles, stored[0], x, stored[1]) for x, tiles in each]
        every = [(v, tiles) for v in range(self.variant_count) for tiles in whole]
        return np.array([of_variant(tiles, v).traffic.min(axis=0) for v, tiles in every])

    @cached_property
    def compulsory_traffic(self) -> Floats:
        """(variants × geometries, widths, widths): DRAM bits no tiling on any array goes below."""
        return self.compulsory_at(np.ones((len(self.geometries), 3)))

    @cached_property
    def compulsory_j(self) -> Floats:
        """(variants × geometries, w, w): J that no tiling spends less of on DRAM bits."""
        assert self.energy is not None
        return self.compulsory_at(self.least_per_bit(self.energy))

    def least_per_bit(self, costs: EnergyCosts) -> Floats:
        """(geometries, 3): for a DRAM bit of each operand, in the mapping of least."""
        mappings, count = self.problem.choices.mapping, len(self.geometries)
        return np.array([np.min([costs.per_bit(m, n) for m in mappings], 0) for n in range(count)])

    def compulsory_at(self, per_bit: Floats) -> Floats:
        """(variants × geometries, w, w): what compulsory bits cost, at so much a bit (…, 3)."""
        bits = np.array([self._operand_bits(x) for x in self.geometries])
        kinds = self.variant_count, len(self.geometries)
        once = self._compulsory.reshape(*kinds, 3) * per_bit
        found = np.einsum("gwao,vgo->vgwa", bits, once)
        return np.asarray(found.reshape(-1, *found.shape[2:]), dtype=np.float64)

    def least_area_mm2(self, options: Ints, sram_bits: Floats | None = None) -> Floats:
        """(options,): area with no less SRAM than that, by default than any design has."""
        least = self.min_sram_bits_of_shapes[self.shape_of[options]]
        least = self.capacities.holding(least) if sram_bits is None else sram_bits
        area = self.hardware_metrics.get("area_mm2")
        if area is None:
            return np.zeros(len(options))
        return area.value(options, np.where(np.isfinite(least), least, 0.0))

    @cached_property
    def finest(self) -> int | None:
        """See `shape_order.finest_shape`."""
        return finest_shape(self)

    @cached_property
    def finer_shapes(self) -> Ints | None:
        """(shapes,): see `shape_order.finer_shapes`."""
        return finer_shapes(self, self.finest)

    @cached_property
    def smallest_alike(self) -> Ints:
        """(shapes,): see `shape_order.smallest_alike`."""
        return smallest_alike(self)

    def shapes_among(self, options: Ints) -> Ints:
        """Shapes of some options, each once, in order."""
        # numpy's `unique` would load its masked arrays first.
        return np.flatnonzero(np.bincount(self.shape_of[options]))

    def staircase(
        self, shape: int, geometry: int, variant: int = 0, mode: int = 0, energy: bool = False
    ) -> Staircase:
        """See `ShapeTilings.staircase`."""
        return self.shape_tilings.staircase(shape, geometry, variant, mode, energy)

    def _best_staircase(
        self, shape: int, geometry: int, variant: int, mode: int | None, energy: bool
    ) -> Staircase:
        """The least traffic within any room, in a mode or whichever is best."""
        every = range(len(self.modes)) if mode is None else [mode]
        return least_of([self.staircase(shape, geometry, variant, m, energy) for m in every])

    def rooms(
        self, shape: int, moves_data: bool = True, mode: int | None = None, energy: bool = False
    ) -> RoomTable:
        """Least traffic of all variants × geometries on an array shape within any room.

        In a mode, or in the best for each room; in bits, or J as of `staircase`. Just 0, or inf
        where no tile fits, where it does not matter how much data moves.
        """
        mode = 0 if len(self.modes) == 1 else mode
        key = shape, moves_data, mode, energy
        if key not in self._rooms:
            kinds = [(v, g) for v in range(self.variant_count) for g in range(len(self.geometries))]
            plain = self.problem.choices.mapping == ("window",) and not self.widens
            if self.ideally_tiled and moves_data:
                needs, _ = self._least_steps(shape)
                least = self.compulsory_traffic
                table = RoomTable(needs, [*np.stack([np.full_like(least, np.inf), least], -1)])
            elif plain and not moves_data:
                table = RoomTable(*self._least_steps(shape))
            else:
                stairs = [self._best_staircase(shape, g, v, mode, energy) for v, g in kinds]
                table = room_table(stairs)
                if not moves_data:
                    table = table.without_traffic()
            while len(self._rooms) >= max(1, MAX_CACHED_STEPS // table.size):
                self._rooms.pop(next(iter(self._rooms)))
            self._rooms[key] = table
        return self._rooms[key]

    def priced_rooms(self, shape: int, mode: int | None = None) -> PricedRooms:
        """A bound on `rooms` in J that takes no tilings but those of least traffic."""
        assert self.energy is not None
        every = range(len(self.modes)) if mode is None else [mode]
        mappings = tuple(self.energy.mapping(shape, m) for m in every)
        if mappings not in self._prices:
            kinds = range(len(self.geometries))
            each = [[self.energy.per_bit(x, g).min() for g in kinds] for x in mappings]
            per_bit = np.tile(np.min(each, axis=0), self.variant_count)[:, None, None]
            further = self.compulsory_j - per_bit * self.compulsory_traffic
            self._prices[mappings] = per_bit, further
        return PricedRooms(self.rooms(shape, True, mode), *self._prices[mappings])

    def most_need(self, shape: int, moves_data: bool) -> Floats:
        """(variants × geometries, w, w): SRAM bits beyond which no mode's tilings are better.

        A tiling that moves no more of any operand than is compulsory is best in energy and at the
        port, too. Where none of them fits, it is what any tiling needs.
        """
        every, least = range(len(self.modes)), self.compulsory_traffic
        found = []
        for mode in every:
            rooms = self.rooms(shape, moves_data, mode)
            most = rooms.most
            if (self.counts_energy or self.port is not None) and moves_data:
                spare = rooms.within(np.array([np.inf]))[0] > least
                if spare.any():
                    largest = self.shape_tilings.largest_needs(shape, mode, self.variant_count)
                    most = np.where(spare, largest, most)
            found.append(most)
        return np.asarray(np.max(found, axis=0))

    def _least_steps(self, shape: int) -> tuple[list[Floats], list[Floats]]:
        """Need (w, w, 1) of the smallest tiling of all variants × geometries, and no traffic."""
        problem, sides = self.problem, (self.shape_rows[[shape]], self.shape_cols[[shape]])
        on = *sides, problem.technology.engine, problem.choices.zero_skipping
        each = [(least_needs(x, *on)[0], self._operand_bits(x)) for x in self.geometries]
        needs = []
        for variant in range(self.variant_count):
            for need, bits in each:
                held = self.tile_bits(need * _fetched(variant), bits)
                needs.append(held.min(axis=-1, keepdims=True))
        if self._declared.stepped and not self.placed:
            needs = [self._declared.holding(need) for need in needs]
        return needs, [np.tile([np.inf, 0.0], need.shape) for need in needs]

    def tile_bits(self, need: Ints, bits: Ints) -> Floats:
        """(…, n): bits of tiles (…, n, 3) at widths (…, 3); inf where buffers are too small."""
        buffers = self.problem.choices.buffers
        found = (need * (bits * in_unified(buffers))[..., None, :]).sum(axis=-1)
        return np.where(fits_buffers(need, bits, buffers), found, np.inf)

    def least_need(self, shape: int, moves_data: bool) -> Floats:
        """(geometries, widths, widths): SRAM that a layer takes at least on an array shape.

        Of its smallest tiling and what of its operands is resident; in bits, or sizes on offer.
        """
        least = self.rooms(shape, moves_data).least
        least = least.reshape(self.variant_count, len(self.geometries), *least.shape[1:])
        bw, ba = self.widths[:, None], self.widths[None, :]
        held = [
            [_held(variant, layer, bw, ba) for layer in self.geometries]
            for variant in range(self.variant_count)
        ]
        return np.asarray((least + np.array(held)).min(axis=0))

    @cached_property
    def min_sram_bits_of_shapes(self) -> Floats:
        """(shapes,): SRAM bits below which some layer has no tiling, at its narrowest widths.

        Inf where the buffers of its operands hold none.
        """
        engine, sides = self.problem.technology.engine, (self.shape_rows, self.shape_cols)
        if self.problem.choices.mapping != ("window",) or self.widens:
            engine, sides = 1, (np.ones_like(self.shape_rows), np.ones_like(self.shape_cols))
        least = np.zeros(len(self.shapes))
        fused = np.full(len(self.geometries), np.inf)
        np.minimum.at(fused, self.geometry_of, self.least_fused_bits)
        for geometry, bw, ba in self._narrowest_widths():
            layer = self.geometries[geometry]
            bits = operand_bits(bw, ba, layer.accumulation_bits)
            need = least_needs(layer, *sides, engine, self.problem.choices.zero_skipping)
            each = [
                self.tile_bits(need, bits * _fetched(variant)).min(axis=1)
                + _held(variant, layer, np.array(bw), np.array(ba))
                for variant in range(self.variant_count)
            ]
            least = np.maximum(least, np.minimum(np.min(each, axis=0), fused[geometry]))
        return least

    @cached_property
    def least_fused_bits(self) -> Floats:
        """(layers,): SRAM bits that each takes at least in a fused run; inf where it is in none."""
        least = least_run_bits(self, *[np.ones(len(self.widths), dtype=bool)] * 2).total
        return np.array([min((least[r] for r in runs), default=np.inf) for runs in self.runs_at])

    def _narrowest_widths(self) -> list[tuple[int, int, int]]:
        """Each geometry with the narrowest weights and input that a layer of it may have."""
        own, first = self.weight_allowed.argmax(axis=1), self.variable_allowed.argmax(axis=1)
        weight = [own[i] if v is None else first[v] for i, v in enumerate(self.weight_index)]
        widths = self.geometry_of, self.widths[weight], self.widths[first[self.input_index]]
        return sorted({(int(g), int(bw), int(ba)) for g, bw, ba in zip(*widths, strict=True)})

    def useful_sram_bits(self, shape: int, moves_data: bool) -> float:
        """SRAM bits beyond which nothing gets cheaper on an array shape.

        Every tiling fits, and every tensor that may stay on chip beside it.
        """
        # Where no traffic counts, no more than the smallest tile of each pair of widths is of use.
        most = float(self.most_need(shape, moves_data).max(initial=0.0))
        most += float(self._most_live_bits.max(initial=0.0))
        return max(most, self._most_fused_bits)

    @cached_property
    def _most_fused_bits(self) -> float:
        """SRAM bits that any fused run takes with all that may be on chip beside it."""
        widest, live = int(self.widths.max()), self.live_in_run @ self.placed_elements
        most = 0
        for run, beside in zip(self.run_layers, live.tolist(), strict=True):
            held = sum(x.held_bits(widest, widest) for x in run) + beside * widest
            most = max(most, held + max(x.psum_bits(widest, widest) for x in run))
        return float(most)

    @cached_property
    def _most_live_bits(self) -> Floats:
        """(layers,): bits of all tensors that may be on chip while each runs, at their widest."""
        widest = np.where(self.variable_allowed, self.widths, 0).max(axis=1)
        bits = self.placed_elements * widest[self.placed_variable]
        return np.asarray(self.lifetimes.held(bits), dtype=np.float64)

    def sram_bits_within(self, options: Ints, limits: abc.Mapping[str, float]) -> Floats:
        """(options,): the most SRAM on offer with which each keeps all limits on the hardware.

        Those among ``limits`` that are on metrics of the hardware alone; negative where no SRAM on
        offer keeps them.
        """
        most = most_sram_bits(self.hardware_metrics.values(), options, limits)
        return self.capacities.within(most)

    def _operand_bits(self, geometry: Layer) -> Ints:
        return operand_bits(self.widths[:, None], self.widths[None, :], geometry.accumulation_bits)


def _block_bits(problem: Problem) -> int:
    """Bits of which an SRAM has a whole multiple."""
    technology = problem.technology
    return technology.bram_bits if isinstance(technology, Fpga) else 1


def _fetched(variant: int) -> Ints:
    """(3,): which of weights, ifmap and partial sums need tiles."""
    return np.array([variant < 2, variant % 2 == 0, True], dtype=np.int64)


def _held(variant: int, layer: Layer, weight_bits: Ints, activation_bits: Ints) -> Ints:
    """Bits that a layer's resident operands take at least, at widths that broadcast together.

    Both may be one tensor, or parts of one: then it takes its room once.
    """
    weights = weight_bits * (layer.weights if variant >= 2 else 0)
    return np.maximum(weights, activation_bits * (layer.ifmap if variant % 2 else 0))


def _geometry(problem: Problem, layer: Layer) -> tuple[object, ...]:
    letters = ("N", "G", "K", "C", "P", "Q", "R", "S", "H", "W")
    steps = layer.stride, layer.dilation, layer.input_dilation, layer.input_repetition
    paced = layer.moves and problem.choices.on_chip != "none"
    elements = moved_elements(problem.network, layer) if paced else 0
    stored = problem.network.operand_factors(layer, problem.choices.stored_channels)
    return (*(getattr(layer, x) for x in letters), *steps, layer.moves, elements, stored)
