"""Branch and bound over hardware options, best bound first.

The nodes are array shapes and, below each, its options: the shape with each pair of PE widths.
They are bounded ever more dearly, each only once it has the least bound of all:

1. Screening (`screening`) bounds all options, by pairs of PE widths on an ideal array, then by
   array shapes with ideal tilings. Where energy counts, open shapes are then bounded by ranges of
   SRAM, with the tilings of finer arrays, which are as good (`bound_by_finer`).
2. A shape at the head of the queue is bounded with the SRAM that its options can have, together
   with a few that follow it, and queued again.
3. At the head again, it is opened: its options are bounded with their own SRAM and tilings, and
   queued; where energy counts, over ranges of SRAM again.
4. An option at the head is solved: a MILP over the widths that reduced-cost fixing leaves, and over
   the places of tensors that may stay on chip.
5. In between, where many bounds come near the incumbent and every tensor goes to DRAM, groups of
   options are bounded by one MILP each (`group_bounds`).

A node is pruned once its bound reaches the cutoff: the incumbent's value, less the gap at which to
stop. Nothing is left out but by a lower bound, so the least of all options' bounds, or the
incumbent if that is less, bounds the whole space. What is proven stays in the `CutPool`, for later
goals to start from.
"""

from __future__ import annotations

import heapq
import math
from enum import IntEnum
from itertools import islice
from typing import NamedTuple

import numpy as np

from codesign.arrays import Ints
from codesign.problem.metrics import REGRET
from codesign.search.goal_task import SearchResult
from codesign.search.group_bounds import GroupBounds
from codesign.search.hardware_search import HardwareSearch
from codesign.search.screening import screen
from codesign.stopping import Stopped

BOUNDED_TOGETHER = 8  # shapes
OPENED_FIRST = 6  # shapes of a first goal, before others are bounded with the SRAM they can have
TRIED_FIRST = 5  # options on which an incumbent is looked for before one is solved
KEY_DIGITS = 7  # of bounds compared: of nearly equal ones, options are solved before shapes opened


class Stage(IntEnum):
    """What a node is queued for; the first among equal bounds."""

    SOLVE_OPTION = 0
    OPEN_SHAPE = 1
    BOUND_SHAPE = 2


class Node(NamedTuple):
    """A queued shape (option −1) or option; nodes compare by their fields."""

    key: float  # the bound when it was queued, rounded
    cycles: (
        int  # of all layers on the shape: where bounds are equal, the faster is as good or better
    )
    stage: Stage
    option: int
    shape: int


class BestBound:
    """The order in which a search bounds and solves its options."""

    def __init__(self, search: HardwareSearch) -> None:
        self.search, self.space = search, search.space
        self.queue: list[Node] = []
        self.group_bounds = GroupBounds(search)
        self.tried = False
        self.opened = 0  # shapes

    def prove(self) -> SearchResult:
        """Search until everything is closed or it has to end."""
        search, complete = self.search, True
        search.start_from_pool()
        options, as_good = self._dominated()
        search.lower[options] = np.inf  # until it ends: then they have the bounds of those as good
        try:
            screen(search)
            search.bound_by_finer()
            for shape in self.space.shapes_among(search.open_options()):
                self._push(Stage.BOUND_SHAPE, int(shape))
            while self.queue and not (search.task.feasibility_only and search.incumbent):
                self.group_bounds.of_all_open(self.queue[0].key)
                self._visit(heapq.heappop(self.queue))
        except Stopped:
            complete = False
        search.lower[options] = search.lower[as_good]
        return search.result(complete)

    def _dominated(self) -> tuple[Ints, Ints]:
        """Options that need no search, and for each the one on a smaller array that is as good."""
        space, every = self.space, np.arange(len(self.space))
        as_good = space.smallest_alike[space.shape_of] * space.pe_pairs + every % space.pe_pairs
        offered = self.search.task.lower < np.inf
        options = np.flatnonzero((as_good != every) & offered[as_good])
        return options, as_good[options]

    def _visit(self, node: Node) -> None:
        search, bound = self.search, self._bound(node.option, node.shape)
        if bound >= search.cutoff:
            return
        search.report(bound)
        search.stop.check()
        if node.stage == Stage.BOUND_SHAPE:
            self._bound_shapes([node.shape, *self._next_shapes()])
        elif node.stage == Stage.OPEN_SHAPE:
            self._open_shape(node.shape)
        else:
            if self.space.runs and not self.tried:
                self._try([node, *self.queue])
            solved = search.solve_option(node.option)
            search.lower[node.option] = max(search.lower[node.option], solved)
            self.group_bounds.after_option([x.option for x in self.queue if x.option >= 0])

    def _try(self, nodes: list[Node]) -> None:
        """Look for an incumbent on the most promising options before one of them is solved.

        Where layers may be fused a MILP takes long without a good one.
        """
        self.tried = True
        among = (x for x in sorted(nodes) if x.stage == Stage.SOLVE_OPTION)
        for node in islice(among, TRIED_FIRST):
            if self._bound(node.option, node.shape) < self.search.cutoff:
                self.search.try_option(node.option)

    def _next_shapes(self) -> list[int]:
        """A few further shapes to bound, from the head of the queue."""
        shapes: list[int] = []
        while (
            self.queue
            and self.queue[0].stage == Stage.BOUND_SHAPE
            and len(shapes) + 1 < BOUNDED_TOGETHER
        ):
            shapes.append(heapq.heappop(self.queue).shape)
        return shapes

    def _bound_shapes(self, shapes: list[int]) -> None:
        """Bound shapes with the most SRAM that one of their options has; queue what is open."""
        search = self.search
        every = np.sort(np.concatenate([self._options_of(shape) for shape in shapes]))
        options = search.still_open(every)
        # Not before the first shapes of a first goal: their designs may close all the others.
        # Where energies count many shapes come near. Of regret, members' bounds tell more.
        new = search.batches.energy is None and not search.cut_pool.proven_bounds
        few = self.opened < OPENED_FIRST or self.space.problem.objective == REGRET
        first = search.incumbent is None or (new and few)
        if not first and len(options) > len(shapes):
            search.bound_shapes(options)
        for shape in shapes:
            if self._bound(-1, shape) < search.cutoff:
                self._push(Stage.OPEN_SHAPE, shape)

    def _open_shape(self, shape: int) -> None:
        self.opened += 1
        options = self.search.still_open(self._options_of(shape))
        self.search.bound_options(shape, options)
        for option in self.search.still_open(options):
            self._push(Stage.SOLVE_OPTION, shape, int(option))

    def _options_of(self, shape: int) -> Ints:
        return shape * self.space.pe_pairs + np.arange(self.space.pe_pairs)

    def _bound(self, option: int, shape: int) -> float:
        return float(self.search.lower[option if option >= 0 else self._options_of(shape)].min())

    def _push(self, stage: Stage, shape: int, option: int = -1) -> None:
        key = _rounded(self._bound(option, shape))
        cycles = int(self.space.shape_cycles[shape].sum())
        heapq.heappush(self.queue, Node(key, cycles, stage, option, shape))


def _rounded(bound: float) -> float:
    """A bound to `KEY_DIGITS` significant digits."""
    if bound == 0 or not math.isfinite(bound):
        return bound
    return round(bound, KEY_DIGITS - 1 - math.floor(math.log10(abs(bound))))
