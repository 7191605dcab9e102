"""Segments on groups of hardware: what is best of each layer on any of it, at the least area.

A relaxation whose columns of stages and of shared layers are those of one pipeline, with copies of
nothing: its Lagrangian, and then all of its choices that keep every target (`labels`), rule the
group out or say how good anything on it may be at best.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.widths import layer_bops
from codesign.search.dataflow.ascent import ascend
from codesign.search.dataflow.bounds import PRUNED, Dual
from codesign.search.dataflow.dominance import best_rows
from codesign.search.dataflow.goal_bounds import INTERVAL, PRICED
from codesign.search.dataflow.labels import LabelSetting
from codesign.search.dataflow.partial_choices import TooManyLabels
from codesign.search.dataflow.pricing import chosen_options
from codesign.search.dataflow.search import MULTIPLIERS
from codesign.search.dataflow.segment_goal import ENOUGH, ROUNDS, SegmentGoal
from codesign.search.dataflow.segment_pricing import ENERGY, SegmentPricing
from codesign.search.dataflow.table import Block, Range
from codesign.space.box_costs import BoxCosts
from codesign.space.segments import SegmentSpace, SharedArray

OPTIONS_EACH = 16  # of a layer, on average, of which labels are set


class GroupSpace(SegmentSpace):
    """All hybrids of some segments, of whose layers the best is known on a group of hardware.

    Attributes
    ----------
    costs : tuple of BoxCosts
        Of each segment those of its group; by the place of a layer among all that have MACs.
    """

    def __init__(
        self, of: SegmentSpace, costs: tuple[BoxCosts, ...], layers: Sequence[int]
    ) -> None:
        super().__init__(of, of.segments)
        self.costs, self.place = costs, {i: n for n, i in enumerate(layers)}

    @property
    def chosen_layers(self) -> list[int]:
        """As of `PipelineSpace`; those of the segments among them."""
        return sorted([*super().chosen_layers, *self.shared_layers])


class GroupPricing(SegmentPricing):
    """Costs of a group's options: of shared layers, what no other equals or beats.

    In traffic and time, and in energy where that is asked about.

    Parameters
    ----------
    of : SegmentPricing
        Of the segment.
    """

    space: GroupSpace

    def __init__(self, of: SegmentPricing, space: GroupSpace) -> None:
        super().__init__(space, of.rows, of.fifos)
        self.by_cycles, self._kept = of.by_cycles, of._kept

    def constant(self) -> Floats:
        """As of `SegmentPricing`; with the least that hardware of each group takes."""
        found = super().constant()
        for m, name in enumerate(self.space.hardware_metrics):
            if name in self.rows:
                least = (float(x.hardware[:, m].min()) for x in self.space.costs)
                found[self.rows.index(name)] += sum(least)
        return found

    def _block(self, number: int, span: Range, allowed: Sequence[Bools], filtered: bool) -> Block:
        if number not in self.space.inside:
            return super()._block(number, span, allowed, filtered)
        space, n = self.space, self.space.place[number]
        w_class, a_class = space.weight_class[number], space.input_class[number]
        assert w_class is not None
        assert a_class is not None
        weight, activation, each = list[int](), list[int](), []
        costs = space.costs[space.inside[number]]
        for a in np.flatnonzero(allowed[a_class]).tolist():
            for w in np.flatnonzero(allowed[w_class]).tolist():
                at = np.isfinite(costs.impossible[:, n, a, w])
                kinds = [costs.traffic, costs.time] + [costs.energy] * (ENERGY in self.rows)
                pairs = np.column_stack([x[at, n, a, w] for x in kinds])
                pairs = pairs[best_rows(pairs)]
                each.append(pairs)
                weight += [w] * len(pairs)
                activation += [a] * len(pairs)
        return self._of_pairs(number, np.array(weight), np.array(activation), np.concatenate(each))

    def _of_pairs(self, number: int, weight: Ints, activation: Ints, pairs: Floats) -> Block:
        """Columns of traffic, time and energy at pairs of widths."""
        space, layer, count = self.space, self.space.network.layers[number], len(weight)
        cost, row = np.zeros((count, len(self.rows))), {x: r for r, x in enumerate(self.rows)}
        kinds = [row["dram_bits"], self.time_row(number), *(row[x] for x in [ENERGY] if x in row)]
        cost[:, kinds] = pairs
        if "bops" in row and count:
            w_class, a_class = space.weight_class[number], space.input_class[number]
            bits = (np.array(space.bits[w_class or 0]), np.array(space.bits[a_class or 0]))
            cost[:, row["bops"]] = layer_bops(layer, bits[0][weight], bits[1][activation])
        none, zero = np.zeros(count, dtype=np.int64), np.zeros(count)
        return Block(
            layer=np.full(count, number),
            weight=weight.astype(np.int64),
            activation=activation.astype(np.int64),
            option=none,
            beside=none,
            cycles=none,
            lag=zero,
            waiting=zero,
            cost=cost,
            need=zero,
        )


class GroupBound:
    """What segments may have at best on groups of hardware, up to an aim.

    Parameters
    ----------
    of : SegmentGoal
        Its incumbent is improved by designs that are met, where the hardware is told.
    hardware : sequence of (SharedArray, float), optional
        Of each segment, where its group is of one array: that, and the most bits of its SRAM.
    """

    def __init__(
        self,
        of: SegmentGoal,
        costs: tuple[BoxCosts, ...],
        layers: Sequence[int],
        hardware: Sequence[tuple[SharedArray, float]] = (),
    ) -> None:
        self.of, space, self.hardware = of, GroupSpace(of.space, costs, layers), hardware
        self.pricing = GroupPricing(of.pricing, space)

    def least(self, span: Range, aim: float) -> float:
        """No design of the group within a range has less of the metric.

        inf where none has less than the aim; −inf where there is too much to say.
        """
        of, pricing, targets = self.of, self.pricing, self.of.targets(span, aim)
        table = pricing.table(span, of.allowed)
        for _ in range(ROUNDS):
            if table is None:
                return math.inf
            dual = Dual(pricing, table, span)
            found = ascend(dual, targets, full=True)
            if found.value > PRUNED:
                return math.inf
            weights = [
                *found.weights[-MULTIPLIERS:],
                *(dual.scaled({x: targets[x]}) for x in targets),
            ]
            count = len(table)
            table = dual.narrowed(weights)
            if not all(x.any() for x in table.allowed) or table.lacks_layers(pricing.space):
                return math.inf
            if len(table) > ENOUGH * count:
                break
        assert table is not None
        if of.products or len(table) > OPTIONS_EACH * len(pricing.space.chosen_layers):
            return -math.inf
        return self._by_labels(Dual(pricing, table, span), span, weights)

    def _by_labels(self, dual: Dual, span: Range, weights: list[Floats]) -> float:
        """The least of all choices that keep the targets."""
        of, row = self.of, {x: r for r, x in enumerate(dual.rows)}
        timed = of.goal.metric == INTERVAL
        try:
            fewest = span.least_s * of.search.clock if timed else math.inf
            setting = LabelSetting(dual, weights, fewest, of.stop.check)
            labels = setting.run()
        except TooManyLabels:
            return -math.inf
        if not len(labels):
            return math.inf
        if timed:
            each = [labels.metrics[:, row[x]] for x in of.times]
            each += [labels.metrics[:, row["dram_bits"]] / of.search.rate]
            values = np.maximum.reduce([labels.cycles / of.search.clock, *each])
        else:
            values = labels.metrics[:, row[of.goal.metric]]
        for n in np.argsort(values, kind="stable")[:PRICED].tolist() if self.hardware else ():
            if values[n] < of.value:
                columns, widths = setting.choice(int(labels.made[n]))
                options = chosen_options(dual.layers, columns, dual.table.option)
                of.price_on(self.hardware, options, widths)
        return float(values.min())
