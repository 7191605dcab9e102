"""What boxes of hardware cost at least, and the least weighted sums of layers in them.

Many boxes differ in their PEs alone, or in how small their SRAM may be: what layers cost is told
once for each *kind*, a range of arrays with a largest SRAM. Which widths a box's PEs take comes on
top.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from codesign.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class KindCosts:
    """What layers cost at least on each of U kinds of hardware, whatever its PEs.

    Attributes
    ----------
    traffic, time : floats, shape (widths of weights, n, widths of inputs, U)
        Bits and seconds; finite.
    impossible : floats
        Of the same shape: inf where nothing fits, or a width is none; else 0.
    energy : floats
        Of the same shape, J of operands and MACs; where that is not asked about (1, 1, 1, 1).
    """

    traffic: Floats
    time: Floats
    impossible: Floats
    energy: Floats

    def take(self, kept: Ints) -> KindCosts:
        """Some of them."""
        energy = self.energy[..., kept] if self.energy.size > 1 else self.energy
        return KindCosts(
            self.traffic[..., kept], self.time[..., kept], self.impossible[..., kept], energy
        )

    def sums(self, moved: float, time: float, spent: float, fixed: Floats) -> Floats:
        """(w, n, a, U): weighted by prices of a bit, a second and a joule, with a fixed part.

        Parameters
        ----------
        fixed : floats, shape (n, a, w) or such that broadcast to it
        """
        found = self.traffic * moved
        if time:
            found += self.time * time
        found += self.impossible
        if spent and self.energy.size > 1:
            found += self.energy * spent
        found += np.moveaxis(np.broadcast_to(fixed, self._cells), 2, 0)[..., None]
        return found

    @property
    def _cells(self) -> tuple[int, int, int]:
        """(n, a, w)."""
        wide, count, inputs, _ = self.traffic.shape
        return count, inputs, wide


@dataclass(frozen=True)
class BoxCosts:
    """What B boxes cost at least; of the n layers with MACs.

    Attributes
    ----------
    hardware : floats, shape (B, metrics)
        Of each metric of the technology's hardware: mm², or LUTs, DSP blocks and block RAMs.
    kind : ints, shape (B,)
        Which of the kinds each has.
    pes : ints, shape (B, 2)
        The index of its widest PE, for weights and for inputs.
    kinds : KindCosts
    widest : pair of ints, shape (widths of PEs, n)
        For weights and for inputs the index of the widest that a PE takes; −1: none.
    """

    hardware: Floats
    kind: Ints
    pes: Ints
    kinds: KindCosts
    widest: tuple[Ints, Ints]

    def take(self, kept: Ints | Bools) -> BoxCosts:
        """Those of some boxes."""
        kind = self.kind[kept]
        used, at = np.unique(kind, return_inverse=True)
        kinds = self.kinds
        if len(used) < kinds.traffic.shape[-1]:
            kinds, kind = kinds.take(used), at.ravel()
        return replace(
            self, hardware=self.hardware[kept], kind=kind, pes=self.pes[kept], kinds=kinds
        )

    def least(self, moved: float, time: float, spent: float, fixed: Floats) -> Floats:
        """(n, a, B): the least weighted sums over widths of weights, as of `KindCosts.sums`."""
        among = np.minimum.accumulate(self.kinds.sums(moved, time, spent, fixed), axis=0)
        count, inputs = among.shape[1:3]
        found, layers = np.empty((count, inputs, len(self.kind))), np.arange(count)
        for pe in np.unique(self.pes[:, 0]).tolist():
            mine, last = np.flatnonzero(self.pes[:, 0] == pe), self.widest[0][pe]
            each = among[np.maximum(last, 0), layers]
            each[last < 0] = np.inf
            found[:, :, mine] = each[:, :, self.kind[mine]]
        found += np.moveaxis(self._too_wide_inputs[self.pes[:, 1]], 0, -1)
        return found

    @cached_property
    def _too_wide_inputs(self) -> Floats:
        """(widths of PEs, n, a): inf where an input is too wide, else 0."""
        inputs = np.arange(self.kinds.traffic.shape[2])
        return np.where(inputs > self.widest[1][:, :, None], np.inf, 0.0)

    def cells(self, box: int, moved: float, time: float, spent: float, fixed: Floats) -> Floats:
        """(n, a, w): the weighted sums in one box."""
        one = self.kinds.take(self.kind[[box]]).sums(moved, time, spent, fixed)
        return np.asarray(np.moveaxis(one[..., 0], 0, 2) + self._too_wide(np.array([box]))[0])

    def _too_wide(self, boxes: Ints) -> Floats:
        """(boxes, n, a, w): inf where the PEs do not take a width, else 0."""
        weights = np.arange(self.kinds.traffic.shape[0])
        last = self.widest[0][self.pes[boxes, 0]]
        of_weights = np.where(weights > last[:, :, None], np.inf, 0.0)
        return np.asarray(
            self._too_wide_inputs[self.pes[boxes, 1]][..., None] + of_weights[:, :, None, :]
        )

    # Of each box --------------------------------------------------------------------------------

    def _of_boxes(self, kinds: Floats) -> Floats:
        """(B, n, a, w)."""
        return np.ascontiguousarray(kinds.transpose(3, 1, 2, 0)[self.kind])

    @cached_property
    def traffic(self) -> Floats:
        """(B, n, widths of inputs, widths of weights): bits; finite."""
        return self._of_boxes(self.kinds.traffic)

    @cached_property
    def time(self) -> Floats:
        """Of the same shape, seconds; finite."""
        return self._of_boxes(self.kinds.time)

    @cached_property
    def impossible(self) -> Floats:
        """Of the same shape: inf where nothing fits, or a width is none; else 0."""
        every = np.arange(len(self.kind))
        return self._of_boxes(self.kinds.impossible) + self._too_wide(every)

    @cached_property
    def energy(self) -> Floats:
        """Of the same shape, J of operands and MACs; where that is not asked about (B, 1, 1, 1)."""
        if self.kinds.energy.size > 1:
            return self._of_boxes(self.kinds.energy)
        return np.zeros((len(self.kind), 1, 1, 1))
