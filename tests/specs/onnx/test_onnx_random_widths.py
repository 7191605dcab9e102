"""Random chains of clipping and quantising: the width read is what the codes that occur need."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import imported, model
from seeds import check_all

Array = np.ndarray[Any, Any]
SAMPLES = np.concatenate([np.linspace(-80, 80, 6401), [-1e6, 1e6]]).astype(np.float32)


def needed(codes: Array) -> int:
    """Bits of integers: two's complement if one is negative."""
    low, high = int(codes.min()), int(codes.max())
    if low >= 0:
        return max(1, int(np.ceil(np.log2(high + 1)))) if high else 1
    return next(
        bits for bits in range(1, 20) if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1)
    )


class Chain:
    """Nodes one by one, and the values they make of the samples."""

    def __init__(self, draw: random.Random) -> None:
        self.draw, self.lines, self.constants = draw, [], {"w": (4, 5)}
        self.value, self.now = "x", SAMPLES

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def clip(self, dtype: Any, ends: tuple[float, float]) -> None:
        """By one or both ends, in one of the operators that do."""
        low, high = sorted(self.draw.choice((self.draw.uniform(*ends), end)) for end in ends)
        low, high = (np.array(end).astype(dtype) for end in (low, high))
        kind = self.draw.choice(("Clip", "low", "high", "Max", "Min"))
        names = ["" if kind == "high" else self.constant(low)]
        names += [] if kind == "low" else [self.constant(high)]
        if kind in ("Max", "Min"):
            end = low if kind == "Max" else high
            self.add(f"{kind} ({self.value}, {self.constant(end)})")
            self.now = (np.maximum if kind == "Max" else np.minimum)(self.now, end)
            return
        self.add(f"Clip ({self.value}, {', '.join(names)})")
        self.now = np.clip(
            self.now, None if kind == "high" else low, None if kind == "low" else high
        )

    def add(self, node: str) -> None:
        self.lines.append(f"v{len(self.lines)} = {node}")
        self.value = f"v{len(self.lines) - 1}"

    def quantise(self) -> tuple[Any, int, str]:
        """The type, the zero point and the names of the parameters."""
        dtype = self.draw.choice((np.int8, np.uint8))
        ends = np.iinfo(dtype)
        zero = self.draw.choice(
            (0, 0, ends.min, (ends.min + ends.max + 1) // 2, self.draw.randint(0, 9))
        )
        scale = np.float32(self.draw.choice((0.25, 0.5, 0.37, 1)))
        names = f"{self.constant(np.array(scale))}, {self.constant(np.array(zero, dtype))}"
        self.add(f"QuantizeLinear ({self.value}, {names})")
        codes = np.rint(self.now / scale) + zero
        if ends.min < zero:  # the sign of its type, whether it is ever set or not
            codes = np.append(codes, min(codes.min(), zero - 1))
        self.now = np.clip(codes, ends.min, ends.max).astype(dtype)
        return dtype, zero, names


def check(seed: int, folder: Path) -> int:
    """One chain; the width it ends in."""
    draw = random.Random(seed)
    chain = Chain(draw)
    for _ in range(draw.choice((0, 0, 1, 2))):
        chain.clip(np.float32, (-20, 20))
    dtype, zero, names = chain.quantise()
    for _ in range(draw.choice((0, 1, 1, 2))):
        kind = draw.choice(("clip", "clip", "Relu", "Identity"))
        if kind == "clip":
            ends = np.iinfo(dtype)
            chain.clip(dtype, (ends.min, ends.max))
        elif kind == "Identity" or dtype is np.int8:
            chain.add(f"{kind} ({chain.value})")
            chain.now = np.maximum(chain.now, 0) if kind == "Relu" else chain.now
    chain.add(f"DequantizeLinear ({chain.value}, {names})")
    chain.add(f"MatMul ({chain.value}, w)")
    lines = "\n".join([*chain.lines, f"y = Identity ({chain.value})"])
    made = model(lines, {"x": (3, 4)}, chain.constants)
    codes = chain.now.astype(int)
    expected = min(needed(codes), needed(codes - zero))
    assert imported(folder, made).pins == {"tensor:x": expected}, (seed, lines, chain.constants)
    return expected


def test_random_chains(tmp_path: Path) -> None:
    assert len({check(seed, tmp_path) for seed in range(60)}) > 4


@pytest.mark.long
def test_many_random_chains(tmp_path: Path) -> None:
    check_all(range(60, 4000), lambda seed: check(seed, tmp_path))
