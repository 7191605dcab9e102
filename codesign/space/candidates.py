"""What an MILP chooses from: for each layer a pair of widths and a tiling, with their costs.

Dominated options are never listed: of all tilings of a pair only the steps of its staircase
between the smallest and the largest SRAM in question, and none beyond the point where the layer is
compute-bound anyway, as long as all traffic then passes meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.space.energy import EnergyCosts, StaticGrowth
from codesign.space.energy_tilings import EnergyTilings, stacked_costs
from codesign.space.hardware import HardwareSpace
from codesign.space.widths import WidthSpace

if TYPE_CHECKING:
    from codesign.space.fused_candidates import FusedCandidates

_NOTHING = tuple(
    [np.zeros(0, dtype=kind)]
    for kind in (int, int, int, float, float, float, int, int, float, int, float)
)


COLUMNS = (
    *("option", "weight", "ifmap", "need", "traffic", "compute_s", "variant", "mode"),
    *("energy_j", "tiling", "port_s"),
)


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
    variant : ints
        Which operands are resident, see `WidthSpace.variants`.
    mode : ints
        Which mapping the layer takes, where it has one of its own, see `HardwareSpace.modes`.
    energy_j : floats
        Without static power and, where not joint, what moves beside operands; 0 where not counted.
    tiling : ints
        Row of the tiling in its staircase's table; −1 where need and traffic tell it.
    port_s : floats
        What the SRAM's port takes without output and residuals; 0 where not counted, and where
        joint: the compute time is then that of both.
    joint : bool
        Whether an option says all: traffic with output and residuals, and the need with all tensors
        that are on chip beside the tiles.
    widths_beside : tuple of (width variable, ints)
        Of joint options: the width of each variable that is not an operand's.
    places_beside : tuple of (placed tensor, ints, bools)
        And of each tensor that is no operand, its width, and whether it is on chip.
    free_beside : tuple of int
        Output and residuals that are on chip whatever the option, and their energy in none.
    forced : floats
        And what forcing each costs at best: a bound on the Lagrangian.
    """

    option: Ints
    weight: Ints
    ifmap: Ints
    need: Floats
    traffic: Floats
    compute_s: Floats
    variant: Ints
    mode: Ints
    energy_j: Floats
    tiling: Ints
    port_s: Floats
    joint: bool = False
    widths_beside: tuple[tuple[int, Ints], ...] = ()
    places_beside: tuple[tuple[int, Ints, Bools], ...] = ()
    free_beside: tuple[int, ...] = ()
    forced: Floats = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.option)

    def take(self, rows: Bools) -> LayerCandidates:
        """Some of the options."""
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in COLUMNS},
            forced=self.forced[rows] if self.joint else self.forced,
            widths_beside=tuple((v, width[rows]) for v, width in self.widths_beside),
            places_beside=tuple((t, b[rows], there[rows]) for t, b, there in self.places_beside),
        )


def _columns(*columns: Any) -> LayerCandidates:
    """Options that are not joint, of the columns in order."""
    return LayerCandidates(**dict(zip(COLUMNS, columns, strict=True)))


def joined(parts: Sequence[LayerCandidates]) -> LayerCandidates:
    """Joint options of one layer in one list, of the same tensors beside."""
    if len(parts) == 1:
        return parts[0]
    names = *COLUMNS, "forced"
    columns: dict[str, Any] = {n: np.concatenate([getattr(x, n) for x in parts]) for n in names}
    widths = zip(*(x.widths_beside for x in parts), strict=True)
    places = zip(*(x.places_beside for x in parts), strict=True)
    return replace(
        parts[0],
        **columns,
        widths_beside=tuple((e[0][0], np.concatenate([w for _, w in e])) for e in widths),
        places_beside=tuple(
            (e[0][0], np.concatenate([w for _, w, _ in e]), np.concatenate([p for _, _, p in e]))
            for e in places
        ),
    )


@dataclass(frozen=True)
class Candidates:
    """What an MILP may choose from.

    Attributes
    ----------
    options : ints, shape (hardware options,)
    layers : tuple of LayerCandidates
    variable_allowed : bools, shape (width variables, widths)
    places : bools, shape (2, placed tensors, widths)
        Whether a tensor may be in DRAM, and on chip, at each width.
    sram_bits : floats, shape (hardware options,)
        The most that each may have; inf where the needs say all.
    static_w : floats, shape (hardware options,)
        Power at all times that counts as energy, at least; empty where none does.
    growth : StaticGrowth or None
        How it grows with the SRAM, where that is known of one hardware option.
    grows : bool
        Whether designs with more SRAM have more, by what is worth telling apart.
    port : bool
        Whether the SRAM's port counts.
    fused : tuple of FusedCandidates
        Runs of layers, each on one hardware option.
    """

    options: Ints
    layers: tuple[LayerCandidates, ...]
    variable_allowed: Bools
    places: Bools
    sram_bits: Floats
    static_w: Floats = field(default_factory=lambda: np.zeros(0))
    growth: StaticGrowth | None = None
    grows: bool = False
    port: bool = False
    fused: tuple[FusedCandidates, ...] = ()

    @property
    def impossible(self) -> bool:
        """Whether some layer has no option, or some width variable no width."""
        fused = {x.layer for run in self.fused for x in run.layers}
        no_option = not all(len(layer) or i in fused for i, layer in enumerate(self.layers))
        banded = [t for run in self.fused for t in run.inner]
        placed = np.array(self.places.any(axis=(0, 2)), dtype=bool)
        placed[banded] = True
        no_place = not bool(placed.all())
        return no_option or no_place or not bool(self.variable_allowed.any(axis=1).all())

    @property
    def count(self) -> int:
        """Options of all layers together."""
        of_runs = sum(len(layer) for run in self.fused for layer in run.layers)
        return sum(len(layer) for layer in self.layers) + of_runs


def candidates(
    space: HardwareSpace,
    options: Ints,
    sram_from: Floats,
    sram_to: Floats,
    pairs: Bools | None = None,
    variable_allowed: Bools | None = None,
    places: Bools | None = None,
    fusable: Bools | None = None,
    joint: Sequence[LayerCandidates | None] | None = None,
    *,
    traffic_matters: bool = True,
    energy: Sequence[EnergyTilings] | None = None,
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
    places : bools, shape (2, placed tensors, widths), optional
        Places still possible for each tensor at each width.
    fusable : bools, shape (runs,), optional
        Fused runs still possible.
    joint : sequence of LayerCandidates or None, optional
        Joint options of those layers that have them, of which those of possible places are listed.
    traffic_matters : bool
        Whether less traffic is worth SRAM for its own sake (a DRAM budget or objective), rather
        than only until the layer is compute-bound.
    energy : sequence of EnergyTilings, optional
        Where energies or the SRAM's port count, of each hardware option.
    """
    variable_ok = space.variable_allowed if variable_allowed is None else variable_allowed
    traffic_counts = traffic_matters or space.exposed > 0  # and never hides behind compute
    left = _places_left(space, variable_ok, places, float(sram_to.max(initial=0.0)))
    cycles = [space.cycles_on(options, mode) for mode in range(len(space.modes))]
    runs, most_live = space.runnable(options), _most_live(space, left)
    layers = []
    for i in range(len(space.problem.network.layers)):
        if joint is not None and (own := joint[i]) is not None:
            layers.append(own.take(_in_places(space, left, i, own)))
            continue
        geometry = min(int(space.geometry_of[i]), runs.shape[1] - 1)
        allowed = _allowed(space, i, variable_ok, pairs) & runs[:, geometry]
        slack_s = None if traffic_counts else _other_traffic(space, i) / space.dram_bits_per_s
        parts = [
            _on_option(
                *(space, i, variant, mode, int(option), mine & allowed[n], cycles[mode][n]),
                room=(sram_from[n] - most_live[i], sram_to[n] - held),
                slack_s=slack_s,
                energy=None if energy is None else energy[n],
            )
            for variant, mine, held in _variants(space, i, left)
            for n, option in enumerate(options)
            for mode in range(len(space.modes))
        ]
        rows = _columns(*map(np.concatenate, zip(*parts, strict=True) if parts else _NOTHING))
        layers.append(undominated(rows) if len(space.modes) > 1 else rows)

    def pairs_on(n: int, i: int) -> Bools:
        geometry = min(int(space.geometry_of[i]), runs.shape[1] - 1)
        return np.asarray(_allowed(space, i, variable_ok, pairs) & runs[n, geometry])

    port = energy is not None and any(each.port for each in energy)
    made = Candidates(options, tuple(layers), variable_ok, left, sram_to, port=port)
    if not space.runs:
        return made
    from codesign.space.fused_candidates import fused_candidates  # where runs are on offer alone

    fused = (
        fused_candidates(
            space, r, int(option), float(sram_to[n]), partial(pairs_on, n), variable_ok, left
        )
        for n, option in enumerate(options)
        for r in range(len(space.runs))
        if fusable is None or fusable[r]
    )
    return replace(made, fused=tuple(run for run in fused if run is not None))


def _places_left(
    space: HardwareSpace, variable_allowed: Bools, places: Bools | None, sram_bits: float
) -> Bools:
    """(2, placed tensors, widths): places that tensors may have at each width."""
    widths_left = variable_allowed[space.placed_variable]
    unbanded = widths_left & ~space.banded[:, None]
    left = np.stack([unbanded & ~space.kept[:, None], unbanded])
    left[1] &= space.placed_elements[:, None] * space.widths <= sram_bits
    return left if places is None else left & places


def _most_live(space: HardwareSpace, left: Bools) -> list[float]:
    """Of each layer: the most that all tensors on chip can hold while it runs."""
    bits = np.where(left[1], space.placed_elements[:, None] * space.widths, 0)
    return [float(most) for most in space.lifetimes.held(bits.max(axis=1, initial=0)).tolist()]


def _variants(space: HardwareSpace, i: int, left: Bools) -> list[tuple[int, Bools, Floats]]:
    """Which operands of a layer may be resident.

    For each variant: pairs of widths at which they may (w, w), and what they then hold of the SRAM
    (w, w, 1).
    """
    widths, count = space.widths.astype(np.float64), len(space.widths)
    found = []
    for variant in range(space.variant_count):
        pairs, held = np.ones((count, count), dtype=bool), np.zeros((count, count))
        weight, ifmap = space.operand_tensors[i]
        for step, t, axis in ((2, weight, 1), (1, ifmap, 0)):
            resident = bool(variant & step)
            if t is None:
                pairs &= not resident
                continue
            pairs &= np.expand_dims(left[int(resident), t], axis)
            if resident and not (step == 1 and variant & 2 and weight == t):
                held += np.expand_dims(space.placed_elements[t] * widths, axis)
        if pairs.any():
            found.append((variant, pairs, held[..., None]))
    return found


def undominated(rows: LayerCandidates) -> LayerCandidates:
    """Options without those that another with the same widths and places is as good as.

    As good: it needs no more SRAM, moves no more, computes no longer, keeps the port busy no longer
    and takes no more energy; of equal ones, the first is kept.
    """
    own: list[Ints | Bools] = [rows.option, rows.weight, rows.ifmap, rows.variant]
    own += [width for _, width in rows.widths_beside]
    for _, width, there in rows.places_beside:
        own += [width, there]
    number = np.unique(np.stack(own), axis=1, return_inverse=True)[1].ravel()
    costs_of = rows.need, rows.traffic, rows.compute_s, rows.energy_j, rows.port_s
    order = np.lexsort((*costs_of[::-1], number))
    kept = np.zeros(len(rows), dtype=bool)
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    for mine in np.split(order, starts[1:]):
        costs = np.stack([column[mine] for column in costs_of])
        as_good = (costs[:, :, None] <= costs[:, None]).all(axis=0)  # the first as the second
        equal = as_good & as_good.T
        by_another = as_good & (~equal | np.tri(len(mine), k=-1, dtype=bool).T)
        kept[mine[~by_another.any(axis=0)]] = True
    return rows.take(kept)


def _in_places(space: HardwareSpace, left: Bools, i: int, rows: LayerCandidates) -> Bools:
    """Which joint options have places that their tensors may have."""
    weight, ifmap = space.operand_tensors[i]
    places = [
        (t, width, (rows.variant & step) > 0)
        for t, width, step in ((weight, rows.weight, 2), (ifmap, rows.ifmap, 1))
        if t is not None
    ]
    kept = np.ones(len(rows), dtype=bool)
    for t, width, on_chip in (*places, *rows.places_beside):
        kept &= left[on_chip.astype(np.int64), t, width]
    return kept


def candidates_of_tables(
    space: WidthSpace,
    label: int,
    traffic: Floats,
    compute_s: Floats,
    pairs: Bools,
    variable_allowed: Bools,
) -> Candidates:
    """Options of hardware given by tables alone: tensors stay on chip where they may, for nothing.

    Parameters
    ----------
    label : int
        Hardware option to list it under.
    traffic : floats, shape (variants × geometries, widths, widths)
        Inf where a pair of widths cannot run.
    compute_s : floats, shape (geometries, widths, widths) or (geometries, 1, 1)
    pairs : bools, shape (layers, widths, widths)
    variable_allowed : bools, shape (width variables, widths)
    """
    compute_s = np.broadcast_to(compute_s, (len(compute_s), *traffic.shape[1:]))
    layers = []
    for i, geometry in enumerate(space.geometry_of.tolist()):
        placed = zip((2, 1), space.operand_tensors[i], strict=True)
        variant = sum(step for step, tensor in placed if tensor is not None)
        on_tables = traffic[variant * len(compute_s) + geometry]
        allowed = _allowed(space, i, variable_allowed, pairs) & np.isfinite(on_tables)
        chosen = weight, ifmap = np.nonzero(allowed)
        option, need = np.full(len(weight), label), np.zeros(len(weight))
        moved, seconds = on_tables[chosen], compute_s[geometry][chosen]
        none = np.zeros(len(weight), dtype=np.int64)
        own = none + variant, none, np.zeros(len(weight)), none - 1, np.zeros(len(weight))
        layers.append(_columns(option, weight, ifmap, need, moved, seconds, *own))
    on_chip = variable_allowed[space.placed_variable]
    places = np.stack([np.zeros_like(on_chip), on_chip])
    unlimited = np.array([np.inf])
    return Candidates(np.array([label]), tuple(layers), variable_allowed, places, unlimited)


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
    return float(widest * sum(each.elements for each in moved))


def _on_option(
    space: HardwareSpace,
    i: int,
    variant: int,
    mode: int,
    option: int,
    allowed: Bools,
    cycles: Ints,
    *,
    room: tuple[Floats | float, Floats],
    slack_s: float | None,
    energy: EnergyTilings | None,
) -> tuple[Ints | Floats, ...]:
    """The fields of `LayerCandidates` for one layer on one hardware option, in one mode.

    ``cycles`` (geometries, w, w) are those on it; ``room`` is what tiles have at least and at most,
    broadcast with pairs of widths (w, w, 1).
    """
    shape, geometry = int(space.shape_of[option]), int(space.geometry_of[i])
    stairs = space.staircase(shape, geometry, variant, mode)
    compute_s = np.broadcast_to(cycles[geometry] / space.problem.clock_hz, allowed.shape)
    if energy is not None:
        kinds = geometry, variant, mode
        return _by_cost(space, energy, option, kinds, allowed, compute_s, room)
    first = np.maximum((stairs.need <= room[0]).sum(axis=-1) - 1, 0)
    last = (stairs.need <= room[1]).sum(axis=-1) - 1
    step = np.arange(stairs.need.shape[-1])
    listed = allowed[..., None] & (step >= first[..., None]) & (step <= last[..., None])
    traffic = stairs.traffic[..., 1:]
    if slack_s is not None:
        # A cheaper tiling is pointless once the one before leaves the layer compute-bound.
        bound = traffic / space.dram_bits_per_s + slack_s <= compute_s[..., None]
        listed[..., 1:] &= ~bound[..., :-1] | (step[1:] == first[..., None])
    chosen = weight, ifmap, _ = np.nonzero(listed)
    need, moved, seconds = stairs.need[chosen], traffic[chosen], compute_s[weight, ifmap]
    count = len(weight)
    own = (
        *(np.full(count, variant), np.full(count, mode)),
        *(np.zeros(count), np.full(count, -1), np.zeros(count)),
    )
    return np.full(count, option), weight, ifmap, need, moved, seconds, *own


def _by_cost(
    space: HardwareSpace,
    tilings: EnergyTilings,
    option: int,
    kind: tuple[int, int, int],
    allowed: Bools,
    compute_s: Floats,
    room: tuple[Floats | float, Floats],
) -> tuple[Ints | Floats, ...]:
    """The same as `_on_option`, of all tilings that can be best in some room.

    Energy and the SRAM's port counted where the tilings count them. ``kind`` is of a geometry, a
    variant and a mode.
    """
    variant, mode = kind[1:]
    counted = space.energy if tilings.energy else None, space.port if tilings.port else None
    constant_j, constant_bits = (constants_of(space, costs, option, kind) for costs in counted)
    least, most = (
        np.broadcast_to(np.asarray(x).reshape(np.shape(x)[:2] or (1, 1)), allowed.shape)
        for x in room
    )
    pairs, found = np.argwhere(allowed), []
    for w, a in pairs.tolist():
        found.append(tilings.within(kind, (w, a), float(least[w, a]), float(most[w, a])))
    every, counts = stacked_costs(found), [len(each.row) for each in found]
    weight, ifmap = np.repeat(pairs, counts, axis=0).T
    count = len(weight)
    return (
        *(np.full(count, option), weight, ifmap, every.need, every.traffic),
        *(compute_s[weight, ifmap], np.full(count, variant), np.full(count, mode)),
        *(constant_j[weight, ifmap] + every.energy_j, every.row),
        _port_s(space, tilings, constant_bits[weight, ifmap] + every.port_bits),
    )


def _port_s(space: HardwareSpace, tilings: EnergyTilings, bits: Floats) -> Floats:
    return bits / space.port_bits_per_s if tilings.port else bits


def constants_of(
    space: HardwareSpace, costs: EnergyCosts | None, option: int, kind: tuple[int, int, int]
) -> Floats:
    """(w, w): what a layer costs whatever its tiling, by its kind; 0 where that does not count."""
    geometry, variant, mode = kind
    if costs is None:
        return np.zeros((len(space.widths), len(space.widths)))
    every = costs.constants(np.array([option]), mode)[0]
    return np.asarray(every[variant * len(space.geometries) + geometry])
