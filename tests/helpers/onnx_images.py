"""Graphs over one image of 4 channels, 8 × 8, and the constants their operators take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx_graphs import integers, network

from codesign.specs.network import Network

IMAGE = {"x": (1, 4, 8, 8)}
W, V, U = {"w": (4, 4, 1, 1)}, {"v": (4, 4, 1, 1)}, {"u": (4, 4, 1, 1)}
ONE = {"one": np.ones((), np.float32)}
LAST = {"last": integers(-1)}


def read(folder: Path, lines: str, constants: Any, inputs: Any = IMAGE, **how: Any) -> Network:
    return network(folder, lines, inputs, constants, **how)


CONSTANTS = {
    **W,
    **V,
    **LAST,
    **ONE,
    **{name: np.full((), value, np.float32) for name, value in (("zero", 0), ("six", 6))},
    **{name: np.full((), value, np.float32) for name, value in (("half", 0.5), ("two", 2))},
    "zp": np.zeros((), np.int8),
    "c": (4,),
    "c4": (4, 1, 1),
    "c8": (8,),
    "split": integers(1, 2, 2, 8, 8),
    "joined": integers(1, 4, 8, 8),
    **{f"i{number}": integers(number) for number in (0, 1, 3, 9)},
}
