"""What an MILP chooses from: for each layer a pair of widths and a tiling, with their costs.

Dominated options are never listed: of all tilings of a pair only the steps of its staircase
between the smallest and the largest SRAM in question, and none beyond the point where the layer is
compute-bound anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.space.hardware import HardwareSpace
from codesign.space.widths import WidthSpace


@dataclass(frozen=True)
class LayerCandidates:
    """Options of one layer, one row each.

    Attributes
    ----------
    option : ints
        Index of the hardware option (of the space) it belongs to.
    weight, ifmap : ints
        Indices of the two operand widths in the space's width list.
    need, traffic, compute_s : floats
        SRAM bits; DRAM bits of weights, ifmap and spilled partial sums; seconds.
    """

    option: Ints
    weight: Ints
    ifmap: Ints
    need: Floats
    traffic: Floats
    compute_s: Floats

    def __len__(self) -> int:
        return len(self.option)


@dataclass(frozen=True)
class Candidates:
    """What an MILP may choose from.

    Attributes
    ----------
    options : ints, shape (hardware options,)
    layers : tuple of LayerCandidates
    variable_allowed : bools, shape (width variables, widths)
    """

    options: Ints
    layers: tuple[LayerCandidates, ...]
    variable_allowed: Bools

    @property
    def impossible(self) -> bool:
        """Whether some layer has no option, or some width variable no width."""
        no_option = not all(len(layer) for layer in self.layers)
        return no_option or not bool(self.variable_allowed.any(axis=1).all())

    @property
    def count(self) -> int:
        """Options of all layers together."""
        return sum(len(layer) for layer in self.layers)


def candidates(
    space: HardwareSpace,
    options: Ints,
    sram_from: Floats,
    sram_to: Floats,
    pairs: Bools | None = None,
    variable_allowed: Bools | None = None,
    traffic_matters: bool = True,
) -> Candidates:
    """List the options of every layer on some hardware options.

    Parameters
    ----------
    options : ints, shape (n,)
    sram_from, sram_to : floats, shape (n,)
        No design in question has less or more SRAM bits; equal where the SRAM is given.
    pairs : bools, shape (layers, widths, widths), optional
        Width pairs still possible; all of the space's by default.
    variable_allowed : bools, shape (width variables, widths), optional
        Widths still possible for each.
    traffic_matters : bool
        Whether less traffic is worth SRAM for its own sake (a DRAM budget or objective), rather
        than only until the layer is compute-bound.
    """
    variable_ok = space.variable_allowed if variable_allowed is None else variable_allowed
    factor, runs = space.option_precision_factor(options), space.runnable(options)
    layers = []
    for i in range(len(space.problem.network.layers)):
        geometry = min(int(space.geometry_of[i]), runs.shape[1] - 1)
        allowed = _allowed(space, i, variable_ok, pairs) & runs[:, geometry]
        slack_s = None if traffic_matters else _other_traffic(space, i) / space.dram_bits_per_s
        parts = [
            _on_option(
                space, i, int(option), allowed[n], factor[n], (sram_from[n], sram_to[n]), slack_s
            )
            for n, option in enumerate(options)
        ]
        layers.append(LayerCandidates(*(np.concatenate(c) for c in zip(*parts, strict=True))))
    return Candidates(options, tuple(layers), variable_ok)


def candidates_of_tables(
    space: WidthSpace,
    label: int,
    traffic: Floats,
    compute_s: Floats,
    pairs: Bools,
    variable_allowed: Bools,
) -> Candidates:
    """Options of a hardware option given by its tables alone, its SRAM already spent.

    Parameters
    ----------
    label : int
        Hardware option to list it under.
    traffic, compute_s : floats, shape (geometries, widths, widths)
        Inf traffic where a pair of widths cannot run.
    pairs : bools, shape (layers, widths, widths)
    variable_allowed : bools, shape (width variables, widths)
    """
    compute_s = np.broadcast_to(compute_s, traffic.shape)
    layers = []
    for i, geometry in enumerate(space.geometry_of.tolist()):
        allowed = _allowed(space, i, variable_allowed, pairs) & np.isfinite(traffic[geometry])
        chosen = weight, ifmap = np.nonzero(allowed)
        option, need = np.full(len(weight), label), np.zeros(len(weight))
        moved, seconds = traffic[geometry][chosen], compute_s[geometry][chosen]
        layers.append(LayerCandidates(option, weight, ifmap, need, moved, seconds))
    return Candidates(np.array([label]), tuple(layers), variable_allowed)


def _allowed(space: WidthSpace, i: int, variable_allowed: Bools, pairs: Bools | None) -> Bools:
    """(w, w): pairs of operand widths that layer ``i`` may have, of some still possible."""
    ifmap, weight = int(space.input_index[i]), space.weight_index[i]
    allowed = space.weight_allowed[i][:, None] & variable_allowed[ifmap]
    if weight is not None:
        allowed = allowed & variable_allowed[weight][:, None]
        if weight == ifmap:
            allowed = allowed & np.eye(len(space.widths), dtype=bool)
    return np.asarray(allowed if pairs is None else allowed & pairs[i])


def _other_traffic(space: HardwareSpace, i: int) -> float:
    """The DRAM bits that a layer's output and residuals take at the widest."""
    problem = space.problem
    widest = max(int(space.widths.max()), problem.choices.output_bits)
    moved = space.moved(problem.network.layers[i])
    return float(widest * sum(elements for _, elements in moved))


def _on_option(
    space: HardwareSpace,
    i: int,
    option: int,
    allowed: Bools,
    factor: Ints,
    sram: tuple[float, float],
    slack_s: float | None,
) -> tuple[Ints | Floats, ...]:
    """The fields of `LayerCandidates` for one layer on one hardware option."""
    shape, geometry = int(space.shape_of[option]), int(space.geometry_of[i])
    stairs = space.staircase(shape, geometry)
    compute_s = factor * (space.shape_cycles[shape, geometry] / space.problem.clock_hz)
    first = np.maximum((stairs.need <= sram[0]).sum(axis=-1) - 1, 0)
    last = (stairs.need <= sram[1]).sum(axis=-1) - 1
    step = np.arange(stairs.need.shape[-1])
    listed = allowed[..., None] & (step >= first[..., None]) & (step <= last[..., None])
    traffic = stairs.traffic[..., 1:]
    if slack_s is not None:
        # A cheaper tiling is pointless once the one before leaves the layer compute-bound.
        bound = traffic / space.dram_bits_per_s + slack_s <= compute_s[..., None]
        listed[..., 1:] &= ~bound[..., :-1] | (step[1:] == first[..., None])
    chosen = weight, ifmap, _ = np.nonzero(listed)
    need, moved = stairs.need[chosen], traffic[chosen]
    return np.full(len(weight), option), weight, ifmap, need, moved, compute_s[weight, ifmap]
