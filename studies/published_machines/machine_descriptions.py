"""Where published machines leave our model, and what their own descriptions count there instead.

Each function takes a network and a layer of it. Formulas are those of the machine's publisher, in
the words of README.md; a machine whose publisher gives none has causes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import codesign

EYERISS_TILES = Path(__file__).parent / "eyeriss_tiles.csv"
KIB = 1024
BITS_PER_MB = 8e6
MS_PER_S = 1e3


class Described(NamedTuple):
    """A figure in the published unit, None where the publisher has no formula; and causes."""

    figure: float | None
    causes: tuple[str, ...]


Description = Callable[[codesign.Network, codesign.Layer], Described]


def rounded(size: int, granule: int) -> int:
    """A size in whole granules."""
    return -(-size // granule) * granule


def nvdla_channels(layer: codesign.Layer) -> int:
    """Input channels as NVDLA's sheet stores them: positions that a stride skips are channels."""
    assert isinstance(layer.stride, int)
    return rounded(layer.C * layer.stride**2, 16)


def nvdla_winograd(layer: codesign.Layer) -> bool:
    """Whether the sheet takes a layer for one in Winograd's form."""
    return (layer.R, layer.S, layer.stride) == (3, 3, 1)


def nvdla_cycles(network: codesign.Network, layer: codesign.Layer) -> Described:
    """MACs over 2048: channels in granules of 16, no MAC idle for what is left of a fold."""
    assert isinstance(layer.stride, int)
    images = 16 if layer.P == 1 else 1  # sheet Configuration Input: of fully connected layers
    inputs = nvdla_channels(layer) / layer.stride**2
    outputs = rounded(layer.K * images, 16) / images
    macs = layer.G * inputs * outputs * layer.window * layer.P * layer.Q
    causes = []
    if layer.stride > 1 and layer.C % 64:
        causes.append("channel extension")
    elif layer.C % 64 or layer.K % 32:
        causes.append("granules of 16 channels")
    if (network.name, layer.name) == ("resnet50_caffe", "res2a_branch2a"):
        causes.append("256 input channels in the sheet")
    if (network.name, layer.name) == ("alexnet_conv", "conv1"):
        causes.append("54 × 54 outputs in the sheet")
    return Described(macs / 2048 * (4 / 9 if nvdla_winograd(layer) else 1), tuple(causes))


def nvdla_traffic(network: codesign.Network, layer: codesign.Layer) -> Described:
    """Each operand once; ifmap or weights again for each part of the other that fits the buffer."""
    assert isinstance(layer.stride, int)
    step, channels, buffer = layer.stride, nvdla_channels(layer), 512 * KIB
    rows, cols = -(-layer.H // step), -(-layer.W // step)
    ifmap, least_ifmap = channels * rows * cols, channels * min(layer.R, rows) * cols
    taps = channels * -(-layer.R // step) * -(-layer.S // step)
    weights = taps * layer.K * (16 / 9 if nvdla_winograd(layer) else 1)
    least_weights = taps * 32 if taps * 32 < buffer else buffer // 2
    again_ifmap = again_weights = 1
    if ifmap >= weights and weights > buffer - least_ifmap:
        again_ifmap = -(-int(weights) // (buffer - least_ifmap))
    if ifmap < weights and ifmap > buffer - least_weights:
        again_weights = -(-ifmap // (buffer - least_weights))
    written = rounded(layer.K, 16) * network.tensors[layer.output] / layer.K
    read = written if layer.residuals else 0
    moved = ifmap * again_ifmap + weights * again_weights + written + read
    causes = {
        "256 input channels in the sheet": layer.name == "res2a_branch2a",
        "16/9 of the weights": nvdla_winograd(layer),
        "strides as channels": step > 1,
        "refetch": again_ifmap > 1 or again_weights > 1,
        "residual as pooled": read != sum(network.touched(layer, x) for x in layer.residuals),
    }
    return Described(moved * 8 / BITS_PER_MB, tuple(x for x, holds in causes.items() if holds))


def dpu_ms(_: codesign.Network, layer: codesign.Layer) -> Described:
    """Eight pixels of one row, and sixteen input channels of one kernel position, at 300 MHz."""
    pixels, reduction = layer.P * -(-layer.Q // 8), layer.window * -(-layer.C // 16)
    cycles = pixels * reduction * -(-layer.K // 16)
    causes = {
        "channels of one position": layer.C % 16,
        "pixels of one row": layer.Q % 8,
        "beside the array": True,
    }
    return Described(MS_PER_S * cycles / 300e6, tuple(x for x, holds in causes.items() if holds))


def scale_sim_os(_: codesign.Network, layer: codesign.Layer) -> Described:
    """Folds of ``C·R·S + rows + cols − 2`` cycles, less one in all, on 256 × 256 PEs."""
    pixels, causes = scale_sim_pixels(layer)
    folds = -(-pixels // 256) * -(-layer.K // 256)
    return Described(folds * (layer.C * layer.window + 256 + 256 - 2) - 1, causes)


def scale_sim_ws(_: codesign.Network, layer: codesign.Layer) -> Described:
    """Folds of ``rows + P·Q + rows + cols − 2`` cycles, less one in all, on 32 × 32 PEs."""
    pixels, causes = scale_sim_pixels(layer)
    folds = -(-layer.C * layer.window // 32) * -(-layer.K // 32)
    return Described(folds * (32 + pixels + 32 + 32 - 2) - 1, causes)


def scale_sim_pixels(layer: codesign.Layer) -> tuple[int, tuple[str, ...]]:
    """Output pixels as the simulator counts them, ``⌈(H − R + stride)/stride⌉`` rows; causes."""
    assert isinstance(layer.stride, int)
    rows = -(-(layer.H - layer.R + layer.stride) // layer.stride)
    cols = -(-(layer.W - layer.S + layer.stride) // layer.stride)
    more = ("a row and a column more",) if (rows, cols) != (layer.P, layer.Q) else ()
    return rows * cols, (*more, "a cycle less per fold")


def eyeriss_ms(_: codesign.Network, layer: codesign.Layer) -> Described:
    """No formula: rows take kernel rows there, and how long a pass ramps up is not published."""
    few = ("few input channels on rows",) if layer.C < 12 else ()
    return Described(None, (*few, "ramp-up of passes"))


def eyeriss_traffic(network: codesign.Network, layer: codesign.Layer) -> Described:
    """AlexNet in the chip's own tiles, in SRAM for both copies that we keep."""
    causes = "compression", "two copies of a tile"
    if network.name != "alexnet_conv":
        return Described(None, causes)
    chip = replace(codesign.load_accelerator("eyeriss"), sram_bits=2**24)
    found = codesign.evaluate(network, chip, on_chip="none", tiling=EYERISS_TILES)
    (row,) = (x for x in found.layer_designs if x.name == layer.name)
    return Described(row.dram_bits.total / BITS_PER_MB, causes)


def named(*causes: str) -> Description:
    """Causes that no published formula counts."""
    return lambda network, layer: Described(None, causes)


DESCRIBED: dict[tuple[str, str], Description] = {
    ("nvdla_full", "cycles"): nvdla_cycles,
    ("nvdla_full", "dram_mb"): nvdla_traffic,
    ("eyeriss", "latency_ms"): eyeriss_ms,
    ("eyeriss", "dram_mb"): eyeriss_traffic,
    ("zhang2015", "compute_ms"): named("beside the array"),
    ("dpu_b4096", "compute_ms"): dpu_ms,
    ("scale_sim_os", "cycles"): scale_sim_os,
    ("scale_sim_ws", "cycles"): scale_sim_ws,
}
