"""Entries of a layer's table that stand for the layer in a fused run.

A run's latency is the larger of two sums over its layers, the roofs of compute and memory. Any mean
of the two, of weights that all its layers share, is no more, and is a sum over layers again: that
is what an entry costs. Of the run's SRAM need an entry knows the layer's own part: where the rest,
at its narrowest, leaves no room, there is no entry; and what a run needs beyond the SRAM is charged
for at a price, to each layer its part. Any such weights and prices give a lower bound
(`run_prices`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.search.bounds.states import ALONE, NEVER, UNKNOWN
from codesign.search.bounds.table_axes import TableAxes
from codesign.space.fusion import RunLayer
from codesign.space.widths import WidthSpace

if TYPE_CHECKING:
    from codesign.space.energy import EnergyCosts


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
    own : floats
        SRAM bits of the layer; of the first also partial sums, and what is on chip beside the run;
        of the last also what is only then.
    first : floats
        1 where the entry is of the first layer of its run, else 0.
    band_elements : floats, shape (bands,)
        Held of the band that it reads, of each run, where values stand for runs.
    band_runs : tuple of int
        Those.
    input_noise : floats, shape (w,)
        Of the input's width, inf where it is none, where values stand for runs.
    bands : int
        How many values of the input's axis stand for runs.
    moved_j : floats
        J of what the run moves beside operands in the layer, and of the run's input in its first,
        where energy counts; what layers of the run add of the input, unless its values are runs.
    band_j : floats, shape (bands,)
        Then so much for each bit of an element of the band.
    """

    run: Ints
    bits: Floats
    need: Floats
    own: Floats
    first: Floats
    band_elements: Floats
    band_runs: tuple[int, ...]
    input_noise: Floats
    bands: int
    moved_j: Floats
    band_j: Floats

    @property
    def _tables(self) -> tuple[Ints | Floats, ...]:
        return self.run, self.bits, self.need, self.own, self.first, self.moved_j

    @property
    def shapes(self) -> tuple[object, ...]:
        """What layers of one family have in common."""
        tables = self._tables
        return (*(x.shape for x in tables), self.bands)

    @property
    def key(self) -> tuple[object, ...]:
        """What layers of one kind have in common."""
        of_bands = self.band_elements, self.input_noise, self.band_j
        return (*self.shapes, self.band_runs, *(x.tobytes() for x in (*self._tables, *of_bands)))


def fused_entries(
    axes: TableAxes,
    held: Ints,
    weight_axis: int,
    input_axis: int,
    check_time: Callable[[], None] = lambda: None,
) -> FusedEntries | None:
    """Those of one layer; None where no run has it.

    Parameters
    ----------
    held : ints
        SRAM bits, over the axes, of tensors on chip while the layer runs.
    check_time : callable
        Called before each run; may raise.
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
    in_bands = tuple(states.runs_of[read]) if bands and read is not None else ()
    layers = [space.run_layers[r][i - space.runs[r].first] for r in in_bands]
    of_bands = np.array([float(x.band_elements) for x in layers]), in_bands, noise, bands
    band_j = np.array([_added_j(space, x) for x in layers])
    if not (known_in and known_out):
        nothing = np.zeros(one)
        unknown = np.full(one, UNKNOWN)
        tables = unknown, nothing, nothing, nothing, nothing
        return FusedEntries(*tables, *of_bands, nothing, band_j)
    which = np.where((run_in == ALONE) & (run_out == ALONE), ALONE, NEVER)
    bits, need, own, first, moved_j = (np.zeros(one) for _ in range(5))
    least = states.least_run_bits
    for r in runs:
        check_time()
        run = space.runs[r]
        starts = run_in == (ALONE if i == run.first else r)
        mine = starts & (run_out == (ALONE if i == run.last else r))
        which = np.where(mine, r, which)
        if not np.isfinite(least.held[r]):  # no width is left for some of its layers
            need = np.where(mine, np.inf, need)
            continue
        x = space.run_layers[r][i - run.first]
        own_bits, own_need, held_here = _of_layer(axes, x, (weight_axis, input_axis), bands > 0)
        bits = np.where(mine, own_bits, bits)
        if space.counts_energy and space.energy is not None:
            own_j = _moved_j(axes, x, space.energy, input_axis, bands > 0)
            moved_j = np.where(mine, own_j, moved_j)
        if i != run.first and not _live(space, i, space.run_layers[r][0].source):
            own_need = own_need + least.inputs[r]
        need = np.where(mine, own_need + least.held[r] + least.psums[r] + held, need)
        if i == run.first:
            held_here = held_here + held + least.psums[r]
            first = np.where(mine, 1.0, first)
        if i == run.last:  # what is written while the run is worked off
            born = space.lifetimes.live[i] & ~space.lifetimes.live[run.first]
            held_here = held_here + axes.held_bits(born)
        own = np.where(mine, held_here, own)
    return FusedEntries(which, bits, need, own, first, *of_bands, moved_j, band_j)


def _added_j(space: WidthSpace, x: RunLayer) -> float:
    """J for each bit of an element of what a layer reads, for layers of its run that add it."""
    if space.energy is None or not space.counts_energy:
        return 0.0
    return x.added_elements * space.energy.rates.sram_read_j_per_bit


def _moved_j(
    axes: TableAxes, x: RunLayer, energy: EnergyCosts, input_axis: int, inline: bool
) -> Floats:
    """J along the axes of what a layer of a run moves, its weights left out; see `FusedEntries`."""
    per_bit = energy.moved_per_bit(axes.layer)
    total = axes.each_moved_j(x.moved, [per_bit[k] for k in x.moved_number])
    ba = axes.widths_along(input_axis)
    fetched = x.ifmap_elements * energy.fetched_j_per_bit * ~_resident(axes, x)
    added = 0.0 if inline else _added_j(axes.space, x)
    return np.asarray(total + (fetched + added) * ba)


def _resident(axes: TableAxes, x: RunLayer) -> Bools:
    """Whether a run's input is resident, along the axes, of its first layer."""
    if x.source in axes.states.place and not x.band_elements:
        return axes.on_chip(x.source)
    free = not x.band_elements and axes.states.is_free(x.source)
    return np.full((1,) * len(axes.sizes), free)


def _live(space: WidthSpace, i: int, t: int | None) -> bool:
    return t is not None and bool(space.lifetimes.live[i, t])


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
    axes: TableAxes, x: RunLayer, operand_axes: tuple[int, int], inline: bool
) -> tuple[Floats, Floats, Floats]:
    """DRAM bits of a layer in a run, its SRAM need beyond the least, and all of it, on the axes.

    Its band left out, where values of the input's axis stand for runs (``inline``).
    """
    space = axes.space
    bw, ba = (axes.widths_along(axis) for axis in operand_axes)
    resident = _resident(axes, x)
    bits = x.weight_elements * bw + x.ifmap_elements * ba * ~resident
    for variable, elements, tensor in x.moved:
        if variable is None:
            bits = bits + float(elements * space.problem.choices.output_bits)
        else:
            bits = bits + axes.moved_bits(variable, elements, tensor)
    narrowest = axes.states.least_run_bits.weight_bits[x.layer]
    read = x.input_elements * ba * ~resident
    need = x.weight_elements * (bw - narrowest) + read
    band = 0.0 if inline else x.band_elements * ba
    return bits, need, x.weight_elements * bw + read + band
