"""What width variables add to the noise of each member of a suite.

A variable of one member adds to that alone. One that several share, as the width of weights that
they all multiply with, adds to each the noise of what that member has of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codesign.arrays import Floats, Ints

Left = Callable[[str, int], float]  # of a source, for a member: what share of it counts


@dataclass(frozen=True)
class MemberNoise:
    """Noise by part: what one width variable adds to one member.

    Attributes
    ----------
    variable : ints, shape (parts,)
        Ascending; every variable has a part.
    member : ints, shape (parts,)
        Ascending for each variable.
    noise : floats, shape (parts, widths)
        0 of widths that the variable cannot take.
    """

    variable: Ints
    member: Ints
    noise: Floats

    @cached_property
    def first(self) -> Ints:
        """(variables,): the first part of each."""
        return np.flatnonzero(np.diff(self.variable, prepend=-1))

    @property
    def coupled(self) -> bool:
        """Whether some variable adds to several members."""
        return len(self.first) < len(self.variable)

    def by_variable(self, of_parts: Floats, axis: int = 0) -> Floats:
        """Sums over the parts of each variable, along an axis of them."""
        if not self.coupled:
            return of_parts
        return np.asarray(np.add.reduceat(of_parts, self.first, axis=axis))

    def counted(self, share: Floats) -> Floats:
        """(variables, widths) noise, that of each member times its share, (members,)."""
        return self.by_variable(share[self.member][:, None] * self.noise)

    def by_rank(self) -> list[tuple[Ints, Floats]]:
        """The first part of each variable, then the second of those that have one, and so on.

        Each as members (variables,) and noises (variables, widths), 0 where there is none.
        """
        rank = np.arange(len(self.variable)) - self.first[self.variable]
        found = []
        for each in range(int(rank.max(initial=0)) + 1):
            mine = rank == each
            member = np.zeros(len(self.first), dtype=np.int64)
            noise = np.zeros((len(self.first), self.noise.shape[1]))
            member[self.variable[mine]] = self.member[mine]
            noise[self.variable[mine]] = self.noise[mine]
            found.append((member, noise))
        return found

    def touches(self, share: Floats) -> list[bool]:
        """Of each variable: whether a member that has a share, (members,), has some of it."""
        has = (share != 0)[self.member]
        return [bool(x) for x in np.logical_or.reduceat(has, self.first)] if len(has) else []


def noise_of_members(
    variables: Sequence[Sequence[str]],
    of: Mapping[str, Sequence[int]],
    noise_row: Callable[[str], Floats],
    left: Left,
) -> MemberNoise:
    """The noise of width variables.

    Parameters
    ----------
    variables : sequence of sequences of str
        Sources of each.
    of : mapping of str to ints
        Members of each source.
    noise_row : callable
        (widths,) noise of a source.
    left : callable
        What share of that counts.
    """
    parts, rows = [], []
    for v, sources in enumerate(variables):
        for m in sorted({m for x in sources for m in of[x]}):
            kept = [(x, left(x, m)) for x in sources if m in of[x]]
            rows.append(np.sum([share * noise_row(x) for x, share in kept], axis=0))
            parts.append((v, m))
    variable, member = np.array(parts, dtype=np.int64).T
    return MemberNoise(variable, member, np.array(rows))
