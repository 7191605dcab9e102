"""The widths of a problem where no hardware is chosen: latencies, if any, stand in a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from codesign.costs.widths import layer_bops
from codesign.problem.latency_table import CostTable, LatencyTable, needed_pairs, value_of
from codesign.problem.metrics import COST
from codesign.problem.problem import Problem
from codesign.space.point import Solution
from codesign.space.widths import WidthSpace


class LatencyTableSpace(WidthSpace):
    """One imagined hardware option on which every layer takes what a table says.

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
        bops, model_bits, latency_s = [], 0, []
        costs: list[list[float]] = [[] for _ in self.cost_names]
        for i, layer in enumerate(self.problem.network.layers):
            w, a = int(weight[i]), int(variable_width[self.tensor_index[layer.input]])
            bops.append(float(layer_bops(layer, self.widths[w], self.widths[a])))
            latency_s.append(float(self.compute_s[i, w, a]))
            for k, values in enumerate(costs):
                values.append(float(self.costs[k, i, w, a]))
            if layer.owns_weights:
                model_bits += layer.weights * int(self.widths[w])
        metrics = {
            "noise": self.noise(variable_width, weight),
            "model_bits": float(model_bits),
            "bops": math.fsum(bops),
        }
        if self.latency is not None:
            metrics["latency_s"] = math.fsum(latency_s)
        metrics |= {x: math.fsum(each) for x, each in zip(self.cost_names, costs, strict=True)}
        indices = tuple(int(v) for v in variable_width), tuple(int(w) for w in weight)
        return Solution(0, *indices, sram_bits=0, tiling=(), metrics=metrics)
