"""How a certificate's bound counts fused runs: which of the roofs, and what too little SRAM costs.

Any weights are as good an argument as any others, see `codesign.checking.certificate.run_costs`.
Of a grid of them each run has those that bound it best by itself, where what it reads and writes is
in DRAM at a middling width. They then follow what is cheapest at them: of a run that is taken
there, the longer roof counts for more, and SRAM that it lacks costs more.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import product

import numpy as np

from codesign.arrays import Floats
from codesign.checking.certificate.option_groups import OptionGroup
from codesign.checking.certificate.run_costs import ROOF_SHARES, Part, Weights
from codesign.checking.certificate.verify import Verifier
from codesign.checking.cost_model import Array, accumulation_bits, precision_passes
from codesign.checking.fusion import FusedRun, input_elements, moves_nothing, psum_elements
from codesign.checking.technology import ENERGY

STEPS = (4, 4, 2, 2, 1, 1)  # by which weights change, round by round
SHARES = range(0, ROOF_SHARES + 1, 2)
PRICES = (0, 2, 4, 8, 16, 32, 64)  # of an SRAM bit, in parts of a DRAM bit

Prices = Mapping[str, Fraction]


class RunWeights:
    """Weights of the fused runs of a problem, for groups of hardware options."""

    def __init__(self, verifier: Verifier) -> None:
        self.verifier, self.problem = verifier, verifier.problem
        self.runs = verifier.fused_runs.runs

    def good(self, group: OptionGroup, prices: Prices) -> dict[int, Weights]:
        """Weights with which a group closes at some prices, or comes near to it."""
        if not self.runs:
            return {}
        mine = {n: self._of_grid(run, group, prices) for n, run in enumerate(self.runs, 1)}
        best, best_least = mine, None
        for step in (*STEPS, 0):
            weighed = self.verifier.weighed(group, prices, mine)
            least = weighed.elimination.least
            if best_least is None or least > best_least:
                best, best_least = mine, least
            if weighed.closes or not step:
                break
            taken = {x.run: _moved(mine[x.run], x, step) for x in weighed.runs_taken()}
            if all(mine[run] == weights for run, weights in taken.items()):
                break
            mine = mine | taken
        return best

    def written(self, weights: Mapping[int, Weights]) -> list[list[object]]:
        """As a certificate has them."""
        layers = self.problem.network.layers
        found: list[list[object]] = []
        for number, each in weights.items():
            run = self.runs[number - 1].layers
            if each != Weights():
                found.append([layers[run[0]].name, layers[run[-1]].name, *each])
        return found

    def _of_grid(self, run: FusedRun, group: OptionGroup, prices: Prices) -> Weights:
        """The weights of a grid at which a run costs most."""
        capacity = self.verifier.option_groups.capacity
        sram_bits = max(capacity.get(option, 0) for option in group.options)
        kinds, head = ("latency_s", "dram_bits", "noise"), run.layers[0]
        units = self.verifier.units
        per_s, per_bit, of_noise = (float(units.price(prices, x, head)) for x in kinds)
        if units.energy is not None:
            per_j, energies = float(units.price(prices, ENERGY, head)), units.energy.energies
            static_w = self.verifier.option_groups.static_w(group) or Fraction(0)
            per_s += per_j * float(static_w)
            per_bit += per_j * float(energies.dram)
        per_bit_s = per_s / float(self.problem.dram_bits_per_s)
        share, price = np.meshgrid(np.array(SHARES), np.array(PRICES), indexing="ij")
        exposed, of_compute = float(self.problem.choices.machine.exposed), share / ROOF_SHARES
        of_memory = 1 - of_compute + exposed * of_compute
        of_compute = of_compute + exposed * (1 - of_compute)
        dram = per_bit_s * of_memory + per_bit
        sram = (per_bit_s + per_bit) * price / ROOF_SHARES
        least = per_s * of_compute * self._compute_s(run, group) - sram * sram_bits
        network = self.problem.network
        for n in run.layers:
            layer, held = network.layers[n], input_elements(network, run, n)
            weights, source = self._noises(f"{layer.weight_source}", of_noise)
            least += _least(weights, source, (dram + sram) * layer.weights)
            inputs, noise = self._noises(f"tensor:{layer.input}", of_noise)
            if n != run.layers[0]:
                least += _least(inputs, noise, sram * held)
                continue
            middling = inputs[len(inputs) // 2]
            psum_bits = weights[0] + inputs[0] + accumulation_bits(layer)
            least += (dram * layer.ifmap + sram * held) * middling
            least += sram * psum_elements(layer) * psum_bits
        least += dram * self._moved_bits(run)
        where = np.unravel_index(int(least.argmax()), least.shape)
        return Weights(int(share[where]), int(price[where]))

    def _noises(self, source: str, noise: float) -> tuple[Floats, Floats]:
        """Widths of a source, and what its noise costs at each."""
        widths = self.problem.allowed(source)
        each = [noise * float(self.problem.noise_of(source, bits)) for bits in widths]
        return np.array(widths, dtype=np.float64), np.array(each)

    def _compute_s(self, run: FusedRun, group: OptionGroup) -> float:
        """Of all its layers, on the group's fastest array at the narrowest widths."""
        counts, problem = [], self.problem
        machine, engine = problem.choices.machine, problem.technology.engine
        for shape in group.arrays:
            mappings, count = problem.choices.mappings_of(shape), 0
            for n in run.layers:
                layer = problem.network.layers[n]
                weights, inputs = f"{layer.weight_source}", f"tensor:{layer.input}"
                narrow = problem.allowed(weights)[0], problem.allowed(inputs)[0]
                count += min(
                    machine.cycles(
                        layer,
                        Array(shape[0], shape[1], engine * machine.split(*narrow, *pe), mapping),
                    )
                    * precision_passes(*narrow, *pe)
                    for pe, mapping in product(group.pe_bits, mappings)
                )
            counts.append(count)
        return min(counts) / float(problem.clock_hz)

    def _moved_bits(self, run: FusedRun) -> float:
        """DRAM bits of what its layers write and add, at middling widths."""
        network, bits = self.problem.network, 0
        for n in run.layers:
            layer = network.layers[n]
            for name in (layer.output, *layer.residuals):
                if not moves_nothing(network, run, n, name):
                    bits += network.touched(layer, name) * self._middling(name)
        return float(bits)

    def _middling(self, name: str) -> int:
        if name in self.problem.network.results:
            return self.problem.choices.output_bits
        widths = self.problem.allowed(f"tensor:{name}")
        return widths[len(widths) // 2]


def _least(widths: Floats, noise: Floats, per_bit: Floats) -> Floats:
    """What a source costs at the width that is cheapest, at each point of the grid."""
    found: Floats = (per_bit[..., None] * widths + noise).min(axis=-1)
    return found


def _moved(weights: Weights, part: Part, step: int) -> Weights:
    """Weights that count more of a run that is taken."""
    longer = (part.compute > part.memory) - (part.compute < part.memory)
    lacking = (part.excess_bits > 0) - (part.excess_bits < 0)
    share = min(max(weights.compute + longer * step, 0), ROOF_SHARES)
    return Weights(share, max(weights.sram + lacking * step, 0))
