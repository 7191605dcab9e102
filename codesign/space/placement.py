"""Which tensors' places are settled on some hardware, whatever the widths.

A tensor whose bits never fit is in DRAM. Others can be on chip for nothing: where every layer of
their lifetimes has room for its most demanding tiling beside all tensors that may be live.
"""

from __future__ import annotations

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.space.hardware import HardwareSpace
from codesign.space.least_runs import least_run_bits

IN_DRAM, OPEN, FREE = range(3)


def all_free(space: HardwareSpace) -> bytes:
    """Every tensor that may be on chip is, and takes no room: no capacity is counted.

    Nor is any of a fused run. Where a tensor may cost more energy on chip than in DRAM, its place
    is open, too.
    """
    free = OPEN if _may_cost_more(space) else FREE
    return bytes([free] * len(space.placed) + [OPEN] * len(space.runs))


def _may_cost_more(space: HardwareSpace) -> bool:
    """Whether what is on chip may cost more energy than in DRAM, and that counts."""
    return space.counts_energy and space.energy is not None and not space.energy.residents_save


def settle(space: HardwareSpace, options: Ints, sram_bits: Floats, moves_data: bool) -> bytes:
    """The state of each placed tensor, for all of some options with at most so much SRAM each.

    Then that of each fused run: ``OPEN``, or ``IN_DRAM`` where it does not fit at the narrowest.
    Tensors that live while one runs that fits are never ``FREE``; what is below says nothing of its
    room. Nor ``IN_DRAM``, but where they do not fit even in an empty SRAM.

    ``IN_DRAM``: it does not fit, at its narrowest, beside the smallest tile of some layer.

    ``FREE``: take a design of one of the options, and put all free tensors on chip. No layer whose
    room that changes needs more than it has, even with the tiling of least traffic and with all
    other tensors that may be live at their widest; so every layer still runs, and none moves more.
    The design is no worse: there is a best one with these tensors on chip, whose capacity rows need
    not be looked at.

    ``OPEN``: neither is known.

    Parameters
    ----------
    options : ints, shape (n,)
    sram_bits : floats, shape (n,)
    """
    if not space.placed:
        return b""
    fits = np.zeros(len(space.placed), dtype=bool)
    free = np.ones(len(space.placed), dtype=bool)
    fusable = _runs_that_fit(space, options, float(sram_bits.max()))
    # What lives beside those, or is held within them.
    beside = np.array(space.live_in_run[fusable].any(axis=0), dtype=bool)
    for r in np.flatnonzero(fusable).tolist():
        beside[[*space.run_tensors[r]]] = True
    for shape in space.shapes_among(options):
        mine = space.shape_of[options] == shape
        least, most = float(sram_bits[mine].min()), float(sram_bits[mine].max())
        narrow, wide = _tensor_bits(space, options[mine])
        least_need, most_need = _needs(space, int(shape), moves_data, options[mine])
        some = np.where(beside, narrow <= most, _may_fit(space, least_need, narrow, most))
        fits |= some
        free &= _free(space, most_need, wide * some, some, least, ~(beside | space.banded))
    if _may_cost_more(space) or space.port is not None:
        free[:] = False  # what is on chip is not for nothing
    state = np.where(free, FREE, OPEN)
    # What is given to be on chip is not settled in DRAM: where it does not fit, nothing runs.
    # Nor is what a band is given to be held of: without a run that holds it, nothing runs.
    state = np.where(fits | space.kept | space.banded, state, IN_DRAM)
    runs = np.where(fusable, OPEN, IN_DRAM)
    return bytes(np.concatenate([state, runs]).astype(np.uint8).tolist())


def _runs_that_fit(space: HardwareSpace, options: Ints, sram_bits: float) -> Bools:
    """(runs,): whether each fits at its narrowest on some option, with so much SRAM."""
    if not space.runs:
        return np.zeros(0, dtype=bool)
    wide, deep = _widths_on(space, options)
    return np.asarray(least_run_bits(space, wide, deep).total <= sram_bits)


def _widths_on(space: HardwareSpace, options: Ints) -> tuple[Bools, Bools]:
    """(widths,) each: widths of weights, and of activations, that some option runs at."""
    if space.problem.choices.precision == "multi-pass":
        every = np.ones(len(space.widths), dtype=bool)
        return every, every
    wide = space.widths <= space.pe_weight_bits[options].max()
    return wide, space.widths <= space.pe_activation_bits[options].max()


def _tensor_bits(space: HardwareSpace, options: Ints) -> tuple[Ints, Ints]:
    """(placed tensors,) each: bits at the narrowest and at the widest width they may have."""
    allowed = space.variable_allowed.copy()
    wide, deep = _widths_on(space, options)
    for i, layer in enumerate(space.problem.network.layers):
        if not layer.moves:
            allowed[space.input_index[i]] &= deep
            weight = space.weight_index[i]
            if weight is not None:
                allowed[weight] &= wide
    mine = allowed[space.placed_variable]
    widths = np.broadcast_to(space.widths, mine.shape)
    narrow = np.where(mine, widths, widths.max()).min(axis=1)
    wide = np.where(mine, widths, 0).max(axis=1)
    return space.placed_elements * narrow, space.placed_elements * wide


def _needs(
    space: HardwareSpace, shape: int, moves_data: bool, options: Ints
) -> tuple[Floats, Floats]:
    """(variants, layers) each: need of a layer's smallest tiling, and of its most demanding one."""
    table = space.rooms(shape, moves_data)
    wide, deep = _widths_on(space, options)
    runs = wide[:, None] & deep
    moves = np.array([geometry.moves for geometry in space.geometries])
    runs = np.where(np.tile(moves, space.variant_count)[:, None, None], True, runs)
    least = np.where(runs, table.least, np.inf).min(axis=(1, 2))
    most = np.where(runs, space.most_need(shape, moves_data), -np.inf).max(axis=(1, 2))
    kinds = space.variant_count, len(space.geometries)
    return least.reshape(kinds)[:, space.geometry_of], most.reshape(kinds)[:, space.geometry_of]


def _may_fit(space: HardwareSpace, least_need: Floats, narrow: Ints, sram_bits: float) -> Bools:
    """(placed tensors,): whether each fits beside the smallest tile of all layers of its life."""
    room = sram_bits - least_need.min(axis=0)
    lives = zip(*(x.tolist() for x in (space.lifetimes.first, space.lifetimes.last)), strict=True)
    least_room = np.array([room[first : last + 1].min() for first, last in lives])
    return np.asarray(narrow <= least_room)


def _free(
    space: HardwareSpace,
    most_need: Floats,
    wide: Ints,
    some: Bools,
    sram_bits: float,
    eligible: Bools,
) -> Bools:
    """(placed tensors,): the largest eligible set that is on chip for nothing, with this SRAM."""
    layers = np.arange(most_need.shape[1])
    worst, held = most_need.max(axis=0), space.lifetimes.held(wide)
    first, last = space.lifetimes.first, space.lifetimes.last
    free = some & eligible
    while True:
        settled = _settled(space, free | ~some)
        need = np.where(settled, most_need[space.variants(free), layers], worst)
        short = need + held > sram_bits
        before = np.concatenate([[0], short.cumsum()])  # layers that are short, before each
        left = free & (before[last + 1] == before[first])
        if (left == free).all():
            return free
        free = left


def _settled(space: HardwareSpace, places: Bools) -> Bools:
    """(layers,): whether the places of a layer's operands are known, given those of tensors."""
    return np.asarray(np.append(places, True)[space.operand_numbers].all(axis=1))
