"""Areas of PEs and SRAMs as measured for a fit."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd

WIDTHS = (2, 3, 4, 6, 8, 12, 16, 24, 32)


def bops(bw: int, ba: int, n: int = 1, m: int = 1) -> float:
    """``m·n·9·(bw·ba + bw + ba + log2(9n))``."""
    return m * n * 9 * (bw * ba + bw + ba + math.log2(9 * n))


def pes(*rows: tuple[float, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["bw", "ba", "n", "m", "area_um2"])


def figure_1() -> pd.DataFrame:
    return pes(*((b, b, 1, 1, 12.39 * b * b + 86.07 * b - 14.02) for b in WIDTHS))


def figure_3() -> pd.DataFrame:
    mixed = itertools.product((2, 4, 8), (3, 8, 16), (1, 2, 16), (1, 4))
    return pes(*((*point, 1.694 * bops(*point) + 153.46) for point in mixed))


def scattered() -> pd.DataFrame:
    """Linear in BOPS but for up to 20 % of noise."""
    noise, frame = np.random.default_rng(7), figure_3()
    return frame.assign(area_um2=frame["area_um2"] * noise.uniform(0.8, 1.2, len(frame)))


def srams(*areas_um2: float) -> pd.DataFrame:
    """SRAMs of 1, 2, 3, … bits."""
    return pd.DataFrame({"bits": range(1, len(areas_um2) + 1), "area_um2": areas_um2})


def written(folder: Path, frame: pd.DataFrame, name: str = "areas.csv") -> Path:
    path = folder / name
    frame.to_csv(path, index=False)
    return path
