"""Which tensors stay on chip, best and proven, where hardware, SRAM and widths are given.

A tensor is resident during whole layers, from the first that writes it to the last that reads it,
and every layer has its own room: the SRAM less what is resident while it runs. Of the tilings that
fit, the one of least DRAM traffic is best by every measure. So what is left to choose is a set of
tensors, and layers depend on each other by the tensors that live on from one to the next alone.

**Dynamic programme.** Layers in execution order; a label is the set of resident tensors that are
touched again later, with the least cost of all layers so far. A layer adds at most one tensor, its
output, resident or not. What follows depends on the set alone, so of labels of one set the cheapest
is kept. Chains have two labels, residual networks up to eight.

**Presolve** settles tensors that need no choice:

- Never resident is a tensor that, in some layer, leaves less room than the least tile takes.
- Always resident is one where, in each layer of its life, the tiling of least traffic fits beside
  *all* tensors that may be resident at that time, whichever operands are resident. Take any choice
  that keeps it in DRAM, and keep it on chip instead: in those layers the tiling of least traffic
  still fits, and a resident operand lowers that least traffic; other layers have the same room, and
  none moves more bits than before. So the choice gets no worse.

**Bound.** Where many tensors live side by side, labels are too many to keep. What is to come costs
at least what each layer costs by itself, with the places a label has decided and the best of those
it has not. Labels of least bound lead to an incumbent; then labels whose bound does not fall below
it are dropped. Only where more than `MAX_LABELS` are left at once is the answer not proven; it then
says so, and its bound covers what was left out.

Costs are those of `codesign.space.exact_cost`: what is equal is equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from codesign.problem.choices import Place
from codesign.space.exact_cost import Rates
from codesign.space.resident_layers import ResidentLayer, ResidentLayers, StairsOf
from codesign.space.resident_lives import ResidentLives

Labels = dict[int, int]  # mask of resident tensors touched again later → least cost so far

MAX_LABELS = 1024  # kept at once for a proof
BEAM = 64  # kept at once for an incumbent
FEW = 16  # not worth a bound


@dataclass(frozen=True)
class Residency:
    """The best choice of resident tensors.

    Attributes
    ----------
    on_chip : tuple of str
        The resident tensors, in the network's order.
    layers : tuple of ResidentLayer
    bound : float
        No choice has less of what is minimised first: latency in s, or DRAM bits.
    proven : bool
        That no choice is better, not by a bit; else ``bound`` says how much one may be.
    """

    on_chip: tuple[str, ...]
    layers: tuple[ResidentLayer, ...]
    bound: float
    proven: bool


def best_residency(
    lives: ResidentLives,
    tensor_bits: Mapping[str, int],
    cycles: Sequence[int],
    stairs: StairsOf,
    sram_bits: int,
    rates: Rates,
    places: Mapping[str, Place] | None = None,
    max_labels: int | None = None,
) -> Residency | None:
    """The best residents; None where no choice fits the SRAM.

    Parameters
    ----------
    lives : ResidentLives
        Of the network; the same for all widths and hardware.
    tensor_bits : mapping of str to int
        Width of every tensor, the network's results included.
    cycles : sequence of int
        Of each layer; of one that only moves data, as fast as the SRAM feeds the array.
    stairs : callable
        For a layer's number, and whether its weight operand and its input are resident: needs in
        SRAM bits, ascending, and with each the DRAM bits of its tiling (weights, ifmap, spilled
        partial sums), descending. Both may end in inf. Asked once for each.
    places : mapping of str to "chip" or "dram", optional
        Given for some tensors.
    max_labels : int, optional
        Kept at once, by default `MAX_LABELS`: with fewer, it is less often proven.
    """
    layers = ResidentLayers(lives, tensor_bits, cycles, stairs, sram_bits, rates)
    layers.presolve(places or {})
    return _Programme(layers, rates).solve(MAX_LABELS if max_labels is None else max_labels)


class _Run(NamedTuple):
    """Where a run through all layers has led.

    Attributes
    ----------
    cost : int or None
        None: no label was left.
    masks : list of int
        What is resident during each layer.
    left_out : int or None
        The least bound of labels left out for their number; None where there were none.
    """

    cost: int | None
    masks: list[int]
    left_out: int | None


class _Programme:
    """The dynamic programme over the layers of one network."""

    def __init__(self, layers: ResidentLayers, rates: Rates) -> None:
        self.layers, self.lives, self.rates = layers, layers.lives, rates
        self._decided: tuple[int, list[int]] = -1, []

    # Dynamic programme --------------------------------------------------------------------------

    def solve(self, max_labels: int) -> Residency | None:
        """The best choice, with its bound."""
        limit = min(BEAM, max_labels)
        found = self._run(limit)
        while found.left_out is not None and (limit < max_labels or found.cost is None):
            limit = max_labels if limit < max_labels else 4 * limit  # until some choice fits
            found = self._run(limit, found)
        if found.cost is None:
            return None
        bound = found.cost if found.left_out is None else min(found.cost, found.left_out)
        names, every = self.lives.names, range(len(self.lives.touched))
        chosen = [t for t, x in enumerate(self.lives.first) if found.masks[x] & self.lives.bit[t]]
        layers = [self.layers.layer(i, found.masks[i]) for i in every]
        return Residency(
            tuple(names[t] for t in chosen),
            tuple(x for x in layers if x is not None),
            self.rates.first_of(bound),
            proven=bound == found.cost,
        )

    def _run(self, limit: int, incumbent: _Run | None = None) -> _Run:
        """Go through the layers with at most so many labels at once."""
        labels: Labels = {0: 0}
        came_from: list[Labels] = []
        left_out: int | None = None
        for i in range(len(self.lives.touched)):
            labels, masks = self._extended(i, labels)
            if len(labels) > limit or (incumbent is not None and len(labels) > FEW):
                labels, least = self._pruned(i, labels, limit, incumbent and incumbent.cost)
                left_out = min((x for x in (left_out, least) if x is not None), default=None)
            came_from.append(masks)
        return self._traced(labels, came_from, left_out, incumbent)

    def _extended(self, i: int, labels: Labels) -> tuple[Labels, Labels]:
        """Labels after a layer, and of each what was resident while the layer ran."""
        touched = self.lives.touched[i]
        options = (False,) if touched.born < 0 else self.layers.options[touched.born]
        after: Labels = {}
        during: Labels = {}
        for mask, cost in labels.items():
            for option in options:
                resident = mask | touched.born_bit if option else mask
                more = self.layers.cost(i, resident)
                if more is None:
                    continue
                left, more = resident & touched.lasting, more + cost
                if left not in after or more < after[left]:
                    after[left], during[left] = more, resident
        return after, during

    def _traced(
        self, labels: Labels, came_from: list[Labels], left_out: int | None, known: _Run | None
    ) -> _Run:
        """The best choice found, or the one known before."""
        cost, masks = labels.get(0), [0] * len(came_from)
        if known is not None and known.cost is not None and (cost is None or cost >= known.cost):
            return _Run(known.cost, known.masks, left_out)
        after = 0
        for i in reversed(range(len(came_from) if cost is not None else 0)):
            masks[i] = came_from[i][after]
            after = masks[i] & ~self.lives.touched[i].born_bit
        return _Run(cost, masks, left_out)

    # Bound --------------------------------------------------------------------------------------

    def _pruned(
        self, i: int, labels: Labels, limit: int, incumbent: int | None
    ) -> tuple[Labels, int | None]:
        """The labels of least bound, and the least bound of those left out for their number."""
        bounds = []
        for mask, cost in labels.items():
            rest = self._rest(i, mask)
            if rest is not None and (incumbent is None or cost + rest < incumbent):
                bounds.append((cost + rest, mask))
        bounds.sort()
        kept = {mask: labels[mask] for _, mask in bounds[:limit]}
        return kept, bounds[limit][0] if len(bounds) > limit else None

    def _rest(self, i: int, mask: int) -> int | None:
        """What the layers after one cost at least with a label; None where one cannot run."""
        total = 0
        decided = self._decided_after(i)
        for j, known in enumerate(decided, i + 1):
            least = self.layers.least(j, known, mask & known)
            if least is None:
                return None
            total += least
        beyond = self._beyond[i + 1 + len(decided)]
        return None if beyond is None else total + beyond

    def _decided_after(self, i: int) -> list[int]:
        """For each later layer that they reach into, mask of the tensors decided by then."""
        if i != self._decided[0]:
            lives, found = self.lives, []
            for touched in lives.touched[i + 1 : lives.reach[i] + 1]:
                mine = {*touched.held, *touched.tensors}
                found.append(sum(bit for bit, t in mine if lives.first[t] <= i))
            self._decided = i, found
        return self._decided[1]

    @cached_property
    def _beyond(self) -> list[int | None]:
        """What all layers from each on cost at least; None where one cannot run."""
        found: list[int | None] = [0]
        for j in reversed(range(len(self.lives.touched))):
            least, rest = self.layers.least(j, 0, 0), found[-1]
            found.append(None if least is None or rest is None else least + rest)
        return found[::-1]
