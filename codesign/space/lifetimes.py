"""While which layers tensors are on chip, and how much is held then."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from codesign.arrays import Bools, Ints


class Lifetimes:
    """The first and the last layer while each of some tensors is on chip, if it is at all.

    Attributes
    ----------
    first, last : ints, shape (tensors,)
    """

    def __init__(self, ends: Sequence[tuple[int, int]], layers: int) -> None:
        self.first, self.last = np.array(ends, dtype=np.int64).reshape(-1, 2).T
        self._layers = np.arange(layers)

    @cached_property
    def live(self) -> Bools:
        """(layers, tensors): whether each is there while a layer runs."""
        number = self._layers[:, None]
        return np.asarray((self.first <= number) & (number <= self.last))

    def held(self, bits: Ints) -> Ints:
        """(…, layers): the sum of whole numbers (…, tensors) of all that is there."""
        shape = *bits.shape[:-1], bits.shape[-1] + 1
        begun, over = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        np.cumsum(bits[..., self._by_first], axis=-1, out=begun[..., 1:])
        np.cumsum(bits[..., self._by_last], axis=-1, out=over[..., 1:])
        return np.asarray(begun[..., self._begun] - over[..., self._over])

    @cached_property
    def _by_first(self) -> Ints:
        return np.argsort(self.first, kind="stable")

    @cached_property
    def _by_last(self) -> Ints:
        return np.argsort(self.last, kind="stable")

    @cached_property
    def _begun(self) -> Ints:
        """(layers,): how many are there, or were."""
        return np.searchsorted(self.first[self._by_first], self._layers, side="right")

    @cached_property
    def _over(self) -> Ints:
        """(layers,): how many were."""
        return np.searchsorted(self.last[self._by_last], self._layers, side="left")
