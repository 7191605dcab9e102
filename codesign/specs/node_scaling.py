"""How a circuit's area, energy and delay change from one CMOS node to another: published factors.

Source: A. Stillmaker, B. Baas, "Scaling equations for the accurate prediction of CMOS device
performance from 180 nm to 7 nm", Integration, the VLSI Journal 58 (2017) 74-81, doi
10.1016/j.vlsi.2017.02.002. Area: their table of factors between all pairs of nodes, of two digits.
Energy and delay: polynomials in the supply voltage that they fitted to simulations of a circuit of
inverters with the Predictive Technology Model (R² above 0.95; coefficients of their Table 5, for
high-performance transistors below 65 nm), here at the nominal voltage of each node's model: bulk
PTM (W. Zhao, Y. Cao 2006) down to 32 nm, multi-gate PTM-MG, high performance (S. Sinha et al. 2012)
below.

A node between two of theirs (28 nm) is interpolated on a power law: the logarithm of a factor is
taken linear in that of the node. Not described: leakage, wires, and SRAM cells, which have shrunk
less than logic since 28 nm.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from codesign.errors import SpecError

SOURCE = "Stillmaker & Baas 2017, doi 10.1016/j.vlsi.2017.02.002"

NODES_NM = (7, 10, 14, 16, 20, 32, 45, 65, 90, 130, 180)
AREA_FACTORS = (  # from the node of the row to that of the column
    (1, 1.7, 2.9, 3.2, 3.6, 7.8, 17, 25, 48, 110, 320),
    (0.58, 1, 1.7, 1.9, 2.1, 4.5, 9.8, 15, 28, 63, 180),
    (0.34, 0.59, 1, 1.1, 1.2, 2.7, 5.8, 8.7, 16, 37, 110),
    (0.31, 0.54, 0.91, 1, 1.1, 2.4, 5.3, 7.9, 15, 34, 99),
    (0.28, 0.48, 0.82, 0.89, 1, 2.2, 4.7, 7.1, 13, 30, 88),
    (0.13, 0.22, 0.38, 0.41, 0.46, 1, 2.2, 3.3, 6.1, 14, 40),
    (0.059, 0.1, 0.17, 0.19, 0.21, 0.46, 1, 1.5, 2.8, 6.4, 19),
    (0.039, 0.068, 0.12, 0.13, 0.14, 0.31, 0.66, 1, 1.9, 4.3, 12),
    (0.021, 0.036, 0.061, 0.067, 0.075, 0.16, 0.35, 0.53, 1, 2.3, 6.6),
    (0.0092, 0.016, 0.027, 0.03, 0.033, 0.072, 0.16, 0.23, 0.44, 1, 2.9),
    (0.0032, 0.0055, 0.0093, 0.01, 0.011, 0.025, 0.053, 0.08, 0.15, 0.34, 1),
)
SUPPLY_V = (0.7, 0.75, 0.8, 0.85, 0.9, 0.9, 1.0, 1.1, 1.2, 1.3, 1.8)
ENERGY = (  # coefficients of V², V and 1
    (0.1776, -0.09097, 0.02447),
    (0.2068, -0.09311, 0.02375),
    (0.2363, -0.09675, 0.02239),
    (0.2958, -0.1241, 0.03024),
    (0.373, -0.1582, 0.04104),
    (0.8367, -0.4341, 0.1701),
    (1.018, -0.3107, 0.1539),
    (3.755, -4.398, 1.975),
    (4.762, -4.781, 2.092),
    (7.171, -6.709, 2.904),
    (0.0, 24.64, -17.98),
)
DELAY = (  # coefficients of V³, V², V and 1
    (-28.58, 76.6, -70.26, 24.69),
    (-34.95, 93.65, -85.99, 30.4),
    (-40.66, 109.2, -100.6, 35.92),
    (0.0, 24.8, -47.52, 28.87),
    (0.0, 34.63, -66.37, 41.15),
    (-1047.0, 2982.0, -2797.0, 873.5),
    (-501.6, 1567.0, -1619.0, 566.1),
    (-53.3, 230.4, -333.9, 178.6),
    (-60.34, 262.5, -384.2, 210.9),
    (-76.65, 334.9, -493.4, 275.8),
    (0.0, 97.09, -356.7, 406.5),
)


class NodeFactors(NamedTuple):
    """What area, energy per operation and delay of a circuit are multiplied by on another node."""

    area: float
    energy: float
    delay: float


def node_factors(from_nm: float, to_nm: float) -> NodeFactors:
    """Factors from one node to another, both from 7 to 180 nm.

    Raises
    ------
    SpecError
        A node outside.
    """
    start, end = _weights(from_nm), _weights(to_nm)
    area = sum(
        share * other * math.log(AREA_FACTORS[row][column])
        for row, share in start.items()
        for column, other in end.items()
    )
    return NodeFactors(math.exp(area), *(_ratio(table, start, end) for table in (ENERGY, DELAY)))


def _ratio(
    table: Sequence[Sequence[float]], start: dict[int, float], end: dict[int, float]
) -> float:
    """Quotient of two values of the polynomials of a table, each at its node's voltage."""
    logs = [math.log(float(np.polyval(each, v))) for each, v in zip(table, SUPPLY_V, strict=True)]
    return math.exp(
        sum(w * logs[n] for n, w in end.items()) - sum(w * logs[n] for n, w in start.items())
    )


def _weights(node_nm: float) -> dict[int, float]:
    """The node, or both neighbours, by their place in the tables, with shares that add up to 1."""
    if not NODES_NM[0] <= node_nm <= NODES_NM[-1]:
        known = ", ".join(map(str, NODES_NM))
        raise SpecError(
            f"no factors for {node_nm:g} nm: they are published for nodes of {known} nm, and "
            "interpolated between these"
        )
    above = bisect_left(NODES_NM, node_nm)
    if NODES_NM[above] == node_nm:
        return {above: 1.0}
    low, high = NODES_NM[above - 1], NODES_NM[above]
    share = math.log(node_nm / low) / math.log(high / low)
    return {above - 1: 1 - share, above: share}
