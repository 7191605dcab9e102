"""The area of a bit of SRAM from published areas of whole accelerators, by least squares.

``area = slope·bits + per_mac·MACs + rest``: what grows with the buffer is SRAM, what grows with the
MACs or not at all is not. The technology ``tsmc28-nvdla`` holds the slope.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

STUDY = Path(__file__).parent
BITS_PER_KIB = 8192
UM2_PER_MM2 = 1e6


def tables() -> dict[str, pd.DataFrame]:
    """The fit, and how well it meets each accelerator."""
    points = pd.read_csv(STUDY / "nvdla_area.csv", comment="#")
    bits, area = points["buffer_kib"] * BITS_PER_KIB, points["area_mm2"] * UM2_PER_MM2
    matrix = np.column_stack([bits, points["macs"], np.ones(len(points))])
    scale = np.linalg.norm(matrix, axis=0)
    coefficients = np.linalg.lstsq(matrix / scale, area.to_numpy())[0] / scale
    residual = area - matrix @ coefficients
    free = len(points) - matrix.shape[1]
    inverse = np.linalg.inv((matrix / scale).T @ (matrix / scale))
    errors = np.sqrt(np.diag(inverse) * (residual**2).sum() / free) / scale
    r2 = 1 - (residual**2).sum() / ((area - area.mean()) ** 2).sum()
    fit = pd.DataFrame(
        {
            "area_of": ["bit of SRAM", "MAC", "rest"],
            "um2": coefficients,
            "standard_error_um2": errors,
            "r2": r2,
            "least_bits": bits.min(),
            "most_bits": bits.max(),
        }
    )
    fitted = (area - residual) / UM2_PER_MM2
    points = points.assign(fitted_mm2=fitted, error=fitted / points["area_mm2"] - 1)
    return {"sram_fit": fit, "sram_points": points}
