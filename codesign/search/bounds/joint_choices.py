"""What a layer may run with, jointly: its widths, and widths and places of tensors beside it.

With a given SRAM, an entry of a layer's table says all that the layer costs: which tensors are on
chip, hence the room for its tiles, hence its traffic and its latency. A MILP over such entries
needs no roofs of that layer, its capacity row holds the entry's need alone, and its linear
relaxation is as tight as the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.fused_entries import ALONE
from codesign.search.bounds.joint_tables import minus
from codesign.search.bounds.layer_tables import Family, LayerTables
from codesign.search.bounds.states import States
from codesign.space.candidates import LayerCandidates
from codesign.space.placement import FREE


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
    """

    tables: LayerTables
    batch: Batch
    full: list[Floats]
    least: list[Floats]
    own: Floats
    parts: list[tuple[Ints, int, Ints, Floats]]

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

    def joint_choices(
        self, option: int, least_sram_bits: float, ceiling: float
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
        """
        tables, found = self.tables, list[LayerCandidates | None]([None] * len(self.tables.layers))
        for layers, family, members, total in self.totals():
            number = tables.families.index(family)
            costs = [
                np.broadcast_to(table, (1, len(family.geometry), *family.sizes))[0]
                for table in (
                    tables.costs_of(number, self.batch)[1],
                    family.compute_s(self.batch),
                )
            ]
            for n, i in enumerate(layers.tolist()):
                if not tables.states.roles(i).keys() <= {*tables.scopes[i]}:
                    continue
                kept = (total[n] <= ceiling) & np.isfinite(total[n])
                if family.fused:
                    kept &= family.fused[int(members[n])].run == ALONE
                entries = np.nonzero(kept)
                member, forced = int(members[n]), total[n][entries]
                rooms = _steps(family, member, entries, self.batch, least_sram_bits)
                made = _listed(tables, i, family, member, entries, costs, option, rooms)
                found[i] = replace(made, forced=forced[rooms[0]])
        return found


def _steps(
    family: Family, member: int, entries: tuple[Ints, ...], batch: Batch, least_sram_bits: float
) -> tuple[Ints, Ints, Floats]:
    """Which of the entries, need, and traffic less that in all of the SRAM, of their tilings."""
    rows, helds, which = family.rooms_asked
    asked = which[member][entries]
    row, held = rows[asked], helds[asked]
    table, most = batch.rooms[0], batch.sram_bits[0] - held
    entry, need, traffic = table.steps(row, least_sram_bits - held, most)
    return entry, need + held[entry], traffic - table.traffic(row, most)[entry]


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
    placed = [(t, int(space.placed_variable[t])) for t, v in states.place.items() if v in value]
    return LayerCandidates(
        option=np.full(count, option),
        weight=left[entries[family.weight_axis] % len(left)],
        ifmap=left[entries[family.input_axis] % len(left)],
        need=need.astype(np.float64),
        traffic=dram_bits + further_traffic,
        compute_s=compute_s,
        variant=variant,
        joint=True,
        widths_beside=tuple(
            (v, left[each % len(left)])
            for v, each in value.items()
            if v < len(space.variables) and v not in own
        ),
        places_beside=tuple(
            (t, left[value[v] % len(left)], _on_chip(states, t, value, count) > 0)
            for t, v in placed
            if t is not None and t not in (weight, ifmap)
        ),
    )


def _on_chip(states: States, t: int | None, value: dict[int, Ints], count: int) -> Ints:
    """1 where a tensor is on chip, of each entry."""
    if t in states.place:
        values, chosen = states.on_chip_values(t), value[states.place[t]]
        return np.asarray((chosen >= values.start) & (chosen < values.stop), dtype=np.int64)
    free = t is not None and states.state[t] == FREE
    return np.full(count, int(free))
