"""Which tensors stay on chip, best and proven, where hardware, SRAM and widths are given.

A tensor is resident during whole layers, from the first that writes it to the last that reads it,
and every layer has its own room: the SRAM less what is resident while it runs. Of the tilings that
fit, the one of least DRAM traffic is best by every measure, unless the SRAM's port takes time: then
it is the one of least cost of those that none is better than in need, traffic and the port's bits.
A fused run of layers is one step with
a room of its own, and the tensors between its layers are bands: neither resident nor in DRAM. So
what is left to choose is a set of tensors, and which layers run alone and which in runs; and steps
depend on each other by the tensors that live on from one to the next alone.

**Dynamic programme.** Layers in execution order; a label is the set of resident tensors that are
touched again later, with the least cost of all layers so far. A layer alone leads to the next, a
run past its last. Either adds at most one tensor, its output, resident or not. What follows depends
on the set alone, so of labels of one set the cheapest is kept. Chains have two labels, residual
networks up to eight.

**Presolve** settles tensors that need no choice, see `codesign.space.settled_residents`.

**Bound.** Where many tensors live side by side, labels are too many to keep. What is to come costs
at least what a shortest path through the rest takes, from layer to layer, alone or by runs: each
step by itself, with the places a label has decided and the best of those it has not, see `least` of
layers and of runs. Every choice is such a path, and none of its steps costs less. (Layers fused
share their roofs, so a sum over layers alone would be no bound.) Labels of least bound lead to an
incumbent; then labels whose bound does not fall below it are dropped. Only where more than
`MAX_LABELS` are left at once is the answer not proven; it then says so, and its bound covers what
was left out.

Costs are those of `codesign.space.exact_cost`: what is equal is equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from codesign.costs.fusion import FusedRun
from codesign.problem.choices import Place
from codesign.space.exact_cost import Rates
from codesign.space.resident_layers import (
    Mode,
    PortedOf,
    ResidentLayer,
    ResidentLayers,
    StairsOf,
)
from codesign.space.resident_lives import ResidentLives
from codesign.space.resident_runs import ResidentRun, ResidentRuns
from codesign.space.settled_residents import settle

Labels = dict[int, int]  # mask of resident tensors touched again later → least cost so far
_Decided = list[tuple[int, list[tuple[ResidentRun, int]]]]  # masks of each layer and of each run

MAX_LABELS = 1024  # kept at once for a proof
BEAM = 64  # kept at once for an incumbent
FEW = 16  # not worth a bound


@dataclass(frozen=True)
class Residency:
    """The best choice of resident tensors, and of runs.

    Attributes
    ----------
    on_chip : tuple of str
        The resident tensors, in the network's order.
    layers : tuple of ResidentLayer
    runs : tuple of FusedRun
        The layers that are fused, in order.
    bound : float
        No choice has less of what is minimised first: latency in s, or DRAM bits.
    proven : bool
        That no choice is better, not by a bit; else ``bound`` says how much one may be.
    """

    on_chip: tuple[str, ...]
    layers: tuple[ResidentLayer, ...]
    runs: tuple[FusedRun, ...]
    bound: float
    proven: bool

    @property
    def bands(self) -> tuple[str, ...]:
        """The tensors of which the SRAM holds a band, in order."""
        return tuple(name for run in self.runs for name in run.inner)


def best_residency(
    lives: ResidentLives,
    tensor_bits: Mapping[str, int],
    cycles: Sequence[int],
    stairs: StairsOf,
    sram_bits: int,
    rates: Rates,
    places: Mapping[str, Place] | None = None,
    runs: Sequence[ResidentRun] = (),
    max_labels: int | None = None,
    others: Sequence[Mode] = (),
    ported: PortedOf | None = None,
) -> Residency | None:
    """The best residents and runs; None where no choice fits the SRAM.

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
    places : mapping of str to "chip", "dram" or "band", optional
        Given for some tensors.
    runs : sequence of ResidentRun, optional
        All that may be fused; by default none.
    max_labels : int, optional
        Kept at once, by default `MAX_LABELS`: with fewer, it is less often proven.
    others : sequence of Mode, optional
        Further modes, beside the one of ``cycles`` and ``stairs``, that a layer may take instead.
    ported : callable, optional
        Of the first mode, where the SRAM's port takes time, see `Mode`: then of the others too.
    """
    modes = [Mode(cycles, stairs, ported), *others]
    layers = ResidentLayers(lives, tensor_bits, modes, sram_bits, rates)
    fusable = ResidentRuns(layers, runs, places or {})
    settle(layers, fusable, places or {})
    programme = _Programme(layers, fusable, rates)
    return programme.solve(MAX_LABELS if max_labels is None else max_labels)


class _Fused(NamedTuple):
    """A run on the way to a label.

    Attributes
    ----------
    run : ResidentRun
    before : int
        The label that it starts from.
    keeps : bool
        Whether the tensor that its last layer begins is resident.
    """

    run: ResidentRun
    before: int
    keeps: bool


class _Steps(NamedTuple):
    """How the labels after a layer are reached at least cost.

    Attributes
    ----------
    masks : Labels
        Of each label, what is resident while the layer runs alone.
    fused : dict of int to _Fused
        Of labels that a run leads to, the run.
    """

    masks: Labels
    fused: dict[int, _Fused]


class _Choice(NamedTuple):
    """Where going through all layers has led.

    Attributes
    ----------
    cost : int or None
        None: no label was left.
    steps : list of (layer, mask) or _Fused
        Layers alone, with what is resident during each, and runs, from the last to the first.
    left_out : int or None
        The least bound of labels left out for their number; None where there were none.
    """

    cost: int | None
    steps: list[tuple[int, int] | _Fused]
    left_out: int | None


class _Programme:
    """The dynamic programme over the layers of one network."""

    def __init__(self, layers: ResidentLayers, runs: ResidentRuns, rates: Rates) -> None:
        self.layers, self.runs, self.lives, self.rates = layers, runs, layers.lives, rates
        self._decided: tuple[int, _Decided] = -1, []

    # Dynamic programme --------------------------------------------------------------------------

    def solve(self, max_labels: int) -> Residency | None:
        """The best choice, with its bound."""
        limit = min(BEAM, max_labels)
        found = self._through(limit)
        while found.left_out is not None and (limit < max_labels or found.cost is None):
            limit = max_labels if limit < max_labels else 4 * limit  # until some choice fits
            found = self._through(limit, found)
        if found.cost is None:
            return None
        bound = found.cost if found.left_out is None else min(found.cost, found.left_out)
        chosen = set[int]()
        layers = list[ResidentLayer]()
        runs = list[FusedRun]()
        for step in reversed(found.steps):
            if isinstance(step, _Fused):
                runs.append(step.run.run)
                layers += self.runs.chosen(*step)
                chosen |= {step.run.born} if step.keeps else set()
                continue
            layer, born = self.layers.layer(*step), self.lives.touched[step[0]].born
            assert layer is not None  # it was priced
            layers.append(layer)
            chosen |= {born} if born >= 0 and step[1] & self.lives.bit[born] else set()
        return Residency(
            tuple(name for t, name in enumerate(self.lives.names) if t in chosen),
            tuple(layers),
            tuple(runs),
            self.rates.first_of(bound),
            proven=bound == found.cost,
        )

    def _through(self, limit: int, incumbent: _Choice | None = None) -> _Choice:
        """Go through the layers with at most so many labels at once."""
        labels: list[Labels] = [{0: 0}]
        steps: list[_Steps] = []
        left_out: int | None = None
        for i in range(len(self.lives.touched)):
            after, masks = self._extended(i, labels[i])
            fused = self._fused(i, labels, after) if self.runs.ending[i] else {}
            if len(after) > limit or (incumbent is not None and len(after) > FEW):
                after, least = self._pruned(i, after, limit, incumbent and incumbent.cost)
                left_out = _less(left_out, least)
            labels.append(after)
            steps.append(_Steps(masks, fused))
        return self._traced(labels[-1].get(0), steps, left_out, incumbent)

    def _extended(self, i: int, labels: Labels) -> tuple[Labels, Labels]:
        """Labels after a layer alone, and of each what was resident while the layer ran."""
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

    def _fused(self, i: int, labels: Sequence[Labels], after: Labels) -> dict[int, _Fused]:
        """The runs that end with a layer and lead to labels at less cost, which they then have."""
        found: dict[int, _Fused] = {}
        for run in self.runs.ending[i]:
            for mask, cost in labels[run.run.first].items():
                for keeps in self.runs.places(run):
                    more = self.runs.cost(run, mask, keeps)
                    if more is None:
                        continue
                    left, more = self.runs.after(run, mask, keeps), more + cost
                    if left not in after or more < after[left]:
                        after[left], found[left] = more, _Fused(run, mask, keeps)
        return found

    def _traced(
        self, cost: int | None, came_by: list[_Steps], left_out: int | None, known: _Choice | None
    ) -> _Choice:
        """The best choice found, or the one known before."""
        if known is not None and known.cost is not None and (cost is None or cost >= known.cost):
            return _Choice(known.cost, known.steps, left_out)
        steps: list[tuple[int, int] | _Fused] = []
        after, i = 0, len(came_by) - 1 if cost is not None else -1
        while i >= 0:
            fused = came_by[i].fused.get(after)
            if fused is not None:
                steps.append(fused)
                after, i = fused.before, fused.run.run.first - 1
                continue
            mask = came_by[i].masks[after]
            steps.append((i, mask))
            after, i = mask & ~self.lives.touched[i].born_bit, i - 1
        return _Choice(cost, steps, left_out)

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
        """What the layers after one cost at least with a label; None where none can follow."""
        decided = self._decided_after(i)
        start = i + 1
        rest = self._beyond[start : start + len(decided) + self.runs.longest]  # from each layer on
        for step in range(len(decided) - 1, -1, -1):
            known, runs = decided[step]
            least, onward = self.layers.least(start + step, known, mask & known), rest[step + 1]
            best = None if least is None or onward is None else least + onward
            for run, of_run in runs:
                least = self.runs.least(run, of_run, mask & of_run)
                best = _less(best, _sum(least, rest[run.run.last + 1 - start]))
            rest[step] = best
        return rest[0]

    def _decided_after(self, i: int) -> _Decided:
        """For each later layer that they reach into, the tensors decided by then."""
        if i != self._decided[0]:
            lives, found = self.lives, []
            for j in range(i + 1, lives.reach[i] + 1):
                mine = {*lives.touched[j].held, *lives.touched[j].tensors}
                known = sum(bit for bit, t in mine if lives.first[t] <= i)
                runs = [(run, self.runs.decided(run, i)) for run in self.runs.starting[j]]
                found.append((known, runs))
            self._decided = i, found
        return self._decided[1]

    @cached_property
    def _beyond(self) -> list[int | None]:
        """What all layers from each on cost at least; None where they cannot run."""
        count = len(self.lives.touched)
        found: list[int | None] = [0] * (count + 1)
        for j in reversed(range(count)):
            found[j] = _sum(self.layers.least(j, 0, 0), found[j + 1])
            for run in self.runs.starting[j]:
                least = _sum(self.runs.least(run, 0, 0), found[run.run.last + 1])
                found[j] = _less(found[j], least)
        return found


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _less(one: int | None, other: int | None) -> int | None:
    return min((x for x in (one, other) if x is not None), default=None)
