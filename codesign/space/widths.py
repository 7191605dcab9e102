"""Which bitwidths a problem leaves open, and what each costs whatever the hardware.

Widths: one ascending list holds every bitwidth any weight or tensor may take; tables have an axis
of that length for the weight operand's width and one for the input tensor's.

Width variables: one for each activation tensor, and for all that shares its width; one for each
group of weights that share a width. Other weights are no variables: nothing else depends on them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from functools import cached_property

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.problem.problem import Problem
from codesign.space.capacities import Capacities
from codesign.specs.network import Layer


class WidthSpace:
    """The widths of a problem. On what hardware, if any, a subclass says.

    Attributes
    ----------
    widths : ints, shape (widths,)
    variables : tuple of tuples of str
        Sources of each width variable: ``weight:<layer>``, ``tensor:<tensor>``.
    tensor_index : mapping of str to int
        Width variable of each inner tensor.
    weight_index : tuple of int or None
        Width variable of each layer's weight operand; None where its width is free, or it has none.
    geometries : tuple of Layer
        One representative of each set of layers with equal tables.
    geometry_of : ints, shape (layers,)
    cost_names : tuple of str
        Metrics of costs of one's own, ``cost:NAME``; only where no hardware is chosen.
    costs : floats, shape (costs, geometries, widths, widths)
        What each layer costs at each width of its weight operand and its input.
    dram_bits_per_s : float
        inf where no memory is modelled: a latency is then a layer's compute time.
    base_area_um2 : floats, shape (options,)
        PE array plus the SRAM's intercept: the area without any SRAM bit; 0 of the one imagined
        option where no hardware is chosen.
    capacities : Capacities
        Of the SRAM.
    """

    def __init__(self, problem: Problem, keys: Sequence[Hashable], dram_bits_per_s: float) -> None:
        """Layers with equal ``keys`` have equal tables."""
        self.problem, self.dram_bits_per_s = problem, dram_bits_per_s
        self.base_area_um2 = np.zeros(1)
        self.capacities = Capacities()
        network = problem.network
        self.widths = self._all_widths()
        self.variables = tuple(
            members
            for members in problem.width_classes
            if len(members) > 1 or members[0].startswith("tensor:")
        )
        self._index = {x: v for v, members in enumerate(self.variables) for x in members}
        self.tensor_index = {name: self._index[f"tensor:{name}"] for name in network.inner_tensors}
        self.weight_index = tuple(self._weight_variable(layer) for layer in network.layers)
        first: dict[Hashable, int] = {}  # layer of each key
        for i, key in enumerate(keys):
            first.setdefault(key, i)
        number = {key: geometry for geometry, key in enumerate(first)}
        self.geometry_of = np.array([number[key] for key in keys])
        self.geometries = tuple(network.layers[i] for i in first.values())
        self.cost_names: tuple[str, ...] = ()
        self.costs = np.zeros((0, len(self.geometries), len(self.widths), len(self.widths)))

    @property
    def additive_metrics(self) -> tuple[str, ...]:
        """Metrics that are sums over layers and tensors, in the order of all their arrays."""
        return (*ADDITIVE_METRICS, *self.cost_names)

    def __len__(self) -> int:
        """Hardware options."""
        return len(self.base_area_um2)

    def _all_widths(self) -> Ints:
        choices = self.problem.choices
        every = {*choices.weight_bits, *choices.activation_bits, *choices.pinned.values()}
        return np.array(sorted(every))

    def _weight_variable(self, layer: Layer) -> int | None:
        if layer.weight_tensor is not None:
            return self.tensor_index[layer.weight_tensor]
        return self._index.get(f"weight:{layer.name}")

    @cached_property
    def weight_allowed(self) -> Bools:
        """(layers, widths): widths each layer's weights may take; weight tensors are free here.

        A layer that only moves data has no weights; it stands at the narrowest width alone.
        """
        return np.array([self._weights_of(layer) for layer in self.problem.network.layers])

    def _weights_of(self, layer: Layer) -> Bools:
        if layer.moves:
            return np.asarray(np.arange(len(self.widths)) == 0)
        if layer.weight_tensor is not None:
            return np.ones(len(self.widths), dtype=bool)
        return self._allowed(f"weight:{layer.name}")

    def _allowed(self, source: str) -> Bools:
        return np.isin(self.widths, self.problem.allowed_bits(source))

    @cached_property
    def variable_allowed(self) -> Bools:
        """(width variables, widths): widths each may take."""
        return np.array([self._allowed(members[0]) for members in self.variables])

    @cached_property
    def weight_noise(self) -> Floats:
        """(layers, widths): noise of each layer's weights where their width is free, else 0."""
        layers = self.problem.network.layers
        table = np.zeros((len(layers), len(self.widths)))
        for i, layer in enumerate(layers):
            if layer.owns_weights and self.weight_index[i] is None:
                table[i] = self.noise_row(f"weight:{layer.name}")
        return table

    @cached_property
    def variable_noise(self) -> Floats:
        """(width variables, widths): noise of all that has this width; 0 off-list."""
        rows = [np.sum([self.noise_row(x) for x in m], axis=0) for m in self.variables]
        return np.array(rows)

    @cached_property
    def _noise_rows(self) -> tuple[list[list[list[float]]], list[list[float] | None]]:
        """Noise at each width of every member of a variable; of each layer's own free weights."""
        variables = [[self.noise_row(x).tolist() for x in members] for members in self.variables]
        weights = [
            self.weight_noise[i].tolist() if layer.owns_weights and index is None else None
            for i, (layer, index) in enumerate(
                zip(self.problem.network.layers, self.weight_index, strict=True)
            )
        ]
        return variables, weights

    def noise(self, variable_width: Sequence[int], weight: Sequence[int]) -> float:
        """Noise of a choice of widths, every source's added up and rounded once."""
        variables, weights = self._noise_rows
        each = [row[w] for rows, w in zip(variables, variable_width, strict=True) for row in rows]
        each += [row[w] for row, w in zip(weights, weight, strict=True) if row is not None]
        return math.fsum(each)

    def noise_row(self, source: str) -> Floats:
        """(widths,): noise of one source; 0 off-list."""
        row = np.zeros(len(self.widths))
        for w in np.flatnonzero(self._allowed(source)):
            row[w] = self.problem.noise_of(source, int(self.widths[w]))
        return row

    def tensor_bits(self, variable_width: Sequence[int]) -> dict[str, int]:
        """Width of every tensor, the network's results included, at indices of the variables'."""
        bits = dict.fromkeys(self.problem.network.tensors, self.problem.choices.output_bits)
        for name, variable in self.tensor_index.items():
            bits[name] = int(self.widths[variable_width[variable]])
        return bits

    def moved(self, layer: Layer) -> list[tuple[int | None, int]]:
        """Width variable and elements of a layer's output and of each residual.

        No variable: a result of the network, stored at the given width. Nothing at all where no
        memory is modelled.
        """
        if math.isinf(self.dram_bits_per_s):
            return []
        network = self.problem.network
        names = (layer.output, *layer.residuals)
        return [(self.tensor_index.get(name), network.touched(layer, name)) for name in names]
