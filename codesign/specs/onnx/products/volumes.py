"""Convolutions over three axes or more, as layers of rows and columns.

Rows are the first axis, such as time; columns are the positions of the others, in a line. So
products, weights and elements are those of the convolution, and so is what tiles of rows share.
Tiles of columns are parts of a plane, row by row: what neighbours share, and what one of them
holds, is an upper bound, exact for strides of 1 where a plane keeps its size.

A first axis that nothing is summed along, nor padded, is more images. Of a transposed convolution,
products without inserted zeros count a plane as a line. They are those of its axes where strides
divide the kernel and the results, else up to a sixth too few in a plane of 8 × 8, and a few in a
hundred in larger ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

from codesign.specs.layer import most_padding


class Axis(NamedTuple):
    """One axis of a convolution.

    Attributes
    ----------
    outputs, stored, taps : int
        Positions of the result and of the image, and elements of the kernel.
    stride, dilation : int
    inserted : int
        Of so many positions of the image one is stored, the others are zeros.
    beyond : int
        Positions that results of lines in a line cover beyond their kernel and steps, at most.
    """

    outputs: int
    stored: int
    taps: int
    stride: int = 1
    dilation: int = 1
    inserted: int = 1
    beyond: int = 0

    @property
    def positions(self) -> int:
        """Of the image, with its zeros."""
        return self.stored * self.inserted

    @property
    def reach(self) -> int:
        """Positions that the dilated kernel covers."""
        return (self.taps - 1) * self.dilation + 1

    def covering(self, reach: int) -> Axis:
        """The same with a kernel that covers so many positions, or a few more.

        Its elements meet stored positions in turn, as those of the axes do: no factor of their
        distance is one of the distance of what is stored.
        """
        if self.taps == 1:
            return self
        dilation = max(1, -(-(reach - 1) // (self.taps - 1)))
        while math.gcd(dilation, self.inserted) > 1:
            dilation += 1
        return self._replace(dilation=dilation)

    @property
    def untouched(self) -> bool:
        """Whether each position of the result is made of the same one of the image alone."""
        return (self.taps, self.stride, self.inserted) == (1, 1, 1) and self.outputs == self.stored

    @property
    def fits(self) -> bool:
        """Whether a layer may have the padding that it needs."""
        most = self.positions + 2 * most_padding(self.reach)
        return (self.outputs - 1) * self.stride + self.reach <= most


@dataclass(frozen=True)
class Plane:
    """The same as images of rows and columns."""

    images: int
    rows: Axis
    columns: Axis


def plane(axes: Sequence[Axis]) -> Plane:
    """Rows and columns that stand for all axes."""
    images, rest = 1, [*axes]
    while len(rest) > 2 and rest[0].untouched:
        images *= rest.pop(0).stored
    if len(rest) <= 2:
        alone = rest[0]._replace(outputs=1, stored=1, taps=1)
        return Plane(images, rest[0], rest[1] if len(rest) > 1 else alone)
    return Plane(images, rest[0], _fitted(reduce(_in_line, rest[1:])))


def _in_line(outer: Axis, inner: Axis) -> Axis:
    """Two axes as one, the positions of the inner one side by side.

    Where the inner lines end, the next result is another distance away than the joint stride. What
    a stretch of results covers beyond its steps, at most, the kernel covers in addition: that of a
    stretch over one such end, or over all of them.
    """
    width = inner.positions
    if inner.outputs == 1:  # it takes no step: the next result is a line away
        inner = inner._replace(stride=width)
    if outer.outputs == 1:
        outer = outer._replace(stride=1)
    each_end = outer.stride * (width - inner.stride * inner.outputs)
    ends = outer.outputs - 1 if each_end > 0 else min(1, outer.outputs - 1)
    beyond = max(ends * each_end + (outer.stride - 1) * inner.stride * (inner.outputs - 1), 0)
    beyond += (outer.inserted - 1) * width  # stored lines are some of all lines
    reach = (outer.reach + outer.beyond - 1) * width + inner.reach + inner.beyond
    line = Axis(
        outputs=outer.outputs * inner.outputs,
        stored=outer.stored * inner.stored,
        taps=outer.taps * inner.taps,
        stride=outer.stride * inner.stride,
        inserted=outer.inserted * inner.inserted,
    ).covering(reach)
    return line._replace(beyond=beyond + max(reach - line.reach, 0))


def _fitted(line: Axis) -> Axis:
    """With a reach for all padding of the axes, or steps that stay inside."""
    if line.taps > 1:
        line = line.covering(line.reach + line.beyond)
        least = (line.outputs - 1) * line.stride - line.positions + 2
        return line if line.reach >= least else line.covering(least)
    room = line.positions + 2 * most_padding(line.reach) - line.reach
    return line._replace(stride=max(1, min(line.stride, room // max(line.outputs - 1, 1))))
