"""Prices many designs at once, from the same tables as the search: arrays in, arrays out.

``codesign.space.solution.price`` is the reference; a test compares the two on random designs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codesign.problem.problem import Problem
from codesign.space.hardware import HardwareSpace
from codesign.units import UM2_PER_MM2

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Designs, one per row.

    Attributes
    ----------
    shape : ints, shape (designs,)
        Index into the space's array shapes.
    pe_weight_bits, pe_activation_bits : ints, shape (designs,)
    weight : ints, shape (designs, layers)
        Indices into the space's widths.
    tensor : ints, shape (designs, tensors)
    """

    shape: Ints
    pe_weight_bits: Ints
    pe_activation_bits: Ints
    weight: Ints
    tensor: Ints


class Tables:
    """The staircases of a space in two flat arrays, and what else a design's price needs.

    Building them for every array shape takes longer than a whole front: the search builds those
    it meets. The baseline gets them for nothing.
    """

    def __init__(self, problem: Problem) -> None:
        if any(layer.weight_tensor for layer in problem.network.layers):
            raise ValueError("products of two activations are not priced here")
        if problem.choices.precision != "fixed":
            raise ValueError("only fixed precision is priced here")
        self.problem, self.space = problem, HardwareSpace(problem)
        self._flatten_staircases()
        self._index_tensors()
        self._tabulate_areas()
        layers, widths = problem.network.layers, self.space.widths.astype(float)
        self.layers = np.arange(len(layers))
        self.cycles = self.space.shape_cycles[:, self.space.geometry_of]
        self.weight_count = np.array([layer.weights for layer in layers])
        grid = widths[:, None] * widths + widths[:, None] + widths
        self.bops = np.array([x.macs * (grid + x.log2_reduction) for x in layers])

    def _flatten_staircases(self) -> None:
        space = self.space
        known: dict[int, int] = {}  # of a staircase, in the order they are met
        rows, sizes, needs, traffics = [], [], [], []
        for shape in range(len(space.shapes)):
            stairs = [space.staircase(shape, g) for g in range(len(space.geometries))]
            rows.append([known.setdefault(id(s), len(known)) for s in stairs])
            for s in stairs:
                if known[id(s)] == len(sizes):  # met for the first time
                    real = np.isfinite(s.need)
                    sizes.append(real.sum(axis=-1))
                    needs.append(s.need[real])
                    traffics.append(s.traffic[..., 1:][real])
        self.staircase_of = np.array(rows)[:, space.geometry_of]
        self.steps = np.concatenate([size.ravel() for size in sizes])
        self.first = np.cumsum(self.steps) - self.steps
        self.need, self.traffic = np.concatenate(needs), np.concatenate(traffics)
        self.halvings = int(self.steps.max()).bit_length()

    def _index_tensors(self) -> None:
        """Which tensor each layer reads, writes and adds; one index past the last: a result."""
        network, index = self.problem.network, self.space.tensor_index
        layers = network.layers
        self.tensors = np.arange(len(index))
        self.input_of = np.array([index[layer.input] for layer in layers])
        moved = np.zeros((len(layers), len(index) + 1))
        for i, layer in enumerate(layers):
            for name in (layer.output, *layer.residuals):
                moved[i, index.get(name, len(index))] += network.tensors[name]
        self.moved_of_tensor = moved[:, :-1]
        self.moved_of_result = moved[:, -1] * self.problem.choices.output_bits

    def _tabulate_areas(self) -> None:
        """(shapes, PE weight bits, PE activation bits): µm² without any SRAM bit."""
        space, choices = self.space, self.problem.choices
        self.pe_weight_bits = np.array(choices.pe_weight_bits)
        self.pe_activation_bits = np.array(choices.pe_activation_bits)
        pairs = (len(self.pe_weight_bits), len(self.pe_activation_bits))
        self.base_area_um2 = space.hardware_metrics["area_mm2"].base.reshape(
            len(space.shapes), *pairs
        )
        self.um2_per_bit = self.problem.technology.sram_area_um2.slope

    def base_um2(self, designs: Population) -> Floats:
        """(designs,): µm² of the PE array."""
        w = np.searchsorted(self.pe_weight_bits, designs.pe_weight_bits)
        a = np.searchsorted(self.pe_activation_bits, designs.pe_activation_bits)
        return self.base_area_um2[designs.shape, w, a]

    def cells(self, designs: Population) -> Ints:
        """(designs, layers): which staircase of the flat arrays each layer goes up."""
        widths = len(self.space.widths)
        pair = designs.weight * widths + designs.tensor[:, self.input_of]
        return self.staircase_of[designs.shape] * widths**2 + pair

    def least_sram_bits(self, designs: Population) -> Floats:
        """(designs,): what the smallest tilings fit in."""
        return self.need[self.first[self.cells(designs)]].max(axis=1)

    def price(self, designs: Population, sram_bits: Floats) -> dict[str, Floats]:
        """Metrics of every design with each layer's cheapest tiling that fits.

        Where none fits, the smallest is taken: the area then tells of more SRAM than was given.
        """
        cells = self.cells(designs)
        step = self._last_step_within(cells, sram_bits)
        need = self.need[step].max(axis=1)
        bits = self.space.widths[designs.tensor]
        dram_bits = self.traffic[step] + bits @ self.moved_of_tensor.T + self.moved_of_result
        compute_s = self.cycles[designs.shape] / self.problem.clock_hz
        memory_s = dram_bits / self.problem.dram_bits_per_s
        weight_noise = self.space.weight_noise[self.layers, designs.weight].sum(axis=1)
        tensor_noise = self.space.variable_noise[self.tensors, designs.tensor].sum(axis=1)
        inputs = designs.tensor[:, self.input_of]
        return {
            "latency_s": np.maximum(compute_s, memory_s).sum(axis=1),
            "area_mm2": (self.base_um2(designs) + self.um2_per_bit * need) / UM2_PER_MM2,
            "dram_bits": dram_bits.sum(axis=1),
            "noise": weight_noise + tensor_noise,
            "model_bits": self.space.widths[designs.weight] @ self.weight_count.astype(float),
            "bops": self.bops[self.layers, designs.weight, inputs].sum(axis=1),
        }

    def _last_step_within(self, cells: Ints, sram_bits: Floats) -> Ints:
        """(designs, layers): the highest step whose need fits, by halving; else the lowest."""
        low = self.first[cells]
        high = low + self.steps[cells] - 1
        for _ in range(self.halvings):
            middle = (low + high + 1) // 2
            fits = self.need[middle] <= sram_bits[:, None]
            low = np.where(fits, middle, low)
            high = np.where(fits, high, np.maximum(middle - 1, low))
        return low
