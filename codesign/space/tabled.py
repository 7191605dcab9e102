"""The widths of a problem where no hardware is chosen: latencies, if any, stand in a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from codesign.problem.latency_table import CostTable, LatencyTable, needed_pairs, value_of
from codesign.problem.metrics import COST
from codesign.problem.problem import Problem
from codesign.space.solution import Solution
from codesign.space.widths import WidthSpace


class LatencyTableSpace(WidthSpace):
    """A single hardware option, on which every layer takes what a table says.

    Attributes
    ----------
    latency : LatencyTable or None
        Without one no latency is known.
    cost_tables : mapping of str to CostTable
        By the names of the costs.
    compute_s : floats, shape (layers, widths, widths)
        Seconds of each layer at each width of its weight operand and its input.
    traffic : floats, shape (layers, widths, widths)
        0 where the layer may run at a pair of widths, else inf.
    """

    def __init__(
        self,
        problem: Problem,
        latency: LatencyTable | None,
        costs: Mapping[str, CostTable] = MappingProxyType({}),
    ) -> None:
        layers = problem.network.layers
        super().__init__(problem, range(len(layers)), math.inf)
        self.latency, self.cost_tables = latency, costs
        self.cost_names = tuple(COST + name for name in costs)
        self.costs = np.zeros((len(costs), len(layers), len(self.widths), len(self.widths)))
        self.compute_s = np.zeros((len(layers), len(self.widths), len(self.widths)))
        self.traffic = np.full(self.compute_s.shape, np.inf)
        index = {bits: w for w, bits in enumerate(self.widths.tolist())}
        for i, layer in enumerate(layers):
            for pair in needed_pairs(problem, layer):
                # What only moves data stands at the narrowest weight width.
                where = i, 0 if pair[0] is None else index[pair[0]], index[pair[1]]
                self.traffic[where] = 0.0
                if latency is not None:
                    self.compute_s[where] = value_of(latency, layer, pair)
                for k, table in enumerate(costs.values()):
                    self.costs[k][where] = value_of(table, layer, pair)

    def price(self, variable_width: Sequence[int], weight: Sequence[int]) -> Solution:
        """Price a choice of widths: indices of each width variable, of each layer's weights."""
        variable_width, weight = tuple(map(int, variable_width)), tuple(map(int, weight))
        metrics = self.width_metrics(variable_width, weight)
        if self.latency is not None:
            ifmap = np.array(variable_width)[self.input_index]
            each_s = self.compute_s[np.arange(len(weight)), weight, ifmap]
            metrics["latency_s"] = math.fsum(each_s)
        return Solution(0, variable_width, weight, sram_bits=0, tiling=(), metrics=metrics)
