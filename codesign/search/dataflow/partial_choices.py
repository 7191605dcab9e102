"""Labels: what partial choices cost, as arrays; and how many of them are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from codesign.arrays import Bools, Floats, Ints

NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Effort:
    """What is spent at most before labels are too many.

    Attributes
    ----------
    joined : int
        Partial choices that are put together at once.
    compared : int
        Of them, that are compared with each other; in more costs than three.
    work : int
        That some Lagrangian leaves, in all.
    kept : int
        Labels of a part.
    """

    joined: int = 2**21
    compared: int = 2**13
    work: int = 2**17
    kept: int = 2**13


class TooManyLabels(Exception):
    """Raised where there are more than are looked at."""


@dataclass(frozen=True)
class Labels:
    """Partial choices.

    Attributes
    ----------
    cycles : floats, shape (n,)
        Of the slowest stage.
    metrics : floats, shape (n, rows)
    made : ints, shape (n,)
        By which `LabelSetting.choice` finds how each is made; −1: of nothing.
    """

    cycles: Floats
    metrics: Floats
    made: Ints

    def __len__(self) -> int:
        return len(self.metrics)

    def take(self, kept: Ints | Bools) -> Labels:
        """Some of them."""
        return Labels(*(getattr(self, x.name)[kept] for x in fields(self)))


def joined(parts: Sequence[Labels]) -> Labels:
    """All of some."""
    each = (np.concatenate([getattr(y, x.name) for y in parts]) for x in fields(Labels))
    return Labels(*each)
