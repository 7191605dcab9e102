"""What the SRAM's port takes of hardware options to be bounded together, where it takes time.

Axes: ``B`` hardware options of a batch, ``U`` geometries with each variant of resident operands,
``K`` kinds of a family, ``w`` widths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats, Ints
from codesign.space.hardware import HardwareSpace
from codesign.space.room import taken


@dataclass(frozen=True)
class PortTables:
    """What the bound needs to know of the SRAM's port.

    A layer reads and writes no fewer bits than ``constant + per_bit·traffic``, output and residuals
    left out, see `port_tables`.

    Attributes
    ----------
    constant : floats, shape (B, U, w, w)
    per_bit : floats, shape (U,)
        For each DRAM bit of operands.
    bits_per_s : float
    """

    constant: Floats
    per_bit: Floats
    bits_per_s: float

    def take(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> PortTables:
        """The same for some of the options."""
        return replace(self, constant=self.constant[rows])

    def bits(self, traffic: Floats) -> Floats:
        """(B, U, w, w): of layers that move so many DRAM bits, (B, U, w, w); of inf as of none."""
        return np.asarray(self.constant + self.per_bit[:, None, None] * _finite(traffic))

    def asked(self, rows: Ints, traffic: Floats) -> Floats:
        """(B, n): of rows of a room table, (n,) or (B, n), that move so many DRAM bits (B, n)."""
        pairs = self.constant.shape[2] * self.constant.shape[3]
        constant = taken(self.constant.reshape(len(self.constant), -1), rows)
        return np.asarray(constant + self.per_bit[rows // pairs] * _finite(traffic))


def port_tables(space: HardwareSpace, options: Ints, row: Ints, modes: Sequence[int]) -> PortTables:
    """The least of the options of each row, in any of some modes.

    What passes the port with a DRAM bit is counted as of the operand and mapping that pass least.
    Operands of which more passes are counted as far as they are compulsory.
    """
    costs, count = space.port, len(space.geometries)
    assert costs is not None
    per_bit = space.least_per_bit(costs).min(axis=1)
    further = {}
    for mapping in space.problem.choices.mapping:
        each = np.array([costs.per_bit(mapping, n) for n in range(count)])
        further[mapping] = space.compulsory_at(each - per_bit[:, None])
    least = []
    for n in range(int(row.max()) + 1):
        mine = options[row == n]
        if not space.widens:  # the PEs' widths do not matter
            mine = mine[np.unique(space.shape_of[mine], return_index=True)[1]]
        of_modes = [
            costs.constants(mine, mode)
            + [further[costs.mapping(int(shape), mode)] for shape in space.shape_of[mine]]
            for mode in modes
        ]
        least.append(np.min([each.min(axis=0) for each in of_modes], axis=0))
    every = np.tile(per_bit, space.variant_count)
    return PortTables(np.stack(least), every, space.port_bits_per_s)


def least_of_ports(tables: Sequence[PortTables]) -> PortTables:
    """What is no more than any of some tables of the same options."""
    return replace(tables[0], constant=np.min([x.constant for x in tables], axis=0))


def envelope_of_ports(tables: Sequence[PortTables]) -> PortTables:
    """One dominating option of all options of some tables."""
    constant = np.min([x.constant.min(axis=0) for x in tables], axis=0)[None]
    return replace(tables[0], constant=constant)


def _finite(traffic: Floats) -> Floats:
    return np.where(np.isinf(traffic), 0.0, traffic)
