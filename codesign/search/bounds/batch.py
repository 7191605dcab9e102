"""Hardware options to be bounded together: what the bounds need to know of each.

Axes: ``B`` hardware options of a batch, ``U`` geometries with each variant of resident operands,
``w`` widths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from codesign.arrays import Bools, Floats, Ints
from codesign.search.bounds.energy_tables import EnergyTables
from codesign.search.bounds.port_tables import PortTables
from codesign.space.room import RoomTable, taken, traffic_beside

Rows = npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice


@dataclass(frozen=True)
class RunPrices:
    """What fused runs are bounded by, see `codesign.search.bounds.run_prices`.

    Attributes
    ----------
    share : floats, shape (B, runs)
        The weight of the compute roof in the mean of roofs; that of the memory roof is the rest.
    price : floats, shape (B, runs)
        Of an SRAM bit.
    sram_bits : floats, shape (B,)
        0 where no capacity is counted.
    """

    share: Floats
    price: Floats
    sram_bits: Floats

    def take(self, rows: Rows) -> RunPrices:
        """The same for some of the options."""
        return RunPrices(self.share[rows], self.price[rows], self.sram_bits[rows])


@dataclass(frozen=True)
class Batch:
    """What the bound needs to know of a batch of hardware options.

    Attributes
    ----------
    compute_s : floats, shape (B, geometries, w, w) or (B, geometries, 1, 1)
    traffic : floats, shape (B, U, w, w)
        DRAM bits of weights, ifmap and partial sums where no tensor on chip takes any room; inf
        where the pair of widths cannot run.
    places : bytes
        State of each placed tensor, see `codesign.space.placement`.
    rooms : sequence of RoomTable
        What tilings move in less room; empty where no capacity is counted.
    room_of : ints, shape (B,)
        Which of the rooms is each option's.
    sram_bits : floats, shape (B,)
    pairs_run : bools, shape (B, w, w)
        Where layers may be fused: pairs of widths that run on an option's PEs at all.
    prices : RunPrices or None
        What to bound fused runs by; None: what seems best.
    modes : tuple of Batch
        The same for each of the mappings that layers may take on their own: then the tables above
        are the least of theirs. Empty where all layers have the machine's.
    energy : EnergyTables or None
        None where the goal does not count it.
    port : PortTables or None
        None where the SRAM's port takes no time, or time does not count.
    fine : bool
        Whether to cut no more couplings than memory asks for: for one option at a time.
    fixed : mapping of (LayerTables, int) to floats, shape (B, K, …)
        Latencies, DRAM bits and, where counted, energies without static power of families already
        worked out: no coefficient changes them.
    """

    compute_s: Floats
    traffic: Floats
    places: bytes = b""
    rooms: Sequence[RoomTable] = ()
    room_of: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    sram_bits: Floats = field(default_factory=lambda: np.zeros(0))
    pairs_run: Bools = field(default_factory=lambda: np.zeros((0, 0, 0), dtype=bool))
    prices: RunPrices | None = None
    modes: tuple[Batch, ...] = ()
    energy: EnergyTables | None = None
    port: PortTables | None = None
    fine: bool = False
    fixed: dict[tuple[object, int], tuple[Floats, ...]] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.traffic)

    def take(self, rows: Rows) -> Batch:
        """The same for some of the options."""
        if not isinstance(rows, slice) and rows.dtype != np.bool_ and len(rows):
            first, last = int(rows[0]), int(rows[-1]) + 1
            if last - first == len(rows) and (np.diff(rows) == 1).all():
                rows = slice(first, last)  # of which views will do
        known = {part: tuple(x[rows] for x in each) for part, each in self.fixed.items()}
        room_of, sram_bits = self.room_of, self.sram_bits
        if self.rooms:
            room_of, sram_bits = room_of[rows], sram_bits[rows]
        return replace(
            self,
            compute_s=self.compute_s[rows],
            traffic=self.traffic[rows],
            room_of=room_of,
            sram_bits=sram_bits,
            pairs_run=self.pairs_run[rows] if len(self.pairs_run) else self.pairs_run,
            prices=None if self.prices is None else self.prices.take(rows),
            modes=tuple(mode.take(rows) for mode in self.modes),
            energy=None if self.energy is None else self.energy.take(rows),
            port=None if self.port is None else self.port.take(rows),
            fixed=known,
        )

    def finely(self) -> Batch:
        """The same for a relaxation that cuts less."""
        modes = tuple(replace(mode, fixed={}) for mode in self.modes)
        return replace(self, fine=True, modes=modes, fixed={})

    def without_static_power(self) -> Batch:
        """The same where time costs no energy."""
        if self.energy is None:
            return self
        energy = replace(self.energy, static_w=np.zeros_like(self.energy.static_w))
        modes = tuple(mode.without_static_power() for mode in self.modes)
        return replace(self, energy=energy, modes=modes)

    @property
    def each_mode(self) -> tuple[Batch, ...]:
        """The modes; itself where there are none."""
        return self.modes or (self,)

    def at_prices(self, prices: RunPrices) -> Batch:
        """The same with fused runs bounded by these."""
        return replace(self, prices=prices)

    def traffic_beside(self, row: Ints, held: Ints) -> Floats:
        """DRAM bits of rows of a room table beside so many bits; inf where it cannot run.

        Parameters
        ----------
        row, held : ints, shape (B, n), or (n,): the same of all
        """
        flat = self.traffic.reshape(len(self), -1)
        least = taken(flat, row)
        return traffic_beside(least, row, held, self.rooms, self.room_of, self.sram_bits)
