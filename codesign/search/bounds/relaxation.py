"""Lower bounds for many hardware options at once: dynamic programming over widths and places.

With budgets charged for in the objective (a Lagrangian relaxation), the best widths are found
exactly: each layer is a table over the width variables it touches (its own weight width, where
free, and the roofline's ``max`` already minimised inside), and the variables are eliminated one
after the other (Dechter 1999). A tensor on chip takes its room in the table of every layer that it
is live in: with a given SRAM, what does not fit is no entry. In the chains and residual blocks of
real networks a table never has more than three or four axes; where long skips or shared widths
would make one larger, couplings are cut (`elimination`), and the minimum is one of a relaxation. By
weak duality, what is left of it without the charges for the limits bounds every design within the
limits from below. The layers' choices stay integral: the only gap is that of the limits.

Axes: ``B`` hardware options of a batch, ``w`` widths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.tolerances import MARGINAL_ROUNDINGS, beyond, sum_rounding
from codesign.search.bounds.apart import TablesApart, of_one_member
from codesign.search.bounds.batch import Batch, RunPrices
from codesign.search.bounds.elimination import Role, Scope, choose_scopes, eliminate
from codesign.search.bounds.families import pair_marginals
from codesign.search.bounds.joint_choices import Forced
from codesign.search.bounds.joint_tables import Sweep
from codesign.search.bounds.layer_measures import LayerMeasures, compute_s
from codesign.search.bounds.layer_tables import (
    DRAM,
    LATENCY,
    MAX_BATCH,
    MAX_ENTRIES,
    NOISE,
    LayerTables,
)
from codesign.search.bounds.plan import Plan
from codesign.search.bounds.relaxed_solution import RelaxedSolution
from codesign.search.bounds.states import States
from codesign.space.member_noise import MemberNoise
from codesign.space.placement import FREE, OPEN
from codesign.space.widths import WidthSpace
from codesign.units import kind_of

if TYPE_CHECKING:
    from codesign.search.bounds.fused_measures import FusedMeasures

MAX_JOINTS = 2**23  # entries of all joint tables of the options worked on at once (64 MiB)
MAX_TABLE = 40_000  # entries of one elimination table; beyond it couplings are cut
MAX_FINE_TABLE = 2**20  # the same where a single option is worked on
MAX_KEPT = 64  # relaxations, of different places


class Relaxation:
    """Least Lagrangians over all widths and places, for batches of hardware options.

    The plan of elimination is made when it is first needed, so that a search can end meanwhile:
    ``check_time`` is called before each part of a long run and may raise to stop it.

    ``places`` is the state of each placed tensor, see `codesign.space.placement`; `of` gives
    the relaxation for others.

    ``apart``: members of a suite that share widths are bounded one by one, see `by_member`.
    """

    def __init__(
        self,
        space: WidthSpace,
        check_time: Callable[[], None] = lambda: None,
        places: bytes | None = None,
        fine: bool = False,
        left: bytes | None = None,
        apart: bool = False,
    ) -> None:
        self.space, self.check_time = space, check_time
        self.widths = space.widths
        self.layers = space.problem.network.layers
        free = bytes([FREE] * len(space.placed) + [OPEN] * len(space.runs))
        self.places = free if places is None else places
        self.fine, self.apart = fine, apart
        every = np.ones(len(space.widths), dtype=bool).tobytes()
        self.left = every if left is None else left
        self._measures = LayerMeasures(space)
        self._others: dict[tuple[bytes, bool, bytes, bool], Relaxation] = {}
        self._others[self.places, fine, self.left, apart] = self
        # Each layer's table, each variable's own row and its message are added once; before that,
        # a source's noise to its variable's row, and in a table a product for each metric.
        variables = len(space.variables) + len(space.placed)
        steps = len(self.layers) + 2 * variables + len(space.problem.noise_sources)
        self.rounding = sum_rounding(steps + 2 * len(space.additive_metrics) + 8)
        self.marginal_rounding = MARGINAL_ROUNDINGS * self.rounding

    def of(self, batch: Batch) -> Relaxation:
        """The relaxation for the places that are open in a batch, and as fine as it asks for.

        A fine one cuts only what no memory holds.
        """
        return self._other(batch.places, batch.fine, self.left, self.apart and not batch.fine)

    def within(self, limits: Mapping[str, float]) -> Relaxation:
        """The relaxation over the widths that some design within the limits has.

        No more are left out than limits on noise forbid: where one source has that width, and all
        others have their least noise.
        """
        noisy = {name: limit for name, limit in limits.items() if kind_of(name) == "noise"}
        if not noisy:
            return self
        space = self.space
        own = [
            x.owns_weights and v is None
            for x, v in zip(self.layers, space.weight_index, strict=True)
        ]
        allowed = np.concatenate([space.variable_allowed, space.weight_allowed[own]])
        layers = space.shares.member_of[own]
        kept = np.full(allowed.shape, True)
        for name, limit in noisy.items():
            alone = space.shares.of_members(name)[layers][:, None] * space.weight_noise[own]
            noise = np.concatenate([space.noise_in(name), alone])
            each = np.where(allowed, noise, np.inf)
            least = each.min(axis=1)
            within: Bools = each - least[:, None] + least.sum() <= beyond(limit)
            kept = kept & within
        possible: Bools = np.asarray(kept.any(axis=0))
        possible[0] |= any(layer.moves for layer in self.layers)  # they stand at the narrowest
        if not possible.any():
            return self
        return self._other(self.places, self.fine, possible.tobytes(), self.apart)

    def without_narrowest(self) -> Relaxation:
        """The relaxation over all widths but the narrowest of those left."""
        left = np.frombuffer(self.left, dtype=bool).copy()
        left[self._left[0]] = False
        return self._other(self.places, self.fine, left.tobytes(), self.apart)

    def by_member(self) -> Relaxation:
        """The relaxation whose tables of one member are cut from the widths of another.

        What these cost them stands with the widths, see `codesign.search.bounds.apart`.
        """
        if not self.space.coupled or self.space.runs:
            return self
        return self._other(self.places, self.fine, self.left, True)

    @property
    def narrows(self) -> bool:
        """Whether a narrowest width may be left out: layers that only move data stand there."""
        return len(self._left) > 1 and not any(layer.moves for layer in self.layers)

    def _other(self, *key: *tuple[bytes, bool, bytes, bool]) -> Relaxation:
        if key not in self._others:
            made = Relaxation(self.space, self.check_time, *key)
            made._others = self._others
            self._others[key] = made
            while len(self._others) > MAX_KEPT:
                del self._others[next(iter(self._others))]
        return self._others[key]

    @cached_property
    def coarse(self) -> bool:
        """Whether a finer one would cut less."""
        return not self.fine and not self.whole

    @cached_property
    def whole(self) -> bool:
        """Whether every layer's table runs over all that it depends on."""
        return all(x.keys() <= {*y} for x, y in zip(self._roles, self._scopes, strict=True))

    # Structure ----------------------------------------------------------------------------------

    @cached_property
    def states(self) -> States:
        """The variables and their values."""
        return States(self.space, self.places, self._left)

    @cached_property
    def _left(self) -> Ints:
        return np.flatnonzero(np.frombuffer(self.left, dtype=bool))

    @cached_property
    def _roles(self) -> list[dict[int, Role]]:
        """What the variables are to each layer."""
        return [self.states.roles(i) for i in range(len(self.layers))]

    @cached_property
    def _scopes(self) -> list[Scope]:
        """Variables of each layer's table.

        Cut from a variable, a layer takes the width that suits it best, which keeps the bound
        a bound; cut from a place, it takes the tensor to be on chip and to need no room.
        """
        most = MAX_FINE_TABLE if self.fine else MAX_TABLE
        members = self.space.problem.network.member_of
        return choose_scopes(
            of_one_member(self._roles, members) if self.apart else self._roles,
            self.states.sizes,
            too_large=lambda entries: entries > most,
            far_too_large=lambda entries: entries > MAX_ENTRIES,
            check_time=self.check_time,
        )

    @cached_property
    def tables(self) -> LayerTables:
        """Tables of the layers, over the variables of their scopes."""
        self.check_time()
        return LayerTables(self.space, self.states, self._scopes, self.check_time, self.apart)

    @property
    def _families(self) -> range:
        return range(len(self.tables.families))

    @cached_property
    def plan(self) -> Plan:
        """What is added up and minimised, and when."""
        buckets = eliminate(self._scopes, self.states.sizes, self.check_time)
        values = [each for _, _, each in self._own]
        own = np.concatenate([*values, self.states.barred], axis=1)
        _, rows = np.unique(own, axis=0, return_inverse=True)
        alike = self._apart.numbered(rows.ravel().tolist())
        return Plan(buckets, self._scopes, self.tables.member_of, self.states.sizes, alike)

    @cached_property
    def _apart(self) -> TablesApart:
        return TablesApart(self.tables)

    @cached_property
    def _options_at_once(self) -> int:
        """So many options' tables are worked on at once, for memory's sake."""
        cached = MAX_BATCH // self.tables.entries
        return max(1, min(cached, int(MAX_JOINTS // self.plan.entries)))

    @property
    def cuts(self) -> list[tuple[str, int]]:
        """Name of the layer and width variable of each coupling that was cut."""
        return [
            (layer.name, v)
            for layer, scope, roles in zip(self.layers, self._scopes, self._roles, strict=True)
            for v in sorted(roles)
            if v not in scope and v < len(self.space.variables)
        ]

    @cached_property
    def _variable_noise(self) -> MemberNoise:
        """Noise of variables, what was cut left out: it stands with its layers."""
        space, cut = self.space, Counter[tuple[str, int]]()
        for i, (x, m) in enumerate(zip(self.layers, space.problem.network.member_of, strict=True)):
            if self.tables.cut_weights(i):
                cut[x.weight_source, m] += 1
        if not cut:
            return space.member_noise
        uses = zip(self.layers, space.problem.network.member_of, space.weight_uses, strict=True)
        used = {(x.weight_source, m): int(n) for x, m, n in uses if x.uses_weights}
        return space.noise_of_members(lambda *use: 1 - cut[use] / used[use] if use in cut else 1.0)

    @cached_property
    def _variable_energy(self) -> Floats:
        """(width variables, w): J of what is on chip for nothing but the accesses to it."""
        energy, found = self.space.energy, np.zeros(self.space.variable_noise.shape)
        if energy is None:
            return found
        for i, layer in enumerate(self.layers):
            on_chip = [chip for _, chip in energy.moved_per_bit(layer)]
            for n, variable, elements, _ in self.states.free_beside(i):
                found[variable] += on_chip[n] * elements * self.space.widths
        return found

    @cached_property
    def _own(self) -> list[tuple[int, Ints, Floats]]:
        """What values themselves cost, noise and where it counts energy: a kind, and of variables.

        Members (variables,), and what each value costs in them, (variables, values).
        """
        found = [(NOISE, *each) for each in self._variable_noise.by_rank()]
        if self.space.counts_energy:
            found.append((-1, self.space.member_of_variable, self._variable_energy))
        # Values of places cost nothing: whichever member they are of.
        count = len(self.states.sizes)
        return [
            (kind, np.resize(np.append(of, np.zeros(count, dtype=np.int64)), count), along)
            for kind, of, along in ((x, of, self.states.along(each)) for x, of, each in found)
        ]

    # The least Lagrangian -----------------------------------------------------------------------

    def solve(self, batch: Batch, coefficients: Floats) -> RelaxedSolution:
        """Best widths for every option at ``coefficients`` (B, metrics)."""
        if len(batch) > self._options_at_once:
            parts = [self.solve(batch.take(r), coefficients[r]) for r in self.parts(len(batch))]
            names = (field.name for field in fields(RelaxedSolution))
            return RelaxedSolution(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))
        prices = self.tables.run_prices(batch, coefficients)
        tables, aside = self._apart.least(batch, coefficients, prices)
        swept = self.sweep(tables, coefficients, aside)
        values = swept.best()
        chosen = self.states.widths_of(values), self.states.places_of(values)
        fused, value = None, swept.value
        if prices is not None:
            # Of a run, what there is of the SRAM is taken off what its layers are charged for.
            value = value - self.rounding * prices.price.sum(axis=1) * prices.sram_bits
            fused = self._fused(batch, coefficients, prices, chosen[1])
            fused.choose_band_widths(chosen[0])
        weight, metrics, runs = self._measure(batch, coefficients, *chosen, fused)
        runs &= np.isfinite(swept.value)
        if self.states.runs:
            runs &= self.states.agree(values, chosen[1])
        of_members = (
            self._of_members(swept) if self.space.problem.network.members else value[:, None]
        )
        return RelaxedSolution(value, of_members, *chosen, weight, metrics, runs)

    def _of_members(self, swept: Sweep) -> Floats:
        """(B, members): what each adds to the least Lagrangian."""
        found = np.zeros((len(swept.value), len(self.space.problem.network.members)))
        for variable, value in swept.of_roots():
            found[:, self.states.member_of[variable]] += value
        for i, value in swept.of_alone():
            found[:, self.space.problem.network.member_of[i]] += value
        return found

    def _fused(
        self, batch: Batch, coefficients: Floats, prices: RunPrices, on_chip: Bools
    ) -> FusedMeasures:
        from codesign.search.bounds.fused_measures import FusedMeasures  # where runs are on offer

        return FusedMeasures(self.space, self.states, batch, coefficients, prices, on_chip)

    def parts(self, count: int) -> Iterator[Ints]:
        """Row numbers of a batch in parts small enough to work on."""
        for start in range(0, count, self._options_at_once):
            self.check_time()
            yield np.arange(start, min(start + self._options_at_once, count))

    def upper_bound(self, batch: Batch, metric: int) -> Floats:
        """(B,): a value of one metric that no runnable assignment exceeds; −inf if none runs.

        ``metric`` is its number among the space's additive metrics.
        """
        if len(batch) > self._options_at_once:
            parts = [self.upper_bound(batch.take(r), metric) for r in self.parts(len(batch))]
            return np.concatenate(parts)
        total, shares = np.zeros(len(batch)), self.space.shares
        cost, share = shares.kind(metric), shares.of_groups(shares.names[metric])
        of_variables = {NOISE: self._variable_noise.counted}
        if self.space.counts_energy:
            of, energy = self.space.member_of_variable, self._variable_energy
            of_variables[len(shares.kinds) - 1] = lambda share: share[of][:, None] * energy
        if cost in of_variables:
            allowed = self.space.variable_allowed & np.frombuffer(self.left, dtype=bool)
            total += np.where(allowed, of_variables[cost](share), 0.0).max(axis=1).sum()
        largest = [self.tables.largest(n, batch, cost) for n in self._families]
        runs = np.ones(len(batch), dtype=bool)
        for i, (family, kind) in enumerate(self.tables.member_of):
            runs &= largest[family][:, kind] > -np.inf
            if share[shares.member_of[i]]:
                most = np.where(runs, largest[family][:, kind], 0.0)
                total = total + share[shares.member_of[i]] * most
        return np.where(runs, total, -np.inf)

    def sweep(
        self, tables: list[Floats], coefficients: Floats, aside: Mapping[int, Floats] | None = None
    ) -> Sweep:
        """Eliminate every variable; ``aside`` was taken off tables, see `TablesApart`."""
        own = self.states.barred + self.own_costs(coefficients)
        return Sweep(self.plan, self._apart.charged(own, aside) if aside else own, tables)

    def own_costs(self, coefficients: Floats) -> Floats:
        """(B, variables, values): what values themselves add to the Lagrangian."""
        each = self.space.shares.by_member(coefficients)
        own = np.zeros((len(coefficients), *self.states.barred.shape))
        for kind, member_of, values in self._own:
            charged = each[:, :, kind] if each.shape[1] == 1 else each[:, member_of, kind]
            own = own + charged[..., None] * values
        return own

    def _measure(
        self,
        batch: Batch,
        coefficients: Floats,
        variable_width: Ints,
        on_chip: Bools,
        fused: FusedMeasures | None,
    ) -> tuple[Ints, Floats, Bools]:
        """Best free weight widths for given variables, the metrics of both, and if they run."""
        space, count, layers = self.space, len(batch), len(self.layers)
        b, u, layer = np.arange(count)[:, None], space.geometry_of[None, :], np.arange(layers)
        ba = variable_width[:, space.input_index]
        each = space.shares.by_layer(coefficients)  # (B, layers or 1, kinds)
        charges = each[..., [LATENCY, DRAM, -1], None].swapaxes(1, 2)
        found = self._measures.in_best_mode(batch, charges, variable_width, on_chip)
        latency_s, total, energy_j, runs = found
        model_bits = (space.own_weights[:, None] * self.widths).astype(np.float64)
        costs = [table[u, :, ba] for table in space.costs]
        charged: Floats | float = 0.0
        if fused is not None:
            of_compute = compute_s(batch, space, ba)
            latency_s, total, runs, charged = fused.of_layers(
                variable_width, of_compute, latency_s, total, runs
            )
            energy_j = fused.energies(variable_width, latency_s, energy_j)
        of_widths = space.weight_noise, model_bits, space.bops[u, :, ba]
        parts = (latency_s, total, *of_widths, *costs, *[energy_j] * space.counts_energy)
        runs &= space.weight_allowed & np.frombuffer(self.left, dtype=bool)
        lagrangian = np.where(runs, charged, np.inf)
        for m, part in enumerate(parts):
            lagrangian = lagrangian + each[..., m, None] * part
        weight = lagrangian.argmin(axis=-1)
        shared = [(i, v) for i, v in enumerate(space.weight_index) if v is not None]
        weight[:, [i for i, _ in shared]] = variable_width[:, [v for _, v in shared]]
        chosen = np.stack(
            [np.broadcast_to(part, lagrangian.shape)[b, layer, weight] for part in parts], axis=1
        )
        if fused is not None:
            beyond_s = fused.beyond_means(variable_width, weight)
            chosen[:, LATENCY] += beyond_s
            if batch.energy is not None:
                chosen[:, -1] += batch.energy.static_w[:, None] * beyond_s
        metrics = space.shares.summed(chosen)
        noises = space.member_noise
        noise = noises.noise[np.arange(len(noises.noise)), variable_width[:, noises.variable]]
        metrics += space.shares.of_noise(noise, noises.member)
        return weight, metrics, np.asarray(runs[b, layer, weight].all(axis=-1))

    def run_slopes(
        self, batch: Batch, coefficients: Floats
    ) -> tuple[RunPrices, Floats, Floats] | None:
        """Prices of a batch of one, and what its bound gains by them; None where no run is open.

        Returns
        -------
        prices : RunPrices
        share, price : floats, shape (runs,)
            What the Lagrangian gains, to first order.
        """
        prices = self.tables.run_prices(batch, coefficients)
        if prices is None or not batch.rooms:
            return None
        answer = self.solve(batch.at_prices(prices), coefficients)
        held = self.space.resident_bits(answer.variable_width[0], answer.on_chip[0])
        fused = self._fused(batch, coefficients, prices, answer.on_chip)
        share, price = fused.slopes(answer.variable_width, answer.weight, held)
        each = self.space.shares.by_member(coefficients)[0]
        per_s = each[:, LATENCY]
        if batch.energy is not None:
            per_s = per_s + each[:, -1] * batch.energy.static_w[0]
        return prices, share * per_s[self.space.member_of_run], price

    # What each single choice would cost at best -------------------------------------------------

    def forced(self, batch: Batch, coefficients: Floats, ceiling: float = np.inf) -> Forced:
        """Least Lagrangian if one choice were forced, for a batch of one option.

        ``ceiling``: what costs more is of no interest.
        """
        prices = self.tables.run_prices(batch, coefficients)
        full, least, aside = self._apart.full(batch, coefficients, prices)
        own, parts = self.sweep(least, coefficients, aside).marginals()
        return Forced(self.tables, batch, full, least, own, parts, ceiling)

    def marginals(self, batch: Batch, coefficients: Floats) -> Marginals:
        """The same, of each width and place, and of each pair of operand widths."""
        return self.marginals_of(self.forced(batch, coefficients))

    def marginals_of(self, forced: Forced) -> Marginals:
        """The same, of what is known; inf of pairs that cost more than its ceiling."""
        pair = np.full((len(self.layers), len(self.widths), len(self.widths)), np.inf)
        if np.isfinite(forced.ceiling) and not self.states.runs:  # whose values are of any width
            for i, number, _, where, total in forced.entries:
                family = self.tables.families[number]
                bw, ba = (where[x] % family.widths for x in (family.weight_axis, family.input_axis))
                np.minimum.at(pair[i], (self._left[bw], self._left[ba]), total)
        else:
            for layers, family, _, total in forced.totals():
                pair[np.ix_(layers, self._left, self._left)] = pair_marginals(family, total)
        return Marginals(pair, *self.states.place_marginals(forced.own[0]))


class Marginals(NamedTuple):
    """What it costs at best to force a single choice.

    Attributes
    ----------
    pair : floats, shape (layers, w, w)
        For each layer's weight width × input width.
    width : floats, shape (width variables, w)
    place : floats, shape (2, placed tensors, w)
        A tensor in DRAM, and on chip, at each width.
    run : floats, shape (fused runs,)
    """

    pair: Floats
    width: Floats
    place: Floats
    run: Floats
