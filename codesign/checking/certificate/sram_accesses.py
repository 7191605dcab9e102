"""What a layer reads from the SRAM and writes to it in a certificate: so many bits always, others
for each DRAM bit.

The former count where energy does, and where the SRAM's port has a rate: then the layer takes on
chip as long as its cycles or all these bits, whichever is longer.
"""

from __future__ import annotations

from typing import NamedTuple

from codesign.checking.certificate.layer_scopes import LayerScope, Operands
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.cost_model import (
    Array,
    accumulation_bits,
    ceil_div,
    pixel_step,
    rows_in,
    turns,
)
from codesign.checking.network import Layer


class SramAccesses(NamedTuple):
    """SRAM bits read and written."""

    read: int
    written: int


def accesses_beside(layer: Layer, array: Array, operands: Operands) -> SramAccesses:
    """Of operands and partial sums, however they are tiled; none of what only moves.

    What is fetched, and what weights that are fetched are read, goes with the DRAM bits.
    """
    if layer.moves:
        return SramAccesses(0, 0)
    bw, ba = operands.weight_bits, operands.input_bits
    read, written = _of_sums(layer, array, operands)
    read += layer.ifmap * ba * ceil_div(layer.K, array.cols)
    if array.mapping == "output":
        each = turns(layer, array)
        read += layer.G * layer.K * layer.C * bw * sum(x.window * x.pixels for x in each)
    elif operands.weights_resident:
        read += layer.weights * bw
    return SramAccesses(read, written)


def accesses_in_run(layer: Layer, array: Array, operands: Operands) -> SramAccesses:
    """Of a layer of a fused run, which asks for its weights and input rows for each output row.

    Without what is fetched for it.
    """
    read, written = _of_sums(layer, array, operands)
    rows = layer.N * layer.P
    in_row = ceil_div(layer.Q, pixel_step(array)) if array.mapping == "output" else 1
    under = rows_in(layer, 1) * layer.W * layer.G * layer.C * ceil_div(layer.K, array.cols)
    read += rows * (layer.weights * operands.weight_bits * in_row + under * operands.input_bits)
    return SramAccesses(read, written)


def _of_sums(layer: Layer, array: Array, operands: Operands) -> SramAccesses:
    """Of partial sums: each is added to at every turn over the reduction, the first only written.

    In mapping output the array holds them, and they are written once.
    """
    bits = operands.weight_bits + operands.input_bits + accumulation_bits(layer)
    once, each = layer.N * layer.G * layer.K * bits, turns(layer, array)
    sums = sum(x.outputs for x in each) * once
    if array.mapping == "output":
        return SramAccesses(0, sums)
    added = sum(x.outputs * x.reduction for x in each) * once
    return SramAccesses(added - sums, added)


def per_dram_bit(mapping: str) -> tuple[int, int, int]:
    """Bits read and written, together, for each DRAM bit of weights, ifmap and partial sums."""
    return (1 if mapping == "output" else 2), 1, 1


def streamed_bits(scope: LayerScope) -> Whole:
    """(entries,): read and written of outputs, residuals and what only moves, together."""
    assert scope.sram_bits is not None
    return scope.sram_bits.output + scope.sram_bits.read + scope.sram_bits.written
