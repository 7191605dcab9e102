"""Silicon area of a PE array and its SRAM, from the technology's fits.

Source: Karbachevsky et al. 2021, Figures 1, 3 and 6; BOPS of a PE from Baskin et al., UNIQ.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats
from codesign.costs.buffers import NAMES, NO_BUFFERS, Buffers
from codesign.errors import SpecError
from codesign.specs.technology import QuadraticFit, Technology


def pe_bops(
    weight_bits: npt.ArrayLike,
    activation_bits: npt.ArrayLike,
    engine: int,
    inputs: npt.ArrayLike = 1,
    outputs: npt.ArrayLike = 1,
) -> Floats:
    """``B = m·n·engine·(Bw·Ba + Bw + Ba + log2(n·engine))``: bit operations of a PE per cycle.

    Parameters
    ----------
    weight_bits, activation_bits : array_like
        Operand widths ``Bw`` and ``Ba``, broadcast together.
    engine : int
        Multipliers of one kernel window.
    inputs, outputs : array_like
        Channels ``n`` read and ``m`` written at once; 1 and 1 in the arrays that are designed.
    """
    bw = np.asarray(weight_bits, dtype=np.float64)
    ba = np.asarray(activation_bits, dtype=np.float64)
    n = np.asarray(inputs, dtype=np.float64)
    m = np.asarray(outputs, dtype=np.float64)
    sums = np.log2(n) + math.log2(engine)
    return np.asarray(m * n * engine * (bw * ba + bw + ba + sums), dtype=np.float64)


def pe_area_um2(
    technology: Technology, weight_bits: npt.ArrayLike, activation_bits: npt.ArrayLike
) -> Floats:
    """``A_PE``, µm²: the technology's fit, linear in BOPS or quadratic in bits; broadcasts."""
    fit = technology.pe_area_um2
    bw = np.asarray(weight_bits, dtype=np.float64)
    ba = np.asarray(activation_bits, dtype=np.float64)
    if isinstance(fit, QuadraticFit):
        area = fit.quadratic * bw * ba + fit.linear * (bw + ba) / 2 + fit.constant
    else:
        area = fit.slope * pe_bops(bw, ba, technology.engine) + fit.intercept
    return np.asarray(area, dtype=np.float64)


def check_areas(
    technology: Technology,
    weight_bits: npt.ArrayLike,
    activation_bits: npt.ArrayLike,
    overhead: float = 1.0,
    buffers: Buffers = NO_BUFFERS,
) -> None:
    """Refuse fits that give PEs of some of these widths, or a design of one such PE, no area.

    Or a buffer.

    Raises
    ------
    SpecError
        A predicted area is not positive; names the PE or the SRAM fit.
    """
    fit = technology.sram_area_um2
    for name, bits in zip(NAMES, buffers, strict=True):
        if bits is not None and fit.slope * bits + fit.intercept <= 0:
            raise SpecError(
                f"technology {technology.name!r}: its SRAM fit gives the {name}, {bits} bit, no "
                "area; take a fit that holds for so small a one"
            )
    bw, ba = np.meshgrid(weight_bits, activation_bits, indexing="ij")
    area_um2 = pe_area_um2(technology, bw, ba)
    if (area_um2 <= 0).any():
        worst = np.unravel_index(area_um2.argmin(), area_um2.shape)
        raise SpecError(
            f"technology {technology.name!r}: its fit gives a PE of {bw[worst]} × {ba[worst]} bit "
            f"an area of {area_um2[worst]:.5g} µm²; offer other PE widths, or take a fit that "
            "holds for this one"
        )
    intercept_um2 = technology.sram_area_um2.intercept
    least_um2 = min(1.0, overhead) * area_um2.min()
    if least_um2 + intercept_um2 <= 0:
        raise SpecError(
            f"technology {technology.name!r}: its SRAM fit has an intercept of {intercept_um2:.5g} "
            f"µm², and a PE takes {least_um2:.5g} µm²: small designs would have no area"
        )


def array_area_um2(
    technology: Technology,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    weight_bits: npt.ArrayLike,
    activation_bits: npt.ArrayLike,
    overhead: float,
) -> Floats:
    """``overhead·rows·cols·A_PE``, µm²; all arguments broadcast together."""
    pe = pe_area_um2(technology, weight_bits, activation_bits)
    return np.asarray(overhead * (np.asarray(rows) * np.asarray(cols)) * pe, dtype=np.float64)


def sram_area_um2(
    technology: Technology, sram_bits: npt.ArrayLike, buffers: Buffers = NO_BUFFERS
) -> Floats:
    """``slope·S + intercept``, µm², for a capacity of ``S`` bits; and for each buffer beside it."""
    bits = np.asarray(sram_bits, dtype=np.float64)
    slope, fixed = technology.sram_area_um2.slope, sram_base_um2(technology, buffers)
    return np.asarray(slope * bits + fixed, dtype=np.float64)


def sram_base_um2(technology: Technology, buffers: Buffers) -> float:
    """The area of an SRAM without any bit, and of the buffers beside it, µm²."""
    fit = technology.sram_area_um2
    each = [fit.slope * bits + fit.intercept for bits in buffers if bits is not None]
    return math.fsum([fit.intercept, *each])
