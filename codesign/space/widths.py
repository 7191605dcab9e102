"""Which bitwidths a problem leaves open, and what each costs whatever the hardware.

Widths: one ascending list holds every bitwidth any weight or tensor may take; tables have an axis
of that length for the weight operand's width and one for the input tensor's.

Width variables: one for each activation tensor, and for all that shares its width; one for each
group of weights that share a width, and for weights that several layers use. Other weights are no
variables: nothing else depends on them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from functools import cached_property, partial

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.fusion import FusedRun, fused_runs, live_during
from codesign.costs.widths import layer_bops
from codesign.problem.problem import Problem
from codesign.space.capacities import Capacities
from codesign.space.energy import EnergyCosts
from codesign.space.fusion import Moved, RunLayer, layers_of_run
from codesign.space.hardware_metrics import HardwareMetric
from codesign.space.lifetimes import Lifetimes
from codesign.space.member_noise import Left, MemberNoise, noise_of_members
from codesign.space.shares import Shares, shares_of
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
    input_index : ints, shape (layers,)
        Width variable of each layer's input.
    geometries : tuple of Layer
        One representative of each set of layers with equal tables.
    geometry_of : ints, shape (layers,)
    cost_names : tuple of str
        Metrics of costs of one's own, ``cost:NAME``; only where no hardware is chosen.
    costs : floats, shape (costs, geometries, widths, widths)
        What each layer costs at each width of its weight operand and its input.
    dram_bits_per_s : float
        inf where no memory is modelled: a latency is then a layer's compute time.
    exposed : float
        Share of the shorter of compute and memory that adds to the longer, see
        `codesign.costs.roofline`.
    port : EnergyCosts or None
        Where the SRAM's port has a rate, its accesses, each counted as 1 for a bit.
    option_count : int
        Hardware options; a single one stands for all where no hardware is chosen.
    hardware_metrics : mapping of str to HardwareMetric
        What the hardware alone decides; empty where none is chosen.
    capacities : Capacities
        Of the SRAM.
    placed : tuple of str
        Tensors that may stay on chip, in declared order. Each has a place of its own.
    runs : tuple of FusedRun
        Layers that may be fused. What is on chip is told by an array over placed tensors, whether
        each is resident, and then over these, whether each is fused.
    """

    def __init__(
        self,
        problem: Problem,
        keys: Sequence[Hashable],
        dram_bits_per_s: float,
        within_noise: bool = False,
    ) -> None:
        """Layers with equal ``keys`` have equal tables; ``within_noise``: see `HardwareSpace`."""
        self.problem, self.dram_bits_per_s = problem, dram_bits_per_s
        self.within_noise = within_noise
        self.exposed = float(problem.choices.exposed)
        self.option_count = 1
        self.hardware_metrics: dict[str, HardwareMetric] = {}
        self.capacities = Capacities()
        network, choices = problem.network, problem.choices
        every = {*choices.weight_bits, *choices.activation_bits, *choices.pinned.values()}
        if within_noise:
            every = {bits for x in problem.noise_sources for bits in problem.allowed_bits(x, True)}
        self.widths = np.array(sorted(every))
        self.variables = tuple(
            members
            for members in problem.width_classes
            if len(members) > 1 or network.weight_uses.get(members[0], 2) > 1
        )
        self._index = {x: v for v, members in enumerate(self.variables) for x in members}
        self.tensor_index = {name: self._index[f"tensor:{name}"] for name in network.inner_tensors}
        self.weight_index = tuple(self._weight_variable(layer) for layer in network.layers)
        self.input_index = np.array([self.tensor_index[layer.input] for layer in network.layers])
        first: dict[Hashable, int] = {}  # layer of each key
        for i, key in enumerate(keys):
            first.setdefault(key, i)
        number = {key: geometry for geometry, key in enumerate(first)}
        self.geometry_of = np.array([number[key] for key in keys])
        self.geometries = tuple(network.layers[i] for i in first.values())
        self.placed = self._placed_tensors()
        self._placed_index = {name: n for n, name in enumerate(self.placed)}
        self.runs = self._fused_runs()
        self._moved_of: dict[str, list[Moved]] = {}  # by layer
        self.energy: EnergyCosts | None = None
        self.port: EnergyCosts | None = None
        self.port_bits_per_s = (problem.choices.sram_bits_per_cycle or math.inf) * problem.clock_hz
        self.counts_energy = False
        self.cost_names: tuple[str, ...] = ()
        self.costs = np.zeros((0, len(self.geometries), len(self.widths), len(self.widths)))
        self._shares: dict[tuple[tuple[str, ...], bool], Shares] = {}

    @property
    def additive_metrics(self) -> tuple[str, ...]:
        """Metrics that are sums over layers and tensors, in the order of all their arrays.

        Energy is one where it is asked for, with members' shares of it the last.
        """
        return self.shares.names

    @property
    def shares(self) -> Shares:
        """What layers count for in additive metrics."""
        key = self.cost_names, self.counts_energy
        if key not in self._shares:
            self._shares[key] = shares_of(self.problem.network, *key)
        return self._shares[key]

    @cached_property
    def member_of_variable(self) -> Ints:
        """(width variables,): the member of a suite that each is of, of several the first."""
        return self.member_noise.member[self.member_noise.first]

    @property
    def coupled(self) -> bool:
        """Whether members of a suite share widths."""
        return self.member_noise.coupled

    @cached_property
    def member_of_run(self) -> Ints:
        """(fused runs,): the member of a suite that each is of."""
        of = self.problem.network.member_of
        return np.array([of[run.first] for run in self.runs], dtype=np.int64)

    def __len__(self) -> int:
        """Hardware options."""
        return self.option_count

    def _weight_variable(self, layer: Layer) -> int | None:
        return None if layer.moves else self._index.get(layer.weight_source)

    # Which tensors may stay on chip ------------------------------------------------------------

    def _placed_tensors(self) -> tuple[str, ...]:
        choices, lifetimes = self.problem.choices, self.problem.network.lifetimes
        if choices.on_chip == "none" or math.isinf(self.dram_bits_per_s):
            return ()
        return tuple(name for name in lifetimes if choices.places.get(name) != "dram")

    def _fused_runs(self) -> tuple[FusedRun, ...]:
        choices, network = self.problem.choices, self.problem.network
        if choices.on_chip != "bands" or math.isinf(self.dram_bits_per_s):
            return ()
        found = fused_runs(network, choices.fused_layers)
        settled = {x for x, place in choices.places.items() if place != "band"}
        return tuple(run for run in found if settled.isdisjoint(run.inner))

    @cached_property
    def run_tensors(self) -> tuple[tuple[int, ...], ...]:
        """Of each fused run: which placed tensors it holds bands of."""
        return tuple(tuple(self._placed_index[x] for x in run.inner) for run in self.runs)

    @cached_property
    def run_layers(self) -> tuple[tuple[RunLayer, ...], ...]:
        """The layers of each fused run."""
        network, read = self.problem.network, [x for _, x in self.operand_tensors]
        of_run = partial(layers_of_run, network, self.geometry_of.tolist(), read, self.moved)
        return tuple(map(of_run, self.runs))

    def weights_of(self, i: int) -> Bools:
        """(widths,): widths that a layer's weights may take, all that shares it considered."""
        mine, variable = self.weight_allowed[i], self.weight_index[i]
        return mine if variable is None else np.asarray(mine & self.variable_allowed[variable])

    @cached_property
    def runs_at(self) -> tuple[tuple[int, ...], ...]:
        """Of each layer: the fused runs that it may be in."""
        found: list[list[int]] = [[] for _ in self.problem.network.layers]
        for r, run in enumerate(self.runs):
            for i in run.layers:
                found[i].append(r)
        return tuple(map(tuple, found))

    @cached_property
    def live_in_run(self) -> Bools:
        """(runs, placed tensors): whether a tensor, if on chip, is there while a run is."""
        network = self.problem.network
        live = [live_during(network, run) for run in self.runs]
        found = [[name in each for name in self.placed] for each in live]
        return np.array(found, dtype=bool).reshape(len(self.runs), len(self.placed))

    @cached_property
    def placed_variable(self) -> Ints:
        """(placed tensors,): the width variable of each."""
        return np.array([self.tensor_index[name] for name in self.placed], dtype=np.int64)

    @cached_property
    def placed_elements(self) -> Ints:
        """(placed tensors,)"""
        tensors = self.problem.network.tensors
        return np.array([tensors[name] for name in self.placed], dtype=np.int64)

    @cached_property
    def kept(self) -> Bools:
        """(placed tensors,): those that are given to be on chip."""
        places = self.problem.choices.places
        return np.array([places.get(name) == "chip" for name in self.placed], dtype=bool)

    @cached_property
    def lifetimes(self) -> Lifetimes:
        """Of the placed tensors, if on chip."""
        known = self.problem.network.lifetimes
        return Lifetimes([known[name] for name in self.placed], len(self.geometry_of))

    @cached_property
    def operand_tensors(self) -> tuple[tuple[int | None, int | None], ...]:
        """Of each layer: which placed tensors are its weight operand and its input, if any."""
        index = self._placed_index
        return tuple(
            (None if x.weight_tensor is None else index.get(x.weight_tensor), index.get(x.input))
            for x in self.problem.network.layers
        )

    @cached_property
    def banded(self) -> Bools:
        """(placed tensors,): those of which a band is given to be held."""
        places = self.problem.choices.places
        return np.array([places.get(name) == "band" for name in self.placed], dtype=bool)

    def variants(self, on_chip: Bools) -> Ints:
        """(…, layers): which operands are resident, 1 the ifmap and 2 the weights, added up."""
        there = np.zeros((*on_chip.shape[:-1], len(self.placed) + 1), dtype=np.int64)
        there[..., :-1] = on_chip[..., : len(self.placed)]
        weights, ifmaps = self.operand_numbers.T
        return np.asarray(2 * there[..., weights] + there[..., ifmaps])

    @cached_property
    def operand_numbers(self) -> Ints:
        """(layers, 2): those of `operand_tensors`; that after all tensors where there is none."""
        each = [[len(self.placed) if t is None else t for t in x] for x in self.operand_tensors]
        return np.array(each, dtype=np.int64)

    @cached_property
    def variant_count(self) -> int:
        """How many of `variants` there are: none resident, the ifmap, the weights, both."""
        if not self.placed:
            return 1
        return 4 if any(weight is not None for weight, _ in self.operand_tensors) else 2

    def resident_bits(self, variable_width: Ints, on_chip: Bools) -> Ints:
        """(layers,): SRAM bits of the tensors on chip while each layer, or its fused run, runs."""
        bits = self.placed_elements * self.widths[variable_width[self.placed_variable]]
        tensors = on_chip[: len(self.placed)]
        held = self.lifetimes.held(bits * tensors)
        for r in np.flatnonzero(on_chip[len(self.placed) :]).tolist():
            held[self.runs[r].layers] = self.live_in_run[r] @ (bits * tensors)
        return held

    # What may be chosen -------------------------------------------------------------------------

    @cached_property
    def weight_allowed(self) -> Bools:
        """(layers, widths): widths each layer's weights may take; weight tensors are free here.

        A layer that only moves data has no weights; it stands at the narrowest width alone.
        """
        return np.array([self._weights_allowed(layer) for layer in self.problem.network.layers])

    def _weights_allowed(self, layer: Layer) -> Bools:
        if layer.moves:
            return np.asarray(np.arange(len(self.widths)) == 0)
        if layer.weight_tensor is not None:
            return np.ones(len(self.widths), dtype=bool)
        return self._allowed(layer.weight_source)

    def _allowed(self, source: str) -> Bools:
        return np.isin(self.widths, self.problem.allowed_bits(source, self.within_noise))

    @cached_property
    def variable_allowed(self) -> Bools:
        """(width variables, widths): widths each may take."""
        return np.array([self._allowed(members[0]) for members in self.variables])

    # What widths cost ---------------------------------------------------------------------------

    @cached_property
    def bops(self) -> Floats:
        """(geometries, widths, widths): bit operations."""
        bw, ba = self.widths[:, None], self.widths[None, :]
        return np.array([layer_bops(layer, bw, ba) for layer in self.geometries])

    @cached_property
    def own_weights(self) -> Ints:
        """(layers,): weights, where it is the first of its member to use them; else 0."""
        network = self.problem.network
        each = zip(network.layers, network.first_uses, strict=True)
        return np.array([layer.weights if first else 0 for layer, first in each])

    def model_bits(self, weight: Sequence[int]) -> float:
        """Bits of all weights, those that members of a suite share once; widths as indices."""
        layers = self.problem.network.layers
        owned = np.array([layer.owns_weights for layer in layers])
        return float((self.own_weights * self.widths[np.array(weight)])[owned].sum())

    @cached_property
    def weight_uses(self) -> Ints:
        """(layers,): how many layers of its member multiply with a layer's weights; 1 if none."""
        network = self.problem.network
        uses = [x.weight_source if x.uses_weights else None for x in network.layers]
        counts = Counter(zip(network.member_of, uses, strict=True))
        each = zip(network.member_of, uses, strict=True)
        return np.array([1 if use is None else counts[m, use] for m, use in each])

    @cached_property
    def weight_shares(self) -> Floats:
        """(layers,): each layer's equal share, in its member, of what it multiplies with."""
        layers = self.problem.network.layers
        return np.array([x.weights if x.uses_weights else 0 for x in layers]) / self.weight_uses

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
    def member_noise(self) -> MemberNoise:
        """Noise of all that has the width of each variable, for each member; 0 off-list."""
        return self.noise_of_members(lambda source, member: 1.0)

    def noise_of_members(self, left: Left) -> MemberNoise:
        """The same, of which so much is left of each source for each member."""
        of = self.problem.network.members_of_source
        return noise_of_members(self.variables, of, self.noise_row, left)

    @cached_property
    def variable_noise(self) -> Floats:
        """(width variables, widths): noise of all that has this width, in every member."""
        return self.member_noise.counted(np.ones(len(self.shares.home)))

    def noise_in(self, metric: str) -> Floats:
        """(width variables, widths): noise of all that has this width as a metric counts it."""
        return self.member_noise.counted(self.shares.of_members(metric))

    @cached_property
    def _noise_rows(self) -> tuple[Floats, Ints, Ints]:
        """(sources, widths) noise of every source of a variable in a member; these, (sources,)."""
        of, every = self.problem.network.members_of_source, enumerate(self.variables)
        each = [(x, v, m) for v, sources in every for x in sources for m in of[x]]
        rows = np.array([self.noise_row(x) for x, _, _ in each])
        return rows, *np.array([(v, m) for _, v, m in each], dtype=np.int64).T

    def noise_row(self, source: str) -> Floats:
        """(widths,): noise of one source; 0 off-list."""
        row = np.zeros(len(self.widths))
        for w in np.flatnonzero(self._allowed(source)):
            row[w] = self.problem.noise_of(source, int(self.widths[w]))
        return row

    def width_metrics(
        self, variable_width: Sequence[int], weight: Sequence[int], member: int | None = None
    ) -> dict[str, float]:
        """What a choice of widths costs on any hardware, each metric added up and rounded once.

        Indices into the width list: of each width variable, of each layer's weight operand. Of one
        member of a suite, or of all, none weighted.
        """
        variable, free = np.array(variable_width), np.array(weight)
        rows, variable_of, member_of = self._noise_rows
        mine = self.shares.layers(member)
        own = np.full(len(rows), True) if member is None else member_of == member
        pairs = (self.geometry_of[mine], free[mine], variable[self.input_index[mine]])
        noise = rows[own, variable[variable_of[own]]].tolist()
        noise += self.weight_noise[mine, free[mine]].tolist()
        costs = zip(self.cost_names, self.costs, strict=True)
        return {
            "noise": math.fsum(noise),
            "model_bits": float((self.own_weights[mine] * self.widths[free[mine]]).sum()),
            "bops": math.fsum(self.bops[pairs].tolist()),
            **{name: math.fsum(table[pairs].tolist()) for name, table in costs},
        }

    def tensor_bits(self, variable_width: Sequence[int]) -> dict[str, int]:
        """Width of every tensor, the network's results included, at indices of the variables'."""
        bits = dict.fromkeys(self.problem.network.tensors, self.problem.choices.output_bits)
        for name, variable in self.tensor_index.items():
            bits[name] = int(self.widths[variable_width[variable]])
        return bits

    def moved(self, layer: Layer) -> list[Moved]:
        """A layer's output, then each residual; none where no memory is modelled."""
        if math.isinf(self.dram_bits_per_s):
            return []
        if layer.name not in self._moved_of:
            self._moved_of[layer.name] = self._moved_by(layer)
        return self._moved_of[layer.name]

    def _moved_by(self, layer: Layer) -> list[Moved]:
        network, multiple = self.problem.network, self.problem.choices.stored_channels
        counts = {x: network.stored(layer, x, multiple) for x in (layer.output, *layer.residuals)}
        names = layer.output, *layer.residuals
        index, placed = self.tensor_index, self._placed_index
        return [Moved(index.get(x), counts[x], placed.get(x)) for x in names]

    @cached_property
    def _moved(self) -> tuple[Ints, Ints, Ints]:
        """(layers, tensors) each: variable, elements and placed tensor of all that is `moved`.

        Results have the number after all variables, what is always in DRAM that after all tensors.
        """
        rows = [self.moved(layer) for layer in self.problem.network.layers]
        found = np.zeros((3, len(rows), max(map(len, rows))), dtype=np.int64)
        found[2] = len(self.placed)
        for i, row in enumerate(rows):
            for n, (v, count, t) in enumerate(row):
                found[0, i, n], found[1, i, n] = len(self.variables) if v is None else v, count
                found[2, i, n] = len(self.placed) if t is None else t
        return found[0], found[1], found[2]

    def moved_j(self, variable_width: Ints, on_chip: Bools, port: bool = False) -> Floats:
        """(…, layers): J of each layer's output and residuals, of bits in DRAM and on chip.

        ``port``: not J, but bits that the SRAM's port moves.
        """
        variable, elements, tensor = self._moved
        in_dram, there = self._moved_per_bit[int(port)]
        bits = self._moved_widths(variable_width)[..., variable] * elements
        if not self.placed:
            return np.asarray((bits * in_dram).sum(axis=-1))
        always = np.zeros((*on_chip.shape[:-1], 1), dtype=bool)
        tensors = np.concatenate([on_chip[..., : len(self.placed)], always], axis=-1)
        return np.asarray((bits * np.where(tensors[..., tensor], there, in_dram)).sum(axis=-1))

    @cached_property
    def _moved_per_bit(self) -> Floats:
        """(2, 2, layers, tensors): J for a bit of all that is `moved`, in DRAM and on chip.

        Then bits that the SRAM's port moves; 0 of what does not count.
        """
        found = np.zeros((2, 2, *self._moved[0].shape))
        for table, costs in zip(found, (self.energy, self.port), strict=True):
            for i, layer in enumerate(self.problem.network.layers):
                each = [] if costs is None else costs.moved_per_bit(layer)
                table[:, i, : len(each)] = np.array(each).reshape(-1, 2).T
        return found

    def _moved_widths(self, variable_width: Ints) -> Ints:
        """(…, variables + 1): bits of an element of each variable, then of results."""
        results = np.full((*variable_width.shape[:-1], 1), self.problem.choices.output_bits)
        return np.concatenate([self.widths[variable_width], results], axis=-1)

    def moved_bits(self, variable_width: Ints, on_chip: Bools) -> Floats:
        """(…, layers): DRAM bits of each layer's output and residuals.

        At widths (…, variables) and with tensors (…, placed) on chip; as if no layers were fused.
        """
        variable, elements, tensor = self._moved
        bits = self._moved_widths(variable_width)[..., variable] * elements
        if self.placed:
            always = np.zeros((*on_chip.shape[:-1], 1), dtype=bool)
            tensors = on_chip[..., : len(self.placed)]
            bits = bits * ~np.concatenate([tensors, always], axis=-1)[..., tensor]
        return np.asarray(bits.sum(axis=-1), dtype=np.float64)
