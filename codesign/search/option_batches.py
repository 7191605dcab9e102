"""Tables of hardware options for the bounds: each option's own, and envelopes of many.

An envelope is a dominating option: its cycles, its DRAM traffic and the widths that run on it are
at least as good as those of every option it stands for, though no such hardware need exist. What
bounds it from below bounds all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.metrics import ENERGY, kinds_of
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.energy_tables import (
    EnergyTables,
    envelope_of_energies,
    least_of_energies,
)
from codesign.search.bounds.port_tables import envelope_of_ports, least_of_ports, port_tables
from codesign.space.hardware import HardwareSpace
from codesign.space.placement import all_free, settle
from codesign.space.room import PricedRooms, RoomTable


class OptionBatches:
    """Batches of a space's options, as far as some metrics need them."""

    def __init__(self, space: HardwareSpace, metrics: Collection[str]) -> None:
        self.space, metrics = space, kinds_of(metrics)
        self.energy = space.energy if ENERGY in metrics else None
        static = self.energy is not None and self.energy.is_static
        # Whether what the SRAM's port takes counts.
        self.port = space.port is not None and ("latency_s" in metrics or static)
        timed = "latency_s" in metrics or "dram_bits" in metrics
        self.moves_data = timed or self.energy is not None

    def of_options(
        self,
        options: Ints,
        sram_bits: Floats,
        least_sram_bits: Floats | None = None,
        powered_bits: Floats | None = None,
        roughly: bool = False,
    ) -> Batch:
        """Tables of options, each with its own SRAM capacity.

        ``least_sram_bits``: what is known of tensors' places holds from so many bits on.
        ``powered_bits``: no design in question has less SRAM that takes power; by default so many,
        or where these are not given, what no design of the space has less of.
        ``roughly``: what DRAM bits cost in energy is bounded by their number.
        """
        powered_bits = least_sram_bits if powered_bits is None else powered_bits
        shape_of, modes = self.space.shape_of[options], []
        for mode in range(len(self.space.modes)):
            traffic = self._traffic_on(shape_of, sram_bits, mode)
            made = self._runnable(options, traffic, self.space.cycles_on(options, mode))
            made = self._ported(made, options, np.arange(len(options)), mode)
            moved = traffic if roughly else None
            energy = self._energy(options, sram_bits, powered_bits, mode, moved)
            modes.append(replace(made, energy=energy))
        batch = _least_of(modes)
        every, range_bits = options, sram_bits
        if least_sram_bits is not None:
            every = np.concatenate([options, options])
            range_bits = np.concatenate([least_sram_bits, sram_bits])
        return self._with_rooms(batch, options, sram_bits, every, range_bits, roughly)

    def _energy(
        self,
        options: Ints,
        sram_bits: Floats,
        powered_bits: Floats | None,
        mode: int,
        moved: Floats | None,
    ) -> EnergyTables | None:
        """Energies of options with at most so much SRAM each, and at least.

        ``moved``: DRAM bits of operands, whose number alone bounds what they cost.
        """
        costs, space = self.energy, self.space
        if costs is None:
            return None
        shape_of = space.shape_of[options]
        if moved is not None:
            least = self._priced(shape_of, mode, moved)
        else:
            least = np.empty((len(options), *space.compulsory_traffic.shape))
            for shape in space.shapes_among(options):
                mine = shape_of == shape
                rooms = self._energy_rooms(int(shape), mode, roughly=False)
                least[mine] = rooms.within(sram_bits[mine])
        static_w = costs.static_w(space.least_area_mm2(options, powered_bits))
        constant, fused = costs.constants(options, mode), self._fused_energy(options)
        return EnergyTables(constant, least, static_w, fused=fused)

    def _fused_energy(self, options: Ints) -> Floats:
        """(options, geometries, w, w): J of layers in fused runs; empty where there are none."""
        if self.energy is None or not self.space.runs:
            return np.zeros((0, 0, 0, 0))
        return self.energy.fused(options)

    def _energy_rooms(self, shape: int, mode: int | None, roughly: bool) -> RoomTable | PricedRooms:
        """What DRAM bits cost at least on an array shape."""
        if roughly:
            return self.space.priced_rooms(shape, mode)
        return self.space.rooms(shape, True, mode, energy=True)

    def _ideal_energy(
        self, options: Ints, row: Ints, count: int, powered_bits: Floats | None = None
    ) -> EnergyTables | None:
        """An envelope of the energies of options in each row, with ideal tilings."""
        costs, space = self.energy, self.space
        if costs is None:
            return None
        area_mm2 = np.full(count, np.inf)
        np.minimum.at(area_mm2, row, space.least_area_mm2(options, powered_bits))
        among = np.zeros((count, len(space.shapes)), dtype=bool)
        among[row, space.shape_of[options]] = True
        every = np.nonzero(among)[1] * space.pe_pairs  # an option of each shape of each row
        known: dict[bytes, tuple[Floats, Floats]] = {}
        if len(every) == count:
            constant, fused = self._least_constants(every[:, None])
        else:
            for shapes in among:
                first = np.flatnonzero(shapes)[None] * space.pe_pairs
                if shapes.tobytes() not in known:
                    known[shapes.tobytes()] = self._least_constants(first)
            each = [known[shapes.tobytes()] for shapes in among]
            constant, fused = (np.concatenate(x) for x in zip(*each, strict=True))
        ideal = np.broadcast_to(space.compulsory_j, (count, *space.compulsory_j.shape))
        return EnergyTables(constant, ideal, costs.static_w(area_mm2), fused=fused)

    def _least_constants(self, options: Ints) -> tuple[Floats, Floats]:
        """Least `EnergyCosts.constants` of options (n, m) in any mode, and `fused`: (n, …) each."""
        assert self.energy is not None
        every, shape = options.ravel(), options.shape
        modes = range(len(self.space.modes))
        each = (self.energy.constants(every, mode) for mode in modes)
        found = reduce(np.minimum, each), self._fused_energy(every)
        least, fused = (x.reshape(*shape, *x.shape[1:]).min(axis=1) if len(x) else x for x in found)
        return least, fused

    def _ported(self, batch: Batch, options: Ints, row: Ints, mode: int | None = None) -> Batch:
        """The tables with what the SRAM's port takes at least; ``row`` says whose is each option's.

        In a mode, or in the best.
        """
        if not self.port:
            return batch
        modes = range(len(self.space.modes)) if mode is None else [mode]
        return replace(batch, port=port_tables(self.space, options, row, modes))

    def traffic(self, shape: int, sram_bits: Floats, mode: int | None = None) -> Floats:
        """(capacities, variants × geometries, w, w): least DRAM bits of a tiling that fits.

        Inf where none fits, the zero of the min-plus algebra the bounds are computed in; just 0
        where it does, where no metric depends on it. In a mode, or in the best.
        """
        return self.space.rooms(shape, self.moves_data, mode).within(sram_bits)

    def _traffic_on(self, shapes: Ints, sram_bits: Floats, mode: int | None = None) -> Floats:
        """(n, variants × geometries, w, w): `traffic` on shapes (n,) with so much SRAM each."""
        found = np.empty((len(shapes), *self.space.compulsory_traffic.shape))
        for shape in np.flatnonzero(np.bincount(shapes)).tolist():
            mine = shapes == shape
            found[mine] = self.traffic(shape, sram_bits[mine], mode)
        return found

    def _priced(self, shapes: Ints, mode: int | None, traffic: Floats) -> Floats:
        """(n, variants × geometries, w, w): what so many DRAM bits cost at least on shapes (n,)."""
        found = np.empty(traffic.shape)
        for shape in np.flatnonzero(np.bincount(shapes)).tolist():
            mine = shapes == shape
            found[mine] = self.space.priced_rooms(shape, mode).of_traffic(traffic[mine])
        return found

    def of_pe_pairs(
        self, options: Ints, traffic: Floats, sram: tuple[int, float] | None = None
    ) -> tuple[Batch, Ints]:
        """An envelope of the options of each pair of PE widths, and each option's row of them.

        It has the least cycles of all arrays; ``traffic`` (variants × geometries, w, w) is given:
        of ideal tilings, with tensors on chip for nothing, or of a shape with so many SRAM bits.
        """
        space = self.space
        pair = space.pair_of[options]
        pairs, first, row = np.unique(pair, return_index=True, return_inverse=True)
        each = np.broadcast_to(traffic, (len(pairs), *traffic.shape))
        batch = self._runnable(options[first], each, self._least_cycles(options, first, row))
        batch = replace(batch, energy=self._ideal_energy(options, row, len(pairs)))
        batch = self._ported(batch, options, row)
        if sram is None:
            return replace(batch, places=all_free(space)), row
        shape, sram_bits = sram
        on_shape = shape * space.pe_pairs + pairs
        room = np.full(len(pairs), sram_bits)
        return self._with_rooms(batch, on_shape, room, on_shape, room), row

    def of_shapes(
        self,
        options: Ints,
        shapes: Ints,
        row: Ints,
        sram_bits: Floats | None = None,
        powered_bits: Floats | None = None,
        finer: bool = False,
    ) -> Batch:
        """An envelope of the options of each shape: any of their PEs, the best tilings.

        Parameters
        ----------
        shapes, row : ints, shape (shapes,), (options,)
            The options' shapes, and which of them is each option's.
        sram_bits : floats, shape (shapes,), optional
            Capacities that tilings must fit in.
        powered_bits : floats, shape (shapes,), optional
            SRAM that takes power at least.
        finer : bool
            With the tilings of finer shapes, which are as good, see `HardwareSpace.finer_shapes`.
        """
        space = self.space
        finer_shapes = space.finer_shapes if finer else None
        tiled = shapes if finer_shapes is None else finer_shapes[shapes]
        runs_on = space.runnable(options)
        runs = np.zeros((len(shapes), *runs_on.shape[1:]), dtype=bool)
        np.logical_or.at(runs, row, runs_on)
        cycles = space.shape_cycles[shapes][:, :, None, None]
        if space.widens:  # each option is a shape
            cycles = space.cycles_on(options)[np.argsort(row)]
        if space.problem.choices.precision == "multi-pass":
            factor = np.full((len(shapes), *runs.shape[2:]), np.iinfo(np.int64).max)
            np.minimum.at(factor, row, space.option_precision_factor(options))
            cycles = cycles * self._unless_moving(factor[:, None])
        compute_s = cycles / space.problem.clock_hz
        traffic = space.compulsory_traffic
        if sram_bits is not None:
            traffic = self._traffic_on(tiled, sram_bits)
        batch = Batch(compute_s, np.where(self._of_variants(runs), traffic, np.inf))
        batch = self._ported(self._with_pairs(batch, runs), options, row)
        powered_bits = None if powered_bits is None else powered_bits[row]
        energy = self._ideal_energy(options, row, len(shapes), powered_bits)
        if energy is not None and sram_bits is not None:
            energy = replace(energy, least=self._priced(tiled, None, traffic))
        batch = replace(batch, energy=energy)
        if sram_bits is None:
            return replace(batch, places=all_free(space))
        first = np.searchsorted(row, np.arange(len(shapes)))
        within = options % space.pe_pairs  # which of its shape's each option is
        lookup = tiled * space.pe_pairs + within[first]
        every = tiled[row] * space.pe_pairs + within
        asked = lookup, sram_bits, every, sram_bits[row]
        return self._with_rooms(batch, *asked, roughly=True)

    def _least_cycles(self, options: Ints, first: Ints, row: Ints) -> Ints:
        """(pairs, geometries, w, w): the least cycles of the options of each pair of PE widths."""
        space = self.space
        if space.widens:
            every = space.cycles_on(options)
            return np.stack([every[row == n].min(axis=0) for n in range(len(first))])
        least = space.shape_cycles[space.shapes_among(options)].min(axis=0)[None, :, None, None]
        factor = space.option_precision_factor(options[first])
        return np.asarray(least * self._unless_moving(factor[:, None]))

    def _runnable(self, options: Ints, traffic: Floats, cycles: Ints) -> Batch:
        """Tables with the widths that run on the options' PEs, and their cycles on them."""
        compute_s = cycles / self.space.problem.clock_hz
        compute_s = np.broadcast_to(compute_s, (len(options), *compute_s.shape[1:]))
        runs = self.space.runnable(options)
        batch = Batch(compute_s, np.where(self._of_variants(runs), traffic, np.inf))
        return self._with_pairs(batch, runs)

    def _with_pairs(self, batch: Batch, runs: Bools) -> Batch:
        """The tables with the widths that layers run at, (B, geometries or 1, w, w)."""
        if not self.space.runs:
            return batch
        multiplies = 0
        if runs.shape[1] > 1:
            moves = [geometry.moves for geometry in self.space.geometries]
            multiplies = moves.index(False)
        return replace(batch, pairs_run=runs[:, multiplies])

    def _unless_moving(self, factor: Ints) -> Ints:
        """Factors (…, 1, w, w) for each geometry: 1 where it only moves data, if in any time."""
        if self.space.problem.choices.on_chip == "none":
            return factor
        moves = np.array([geometry.moves for geometry in self.space.geometries])
        return np.where(moves[:, None, None], 1, factor)

    def _of_variants(self, runs: Bools) -> Bools:
        """Pairs that run (…, geometries or 1, w, w), for each variant of resident operands."""
        count = self.space.variant_count
        return np.tile(runs, (1, count, 1, 1)) if runs.shape[1] > 1 else runs

    def _with_rooms(
        self,
        batch: Batch,
        lookup: Ints,
        room: Floats,
        options: Ints,
        sram_bits: Floats,
        roughly: bool = False,
    ) -> Batch:
        """The tables with what is known of tensors' places.

        Parameters
        ----------
        lookup, room : ints, floats, shape (B,)
            An option of each row's shape, and the SRAM bits that its tilings must fit in.
        options, sram_bits : ints, floats, shape (n,)
            All that the rows stand for.
        roughly : bool
            As of `of_options`.
        """
        space = self.space
        if not space.placed:
            return batch
        places = settle(space, options, sram_bits, self.moves_data)
        shapes, which = np.unique(space.shape_of[lookup], return_inverse=True)
        batch = replace(batch, places=places, room_of=which.ravel(), sram_bits=room)

        def with_tables(of: Batch, mode: int | None) -> Batch:
            energy = of.energy
            if energy is not None:
                by_energy = [self._energy_rooms(int(shape), mode, roughly) for shape in shapes]
                energy = replace(energy, rooms=by_energy)
            tables = [space.rooms(int(shape), self.moves_data, mode) for shape in shapes]
            return replace(
                of,
                places=places,
                rooms=tables,
                room_of=batch.room_of,
                sram_bits=batch.sram_bits,
                energy=energy,
            )

        modes = tuple(with_tables(of, mode) for mode, of in enumerate(batch.modes))
        return replace(with_tables(batch, None), modes=modes)


def _least_of(modes: Sequence[Batch]) -> Batch:
    """Tables of options in each mode as one."""
    if len(modes) == 1:
        return modes[0]
    compute_s = np.min([mode.compute_s for mode in modes], axis=0)
    traffic = np.min([mode.traffic for mode in modes], axis=0)
    energies = [mode.energy for mode in modes if mode.energy is not None]
    energy = least_of_energies(energies) if energies else None
    ports = [mode.port for mode in modes if mode.port is not None]
    port = least_of_ports(ports) if ports else None
    return replace(
        modes[0],
        compute_s=compute_s,
        traffic=traffic,
        energy=energy,
        port=port,
        modes=tuple(modes),
    )


def envelope(batches: Sequence[Batch]) -> Batch:
    """One dominating option of all options of some batches.

    Where capacities are counted, of one batch whose options have the same rooms and SRAM.
    """
    pairs = batches[0].traffic.shape[2:]
    paces = [np.broadcast_to(x, (*x.shape[:2], *pairs)) for x in (b.compute_s for b in batches)]
    compute_s = np.min([pace.min(axis=0) for pace in paces], axis=0)[None]
    traffic = np.min([b.traffic.min(axis=0) for b in batches], axis=0)[None]
    first = batches[0]
    assert len(batches) == 1 or not first.rooms
    made = replace(first.take(np.array([0])), compute_s=compute_s, traffic=traffic, fixed={})
    if first.energy is not None:
        energies = [x.energy for x in batches if x.energy is not None]
        made = replace(made, energy=envelope_of_energies(energies))
    if first.port is not None:
        ports = [x.port for x in batches if x.port is not None]
        made = replace(made, port=envelope_of_ports(ports))
    if first.modes:
        each = zip(*(batch.modes for batch in batches), strict=True)
        made = replace(made, modes=tuple(envelope(mode) for mode in each))
    if len(first.pairs_run):
        pairs_run = np.any([b.pairs_run.any(axis=0) for b in batches], axis=0)[None]
        return replace(made, pairs_run=pairs_run)
    return made
