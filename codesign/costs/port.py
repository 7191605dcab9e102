"""What a layer reads from the SRAM and writes to it, and how long the SRAM's port takes for it.

A port of ``r`` bits in a cycle, those read and those written together, is a roof of its own:

    port = (SRAM bits read + SRAM bits written) / (r·clock)

Bits are those of `codesign.costs.energy`: so many by mapping, widths and what is resident, whatever
the tiling, and so many for each DRAM bit of each operand. Array and port work side by side: on chip
a layer takes the longer of compute and port, which stands for compute in `codesign.costs.roofline`.

Left out: bank conflicts, and words that are filled in part. With buffers of operands' own, the rate
is that of all of them together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.costs.energy import TRAFFIC, Accesses, Rates, constant_j, j_per_dram_bit
from codesign.costs.tiling import Tilings
from codesign.specs.network import Layer, Network

CONSTANT = ("weights", "ifmap", "psum")  # what `Accesses` counts elements of
OPERANDS = [TRAFFIC.index(name) for name in CONSTANT]
BITS = Rates(0.0, 0.0, 1.0, 1.0, 0.0, 0.0)  # what an access is counted as, in place of its energy


def sram_bits(
    network: Network,
    layer: Layer,
    tensor_bits: Mapping[str, int],
    counted: Accesses,
    bits: Ints,
    dram_bits: Mapping[str, int],
    held: Collection[str],
) -> tuple[dict[str, int], dict[str, int]]:
    """SRAM bits read and written by operand: constant ones, those of DRAM bits, and streamed.

    Parameters
    ----------
    bits : ints, shape (3,)
        Of an element of weights, ifmap and partial sums.
    dram_bits : mapping of str to int
        By operand.
    held : collection of str
        Tensors that are in the SRAM while the layer runs.
    """
    found = []
    streamed = _streamed(network, layer, tensor_bits, held)
    kinds = (
        (counted.read, counted.read_per_dram_bit, streamed[0]),
        (counted.written, counted.written_per_dram_bit, streamed[1]),
    )
    for elements, per_dram_bit, beside in kinds:
        constant = {x: int(n) * int(b) for x, n, b in zip(CONSTANT, elements, bits, strict=True)}
        each = {
            name: constant.get(name, 0) + int(dram_bits[name] * factor) + beside.get(name, 0)
            for name, factor in zip(TRAFFIC, per_dram_bit, strict=True)
        }
        found.append(each)
    return found[0], found[1]


def _streamed(
    network: Network, layer: Layer, tensor_bits: Mapping[str, int], held: Collection[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """SRAM bits read and written of what is there and passes by no array: residuals, movements."""
    bits = {
        name: network.touched(layer, name) * tensor_bits[name] if name in held else 0
        for name in (*layer.reads, layer.output)
    }
    read = {"residual": sum(bits[name] for name in layer.residuals)}
    if not layer.moves:
        return read, {}
    read["ifmap"] = layer.ifmap * tensor_bits[layer.input] if layer.input in held else 0
    return read, {"output": bits[layer.output]}


def port_bits(
    network: Network,
    layer: Layer,
    tensor_bits: Mapping[str, int],
    counted: Accesses,
    bits: Ints,
    dram_bits: Mapping[str, int],
    held: Collection[str],
) -> int:
    """All SRAM bits that a layer reads and writes; as of `sram_bits`."""
    both = sram_bits(network, layer, tensor_bits, counted, bits, dram_bits, held)
    return sum(sum(each.values()) for each in both)


def tilings_port_bits(counted: Accesses, bits: Ints, table: Tilings) -> Floats:
    """(tilings,): the same of tilings of a layer, without output and residuals."""
    moved = (table.traffic * j_per_dram_bit(counted, BITS)[OPERANDS]) @ bits
    return np.asarray(constant_j(counted, bits, BITS) + moved, dtype=np.float64)
