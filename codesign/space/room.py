"""The least DRAM traffic of every layer within any room of the SRAM, on one array shape.

Resident tensors leave a layer so much less room for its tiles, and how much depends on their
widths: a table is asked for many rooms at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.space.staircase import Staircase, stacked

MOST_REMEMBERED = 2**21  # entries of answers, of each table (16 MiB)


class RoomTable:
    """Staircases of traffic over SRAM need, all in one ascending list of keys.

    A row is one kind of layer with a pair of widths: ``(kind·widths + bw)·widths + ba``. Its steps
    have the keys ``row·span + need + 1``, after a first one without room for any tile.

    Attributes
    ----------
    least, most : floats, shape (kinds, widths, widths)
        Bits of the smallest tiling, and of the one beyond which none moves less.
    """

    def __init__(self, needs: Sequence[Floats], traffics: Sequence[Floats]) -> None:
        """From each kind's needs (w, w, steps) and traffic (w, w, steps + 1), padded with inf."""
        need, traffic = stacked(needs), stacked(traffics)
        self.shape, steps = need.shape[:-1], need.shape[-1]
        self.least = need[..., 0]
        need, traffic = need.reshape(-1, steps), traffic.reshape(-1, steps + 1)
        real = np.ones(traffic.shape, dtype=bool)
        real[:, 1:] = np.isfinite(need)
        count = real.sum(axis=1)
        rows, last = np.arange(len(need)), np.cumsum(count) - 1
        needed = need[real[:, 1:]]
        self.span = int(needed.max(initial=0.0)) + 3
        further = np.ones(last[-1] + 1, dtype=bool)  # than the first of each row
        further[last - count + 1] = False
        self._keys = self.span * np.repeat(rows, count)
        self._keys[further] += needed.astype(np.int64) + 1
        self._traffic = traffic[real]
        fits = real[:, 1]
        self.most = np.where(fits, need[rows, count - 2], -np.inf).reshape(self.shape)
        # Of each row need of the smallest and of the last step, and traffic of the last.
        self._first_need = np.where(fits, np.floor(need[:, 0]), np.inf)
        self._last_need = np.where(fits, (self._keys[last] - 1) % self.span, np.inf)
        self._last_traffic = self._traffic[last]
        self._beside: dict[tuple[int, int, int], RowsBeside] = {}
        self._remembered = 0  # entries of all answers

    @property
    def size(self) -> int:
        """Entries kept."""
        return len(self._keys)

    def without_traffic(self) -> RoomTable:
        """The same of the smallest tilings alone, where it does not matter how much data moves."""
        needs, moved = [], []
        for least in self.least:
            needs.append(least[..., None])
            moved.append(np.tile([np.inf, 0.0], (*least.shape, 1)))
        return RoomTable(needs, moved)

    @property
    def needs(self) -> Ints:
        """Every need of a tiling, ascending, each once."""
        return np.unique(self._keys % self.span)[1:] - 1

    def within(self, sram_bits: Floats) -> Floats:
        """(capacities, kinds, w, w): least DRAM bits with all of an SRAM; inf where none fits."""
        rows = np.arange(math.prod(self.shape))
        return self._moved(rows, sram_bits[:, None]).reshape(-1, *self.shape)

    def steps(self, row: Ints, least: Floats, most: Floats) -> tuple[Ints, Ints, Floats]:
        """Every tiling that is best in some room of a range.

        Parameters
        ----------
        row, least, most : ints, floats, shape (n,)

        Returns
        -------
        which : ints, shape (steps,)
            Of the n, ascending.
        need, traffic : ints, floats, shape (steps,)
        """
        first, last = self._step_within(row, least), self._step_within(row, most)
        first += np.isinf(self._traffic[first])  # no tile at all is no tiling
        count = np.maximum(last - first + 1, 0)
        which = np.repeat(np.arange(len(row)), count)
        step = np.arange(len(which)) - np.repeat(np.cumsum(count) - count - first, count)
        need = self._keys[step] - row[which] * self.span - 1
        return which, need, self._traffic[step]

    def traffic(self, row: Ints, room: Floats) -> Floats:
        """Least DRAM bits of rows within so much room each; inf where no tile fits.

        Both broadcast together.
        """
        return self._moved(*np.broadcast_arrays(row, room))

    def _moved(self, row: Ints, room: Floats) -> Floats:
        """The same; most rooms hold the last step, or none, and need not be looked up."""
        last = room >= self._last_need[row]
        found = np.where(last, self._last_traffic[row], np.inf)
        between = np.nonzero(~last & (room >= self._first_need[row]))
        if len(between[0]):
            rows, rooms = np.broadcast_to(row, found.shape), np.broadcast_to(room, found.shape)
            step = self._step_within(rows[between], rooms[between])
            found[between] = self._traffic[step]
        return found

    def traffic_beside(self, row: Ints, held: Ints, sram_bits: Floats) -> Floats:
        """(n, m): least DRAM bits of rows beside so many bits, (m,) each, in some SRAMs (n,).

        Remembered: many options and ranges end at the same SRAM, and ask for the same rows.
        """
        if self._remembered > MOST_REMEMBERED:
            self._beside.clear()
            self._remembered = 0
        key = row.ctypes.data, held.ctypes.data, len(row)
        if key not in self._beside:
            self._beside[key] = self._rows_beside(row, held)
        beside, found = self._beside[key], np.empty((len(sram_bits), len(row)))
        for n, size in enumerate(sram_bits.tolist()):
            if size not in beside.answers:
                beside.answers[size] = self._moved_beside(beside, size)
                self._remembered += len(row)
            found[n] = beside.answers[size]
        return found

    def _rows_beside(self, row: Ints, held: Ints) -> RowsBeside:
        needs = (self._first_need, self._last_need)
        first, last = (np.asarray(x[row] + held, dtype=np.float64) for x in needs)
        offset = row * self.span - held
        return RowsBeside(row, held, offset, first, last, self._last_traffic[row], {})

    def _moved_beside(self, beside: RowsBeside, sram_bits: float) -> Floats:
        """(m,): the least of some rows in one SRAM, as of `_moved`."""
        last = beside.last <= sram_bits
        found = np.where(last, beside.last_traffic, np.inf)
        between = np.flatnonzero((beside.first <= sram_bits) != last)
        if len(between):
            most = beside.offset[between] + (int(sram_bits) + 1)
            found[between] = self._traffic[np.searchsorted(self._keys, most, side="right") - 1]
        return found

    def _step_within(self, row: Ints, room: Floats) -> Ints:
        """The last step that fits: its number among all rows'."""
        held = np.clip(room, -1, self.span - 2).astype(np.int64) + 1
        found = np.searchsorted(self._keys, row * self.span + held, side="right") - 1
        return np.asarray(found, dtype=np.int64)


class RowsBeside(NamedTuple):
    """Rows of a room table beside so many bits, each asked for in many SRAMs.

    Attributes
    ----------
    row, held : ints, shape (m,)
    offset : ints, shape (m,)
        Keys of steps that would need just as much less than nothing as is held.
    first, last : floats, shape (m,)
        SRAM bits in which the smallest tiling fits, and the last step.
    last_traffic : floats, shape (m,)
        DRAM bits of the last step.
    answers : mapping of float to floats, shape (m,)
        The least DRAM bits by SRAM bits.
    """

    row: Ints
    held: Ints
    offset: Ints
    first: Floats
    last: Floats
    last_traffic: Floats
    answers: dict[float, Floats]


class PricedRooms:
    """What DRAM bits cost at least within any room, as far as their number tells.

    Each costs no less than that of the cheapest operand, and those that no tiling spares their own.
    """

    def __init__(self, table: RoomTable, per_bit: Floats, further: Floats) -> None:
        """From a table of bits, the least for each, and what is added; (kinds, 1 or w, 1 or w)."""
        self.table = table
        per_bit, further = (np.broadcast_to(x, table.shape) for x in (per_bit, further))
        self._per_bit, self._further = per_bit.ravel(), further.ravel()
        self.shape = table.shape

    def within(self, sram_bits: Floats) -> Floats:
        """(capacities, kinds, w, w): the least with all of an SRAM; inf where no tile fits."""
        return self.of_traffic(self.table.within(sram_bits))

    def of_traffic(self, bits: Floats) -> Floats:
        """(…, kinds, w, w): the least of so many DRAM bits."""
        return bits * self._per_bit.reshape(self.shape) + self._further.reshape(self.shape)

    def traffic(self, row: Ints, room: Floats) -> Floats:
        """The least of rows within so much room each; inf where no tile fits."""
        return self.priced(row, self.table.traffic(row, room))

    def traffic_beside(self, row: Ints, held: Ints, sram_bits: Floats) -> Floats:
        """As of `RoomTable`."""
        return self.priced(row, self.table.traffic_beside(row, held, sram_bits))

    def priced(self, row: Ints, traffic: Floats) -> Floats:
        """The least of rows that move so many bits."""
        found = traffic * self._per_bit.take(row)
        found += self._further.take(row)
        return found


def taken(tables: Floats, row: Ints) -> Floats:
    """(B, n) entries of tables (B, rows); ``row`` (B, n), or (n,): the same of all."""
    if row.ndim == 1:
        return np.take(tables, row, axis=1)
    first = tables.shape[1] * np.arange(len(tables))
    return np.asarray(np.take(tables, first[:, None] + row))


def traffic_beside(
    least: Floats,
    row: Ints,
    held: Ints,
    rooms: Sequence[RoomTable | PricedRooms],
    room_of: Ints,
    sram_bits: Floats,
) -> Floats:
    """Traffic of rows beside so many bits; ``least`` without rooms, inf where that is.

    Parameters
    ----------
    least : floats, shape (B, n)
        The traffic in all of the SRAM.
    row, held : ints, shape (B, n), or (n,): the same of all
    rooms : sequence of RoomTable
    room_of, sram_bits : ints, floats, shape (B,)
        Which of them is each row's, and its SRAM.
    """
    if not rooms:
        return least
    found = np.empty_like(least)
    for n, table in enumerate(rooms):
        if row.ndim == 1 and len(rooms) == 1:
            found = table.traffic_beside(row, held, sram_bits)
            break
        mine = np.flatnonzero(room_of == n)
        if row.ndim == 1:
            found[mine] = table.traffic_beside(row, held, sram_bits[mine])
        else:
            found[mine] = table.traffic(row[mine], sram_bits[mine, None] - held[mine])
    np.copyto(found, np.inf, where=np.isinf(least))
    return found


def room_table(stairs: Sequence[Staircase]) -> RoomTable:
    """The table of some staircases."""
    return RoomTable([s.need for s in stairs], [s.traffic for s in stairs])
