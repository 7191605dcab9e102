"""Windows over inserted zeros: which of their positions hold stored elements, output by output.

A transposed convolution is an ordinary one over an ifmap with ``u − 1`` zeros between neighbouring
rows, and likewise columns. An output row whose window begins ``o`` rows after a stored one, ``o``
counted modulo ``u``, uses the kernel rows ``r`` with ``(o + r·dilation) mod u = 0`` alone. Output
rows of one such offset are a *phase*: without dilation a kernel of R rows has phases of ``⌈(R −
i)/u⌉`` rows, ``i = 0 … u − 1``, some of none. With a stride the outputs come by ``u / gcd(stride,
u)`` of the offsets.

Which output has which offset depends on the padding, which is not given, so the most counts: the
phases with most kernel rows, and where the outputs do not make whole rounds of all phases, one
output more of those. That is exact where they do, or where there is no padding.

Source of the phases: Dumoulin and Visin, A guide to convolution arithmetic for deep learning,
arXiv:1603.07285 (2016), section 4: transposed convolution as one over inserted zeros.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

CACHED = 1024


class Phases(NamedTuple):
    """Some phases alike, along one direction.

    Attributes
    ----------
    alike : int
    outputs : int
        Of each.
    taps : int
        Rows (columns) of the kernel that each output uses.
    """

    alike: int
    outputs: int
    taps: int


class WindowPhases(NamedTuple):
    """Some phases alike, along both directions.

    Attributes
    ----------
    alike : int
    rows, cols : int
        Outputs of each.
    window : int
        Positions of the kernel that hold stored elements; 0: their outputs are sums of nothing.
    """

    alike: int
    rows: int
    cols: int
    window: int

    @property
    def outputs(self) -> int:
        """Of each phase."""
        return self.rows * self.cols


def rounds(stride: int, zeros: int) -> int:
    """Phases that outputs go through in turn: ``u / gcd(stride, u)``."""
    return zeros // math.gcd(stride, zeros)


@lru_cache(maxsize=CACHED)
def phases(outputs: int, taps: int, stride: int, dilation: int, zeros: int) -> tuple[Phases, ...]:
    """Along one direction, those of most taps first.

    Parameters
    ----------
    zeros : int
        ``u``: inserted between two that are stored, and one.
    """
    among = rounds(stride, zeros)
    classes = zeros // math.gcd(dilation, zeros)  # of kernel rows, by the offset they meet data at
    fewest, more = divmod(taps, classes)
    whole, left = divmod(outputs, among)
    cuts = sorted({0, among, min(more, among), min(classes, among), left})
    found = []
    for first, after in pairwise(cuts):
        used = fewest + (first < more) if first < classes else 0
        found.append(Phases(after - first, whole + (first < left), used))
    return tuple(x for x in found if x.outputs)
