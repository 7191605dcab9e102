"""Energy of hardware options to be bounded together, for goals that count it.

Axes: ``B`` hardware options of a batch, ``U`` geometries with each variant of resident operands,
``w`` widths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats, Ints
from codesign.space.room import PricedRooms, RoomTable, taken, traffic_beside


@dataclass(frozen=True)
class EnergyTables:
    """What the bound needs to know of the energy of a batch of hardware options.

    Attributes
    ----------
    constant : floats, shape (B, U, w, w)
        J of a layer whatever its tiling, without static power.
    least : floats, shape (B, U, w, w)
        J that DRAM bits of operands cost at least where no tensor on chip takes any room.
    static_w : floats, shape (B,)
        Power at all times, at least.
    rooms : sequence of RoomTable or PricedRooms
        What DRAM bits cost in less room; empty where no capacity is counted.
    fused : floats, shape (B, geometries, w, w)
        As of `EnergyCosts.fused`; empty where no layers may be.
    """

    constant: Floats
    least: Floats
    static_w: Floats
    rooms: Sequence[RoomTable | PricedRooms] = ()
    fused: Floats = field(default_factory=lambda: np.zeros((0, 0, 0, 0)))

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> EnergyTables:
        """The same for some of the options."""
        return replace(
            self,
            constant=self.constant[rows],
            least=self.least[rows],
            static_w=self.static_w[rows],
            fused=self.fused[rows] if len(self.fused) else self.fused,
        )

    @cached_property
    def layers(self) -> Floats:
        """(B, U, w, w): J of a layer in all of the SRAM; inf where no tile fits."""
        return self.constant + self.least

    def dominates(self, other: EnergyTables) -> bool:
        """Whether no layer takes more, and no power at all times is more, in all of the SRAM."""
        dynamic = (self.layers <= other.layers).all()
        return bool(dynamic and (self.static_w <= other.static_w).all())

    def beside(
        self,
        row: Ints,
        held: Ints,
        room_of: Ints,
        sram_bits: Floats,
        traffic: Floats | None = None,
    ) -> Floats:
        """J of rows of a room table beside so many bits; inf where no tile fits.

        Parameters
        ----------
        row, held : ints, shape (B, n), or (n,): the same of all
        room_of, sram_bits : ints, floats, shape (B,)
        traffic : floats, shape (B, n), optional
            DRAM bits of the rows, where they are known.
        """
        flat = self.constant.reshape(len(self.constant), -1)
        constant = taken(flat, row)
        priced = [x for x in self.rooms if isinstance(x, PricedRooms)]
        if traffic is not None and len(priced) == len(self.rooms) > 0:
            if len(priced) == 1:
                constant += priced[0].priced(row, traffic)
                return constant
            for n, rooms in enumerate(priced):
                mine = room_of == n
                constant[mine] += rooms.priced(row if row.ndim == 1 else row[mine], traffic[mine])
            return constant
        least = taken(self.least.reshape(flat.shape), row)
        return constant + traffic_beside(least, row, held, self.rooms, room_of, sram_bits)


def least_of_energies(tables: Sequence[EnergyTables]) -> EnergyTables:
    """What is no more than any of some tables of the same options."""
    constant = np.min([x.constant for x in tables], axis=0)
    least = np.min([x.least for x in tables], axis=0)
    return replace(tables[0], constant=constant, least=least, rooms=())


def envelope_of_energies(tables: Sequence[EnergyTables]) -> EnergyTables:
    """One dominating option of all options of some tables."""
    return EnergyTables(
        np.min([x.constant.min(axis=0) for x in tables], axis=0)[None],
        np.min([x.least.min(axis=0) for x in tables], axis=0)[None],
        np.array([min(float(x.static_w.min()) for x in tables)]),
        tables[0].rooms,
        least_fused([x.fused for x in tables]),
    )


def least_fused(tables: Sequence[Floats]) -> Floats:
    """(1, geometries, w, w): the least of tables of all options; empty where they are."""
    if not len(tables[0]):
        return tables[0]
    return np.asarray(np.min([x.min(axis=0) for x in tables], axis=0)[None])
