"""What a layer may run with, jointly: its widths, and widths and places of tensors beside it.

With a given SRAM, an entry of a layer's table says all that the layer costs: which tensors are on
chip, hence the room for its tiles, hence its traffic and its latency. A MILP over such entries
needs no roofs of that layer, its capacity row holds the entry's need alone, and its linear
relaxation is as tight as the table.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.families import Family
from codesign.search.bounds.joint_tables import minus
from codesign.search.bounds.layer_tables import LayerTables
from codesign.search.bounds.states import ALONE, States
from codesign.space.candidates import LayerCandidates, constants_of, joined, undominated
from codesign.space.energy_tilings import EnergyTilings, stacked_costs
from codesign.space.hardware import HardwareSpace
from codesign.space.placement import FREE

NONE = np.zeros(0)


class Entries(NamedTuple):
    """Entries of one layer's table, and what forcing each costs.

    ``where`` are their indices along each axis of the family's table, free axes first.
    """

    layer: int
    family: int
    member: int
    where: tuple[Ints, ...]
    forced: Floats


class _Rooms(NamedTuple):
    """Tilings of some entries: see `_steps` and `_steps_by_cost`."""

    steps: tuple[Ints, Ints, Floats]
    tiling: Ints | None = None
    further_j: Floats = NONE
    port_bits: Floats = NONE


@dataclass(frozen=True)
class Forced:
    """The least Lagrangian of one option if one choice were forced, of all choices.

    Attributes
    ----------
    tables : LayerTables
    batch : Batch
        Of one option.
    full : list of floats, shape (1, K, …)
        The families' tables before the least of their free axes was taken.
    least : list of floats, shape (1, K, …)
        And after.
    own : floats, shape (1, variables, values)
    parts : list of (layers, family, members, floats of shape (layers, 1, …))
        As of `Sweep.marginals`.
    ceiling : float
        What costs more, forced, is of no interest.
    """

    tables: LayerTables
    batch: Batch
    full: list[Floats]
    least: list[Floats]
    own: Floats
    parts: list[tuple[Ints, int, Ints, Floats]]
    ceiling: float = np.inf

    def totals(self) -> Iterator[tuple[Ints, Family, Ints, Floats]]:
        """Some layers, their family and members, and what forcing each entry costs, (layers, …)."""
        for layers, number, members, over_scope in self.parts:
            family, mine = self.tables.families[number], self.full[number][0, members]
            rest = minus(over_scope[:, 0], self.least[number][0, members])
            yield (
                layers,
                family,
                members,
                mine + rest.reshape(len(rest), *(1,) * family.free, *rest.shape[1:]),
            )

    @cached_property
    def entries(self) -> list[Entries]:
        """What may be forced within the ceiling.

        An entry costs no less, forced, than each of its values: those alone are looked at whose own
        values all are within.
        """
        sizes = self.tables.states.sizes  # the rows of own costs are padded
        each = zip(self.own[0], sizes, strict=True)
        values = [np.flatnonzero(row[:size] <= self.ceiling) for row, size in each]
        found = []
        for layers, number, members, over_scope in self.parts:
            family = self.tables.families[number]
            free = [np.arange(size) for size in family.sizes[: family.free]]
            for i, member, over in zip(layers, members, over_scope[:, 0], strict=True):
                within = [values[v] for v in self.tables.scopes[i]]
                box = np.ix_(*within)
                rest = minus(over[box], self.least[number][0, member][box])
                total = self.full[number][0, member][np.ix_(*free, *within)] + rest
                chosen = np.nonzero((total <= self.ceiling) & np.isfinite(total))
                where = tuple(x[n] for x, n in zip([*free, *within], chosen, strict=True))
                found.append(Entries(int(i), number, int(member), where, total[chosen]))
        return found

    def joint_choices(
        self,
        option: int,
        least_sram_bits: float,
        ceiling: float,
        tilings: EnergyTilings | None = None,
    ) -> list[LayerCandidates | None]:
        """The entries of each layer's table that cost at most so much where they are forced.

        None for a layer whose table does not run over all that it depends on.

        Parameters
        ----------
        option : int
            To list them under.
        least_sram_bits : float
            Of a range that ends with the batch's: every tiling is listed that is best in some SRAM
            of the range, with what it needs beside the tensors on chip.
        tilings : EnergyTilings, optional
            The option's, where energies or the SRAM's port count.
        """
        tables, found = self.tables, list[LayerCandidates | None]([None] * len(self.tables.layers))
        known: dict[Hashable, _Rooms] = {}  # layers that are alike ask for the same tilings
        for i, number, member, where, forced in self.entries:
            if not tables.states.roles(i).keys() <= {*tables.scopes[i]}:
                continue
            family, mine = tables.families[number], forced <= ceiling
            if family.fused:
                run = np.broadcast_to(family.fused[member].run, family.sizes)
                mine &= run[where] == ALONE
            shape = 1, len(family.geometry), *family.sizes
            chosen, parts = tuple(x[mine] for x in where), []
            for n, mode in enumerate(self.batch.each_mode):
                each = tables.costs_of(number, mode)[1], family.compute_s(mode)
                costs = [np.broadcast_to(table, shape)[0] for table in each]
                key = number, member, n, *(x.tobytes() for x in chosen)
                if key not in known:
                    asked = family, member, chosen, mode, least_sram_bits
                    known[key] = (
                        _Rooms(_steps(*asked))
                        if tilings is None
                        else _Rooms(*_steps_by_cost(*asked, n, tilings))
                    )
                rooms, tiling, further_j, port_bits = known[key]
                made = _listed(tables, i, family, member, chosen, costs, option, rooms)
                modes = np.full(len(made), n)
                made = replace(made, forced=forced[mine][rooms[0]], mode=modes)
                if tiling is not None:
                    made = replace(made, tiling=tiling)
                if tilings is not None and tilings.port:
                    made = _ported(tables, i, made, tuple(x[rooms[0]] for x in chosen), port_bits)
                if tilings is not None and tilings.energy:
                    energies = np.broadcast_to(tables.costs_of(number, mode)[2], shape)[0]
                    own = energies[member][tuple(x[rooms[0]] for x in chosen)]
                    made = replace(made, energy_j=own + further_j)
                parts.append(made)
            found[i] = parts[0] if len(parts) == 1 else undominated(joined(parts))
        return found


def _steps(
    family: Family, member: int, entries: tuple[Ints, ...], batch: Batch, least_sram_bits: float
) -> tuple[Ints, Ints, Floats]:
    """Which of the entries, need, and traffic less that in all of the SRAM, of their tilings."""
    rows, helds, _ = family.rooms_asked
    asked = family.asked_by_entry[member][entries]
    row, held = rows[asked], helds[asked]
    table, most = batch.rooms[0], batch.sram_bits[0] - held
    entry, need, traffic = table.steps(row, least_sram_bits - held, most)
    return entry, need + held[entry], traffic - table.traffic(row, most)[entry]


def _steps_by_cost(
    family: Family,
    member: int,
    entries: tuple[Ints, ...],
    batch: Batch,
    least_sram_bits: float,
    mode: int,
    tilings: EnergyTilings,
) -> tuple[tuple[Ints, Ints, Floats], Ints, Floats, Floats]:
    """The same as `_steps`, of all that can be best where energies or the SRAM's port count.

    Then the rows of the tilings, their energy less the least in all of the SRAM, and the SRAM bits
    that go with their traffic.
    """
    rows, helds, _ = family.rooms_asked
    asked, back = np.unique(family.asked_by_entry[member][entries], return_inverse=True)
    row, held = rows[asked], helds[asked]
    most = batch.sram_bits[0] - held
    widths, count = family.every_width, family.geometries
    found = []
    for r, bits, room in zip(row.tolist(), held.tolist(), most.tolist(), strict=True):
        kind, pair = divmod(r, widths * widths)
        variant, geometry = divmod(kind, count)
        asks = (geometry, variant, mode), divmod(pair, widths), least_sram_bits - bits, room
        found.append(tilings.within(*asks))
    counts = np.array([len(each.row) for each in found], dtype=np.int64)
    every = stacked_costs(found)
    need, traffic, energy_j = every.need, every.traffic, every.energy_j
    traffic = traffic - np.repeat(batch.rooms[0].traffic(row, most), counts)
    if batch.energy is not None:
        energy_j = energy_j - np.repeat(batch.energy.rooms[0].traffic(row, most), counts)
    need = (need + np.repeat(held, counts)).astype(np.int64)
    begin, back = np.cumsum(counts) - counts, back.ravel()
    times = counts[back]
    entry = np.repeat(np.arange(len(back)), times)
    ends = np.cumsum(times)
    step = np.arange(len(entry)) - np.repeat(ends - times, times) + begin[back][entry]
    further = every.row[step], energy_j[step], every.port_bits[step]
    return (entry, need[step], traffic[step]), *further


def _ported(
    tables: LayerTables,
    i: int,
    made: LayerCandidates,
    entries: tuple[Ints, ...],
    tile_bits: Floats,
) -> LayerCandidates:
    """Joint options of one layer of one mode, none faster on chip than the SRAM's port."""
    space = tables.space
    assert isinstance(space, HardwareSpace)
    if not len(made):
        return made
    bits = tile_bits + tables.moved_port_bits(i)[entries]
    for variant in np.unique(made.variant).tolist():
        kind = int(space.geometry_of[i]), variant, int(made.mode[0])
        constants = constants_of(space, space.port, int(made.option[0]), kind)
        mine = made.variant == variant
        bits[mine] += constants[made.weight[mine], made.ifmap[mine]]
    return replace(made, compute_s=np.maximum(made.compute_s, bits / space.port_bits_per_s))


def _listed(
    tables: LayerTables,
    i: int,
    family: Family,
    member: int,
    entries: tuple[Ints, ...],
    costs: list[Floats],
    option: int,
    steps: tuple[Ints, Ints, Floats],
) -> LayerCandidates:
    """Some entries of one layer's table, each with its tilings."""
    which, need, further_traffic = steps
    entries = tuple(each[which] for each in entries)
    space, states, left = tables.space, tables.states, tables.states.left
    value = dict(zip(tables.scopes[i], entries[family.free :], strict=True))
    dram_bits, compute_s = (table[member][entries] for table in costs)
    count = len(entries[0])
    weight, ifmap = space.operand_tensors[i]
    variant = 2 * _on_chip(states, weight, value, count) + _on_chip(states, ifmap, value, count)
    own = {int(space.input_index[i]), space.weight_index[i]}
    placed = sorted(t for v in value for t in states.tensors_at.get(v, ()))
    return LayerCandidates(
        option=np.full(count, option),
        weight=left[entries[family.weight_axis] % len(left)],
        ifmap=left[entries[family.input_axis] % len(left)],
        need=need.astype(np.float64),
        traffic=dram_bits + further_traffic,
        compute_s=compute_s,
        variant=variant,
        mode=np.zeros(count, dtype=np.int64),
        energy_j=np.zeros(count),
        tiling=np.full(count, -1),
        port_s=np.zeros(count),
        joint=True,
        widths_beside=tuple(
            (v, left[each % len(left)])
            for v, each in value.items()
            if v < len(space.variables) and v not in own
        ),
        places_beside=tuple(
            (
                t,
                left[value[int(space.placed_variable[t])] % len(left)],
                _on_chip(states, t, value, count) > 0,
            )
            for t in placed
            if t not in (weight, ifmap)
        ),
        free_beside=tuple(t for *_, t in states.free_beside(i)),
    )


def _on_chip(states: States, t: int | None, value: dict[int, Ints], count: int) -> Ints:
    """1 where a tensor is on chip, of each entry."""
    if t in states.place:
        values, chosen = states.on_chip_values(t), value[states.place[t]]
        return np.asarray((chosen >= values.start) & (chosen < values.stop), dtype=np.int64)
    free = t is not None and states.state[t] == FREE
    return np.full(count, int(free))
