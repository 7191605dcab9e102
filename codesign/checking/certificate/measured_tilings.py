"""The tilings of a problem's layers on arrays, each with what it is chosen by beside traffic.

That is energy, where that counts, and the bits that the SRAM reads and writes, where its port has a
rate. Both are so much always, and so much for each DRAM bit of each operand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import partial

from codesign.checking.certificate.energy_costs import EnergyCosts
from codesign.checking.certificate.layer_costs import Pair, Runs
from codesign.checking.certificate.layer_scopes import Operands
from codesign.checking.certificate.sram_accesses import accesses_beside, per_dram_bit
from codesign.checking.certificate.tiling_menus import Measure, MeasuredWay, Menus
from codesign.checking.certificate.tilings import (
    LayerTilings,
    Padding,
    Staircases,
    ideal_traffic,
    shape_of,
)
from codesign.checking.cost_model import Array, Elements
from codesign.checking.network import Layer
from codesign.checking.problem import Problem

Beside = Callable[[Operands], int]
ENERGY, PORT = "energy", "port_bits"  # as `Taken` has them
IN_RUN = "energy in a run"


class MeasuredTilings:
    """Tilings, as they are asked for.

    Attributes
    ----------
    names : tuple of str
        What counts beside cycles and traffic.
    """

    def __init__(
        self, problem: Problem, widths: tuple[int, ...], energy: EnergyCosts | None
    ) -> None:
        self.problem, self.widths, self.energy = problem, widths, energy
        self.machine = problem.choices.machine
        self.names = ((ENERGY,) if energy is not None else ()) + (
            (PORT,) if self.machine.port_bits is not None else ()
        )
        self._padding: dict[str, Padding] = {}
        self._tilings: dict[tuple[object, ...], LayerTilings] = {}
        self._known: dict[tuple[object, ...], Staircases] = {}
        self._menus: dict[tuple[object, ...], Menus] = {}
        self._beside: dict[tuple[object, ...], dict[Operands, int]] = {}

    def way(self, layer: Layer, array: Array, runs: Runs) -> MeasuredWay:
        """A layer on an array."""
        cycles = self.machine.cycles(layer, array)
        every = range(1 + len(self.names))
        stairs = tuple(partial(self._staircases, layer, array, measure=n) for n in every)
        measures = tuple(self._measure(name, layer, array) for name in self.names)
        menus = partial(self._menus_of, layer, array)
        return MeasuredWay(runs, cycles, stairs, menus, measures, self.in_run(layer, array))

    def in_run(self, layer: Layer, array: Array) -> Beside | None:
        """Energy of a layer in a fused run on an array; None where none counts."""
        if self.energy is None or self.problem.choices.fused_layers == 1:
            return None
        return self.beside(IN_RUN, layer, array)

    def _measure(self, name: str, layer: Layer, array: Array) -> Measure:
        beside, energy = self.beside(name, layer, array), self.energy
        if name == PORT:
            return Measure(name, beside, Fraction(1))
        assert energy is not None
        unit = energy.whole_of_dram_bits(array.mapping)[1]
        return Measure(name, beside, unit / energy.unit)

    def beside(self, name: str, layer: Layer, array: Array) -> Beside:
        """What counts of a layer on an array beside what goes with DRAM bits, by its operands."""
        known = self._beside.setdefault((name, shape_of(layer, Array(1, 1, 1)), array), {})

        def found(operands: Operands) -> int:
            if operands not in known:
                known[operands] = self._counted(name, layer, array, operands)
            return known[operands]

        return found

    def _counted(self, name: str, layer: Layer, array: Array, operands: Operands) -> int:
        if name == PORT:
            return sum(accesses_beside(layer, array, operands))
        assert self.energy is not None
        counted = self.energy.in_run if name == IN_RUN else self.energy.beside
        return counted(layer, array, operands)

    def ideal(
        self, name: str, layer: Layer, runs_on: Mapping[Array, Runs], arrays: Iterable[Array]
    ) -> Beside:
        """The least that counts on some arrays with the least traffic there is.

        ``runs_on``: widths that run on each; all on one that it lacks.
        """
        least = self.ideal_traffic(layer)
        ways = [(runs_on.get(x), x.mapping, self.beside(name, layer, x)) for x in arrays]
        mappings = dict.fromkeys(mapping for _, mapping, _ in ways)

        def found(operands: Operands) -> int:
            bits = (
                0 if operands.weights_resident else least.weights * operands.weight_bits,
                0 if operands.input_resident else least.ifmap * operands.input_bits,
            )
            goes = {mapping: self._goes(name, layer, mapping, bits) for mapping in mappings}
            each = (
                beside(operands) + goes[mapping]
                for runs, mapping, beside in ways
                if runs is None or operands[:2] in runs
            )
            return min(each, default=0)

        return found

    def _goes(self, name: str, layer: Layer, mapping: str, bits: tuple[int, int]) -> int:
        """With so many DRAM bits of weights and ifmap; of one that only moves, past the SRAM."""
        if name == PORT:
            of_weights, of_ifmap, _ = per_dram_bit(mapping)
            return 0 if layer.moves else of_weights * bits[0] + of_ifmap * bits[1]
        assert self.energy is not None
        return self.energy.ideal(layer, mapping, bits)

    # Tilings ------------------------------------------------------------------------------------

    def padding(self, layer: Layer) -> Padding:
        """Times as many elements of weights and of its input a layer moves as it touches."""
        if layer.name not in self._padding:
            multiple, names = self.machine.stored_channels, (layer.weight_tensor, layer.input)
            weights, ifmap = (self.problem.network.padding(x, multiple) for x in names)
            self._padding[layer.name] = weights, ifmap
        return self._padding[layer.name]

    def ideal_traffic(self, layer: Layer) -> Elements:
        """Traffic that no tiling on any array goes below."""
        return ideal_traffic(layer, self.padding(layer))

    def _staircases(
        self,
        layer: Layer,
        array: Array,
        runs: frozenset[Pair],
        operands: tuple[Operands, ...],
        measure: int,
    ) -> Staircases:
        """Of a layer's tilings on an array, for all that its tables have and that runs."""
        shape = self._kind(layer, array)
        key = (shape, runs, operands, measure)
        if key not in self._known:
            each = self._tilings_of_all(shape, layer, array, runs, operands)
            pairs = zip(each, operands, strict=True)
            self._known[key] = Staircases(
                [None if mine is None else mine.stairs(*x[:2], measure) for mine, x in pairs]
            )
        return self._known[key]

    def _menus_of(
        self, layer: Layer, array: Array, runs: frozenset[Pair], operands: tuple[Operands, ...]
    ) -> Menus:
        """The same, those of which none is better in traffic and in all else that counts."""
        shape = self._kind(layer, array)
        key = (shape, runs, operands)
        if key not in self._menus:
            each = self._tilings_of_all(shape, layer, array, runs, operands)
            pairs = zip(each, operands, strict=True)
            fitting = [None if mine is None else mine.fitting(*x[:2]) for mine, x in pairs]
            self._menus[key] = Menus(fitting, 1 + len(self.names))
        return self._menus[key]

    def _kind(self, layer: Layer, array: Array) -> tuple[object, ...]:
        """What the tilings of a layer on an array and their measures depend on."""
        shape = *shape_of(layer, array), self.padding(layer)
        return (*shape, array.mapping) if self.names else shape

    def _tilings_of_all(
        self,
        shape: tuple[object, ...],
        layer: Layer,
        array: Array,
        runs: frozenset[Pair],
        operands: tuple[Operands, ...],
    ) -> list[LayerTilings | None]:
        return [
            self._tilings_of(shape, layer, array, x[2:]) if x[:2] in runs else None
            for x in operands
        ]

    def _tilings_of(
        self, shape: tuple[object, ...], layer: Layer, array: Array, resident: tuple[bool, bool]
    ) -> LayerTilings:
        key = (*shape, *resident)
        if key not in self._tilings:
            per_bit = tuple(self._per_dram_bit(name, array.mapping) for name in self.names)
            on = layer, array, self.widths, *resident, self.machine.buffers, per_bit
            self._tilings[key] = LayerTilings(*on, self.padding(layer))
        return self._tilings[key]

    def _per_dram_bit(self, name: str, mapping: str) -> tuple[int, ...]:
        if name == PORT:
            return per_dram_bit(mapping)
        assert self.energy is not None
        return self.energy.whole_of_dram_bits(mapping)[0]
