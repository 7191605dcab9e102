"""Silicon area of a PE array and its SRAM, from the technology's fits.

Source: Karbachevsky et al. 2021, Figures 3 and 6; BOPS of a PE from Baskin et al., UNIQ.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from codesign.technology import Technology

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def pe_bops(weight_bits: npt.ArrayLike, activation_bits: npt.ArrayLike, engine: int) -> Floats:
    """``B = engine·(Bw·Ba + Bw + Ba + log2 engine)``: bit operations of one PE per cycle.

    Parameters
    ----------
    weight_bits, activation_bits : array_like
        Operand widths ``Bw`` and ``Ba``, broadcast together.
    engine : int
        Multipliers of one PE.
    """
    bw = np.asarray(weight_bits, dtype=np.float64)
    ba = np.asarray(activation_bits, dtype=np.float64)
    return np.asarray(engine * (bw * ba + bw + ba + math.log2(engine)), dtype=np.float64)


def array_area_um2(
    technology: Technology,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    weight_bits: npt.ArrayLike,
    activation_bits: npt.ArrayLike,
    overhead: float,
) -> Floats:
    """``overhead·rows·cols·A_PE``, µm²; all arguments broadcast together."""
    fit = technology.pe_area_um2
    pe = fit.slope * pe_bops(weight_bits, activation_bits, technology.engine) + fit.intercept
    return np.asarray(overhead * np.asarray(rows) * np.asarray(cols) * pe, dtype=np.float64)


def sram_area_um2(technology: Technology, sram_bits: npt.ArrayLike) -> Floats:
    """``slope·S + intercept``, µm², for a capacity of ``S`` bits."""
    fit = technology.sram_area_um2
    bits = np.asarray(sram_bits, dtype=np.float64)
    return np.asarray(fit.slope * bits + fit.intercept, dtype=np.float64)
