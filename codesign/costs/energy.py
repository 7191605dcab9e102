"""Energy of a network on an accelerator: MACs, SRAM, DRAM and what is spent at all times.

    E = Σ_l (α·bops_l + β·macs_l) + e_read·(SRAM bits read) + e_write·(SRAM bits written)
        + e_dram·(DRAM bits) + (p_0 + p_A·area)·latency

What a PE does for itself, its registers and adders, is in α and β. The SRAM is read and written by
the rule that an operand is read once in each turn of the loop it does not depend on, turns being
those of `codesign.costs.compute.folds` (F over the reduction, K-turns over output channels):

- ifmap: written as fetched, read once in every K-turn. Windows, and the rows of im2col, are made
  between SRAM and array.
- weights: written as fetched. An array that holds them (window, im2col) reads them as often, for
  all pixels of a tile pass before the next; one that holds sums (output) reads all of them in
  every turn over pixels.
- partial sums, at their own width: written F times and read F − 1 times; in mapping output they
  stay in the PE until they are whole, so they are written once. Spilled ones are read on their way
  out and written on their way back, half of their DRAM bits each.
- an output that goes to DRAM is read once more, at its own width; of one that stays, the last
  write is the one that leaves it there.
- a resident operand is not written again; a resident weight tensor is read once where weights are
  held. Residuals are read once from the SRAM if they are there, and pass it by on their way from
  DRAM. So does what a layer that only moves data fetches and writes; what of it is resident is read
  or written once.
- where inserted zeros are skipped, each phase has turns of its own over the reduction and over
  pixels, and reads the weights that it uses; the ifmap is read once in a K-turn for all of them, as
  it is for all passes of a large kernel. MACs are the products that are computed.
- in a fused run the array goes from layer to layer in every row, and holds nothing meanwhile: for
  each output row the weights are read again, and all the input rows that it needs.

Operands wider than a PE are split within it, and their parts added there: no more of the SRAM.

For a search that is linear: a layer takes ``constant_j`` whatever its tiling, and `j_per_dram_bit`
for each DRAM bit of each operand.

Assumed: equal banks, every bit of a word used, no bank conflicts, also where operands have buffers
of their own; no energy of clock tree, control and network on chip beside what α, β, e_read, e_write
and p_0 were measured with. What the array holds, weights or sums, it keeps for all the passes that
need it: where several turns share a tile, or channels are cut into tiles in mapping output, that
is a bound from below (``studies/energy`` has by how much).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from codesign.arrays import Floats, Ints
from codesign.costs.compute import Folds, folds
from codesign.costs.pixel_tiles import vertical
from codesign.costs.widths import layer_bops
from codesign.errors import SpecError
from codesign.specs.machine import Mapping
from codesign.specs.network import Layer, Network
from codesign.specs.technology import MOST
from codesign.specs.zeros import WindowPhases

# Of a product or an element that is moved, more than any machine reads, writes or moves for it:
# operands of 32 bit and partial sums of 64 and their carries, each passed to and fro.
MOST_BITS_EACH, MOST_BOPS_EACH = 1000, 1200

TRAFFIC = ("weights", "ifmap", "output", "psum", "residual")  # DRAM bits, as `Traffic` has them


class Rates(NamedTuple):
    """Energies per event, J; ``static_w`` of the whole chip, W."""

    j_per_bop: float
    j_per_mac: float
    sram_read_j_per_bit: float
    sram_write_j_per_bit: float
    dram_j_per_bit: float
    static_w: float


class Accesses(NamedTuple):
    """How a layer reads and writes the SRAM, whatever its tiling.

    Attributes
    ----------
    read, written : ints, shape (..., 3)
        Elements of weights, ifmap and partial sums, by array.
    read_per_dram_bit, written_per_dram_bit : tuple of 5 floats
        SRAM bits for each DRAM bit, in the order of `TRAFFIC`.
    """

    read: Ints
    written: Ints
    read_per_dram_bit: tuple[float, ...]
    written_per_dram_bit: tuple[float, ...]


MOVES = Accesses(np.zeros(3, np.int64), np.zeros(3, np.int64), (0.0,) * 5, (0.0,) * 5)


def accesses(
    layer: Layer,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    engine: int,
    mapping: Mapping = "window",
    weights_resident: bool = False,
    zero_skipping: bool = False,
) -> Accesses:
    """Of a layer by itself, on arrays whose rows and columns broadcast together.

    Parameters
    ----------
    engine : int
        Multipliers of a PE, as the widths split it.
    weights_resident : bool
        Its weight operand is a tensor that is.
    zero_skipping : bool
        Outputs of a transposed convolution are computed phase by phase.
    """
    found = folds(layer, rows, cols, engine, mapping, zero_skipping)
    turns = found[0][1]
    weights = np.zeros_like(turns.pixels) + layer.weights * weights_resident
    read = 1.0
    if mapping == "output":
        each = layer.G * layer.K * layer.C
        weights = sum(
            (each * x.window * x.alike * t.pixels for x, t in found), np.zeros_like(weights)
        )
        read = 0.0
    return Accesses(
        _elements(weights, layer.ifmap * turns.outputs, 0) + _psums(layer, found, mapping, -1),
        _psums(layer, found, mapping, 0),
        (read, 0.0, 1.0, 0.5, 0.0),
        (1.0, 1.0, 0.0, 0.5, 0.0),
    )


def fused_accesses(
    layer: Layer,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    engine: int,
    mapping: Mapping = "window",
) -> Accesses:
    """Of a layer in a fused run, whatever of it is resident; as `accesses`."""
    found, output_rows = folds(layer, rows, cols, engine, mapping), layer.N * layer.P
    turns = found[0][1]
    ifmap = output_rows * vertical(layer).held(1) * layer.W * layer.G * layer.C
    in_row = -(-layer.Q // np.asarray(rows)) if mapping == "output" else np.asarray(1)
    return Accesses(
        _elements(layer.weights * output_rows * in_row, ifmap * turns.outputs, 0)
        + _psums(layer, found, mapping, -1),
        _psums(layer, found, mapping, 0),
        (0.0, 0.0, 1.0, 0.5, 0.0),
        (1.0, 1.0, 0.0, 0.5, 0.0),
    )


def _psums(
    layer: Layer, found: Sequence[tuple[WindowPhases, Folds]], mapping: Mapping, more: int
) -> Ints:
    """(..., 3): elements of partial sums, ``F + more`` times each; F is 1 where PEs hold them."""
    if mapping == "output":
        times = layer.computed_outputs * np.full_like(found[0][1].reduction, 1 + more)
        return _elements(0, 0, times)
    channels = layer.N * layer.G * layer.K
    each = (channels * x.alike * x.outputs * (t.reduction + more) for x, t in found)
    return _elements(0, 0, sum(each, np.zeros_like(found[0][1].reduction)))


def _elements(*each: Ints | int) -> Ints:
    return np.stack(np.broadcast_arrays(*map(np.asarray, each)), axis=-1).astype(np.int64)


def constant_j(found: Accesses, bits: Ints, rates: Rates) -> Floats:
    """(...): J of the SRAM accesses that no tiling changes.

    Parameters
    ----------
    bits : ints, shape (..., 3)
        Of an element of weights, ifmap and partial sums, as of `operand_bits`.
    """
    read, written = (np.sum(x * bits, axis=-1) for x in (found.read, found.written))
    return np.asarray(
        read * rates.sram_read_j_per_bit + written * rates.sram_write_j_per_bit, dtype=np.float64
    )


def j_per_dram_bit(found: Accesses, rates: Rates) -> Floats:
    """(5,): J for each DRAM bit of each operand of `TRAFFIC`, what it does in the SRAM included."""
    read, written = np.array(found.read_per_dram_bit), np.array(found.written_per_dram_bit)
    sram = read * rates.sram_read_j_per_bit + written * rates.sram_write_j_per_bit
    return np.asarray(sram + rates.dram_j_per_bit, dtype=np.float64)


def mac_j(
    layer: Layer,
    weight_bits: Ints,
    activation_bits: Ints,
    rates: Rates,
    zero_skipping: bool = False,
) -> Floats:
    """``α·bops + β·macs`` of the products that are computed, J; widths broadcast together."""
    bops, macs = layer_bops(layer, weight_bits, activation_bits), layer.macs
    if zero_skipping and layer.stored_macs < macs:
        bops, macs = bops * (layer.stored_macs / macs), layer.stored_macs
    return np.asarray(rates.j_per_bop * bops + rates.j_per_mac * macs, dtype=np.float64)


def check_energies(network: Network, rates: Rates, name: str) -> None:
    """Refuse energies with which a design may take more than any file holds.

    Raises
    ------
    SpecError
        Naming ``name``, the technology they are of.
    """
    per_mac_j = rates.j_per_mac + MOST_BOPS_EACH * rates.j_per_bop
    per_bit_j = rates.sram_read_j_per_bit + rates.sram_write_j_per_bit + rates.dram_j_per_bit
    most_j = 0.0
    for layer, weight in zip(network.layers, network.layer_weights, strict=True):
        written = layer.computed_outputs * (1 + len(layer.residuals))
        events = layer.macs + layer.ifmap + written
        most_j += weight * (layer.macs * per_mac_j + events * MOST_BITS_EACH * per_bit_j)
    if most_j > MOST:
        raise SpecError(
            f"technology {name!r}: with its energies, and {rates.dram_j_per_bit:g} J for a bit of "
            f"DRAM, network {network.name!r} may take {most_j:.2g} J; at most {MOST:g} J are "
            "counted: give energies in J"
        )
