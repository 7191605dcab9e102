"""Which tensors need no choice of whether they are resident, where hardware and widths are given.

A tensor whose place is given is settled; so are, of the others:

- Never resident is a tensor that, in some layer of its life, leaves less room than that layer takes
  at least: its least tile, or the least that a run takes that it may be fused in.
- Always resident, unless it is a band, is one whose life all layers and all runs that may be fused
  stand at their best: in each layer of it the tiling of least traffic fits beside *all* tensors
  that may be resident at that time, whichever operands are resident, and so do the needs of each
  run that meets its life from outside, beside all that may be resident during the run. Take any
  choice that keeps it in DRAM, and keep it on chip instead, the runs as they are: in those layers
  the tiling of least traffic still fits, and a resident operand lowers that least traffic; those
  runs still fit, and move no more; other layers and runs have the same room. None moves more bits
  than before, so the choice gets no worse. That holds for one such tensor after the other.

Where the SRAM's port takes time, which a tensor on chip can add to, the latter does not hold.

Whether a tensor is a band is no matter of this: a run can be worth more than residents that take no
room from anyone, as its layers share their roofs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from codesign.problem.choices import Place
from codesign.space.resident_layers import ResidentLayers
from codesign.space.resident_runs import ResidentRuns

CHOICES: dict[Place, tuple[bool, ...]] = {"chip": (True,), "dram": (False,), "band": ()}


def settle(layers: ResidentLayers, runs: ResidentRuns, places: Mapping[str, Place]) -> None:
    """Settle the tensors whose place is given or, by the rules above, needs no choice."""
    lives, options, every = layers.lives, layers.options, range(len(layers.lives.touched))
    for t, name in enumerate(lives.names):
        if name in places:
            options[t] = CHOICES[places[name]]
    least = [_least_need(layers, i) for i in every]
    for run in runs.every:
        for i in run.run.layers:
            least[i] = min(least[i], *run.need)
    room = [layers.sram_bits - _bits_held(layers, i, (True,)) - least[i] for i in every]
    for t in _open(layers):
        if layers.bits[t] > min(room[lives.first[t] : lives.last[t] + 1]):
            options[t] = (False,)
    if layers.has_port:
        return
    held = [_bits_held(layers, i, (True,), (False, True)) for i in every]
    ample = [layers.sram_bits - bits >= _most_need(layers, i) for i, bits in enumerate(held)]
    short = _beside_tight_runs(layers, runs)
    for t in _open(layers):
        if t not in short and all(ample[lives.first[t] : lives.last[t] + 1]):
            options[t] = (True,)


def _open(layers: ResidentLayers) -> list[int]:
    """Tensors that are not settled."""
    return [t for t, options in enumerate(layers.options) if len(options) > 1]


def _beside_tight_runs(layers: ResidentLayers, runs: ResidentRuns) -> set[int]:
    """Tensors live during runs that do not fit beside all that may be resident."""
    found = set[int]()
    for run in runs.every:
        held = sum(layers.bits[t] for t in run.live if True in layers.options[t])
        if max(run.need) + held > layers.sram_bits:
            found.update(run.live)
    return found


def _bits_held(layers: ResidentLayers, i: int, *which: tuple[bool, ...]) -> int:
    """SRAM bits, while a layer runs, of tensors with one of these options."""
    held = layers.lives.touched[i].held
    return sum(layers.bits[t] for _, t in held if layers.options[t] in which)


def _operands(layers: ResidentLayers, i: int) -> list[tuple[bool, bool]]:
    """Whether weight operand and input may be resident, as yet, in every combination."""
    x = layers.lives.touched[i]
    options = {bit: layers.options[t] for bit, t in x.held}
    found = []
    for weights in options.get(x.weight_bit, (False,)):
        for ifmap in options.get(x.input_bit, (False,)):
            if x.weight_bit != x.input_bit or weights == ifmap:
                found.append((weights, ifmap))
    return found


def _least_need(layers: ResidentLayers, i: int) -> float:
    """What the smallest tiling needs; inf where a layer can only be fused, or not run."""
    needs = (layers.needs(i, *operands)[0] for operands in _operands(layers, i))
    return min(needs, default=math.inf)


def _most_need(layers: ResidentLayers, i: int) -> float:
    """What the tiling of least traffic needs, whichever operands are resident.

    Nothing where no tiling fits its buffers: no choice has these operands as they are then.
    """
    every = (layers.needs(i, *operands) for operands in _operands(layers, i))
    return max((next((x for x in reversed(need) if x != math.inf), 0) for need in every), default=0)
