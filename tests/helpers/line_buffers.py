"""Fused layers worked off row by row, with a buffer of the newest rows of each tensor.

Nothing is known here of how many rows a layer reads: each output row asks for those that it covers,
wherever the padding has put it, and a buffer forgets its oldest row for each that is new.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from oracle_tilings import vertical

from codesign.specs.network import Layer


class Read(NamedTuple):
    """A row of a tensor that some output row is made of."""

    tensor: int  # the layer whose input it is
    row: int


def random_padding(rng: random.Random, layer: Layer) -> int:
    """Rows of zeros above the ifmap: any of which the layer's shape leaves no more below."""
    reach = (layer.R - 1) * vertical(layer.dilation) + 1
    covered = (layer.P - 1) * vertical(layer.stride) + reach
    seen_as = vertical(layer.input_dilation) * vertical(layer.input_repetition)
    missing = covered - layer.H * seen_as
    return rng.randint(max(0, missing - reach + 1), max(0, min(reach - 1, missing)))


def reads(layers: Sequence[Layer], paddings: Sequence[int], n: int, row: int) -> list[Read]:
    """Rows that an output row of layer ``n`` covers, and those of the tensors that it adds."""
    layer = layers[n]
    first = row * vertical(layer.stride) - paddings[n]
    between, again = vertical(layer.input_dilation), vertical(layer.input_repetition)
    covered = [first + r * vertical(layer.dilation) for r in range(layer.R)]
    stored = [x // between // again for x in covered if x % between == 0]
    found = [Read(n, x) for x in stored if 0 <= x < layer.H]
    held = [Read(m, row) for m, x in enumerate(layers) if x.input in layer.residuals]
    return found + held


def rows_missed(layers: Sequence[Layer], paddings: Sequence[int], held: Sequence[int]) -> int:
    """Times a row is read that its buffer has forgotten, each row being made once, when asked for.

    Parameters
    ----------
    layers : sequence of Layer
        Each reads what the one before it writes, and adds no tensor from outside.
    held : sequence of int
        Rows in the buffer of each layer's input.
    """
    made, missed = [0] * len(layers), 0

    def make(n: int, row: int) -> None:
        nonlocal missed
        wanted = reads(layers, paddings, n, row)
        for tensor, x in wanted:
            while made[tensor] <= x:
                if tensor:
                    make(tensor - 1, made[tensor])
                made[tensor] += 1
        missed += sum(x < made[tensor] - held[tensor] for tensor, x in wanted)

    for row in range(layers[-1].P):
        make(len(layers) - 1, row)
    return missed
