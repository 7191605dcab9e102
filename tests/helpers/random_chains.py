"""Tiny random chains of layers that may be fused, and what keeps some of them from it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from random_networks import (
    Draft,
    Shape,
    concatenation,
    convolution,
    fully_connected,
    matmul,
    movement,
)

from codesign.specs.network import Layer, Network


class Kernel(NamedTuple):
    """Rows of a kernel and how it goes over the rows of its input; columns do the same."""

    size: int
    stride: int = 1
    dilation: int = 1
    zeros: int = 1  # rows of the input for each that is stored
    padded: bool = True


SAME, POINT = Kernel(3), Kernel(1)
KERNELS = (SAME, SAME, SAME, POINT, POINT, Kernel(5), Kernel(2), Kernel(3, dilation=2))
KERNELS += (Kernel(3, stride=2), Kernel(2, stride=2, padded=False), Kernel(3, padded=False))
KERNELS += (Kernel(2, zeros=2), Kernel(1, stride=2))
ANY = (movement, concatenation, matmul, fully_connected, convolution, convolution)


def random_chain(
    rng: random.Random, layers: int, broken: bool = False, tall: bool = False
) -> Network:
    """Convolutions one after another, with residuals; wide rather than deep in channels.

    ``broken``: here and there with a pooling, parts of tensors, movements, weight operands that are
    tensors, a tensor that two layers take as their input. ``tall``: of so many rows that it pays to
    fuse many layers.
    """
    draft = Draft(rng)
    images, channels = rng.choice((1, 1, 1, 1, 2)), rng.choice((1, 2) if tall else (1, 2, 3, 4))
    rows, columns = (8, 14) if tall else (3, 9), (5, 8) if tall else (1, 2, 3, 4)
    draft.shapes = {"in": Shape(images, channels, rng.randint(*rows), rng.choice(columns))}
    for number in range(layers):
        name, output = f"layer{number}", f"t{number}"
        if broken and rng.random() < 0.25:
            _anything(draft, rng.choice(ANY), name, output)
        else:
            pooled = broken and rng.random() < 0.1
            _next_in_chain(draft, name, output, pooled)
    if all(layer.moves for layer in draft.layers):
        convolution(draft, "last", "end")
    return draft.network()


def _anything(
    draft: Draft, kind: Callable[[Draft, str, str], None], name: str, output: str
) -> None:
    """A layer, or a few, as other random networks have them."""
    draft.moving = True
    kind(draft, name, output)
    draft.moving = False


def _next_in_chain(draft: Draft, name: str, output: str, pooled: bool) -> None:
    """A convolution of the newest tensor."""
    rng = draft.rng
    source, shape = [*draft.shapes.items()][-1]
    kernel = rng.choice(KERNELS)
    across = kernel if rng.random() < 0.8 else POINT._replace(stride=kernel.stride)
    across = across._replace(zeros=kernel.zeros)
    depthwise = rng.random() < 0.25
    groups = shape.channels if depthwise else 1
    K = 1 if depthwise else min(2 * shape.channels, rng.choice((1, 2, 2, 3, 4)))
    layer = Layer(
        name=name,
        N=shape.images,
        G=groups,
        K=K,
        C=shape.channels // groups,
        P=_positions(kernel, shape.rows),
        Q=_positions(across, shape.columns),
        R=kernel.size,
        S=across.size,
        H=shape.rows,
        W=shape.columns,
        stride=(kernel.stride, across.stride),
        dilation=(kernel.dilation, across.dilation),
        input=source,
        output=output,
        **{draft.spread: kernel.zeros},
    )
    computed = Shape(shape.images, groups * K, layer.P, layer.Q)
    layer = replace(layer, residuals=_residuals(draft, computed))
    stored = computed._replace(rows=-(-computed.rows // 2)) if pooled else computed
    if pooled and stored.rows < computed.rows and rng.random() < 0.3:  # as many as computed
        layer = replace(layer, appended=computed.elements - stored.elements)
        stored = computed
    draft.layers.append(layer)
    draft.shapes[output] = stored


def _positions(kernel: Kernel, size: int) -> int:
    """Output rows or columns of so many."""
    rows, reach = size * kernel.zeros, (kernel.size - 1) * kernel.dilation + 1
    if kernel.padded or rows < reach:
        return -(-rows // kernel.stride)
    return (rows - reach) // kernel.stride + 1


def _residuals(draft: Draft, computed: Shape) -> tuple[str, ...]:
    """Mostly none; of tensors of as many rows and columns, now and then of any that fits."""
    rng = draft.rng
    fitting = [t for t, shape in draft.shapes.items() if shape.elements <= computed.elements]
    grid = computed[0], *computed[2:]
    by_rows = [t for t in fitting if (draft.shapes[t][0], *draft.shapes[t][2:]) == grid]
    if by_rows and rng.random() < 0.45:
        return tuple(rng.sample(by_rows, min(len(by_rows), rng.choice((1, 1, 1, 2)))))
    return (rng.choice(fitting),) if fitting and rng.random() < 0.06 else ()
