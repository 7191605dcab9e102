"""What the cost of one layer depends on: variables of widths and places, and what they make of it.

A width variable stands for all that takes one common width, a place variable for one tensor that
may stay on chip. A layer is over the widths of all that it touches and over the places of all
tensors that live while it runs, whether it touches them or not: those on chip leave it less room.
A coupling of a layer to a variable may be cut: the layer then takes what suits it best, whatever
the others take, so that its cost only falls. Cut from a place, a tensor is on chip and takes none
of the room.

Where layers may be fused, a tensor's place may also be a band of one of the fused runs that hold it
between two layers. The places of a layer's input and output then tell of which run it is, if any,
and no such coupling is ever cut.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from codesign.checking.certificate.fused_runs import CHIP, DRAM, FIRST_BAND, FusedRuns
from codesign.checking.certificate.whole_numbers import Whole
from codesign.checking.network import Layer
from codesign.checking.problem import Problem
from codesign.checking.technology import ENERGY

Scope = tuple[int, ...]
WEIGHT, TENSOR, PLACE = "weight:", "tensor:", "place:"
BASE = 64  # more than the bits of any operand


class Operands(NamedTuple):
    """Widths of weights and input, 0 for none, and which of the two is resident."""

    weight_bits: int
    input_bits: int
    weights_resident: bool = False
    input_resident: bool = False


class SramBits(NamedTuple):
    """SRAM bits of a layer that neither its tiling nor its array changes.

    Where it is cut from the place of a tensor, none of that one.

    Attributes
    ----------
    output : whole numbers, shape (entries,)
        Read of an output on its way to DRAM, as that stores it.
    read : whole numbers, shape (entries,)
        Of residuals on chip; of an input on chip that only moves.
    written : whole numbers, shape (entries,)
        Of an output on chip that only moves.
    """

    output: Whole
    read: Whole
    written: Whole


@dataclass(frozen=True)
class LayerScope:
    """A layer over the variables that it depends on.

    Its table has an entry for each assignment to them, the last variable running fastest, and for
    each entry choices of what is free: operands that no variable of the scope stands for.

    Attributes
    ----------
    layer : Layer
    scope : tuple of int
        Its variables, ascending.
    operands : tuple of Operands
        All that its table has.
    which : whole numbers, shape (entries, choices)
        Which of them.
    moved_bits, live_bits : whole numbers, shape (entries,)
        DRAM bits of output and residuals; SRAM bits of resident tensors while it runs.
    counted_bits : whole numbers, shape (entries,)
        In a fused run, of those that live during no earlier layer of it.
    run : whole numbers, shape (entries,)
        Of which fused run it is, by its number from 1; 0: of none; `MISFIT`: places that no runs
        make.
    fetched, held : whole numbers, shape (entries,)
        Elements of its input that a layer of a run fetches, and that are in the SRAM.
    kind : int
        Number of a layer of the same table.
    sram_bits : SramBits or None
        What passes by the array or is read once more; None where no accesses count.
    """

    layer: Layer
    scope: Scope
    operands: tuple[Operands, ...]
    which: Whole
    moved_bits: Whole
    live_bits: Whole
    counted_bits: Whole
    run: Whole
    fetched: Whole
    held: Whole
    kind: int
    sram_bits: SramBits | None = None

    @property
    def content(self) -> tuple[object, ...]:
        """All that the table has: equal where tables are."""
        of_runs = (self.counted_bits, self.run, self.fetched, self.held)
        arrays = (self.which, self.moved_bits, self.live_bits, *of_runs, *(self.sram_bits or ()))
        return (self.operands, *(x.tobytes() for x in arrays))


class Variables:
    """The variables of a problem, and what each layer makes of them.

    Parameters
    ----------
    cut_couplings : iterable of (layer, source)
        Couplings to cut: name of the layer, and ``place:<tensor>`` or any source that has the
        variable's width.

    Attributes
    ----------
    members : tuple of tuple of str
        What each stands for: weights and tensors of one width, or the place of a tensor. Weights
        that share their width with nothing, and that one layer uses, are no variable: they concern
        their layer alone.
    domains : tuple of tuple of int
        Widths, ascending; or of a place 0 for DRAM, 1 for on chip, and from 2 on for a band of
        each fused run.
    of : dict of str to int
        The variable that stands for a source.
    fused_runs : FusedRuns
    counts_accesses : bool
        Of the SRAM: where energy counts, or its port has a rate.
    """

    def __init__(self, problem: Problem, cut_couplings: Iterable[tuple[str, str]]) -> None:
        self.problem, network = problem, problem.network
        uses = Counter(layer.weight_source for layer in network.layers)
        alone = [x for x in problem.classes if len(x) == 1 and x[0].startswith(WEIGHT)]
        free = {x for x in alone if uses[x[0]] == 1}
        widths = [x for x in problem.classes if x not in free]
        self.fused_runs = FusedRuns(problem)
        asked = (problem.objective, *problem.budgets)
        self.counts_accesses = any(x.partition("@")[0] == ENERGY for x in asked)
        self.counts_accesses |= problem.choices.machine.port_bits is not None
        places = self.fused_runs.places
        self.members = (*widths, *((f"{PLACE}{name}",) for name in places))
        self.domains = (*(problem.allowed(x[0]) for x in widths), *places.values())
        self.of = {source: v for v, members in enumerate(self.members) for source in members}
        self.cut = {
            (layer, self.of[source])
            for layer, source in cut_couplings
            if source in self.of and not self._tells_run(layer, source)
        }
        self.living: list[list[str]] = [[] for _ in network.layers]
        for name in places:
            first, last = network.lifetimes[name]
            for mine in self.living[first : last + 1]:
                mine.append(name)

    def _tells_run(self, name: str, source: str) -> bool:
        """Whether a source is the place of a layer's input or output, and that may be a band."""
        if not source.startswith(PLACE) or self.domains[self.of[source]][-1:] < (FIRST_BAND,):
            return False
        tensor = source.removeprefix(PLACE)
        every = self.problem.network.layers
        return any(x.name == name and tensor in (x.input, x.output) for x in every)

    def size(self, scope: Scope) -> int:
        """Entries of a table over variables."""
        return math.prod(len(self.domains[v]) for v in scope)

    def scope(self, number: int) -> Scope:
        """Variables that a layer depends on, but for those of a single value."""
        layer, living = self.problem.network.layers[number], self.living[number]
        weights = layer.weight_source or ""
        touched = (*layer.reads, layer.output)
        beside = (x for x in living if x in touched or self._is_coupled(layer, f"{PLACE}{x}"))
        names = dict.fromkeys((*touched, *beside))
        sources = [weights, *(f"{kind}{x}" for kind in (TENSOR, PLACE) for x in names)]
        kept = {self.of[x] for x in sources if self._is_coupled(layer, x)}
        return tuple(sorted(v for v in kept if len(self.domains[v]) > 1))

    def choices(self, number: int) -> int:
        """Choices of a layer at each entry of its table: widths of free operands, own mappings."""
        layer = self.problem.network.layers[number]
        weights = layer.weight_source if layer.uses_weights else None
        every = [f"{TENSOR}{layer.input}", *([weights] if weights else [])]
        free = (x for x in every if not self._is_coupled(layer, x))
        machine, ways = self.problem.choices.machine, 1
        if machine.reconfigurable and not layer.moves:
            ways = len(machine.mapping)
        return ways * math.prod(len(self.problem.allowed(x)) for x in free)

    def layer_scope(self, number: int) -> LayerScope:
        """The table of a layer."""
        layer, scope = self.problem.network.layers[number], self.scope(number)
        return _Reader(self, layer, scope).table(self.living[number], number)

    def _is_coupled(self, layer: Layer, source: str) -> bool:
        """Whether a variable stands for a source, and a layer is not cut from it."""
        variable = self.of.get(source)
        return variable is not None and (layer.name, variable) not in self.cut


class _Reader:
    """Reads the table of one layer off the variables of its scope.

    What it finds can be broadcast to the scope's domains.
    """

    def __init__(self, variables: Variables, layer: Layer, scope: Scope) -> None:
        self.variables, self.layer, self.scope = variables, layer, scope
        self.problem, self.network = variables.problem, variables.problem.network
        self.shape = tuple(len(variables.domains[v]) for v in scope)

    def table(self, living: Collection[str], number: int) -> LayerScope:
        """With the tensors that live while it runs."""
        layer, fused = self.layer, self.variables.fused_runs
        size, nothing = self.variables.size(self.scope), np.zeros(self.shape, dtype=np.int64)
        run = self._run(living, number) + nothing
        moved = live = counted = nothing
        for name in (layer.output, *layer.residuals):
            bits = self._in_dram(name) * self._stored_bits(name) * (self._place(name) == DRAM)
            moved = moved + bits * fused.moved(number, name)[run]
        for name in living:
            if self._value(f"{PLACE}{name}") is not None:
                held = self.network.tensors[name] * self._stored_bits(name)
                held = held * (self._place(name) == CHIP)
                live, counted = live + held, counted + held * fused.counted(number, name)[run]
        codes, which = np.unique(self._operand_codes(), return_inverse=True)
        brought = (self._place(layer.input) != CHIP) | (fused.starts(number)[run] == 0)
        return LayerScope(
            layer=layer,
            scope=self.scope,
            operands=tuple(map(_decoded, codes.tolist())),
            which=which.reshape(size, -1),
            moved_bits=moved.ravel(),
            live_bits=live.ravel(),
            counted_bits=counted.ravel(),
            run=run.ravel(),
            fetched=(brought * fused.fetched(number)[run]).ravel(),
            held=(brought * fused.held(number)[run]).ravel(),
            kind=number,
            sram_bits=self._sram_bits(number, run) if self.variables.counts_accesses else None,
        )

    def _sram_bits(self, number: int, run: Whole) -> SramBits:
        """What it reads and writes beside its operands; in a run, what that holds anyway, too."""
        layer, nothing = self.layer, np.zeros(self.shape, dtype=np.int64)
        output = self._in_dram(layer.output) * self._stored_bits(layer.output)
        output = output * self._is_at(layer.output, DRAM)
        read, written = nothing, nothing
        for name in layer.residuals:
            held = self.variables.fused_runs.moved(number, name)[run] == 0
            read = read + self._touched_bits(name) * (self._is_at(name, CHIP) | held)
        if layer.moves:
            narrowest = self._stored_bits(layer.input)
            read = read + layer.ifmap * narrowest * self._is_at(layer.input, CHIP)
            output = nothing
            written = self._touched_bits(layer.output) * self._is_at(layer.output, CHIP)
        return SramBits(*((x + nothing).ravel() for x in (output, read, written)))

    def _in_dram(self, name: str) -> int:
        """Elements of what the layer touches of a tensor, as DRAM stores them."""
        touched, multiple = self.network.touched(self.layer, name), self.problem.choices.machine
        return self.network.stored(name, touched, multiple.stored_channels)

    def _touched_bits(self, name: str) -> Whole:
        """Bits of what the layer touches of a tensor."""
        return self.network.touched(self.layer, name) * self._stored_bits(name)

    def _is_at(self, name: str, place: int) -> Whole:
        """Whether a tensor has a place; of none where the layer is cut from it."""
        source = f"{PLACE}{name}"
        value = self._value(source) if source in self.variables.of else np.array(DRAM)
        return np.array(False) if value is None else value == place

    def _run(self, living: Collection[str], number: int) -> Whole:
        """Of which fused run the layer is, as `LayerScope.run` has it."""
        fused = self.variables.fused_runs
        if not fused.of_layer(number):
            return np.array(0)
        values = {name: self._value(f"{PLACE}{name}") for name in living}
        return fused.run_of(number, {x: place for x, place in values.items() if place is not None})

    def _operand_codes(self) -> Whole:
        """Operands as numbers, with an axis for free weights and one for free inputs behind."""
        layer = self.layer
        bits = self._operand_bits(layer.weight_source, (-1, 1)) * BASE
        bits = bits + self._operand_bits(f"{TENSOR}{layer.input}", (1, -1))
        resident = 2 * (self._place(layer.weight_tensor or "") == CHIP)
        resident = resident + (self._place(layer.input) == CHIP)
        codes = 4 * bits + resident[..., None, None]
        return np.broadcast_to(codes, (*self.shape, *codes.shape[-2:]))

    def _operand_bits(self, source: str | None, free: tuple[int, int]) -> Whole:
        """Widths of an operand; all that it may take along an axis of its own where it is free."""
        if source is None:
            return np.zeros((1, 1), dtype=np.int64)
        value = self._value(source)
        if value is None:
            return np.array(self.problem.allowed(source)).reshape(free)
        return value[..., None, None]

    def _stored_bits(self, name: str) -> Whole:
        """Width of a tensor; where the layer is cut from it the narrowest, which costs least."""
        source = f"{TENSOR}{name}"
        if name in self.network.results:
            return np.array(self.problem.choices.output_bits)
        value = self._value(source)
        return np.array(min(self.problem.allowed(source))) if value is None else value

    def _place(self, name: str) -> Whole:
        """Where a tensor is; where the layer is cut from its place, on chip."""
        source = f"{PLACE}{name}"
        if source not in self.variables.of:
            return np.array(DRAM)
        value = self._value(source)
        return np.array(CHIP) if value is None else value

    def _value(self, source: str) -> Whole | None:
        """Value of a source's variable; None where it has none, or the layer is cut from it."""
        variable = self.variables.of.get(source)
        if variable is None or (self.layer.name, variable) in self.variables.cut:
            return None
        domain = np.array(self.variables.domains[variable])
        if variable not in self.scope:
            return domain.reshape(())  # the only one
        behind = len(self.scope) - self.scope.index(variable) - 1
        return domain.reshape(-1, *[1] * behind)


def _decoded(code: int) -> Operands:
    bits, resident = divmod(code, 4)
    return Operands(*divmod(bits, BASE), resident > 1, resident % 2 == 1)
