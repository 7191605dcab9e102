"""What an MILP chooses from for fused runs: widths of each layer, places beside the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.space.fusion import Moved, RunLayer
from codesign.space.hardware import HardwareSpace


@dataclass(frozen=True)
class FusedLayer:
    """Pairs of widths that a layer of a run may have, one row each.

    Attributes
    ----------
    layer : int
    weight, ifmap : ints
        Indices of the widths in the space's list.
    need, psums : floats
        SRAM bits held of weights and input; of partial sums. As if the run's input were in DRAM.
    weight_bits, input_bits : floats
        DRAM bits of weights; of the run's input, of its first layer, likewise.
    compute_s : floats
    energy_j, input_j : floats
        Energy without static power and what is moved beside, and of the run's input, of its first
        layer, if that is in DRAM; 0 where energies do not count.
    """

    layer: int
    weight: Ints
    ifmap: Ints
    need: Floats
    psums: Floats
    weight_bits: Floats
    input_bits: Floats
    compute_s: Floats
    energy_j: Floats
    input_j: Floats

    def __len__(self) -> int:
        return len(self.weight)


@dataclass(frozen=True)
class Beside:
    """A tensor that a run writes, or reads as a residual: its width and place, one row each.

    Attributes
    ----------
    variable : int
        Its width variable.
    tensor : int or None
        Which placed tensor it is; None: it is always in DRAM.
    width : ints
    on_chip : bools
    traffic : floats
        DRAM bits; 0 on chip.
    energy_j : floats
        Of these, or of a residual read on chip; 0 where energies do not count.
    """

    variable: int
    tensor: int | None
    width: Ints
    on_chip: Bools
    traffic: Floats
    energy_j: Floats


@dataclass(frozen=True)
class FusedCandidates:
    """A run on one hardware option.

    Attributes
    ----------
    run : int
        Which of the space's.
    option : int
    layers : tuple of FusedLayer
    inner : tuple of int
        Placed tensors that it holds bands of.
    source : int or None
        The placed tensor that is its input.
    source_width : ints
        Widths at which that may be resident.
    source_need, source_traffic, source_j : floats
        SRAM bits, DRAM bits and energy that this saves.
    beside : tuple of Beside
    result_bits, result_j : float
        DRAM bits of a result of the network that it writes, and what they cost.
    """

    run: int
    option: int
    layers: tuple[FusedLayer, ...]
    inner: tuple[int, ...]
    source: int | None
    source_width: Ints
    source_need: Floats
    source_traffic: Floats
    source_j: Floats
    beside: tuple[Beside, ...]
    result_bits: float
    result_j: float

    @property
    def impossible(self) -> bool:
        """Whether some layer has no pair of widths, or some tensor beside it no place."""
        empty = any(len(x) == 0 for x in self.layers)
        return empty or any(len(x.width) == 0 for x in self.beside)


def fused_candidates(
    space: HardwareSpace,
    r: int,
    option: int,
    sram_bits: float,
    allowed: Callable[[int], Bools],
    variable_allowed: Bools,
    places: Bools,
) -> FusedCandidates | None:
    """Those of a run on a hardware option; None where none fits.

    Parameters
    ----------
    sram_bits : float
        The most that the option may have.
    allowed : callable
        Pairs of widths (w, w) that a layer may have on the option.
    variable_allowed : bools, shape (width variables, widths)
    places : bools, shape (2, placed tensors, widths)
        In DRAM; on chip.
    """
    run = space.run_layers[r]
    layers = tuple(_layer(space, x, option, allowed(x.layer)) for x in run)
    head = run[0]
    width = np.zeros(0, dtype=np.int64)
    if head.source is not None:
        width = np.flatnonzero(places[1, head.source])
    bits = space.widths[width].astype(np.float64)
    beside = [
        (each, _per_bit(space, x, k))
        for x in run
        for each, k in zip(x.moved, x.moved_number, strict=True)
    ]
    bits_of_results = [
        (float(each.elements * space.problem.choices.output_bits), dram)
        for each, (dram, _) in beside
        if each.variable is None
    ]
    traffic = head.ifmap_elements * bits
    made = FusedCandidates(
        run=r,
        option=option,
        layers=layers,
        inner=space.run_tensors[r],
        source=head.source,
        source_width=width,
        source_need=head.input_elements * bits,
        source_traffic=traffic,
        source_j=traffic * _fetched_j(space),
        beside=tuple(
            _beside(space, each, per_bit, variable_allowed, places)
            for each, per_bit in beside
            if each.variable is not None
        ),
        result_bits=sum(x for x, _ in bits_of_results),
        result_j=sum(x * dram for x, dram in bits_of_results),
    )
    if made.impossible:
        return None
    least = sum(float(x.need.min()) for x in layers) - made.source_need.max(initial=0.0)
    least += max(float(x.psums.min()) for x in layers)
    return made if least <= sram_bits else None


def _layer(space: HardwareSpace, x: RunLayer, option: int, allowed: Bools) -> FusedLayer:
    weight, ifmap = np.nonzero(allowed)
    bw, ba = space.widths[weight], space.widths[ifmap]
    input_bits, energy_j = (x.ifmap_elements * ba).astype(np.float64), np.zeros(len(weight))
    if space.counts_energy and space.energy is not None:
        of_pairs = space.energy.fused(np.array([option]))[0, x.geometry]
        added_j = x.added_elements * space.energy.rates.sram_read_j_per_bit * ba
        energy_j = of_pairs[weight, ifmap] + added_j
    cycles = np.broadcast_to(space.cycles_on(np.array([option]))[0, x.geometry], allowed.shape)
    return FusedLayer(
        layer=x.layer,
        weight=weight,
        ifmap=ifmap,
        need=x.held_bits(bw, ba).astype(np.float64),
        psums=x.psum_bits(bw, ba).astype(np.float64),
        weight_bits=(x.weight_elements * bw).astype(np.float64),
        input_bits=input_bits,
        compute_s=cycles[weight, ifmap] / space.problem.clock_hz,
        energy_j=energy_j,
        input_j=input_bits * _fetched_j(space),
    )


def _fetched_j(space: HardwareSpace) -> float:
    """J for a DRAM bit of a run's input, where energies count."""
    if space.energy is None or not space.counts_energy:
        return 0.0
    return space.energy.fetched_j_per_bit


def _per_bit(space: HardwareSpace, x: RunLayer, k: int) -> tuple[float, float]:
    """J for a bit of a layer's output (0) or a residual, in DRAM and on chip, where that counts."""
    if space.energy is None or not space.counts_energy:
        return 0.0, 0.0
    return space.energy.moved_per_bit(space.problem.network.layers[x.layer])[k]


def _beside(
    space: HardwareSpace,
    moved: Moved,
    per_bit: tuple[float, float],
    variable_allowed: Bools,
    places: Bools,
) -> Beside:
    variable, elements, tensor = moved
    assert variable is not None
    if tensor is None:
        width = np.flatnonzero(variable_allowed[variable])
        on_chip = np.zeros(len(width), dtype=bool)
    else:
        there, width = np.nonzero(places[:, tensor] & variable_allowed[variable])
        on_chip = there > 0
    bits = elements * space.widths[width].astype(np.float64)
    energy_j = bits * np.where(on_chip, per_bit[1], per_bit[0])
    return Beside(variable, tensor, width, on_chip, np.where(on_chip, 0.0, bits), energy_j)
