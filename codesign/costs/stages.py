"""What a layer costs that has a PE array of its own: a stage of a pipeline (dataflow architecture).

All stages work at once, on consecutive rows of consecutive images, at one pace: the *interval*, the
time from one image to the next. Source of the architecture: Baskin et al. 2018, Streaming
Architecture for Large-Scale Quantized Neural Networks on an FPGA-Based Dataflow Platform (doi
10.1109/IPDPSW.2018.00032).

A stage works on a *band* of ``p`` output rows at a time. It holds, in memories of their own,

- lines: the input rows of a band, and those of the next that arrive meanwhile,
  ``(rows_in(p) + fresh(p))·W·G·C`` elements, ``fresh(p) = min(H, ⌈p·stride / input dilation⌉)``,
  of repeated rows ``⌈p·stride / repetition⌉``,
- weights on chip, all of them; or streamed: a doubled buffer of what the array takes at once,
  ``2·min(weights, rows·cols·engine)`` (mapping output: ``cols·engine``), filled from DRAM with all
  weights for each band. An operand that is a tensor is held twice, the next image's beside this
  one's,
- partial sums, ``p·Q·G·K``, where the reduction takes more than one turn and no PE keeps them.

Its output is behind its input by a *lag* of ``max(0, (rows_in(p) − fresh(1))/H + p/P)`` intervals:
the rows that it waits for, and those it works on. A layer that only moves data has no array; what
it reads it holds twice, as a whole, and its lag is 1.

Reads and writes of memories, for energy: an array that holds weights reads them for each band (an
operand that it holds whole not at all, or once where it is a tensor); lines are written once and
read for each band in every turn over output channels; partial sums are written ``F`` times and read
``F − 1`` times; what an array that holds sums (mapping output) reads of weights is as of
`codesign.costs.energy`.

Assumed: memories of any number of bits, fractions included, with ports as wide as is needed; every
stage takes the whole interval for an image; no FIFOs between stages but where tensors wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.compute import (
    Folds,
    ceil_div,
    channels_per_pe,
    cycles,
    folds,
    side_by_side,
    windows,
)
from codesign.costs.energy import accesses
from codesign.costs.pixel_tiles import vertical
from codesign.specs.layer import Layer
from codesign.specs.machine import Machine, Mapping
from codesign.specs.zeros import WindowPhases


class StageTable(NamedTuple):
    """Stages of a layer, one entry each, for an image and whatever the widths; shape (n,).

    Attributes
    ----------
    cycles : ints
    weights, lines, psums : ints
        Elements held.
    fetched : ints
        Weights read from DRAM.
    lag : floats
        In intervals.
    weight_reads, weight_writes, line_reads, psum_reads, psum_writes : ints
        Elements read from and written to these memories; lines are written once.
    """

    cycles: Ints
    weights: Ints
    lines: Ints
    psums: Ints
    fetched: Ints
    lag: Floats
    weight_reads: Ints
    weight_writes: Ints
    line_reads: Ints
    psum_reads: Ints
    psum_writes: Ints


def band_heights(layer: Layer, mapping: Mapping = "window", rows: int = 1) -> list[int]:
    """Rows of the bands on offer, ascending: for each number of bands the least.

    In mapping output a band's pixels fill all rows of the array, unless it is the whole image.
    """
    step = rows // math.gcd(rows, layer.Q) if mapping == "output" else 1
    legal = [*range(step, layer.P, step), layer.P] if step > 1 else range(1, layer.P + 1)
    least: dict[int, int] = {}
    for height in legal:
        least.setdefault(ceil_div(layer.P, height), height)
    return sorted(least.values())


def lag_of(layer: Layer, band_rows: npt.ArrayLike) -> Floats:
    """How far a stage's output is behind its input, in intervals, at least 0; broadcasts."""
    given = np.asarray(band_rows, dtype=np.int64)
    if layer.moves:
        return np.ones(given.shape)
    waits = _per_height(given, vertical(layer).held) - _fresh(layer, 1)
    return np.asarray(np.maximum(waits / layer.H + given / layer.P, 0), dtype=np.float64)


def folds_evenly(
    layer: Layer, mapping: Mapping, engine: int, rows: Ints, cols: Ints, zero_skipping: bool = False
) -> Bools:
    """(...): whether an array divides a layer's channels without remainder, as an FPGA is folded.

    Rows divide the input channels (im2col: products of a window's, of those an engine's), columns
    the output channels. Of groups side by side columns hold whole ones, and rows no more.
    """
    together = side_by_side(layer, rows, cols, engine, mapping, zero_skipping)
    if mapping == "output":
        return np.full(rows.shape, True)
    window = windows(layer, zero_skipping)[0]
    if mapping == "window":
        each, whole = rows * channels_per_pe(window, engine), layer.C
    else:
        each, whole = rows * engine, layer.C * window
    alone = (layer.K % cols == 0) & ((whole % each == 0) | ((rows == 1) & (each > whole)))
    fewer = (rows - 1) * (each // rows) < together * whole
    several = (layer.G % together == 0) & (cols == together * layer.K) & fewer
    return np.asarray(np.where(together > 1, several, alone))


def layer_shape(layer: Layer) -> tuple[object, ...]:
    """What of a layer decides its options' costs."""
    counts = (layer.N, layer.G, layer.K, layer.C, layer.P, layer.Q, layer.R, layer.S)
    steps = (layer.stride, layer.dilation, layer.input_dilation, layer.input_repetition)
    return (*counts, layer.H, layer.W, *steps, layer.weight_tensor is None)


def stage_table(
    layer: Layer,
    machine: Machine,
    engine: int,
    mapping: Mapping,
    rows: npt.ArrayLike,
    cols: npt.ArrayLike,
    band_rows: npt.ArrayLike,
    streams: npt.ArrayLike = False,
) -> StageTable:
    """Stages of a layer with MACs; all of the last four arguments broadcast together.

    Parameters
    ----------
    machine : Machine
        What its cycles hold beside MACs.
    streams : bools
        Whether its weights are fetched from DRAM for each band.
    """
    given = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.int64) for x in (rows, cols, band_rows)),
        np.asarray(streams, dtype=np.bool_),
    )
    high, wide, band, fetches = (np.ravel(x) for x in given)
    turns = folds(layer, high, wide, engine, mapping, machine.zero_skipping)
    bands = layer.N * -(-layer.P // band)
    taken_in = _per_height(band, vertical(layer).held)
    row = layer.W * layer.G * layer.C
    folded = np.any([t.reduction > 1 for _, t in turns], axis=0) & (mapping != "output")
    held = np.minimum(layer.weights, wide * engine * (1 if mapping == "output" else high))
    counted = accesses(layer, high, wide, engine, mapping, False, machine.zero_skipping)
    psums = folded[:, None] * np.stack([counted.read[:, 2], counted.written[:, 2]], axis=1)
    weight_reads = _weight_reads(layer, mapping, counted.read[:, 0], bands, _whole(turns), fetches)
    tensor = layer.weight_tensor is not None
    return StageTable(
        cycles=cycles(layer, high, wide, engine, mapping, machine),
        weights=np.where(fetches, 2 * held, layer.weights * (2 if tensor else 1)),
        lines=(taken_in + _fresh(layer, band)) * row,
        psums=folded * band * (layer.Q * layer.G * layer.K),
        fetched=fetches * bands * layer.weights,
        lag=lag_of(layer, band),
        weight_reads=weight_reads,
        weight_writes=fetches * bands * layer.weights + tensor * layer.weights,
        line_reads=bands * taken_in * row * turns[0][1].outputs,
        psum_reads=psums[:, 0],
        psum_writes=psums[:, 1],
    )


def _weight_reads(
    layer: Layer, mapping: Mapping, streamed: Ints, bands: Ints, whole: Bools, fetches: Bools
) -> Ints:
    """Elements of weights read; ``streamed`` by an array that holds sums."""
    if mapping == "output":
        return streamed
    once = 0 if layer.weight_tensor is None else layer.weights
    return np.asarray(np.where(whole & ~fetches, once, bands * layer.weights))


def _whole(turns: Sequence[tuple[WindowPhases, Folds]]) -> Bools:
    """Whether the array holds all weights at once."""
    every = [x.alike * t.groups * t.reduction * t.outputs == 1 for x, t in turns]
    return np.asarray(np.all(every, axis=0) & (len(turns) == 1))


def _fresh(layer: Layer, band_rows: npt.ArrayLike) -> Ints:
    """Input rows that arrive while a band is worked on."""
    moved = np.asarray(band_rows, dtype=np.int64) * layer.stride_rows
    return np.asarray(np.minimum(layer.H, -(-moved // layer.spread_rows)))


def _per_height(band_rows: Ints, of_one: Callable[[int], int]) -> Ints:
    """A function of one height for each of some."""
    heights = sorted({*band_rows.ravel().tolist()})
    values = np.array([of_one(x) for x in heights], dtype=np.int64)
    return np.asarray(values[np.searchsorted(heights, band_rows)])
