"""Spells out what ONNX Runtime fuses: sums with normalisations, look-ups, other orders of axes.

A normalisation is element-wise work on its tensor, whatever it divides by: a product by its scale
stands for it.

Source: the operators' descriptions in ONNX Runtime's ``docs/ContribOperators.md``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from codesign.specs.onnx.graph.operators import TABLE
from codesign.specs.onnx.graph.writer import NotSpeltError, Writer

DOMAIN = "com.microsoft"
NORMALISATION_AXIS = -1  # unless an attribute says otherwise


def normalised(write: Writer, value: str, scale: str, output: str) -> None:
    """A tensor times its scale, in the type of the scale."""
    kind = write.type_of(scale)
    if kind and kind != write.type_of(write.input(0)):
        value = write.add("Cast", [value], "of_scale", to=kind)
    write.add("Mul", [value, scale], "normalised", output)


def spell_normalisation(write: Writer) -> None:
    """LayerNormalization and its like; further results are what it divides by."""
    rank = len(write.shape(0))
    normalised(write, write.input(0), write.input(1), write.output(0))
    first = int(write.attribute("axis", NORMALISATION_AXIS)) % rank
    for position in range(1, len(write.node.output)):
        if write.output(position):
            axes = range(first, rank)
            write.summed(write.input(0), axes, f"statistics{position}", write.output(position))


def spell_skip_normalisation(write: Writer) -> None:
    """A sum and its normalisation; the fourth result is the sum, the stream the next one adds to.

    Inputs are two addends and the scale, then biases. The results between are statistics that a
    training reads; ONNX Runtime leaves them empty.
    """
    total = write.add("Add", [write.input(0), write.input(1)], "sum", write.output(3))
    normalised(write, total, write.input(2), write.output(0))


def spell_skip_group_norm(write: Writer) -> None:
    """The same over groups of channels, of X and the fourth input; the sum is the second result."""
    shape, skip = write.shape(0), write.input(3)
    if len(write.shape(3)) == 2:  # one number for each image and channel
        last = bool(write.attribute("channels_last", 1))
        skip = write.reshaped(skip, (0, 1, 1, -1) if last else (0, -1, 1, 1), "per_channel")
    elif write.shape(3) != shape and len(write.shape(3)) != len(shape):
        raise write.refused(f"adds {write.shape(3)} to {shape}")
    total = write.add("Add", [write.input(0), skip], "sum", write.output(1))
    write.add("Identity", [total], "normalised", write.output(0))


def spell_embedding(write: Writer) -> None:
    """EmbedLayerNormalization: rows of two or three tables by index, summed and normalised."""
    found = ""
    tables = ((0, 2, "words"), (1, 4, "segments"), (8, 3, "positions"))
    for indices, table, role in tables:
        if not write.input(indices) or not write.input(table):
            continue
        rows = write.add("Gather", [write.input(table), write.input(indices)], role, axis=0)
        found = write.add("Add", [found, rows], f"{role}.sum") if found else rows
    if write.output(2):
        found = write.add("Identity", [found], "embeddings", write.output(2))
    normalised(write, found, write.input(5), write.output(0))
    if write.output(1):
        if write.input(7):
            write.summed(write.input(7), (1,), "lengths", write.output(1))
        else:
            none = write.constant(np.zeros(write.shape(0)[0], np.int32), "lengths")
            write.add("Identity", [none], "lengths", write.output(1))


def spell_packed_rows(write: Writer) -> None:
    """GatherBlockQuantized: rows of a table of few bits, several of which a byte may hold."""
    shape = [*write.shape(0)]
    if write.type_of(write.input(0)) == TensorProto.UINT8:
        bits = int(write.attribute("bits", 4))
        if bits not in (2, 4, 8):
            raise write.refused(f"bits = {bits}; a byte holds numbers of 2, 4 or 8")
        shape[-1] *= 8 // bits
    axis = int(write.attribute("gather_axis", 0))
    table = write.own(TABLE, [], "table", tuple(shape))
    rows = write.add("Gather", [table, write.input(1)], "", axis=axis)
    write.add("Cast", [rows], "scaled", write.output(0), to=write.type_of(write.input(2)))


def spell_split_gelu(write: Writer) -> None:
    """BiasSplitGelu: one half of the features times an activation of the other."""
    *_, features = shape = write.shape(0)
    both = write.add("Add", [write.input(0), write.input(1)], "biased")
    half = features // 2
    left, right = write.split(both, len(shape) - 1, (half, features - half), ("left", "right"))
    gate = write.add("Erf", [right], "gate")
    write.add("Mul", [left, gate], "gated", write.output(0))


def spell_gemm_gelu(write: Writer) -> None:
    """GemmFastGelu: a product and an activation."""
    product = write.add("MatMul", [write.input(0), write.input(1)], "")
    if write.input(2):
        product = write.add("Add", [product, write.input(2)], "biased")
    write.add("Tanh", [product], "gelu", write.output(0))


def spell_batch_transposed(write: Writer) -> None:
    """FusedMatMul and its like, where the rows of an operand stand before its batches."""
    flags = [write.attribute(f"transBatch{side}", 0) for side in "AB"]
    if not any(flags):
        raise NotSpeltError
    operands = []
    for position, side in enumerate("AB"):
        rank, value = len(write.shape(position)), write.input(position)
        order = [*range(1, rank - 1), 0, rank - 1] if flags[position] else [*range(rank)]
        if write.attribute(f"trans{side}", 0):
            order[-2:] = order[:-3:-1]
        if order != [*range(rank)]:
            value = write.transposed(value, order, f"rows_of_{side}")
        operands.append(value)
    write.add("MatMul", operands, "", write.output(0))


def channels_last(operator: str, domain: str = "", residual: int = 0) -> Callable[[Writer], None]:
    """The rule of an operator that has the channels behind rows and columns.

    Parameters
    ----------
    operator, domain : str
        The same operator with the channels in front.
    residual : int
        Where a tensor stands that is added to the result; 0 for nowhere.
    """

    def spell(write: Writer) -> None:
        rank = len(write.shape(0))
        given = [*write.node.input]
        added = given.pop(residual) if residual and len(given) > residual else ""
        given[0] = write.transposed(given[0], (0, rank - 1, *range(1, rank - 1)), "image")
        result = write.again(operator, given, domain=domain)
        back = (0, *range(2, rank), 1)
        last = write.transposed(result, back, "last", "" if added else write.output(0))
        if added:
            write.add("Add", [last, added], "sum", write.output(0))

    return spell


def spell_quantised_convolution(write: Writer) -> None:
    """QLinearConv, with the channels behind or in front."""
    if write.attribute("channels_last", 0):
        channels_last("QLinearConv")(write)
    else:
        write.again("QLinearConv", write.node.input, write.output(0))


def spell_quantised_pooling(write: Writer) -> None:
    """QLinearAveragePool, where the channels are behind."""
    if not write.attribute("channels_last", 0):
        raise NotSpeltError
    channels_last("QLinearAveragePool", DOMAIN)(write)
