"""Entries of a layer's table that stand for the layer in a fused run.

A run's latency is the larger of two sums over its layers, compute and memory. Any mean of the two,
of weights that all its layers share, is no more, and is a sum over layers again: that is what an
entry costs. Of the run's SRAM need an entry knows the layer's own part; the rest counts at its
narrowest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.table_axes import TableAxes
from codesign.space.fusion import RunLayer
from codesign.space.widths import WidthSpace

ALONE, NEVER, UNKNOWN = -1, -2, -3  # a run that an entry stands for instead


@dataclass(frozen=True)
class FusedEntries:
    """Over the axes of a layer's table, of length 1 where nothing depends on them.

    Attributes
    ----------
    run : ints
        Which fused run an entry stands for; ``ALONE``; ``NEVER``: for nothing, since no run begins
        or ends so; ``UNKNOWN``: the table was cut from what tells.
    bits : floats
        DRAM bits of the layer in that run.
    need : floats
        SRAM bits that the run takes at least.
    input_noise : floats, shape (w,)
        Of the input's width, inf where it is none, where values stand for runs.
    bands : int
        How many values of the input's axis stand for runs.
    """

    run: Ints
    bits: Floats
    need: Floats
    input_noise: Floats
    bands: int

    @property
    def shapes(self) -> tuple[object, ...]:
        """What layers of one family have in common."""
        return self.run.shape, self.bits.shape, self.need.shape, self.bands

    @property
    def key(self) -> tuple[object, ...]:
        """What layers of one kind have in common."""
        tables = self.run, self.bits, self.need, self.input_noise
        return (*self.shapes, *(x.tobytes() for x in tables))


def fused_entries(
    axes: TableAxes, held: Ints, weight_axis: int, input_axis: int
) -> FusedEntries | None:
    """Those of one layer; None where no run has it.

    Parameters
    ----------
    held : ints
        SRAM bits, over the axes, of tensors on chip while the layer runs.
    """
    space, states, i = axes.space, axes.states, axes.i
    runs = [r for r in space.runs_at[i] if r in states.runs]
    if not runs:
        return None
    moved = space.moved(axes.layer)
    read, written = space.operand_tensors[i][1], moved[0].tensor
    known_in, run_in = _runs_along(axes, read)
    known_out, run_out = _runs_along(axes, written)
    one, bands = (1,) * len(axes.sizes), _bands(axes, read)
    variable, noise = int(space.input_index[i]), np.zeros(0)
    if bands:
        allowed = space.variable_allowed[variable, states.left]
        noise = np.where(allowed, space.variable_noise[variable, states.left], np.inf)
    if not (known_in and known_out):
        return FusedEntries(np.full(one, UNKNOWN), np.zeros(one), np.zeros(one), noise, bands)
    which = np.where((run_in == ALONE) & (run_out == ALONE), ALONE, NEVER)
    bits, need = np.zeros(one), np.zeros(one)
    least, inputs = space.least_run_parts
    for r in runs:
        run = space.runs[r]
        starts = run_in == (ALONE if i == run.first else r)
        mine = starts & (run_out == (ALONE if i == run.last else r))
        x = space.run_layers[r][i - run.first]
        own_bits, own_need = _of_layer(axes, x, (weight_axis, input_axis), r)
        which = np.where(mine, r, which)
        bits = np.where(mine, own_bits, bits)
        if i != run.first and not _live(space, i, space.run_layers[r][0].source):
            own_need = own_need + inputs[r]
        need = np.where(mine, own_need + least[r] + held, need)
    return FusedEntries(which, bits, need, noise, bands)


def _live(space: WidthSpace, i: int, t: int | None) -> bool:
    return t is not None and bool(space.live[i, t])


def _bands(axes: TableAxes, t: int | None) -> int:
    """Values of the input's own axis that stand for runs: where its place is there, too."""
    states = axes.states
    if t not in states.runs_of or states.place[t] >= len(axes.space.variables):
        return 0
    return len(states.runs_of[t]) if states.place[t] in axes.scope else 0


def _runs_along(axes: TableAxes, t: int | None) -> tuple[bool, Ints]:
    """Whether what a tensor is held for is known, and for which run, along the axes."""
    states, one = axes.states, (1,) * len(axes.sizes)
    if t not in states.runs_of:
        return True, np.full(one, ALONE)
    variable = states.place[t]
    if variable not in axes.scope:
        return False, np.full(one, UNKNOWN)
    run = np.full(states.sizes[variable], ALONE)
    for r, value in states.run_values(t).items():
        run[value] = r
    return True, run.reshape(axes.shape(variable))


def _of_layer(
    axes: TableAxes, x: RunLayer, operand_axes: tuple[int, int], r: int
) -> tuple[Floats, Floats]:
    """DRAM bits of a layer in a run, and its SRAM need beyond the least, along the axes."""
    space = axes.space
    bw, ba = (axes.widths_along(axis) for axis in operand_axes)
    resident = np.zeros((1,) * len(axes.sizes), dtype=bool)
    if x.source in axes.states.place and not x.band_elements:
        resident = axes.on_chip(x.source)
    elif x.source is not None and not x.band_elements:
        resident = np.full(resident.shape, axes.is_free(x.source))
    bits = x.weight_elements * bw + x.ifmap_elements * ba * ~resident
    for variable, elements, tensor in x.moved:
        if variable is None:
            bits = bits + float(elements * space.problem.choices.output_bits)
        else:
            bits = bits + axes.moved_bits(variable, elements, tensor)
    narrowest = space.narrowest_weights[x.layer]
    need = x.weight_elements * (bw - narrowest) + x.input_elements * ba * ~resident
    return bits, need


def mean_of_roofs(space: WidthSpace, batch: Batch, left: Ints, runs: list[int]) -> Floats:
    """(B, runs): how much compute counts in each run's mean, memory counting the rest.

    All or nothing: whichever is the larger where widths are middling and what the run reads and
    writes is in DRAM. Any choice gives a lower bound.
    """
    width = float(space.widths[left[len(left) // 2]])
    share = np.zeros((len(batch), len(space.runs)))
    for r in runs:
        layers = space.run_layers[r]
        compute_s = sum(batch.compute_s[:, x.geometry].min(axis=(1, 2)) for x in layers)
        elements = sum(
            x.weight_elements + x.ifmap_elements + sum(count for _, count, _ in x.moved)
            for x in layers
        )
        share[:, r] = compute_s >= elements * width / space.dram_bits_per_s
    return share


def with_fused(
    latency_s: Floats,
    bits: Floats,
    compute_s: Floats,
    run: Ints,
    fused_bits: Floats,
    fits: Bools,
    share: Floats,
    dram_bits_per_s: float,
) -> tuple[Floats, Floats]:
    """Latencies and DRAM bits (B, K, …) of all entries.

    Parameters
    ----------
    latency_s, bits, compute_s : floats, shape (B, K, …)
        As if all were of layers alone.
    run, fused_bits : shape (K, …)
    fits : bools, shape (B, K, …)
        Whether a run fits, and its PEs run at the widths.
    share : floats, shape (B, runs)
    """
    of_run = share[:, np.maximum(run, 0)]
    mean = of_run * compute_s + (1 - of_run) * (fused_bits / dram_bits_per_s)
    mean = np.where(fits & (run >= 0), mean, np.inf)
    latency_s = np.where(run == ALONE, latency_s, mean)
    bits = np.where(run == ALONE, bits, np.where(run >= 0, fused_bits, 0.0))
    unknown = run == UNKNOWN
    if unknown.any():
        latency_s, bits = np.where(unknown, 0.0, latency_s), np.where(unknown, 0.0, bits)
    return latency_s, bits
