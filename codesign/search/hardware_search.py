"""What the searches over hardware options share: tables, bounds, and the MILP of one option.

How an option is bounded and solved depends on the goal's metric (`least_hardware`, `least_metric`,
`least_over_srams`); in what order is the business of `best_bound`.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.goal import Goal
from codesign.problem.metrics import ENERGY, timed_by
from codesign.problem.tolerances import UNDERFLOW, beyond
from codesign.search.bounds.batch import Batch
from codesign.search.bounds.lagrangian import Dual, DualBound
from codesign.search.bounds.relaxation import Marginals
from codesign.search.domains import Domains
from codesign.search.goal_search import GoalSearch
from codesign.search.goal_task import GoalTask
from codesign.search.milp.choice import MilpSolution
from codesign.search.milp.solve import MilpResult
from codesign.search.option_batches import OptionBatches
from codesign.search.sram_ranges import SramRange, split_at
from codesign.space.candidates import Candidates, LayerCandidates, candidates
from codesign.space.energy import POWER_APART, StaticGrowth
from codesign.space.energy_tilings import EnergyTilings
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import BY_TILING, Solution, price
from codesign.stopping import Stopped
from codesign.units import kind_of

if TYPE_CHECKING:
    from codesign.space.exact_cost import First

Joint = list[LayerCandidates | None]  # options of each layer, for what it has them
LONG_MILP_PAIRS = 10_000  # of widths, all layers together: more make a core worth solving first
CORE_PAIRS = 3  # of them in the core, per layer on average
CORE_CHOICES, CORE_GROWTH = 24, 4  # the same of joint choices in the first MILP; of the next
ROUNDS_OF_PARTS = 20  # of multipliers, for bounds on parts of the energy
CORE_OF_LAYER = 10  # joint choices of each layer in a core, at least, where layers may be fused


class HardwareSearch(GoalSearch, ABC):
    """Bounds and solves hardware options."""

    space: HardwareSpace

    def __init__(self, task: GoalTask) -> None:
        assert isinstance(task.space, HardwareSpace)
        super().__init__(task)
        self.batches = OptionBatches(task.space, (self.goal.metric, *self.goal.limits))
        self.multipliers = np.zeros((len(self.space.shapes), len(self.dual.limited)))  # of shapes
        self.last_sram_bits: float | None = None  # of what a MILP, or labels, chose last
        self._asked_bits = 0.0, np.inf  # of SRAM, the least and most of an option that is solved
        self._tilings: dict[int, EnergyTilings] = {}
        # Of options, by energy that counts: latency, and energy without static power, at least.
        self.least_parts: dict[int, dict[str, tuple[float, float]]] = {}
        self.ideal: dict[int, Batch] = {}  # shapes' envelopes with ideal tilings, where screened

    # What depends on the metric -----------------------------------------------------------------

    @abstractmethod
    def start_from_pool(self) -> None:
        """Start from what earlier goals have proven."""

    @abstractmethod
    def most_sram_bits(self, options: Ints) -> Floats:
        """SRAM bits beyond which options of one shape are of no interest."""

    @abstractmethod
    def raise_bounds(self, options: Ints, bound: Floats) -> None:
        """Raise options' bounds by dual bounds of theirs."""

    def bound_as_one(self) -> None:
        """Bound all open options by a single envelope, where that helps."""

    def bound_by_finer(self) -> None:
        """Bound open shapes by tilings of finer ones, which are as good, where that helps."""

    def bound_shapes(self, options: Ints) -> None:
        """Bound the shapes of options with the most SRAM that one of them has, where that helps."""

    @abstractmethod
    def bound_options(self, shape: int, options: Ints) -> None:
        """Bound options of one shape with their own tilings and SRAM."""

    @abstractmethod
    def solve_option(self, option: int) -> float:
        """Solve one option; returns a bound on what it offers below the cutoff."""

    def try_option(self, option: int) -> None:
        """Look for an incumbent on one option, where that is quick."""

    @abstractmethod
    def bound_from_milp(self, bound: float) -> float:
        """What a bound on the dual's metric at `most_sram_bits` says of the goal's metric."""

    def bound_from_tables(self, single: Batch) -> float:
        """Bound from options solved before whose tables are at least as good as these."""
        return -np.inf

    def add_tables(self, single: Batch, bound: float) -> None:
        """Keep the bound that a MILP over these tables gave, for `bound_from_tables`."""

    # Bounds -------------------------------------------------------------------------------------

    def take_envelope_bounds(
        self, options: Ints, found: DualBound, row: Ints, sram_bits: Floats | None = None
    ) -> None:
        """Take over the bound of each option's envelope, which holds within the envelope's SRAM."""
        sram_bits = np.full(len(found.value), np.inf) if sram_bits is None else sram_bits
        self.raise_bounds(options, found.value[row])
        self.add_cut(options, found, sram_bits, row)

    def first_multipliers(self, options: Ints) -> Floats:
        """Multipliers to begin with: those of an option's latest cut, or its shape's."""
        own, known = self.known_multipliers(options)
        return np.where(known[:, None], own, self.multipliers[self.space.shape_of[options]])

    def tables_of(
        self, option: int, sram_bits: float, least_sram_bits: float | None = None
    ) -> Batch:
        """Tables of one option with so much SRAM; places are settled for a range of it."""
        least = None if least_sram_bits is None else np.array([least_sram_bits])
        return self.batches.of_options(np.array([option]), np.array([sram_bits]), least)

    def bound_option(self, option: int, single: Batch) -> DualBound:
        """Bound one option by its tables."""
        return self.dual_bound(single, self.first_multipliers(np.array([option])))

    def price_runs(self, single: Batch, found: DualBound) -> tuple[Batch, DualBound]:
        """Raise the bound of one option by better prices of its fused runs, as far as that pays.

        Returns the tables with those prices, and the bound.
        """
        from codesign.search.bounds.price_ascent import raise_bound  # where runs are on offer

        def bound(batch: Batch, start: Floats, rounds: int) -> DualBound:
            return self.dual_bound(batch, start, rounds=rounds)

        return raise_bound(self.dual, bound, single, found, self.dual_cutoff())

    def with_all_couplings(self, single: Batch) -> Batch:
        """Tables of one option for a finer relaxation, where the usual one cuts couplings."""
        coarse = self.space.placed and self.relaxation.of(single).coarse
        return single.finely() if coarse else single

    def update_from_bound(self, option: int, found: DualBound, n: int, sram_bits: float) -> None:
        """Make the best widths met in bounding row ``n`` the incumbent, if they are any good."""
        beaten = np.inf
        if self.goal.metric == self.bounded_metric():  # what is relaxed costs no less in full
            beaten = self.task.value_of(self.incumbent)
        if found.incumbent[n] < beaten:
            chosen = found.variable_width[n], found.weight[n], sram_bits, found.on_chip[n].tolist()
            self.update_incumbent(price(self.space, option, *chosen))
            self._place_best(option, found, n, sram_bits)

    def _place_best(self, option: int, found: DualBound, n: int, sram_bits: float) -> None:
        """Make these widths the incumbent with their best places, where layers may be fused.

        The places met may not fit, or be far from the best: runs take room together. Of energy,
        most is that of what moves.
        """
        metric, space = self.goal.metric, self.space
        good = found.incumbent[n] < self.task.value_of(self.incumbent)
        if not space.runs or kind_of(metric) not in (*BY_TILING, ENERGY) or not good:
            return
        from codesign.space.best_places import best_places  # where layers may be fused alone

        first: First = "latency_s" if kind_of(metric) == "latency_s" else "dram_bits"
        widths = found.variable_width[n].tolist(), found.weight[n].tolist()
        places = best_places(space, option, *widths, sram_bits, first)
        if places is not None:
            self.update_incumbent(price(space, option, *widths, sram_bits, places))

    # The MILP of one option ---------------------------------------------------------------------

    def solve_restricted(self, option: int, sram: tuple[float, float], domains: Domains) -> float:
        """Solve one option over its reduced domains; returns a bound on all of its designs."""
        ceiling = self.incumbent_ceiling  # the domains leave out no design below
        return self._bound_from(option, self.solve_option_milp(option, sram, domains), ceiling)

    def solve_joint(
        self,
        option: int,
        sram: tuple[float, float],
        single: Batch,
        found: DualBound,
        cores: int | None = None,
    ) -> float:
        """The same where tensors may stay on chip, over ever more joint choices.

        No more than so many MILPs over some of them, ``cores``; what they prove is then returned.

        A design with one that is left out costs at least the least Lagrangian of such a one. First,
        for an incumbent alone, over the widths and places of the best assignment met.

        ``found`` is the bound of its tables ``single``.
        """
        multipliers = found.multipliers[0]
        wanted = CORE_CHOICES * len(self.space.geometry_of)
        spent = float(multipliers @ self.dual.limits)
        relaxation = self.relaxation.of(single)
        coefficients, most = self.dual.coefficients(multipliers[None]), self.marginal_ceiling
        forced = relaxation.forced(single, coefficients, most(multipliers))
        marginals, polished = relaxation.marginals_of(forced), not np.isfinite(found.incumbent[0])
        # An incumbent of least energy stands at an edge where solvers are slow.
        polished |= self.task.primary_metric == ENERGY and self.incumbent is not None
        while True:
            ceiling = self.incumbent_ceiling
            domains = self.reduced_domains(marginals, multipliers)
            most_forced = self.marginal_ceiling(multipliers)
            joint = forced.joint_choices(option, sram[0], most_forced, self.tilings_of(option))
            if not polished:
                polished, near = True, domains & self._as_found(found, domains)
                if not self.solve_option_milp(option, sram, near, joint).complete:
                    raise Stopped  # for an incumbent alone: it bounds nothing
                if self._splits(option, sram):
                    return self.bound_from_milp(float(found.value[0]))
                continue
            each = np.concatenate([x.forced for x in joint if x is not None] or [np.zeros(0)])
            everything = len(each) <= 2 * wanted
            if not everything:
                least = float(np.partition(each, wanted)[wanted])
                joint = [None if x is None else x.take(self._in_core(x, least)) for x in joint]
                rounding = self.relaxation.marginal_rounding * (abs(least) + spent) + UNDERFLOW
                ceiling = min(ceiling, self.bound_from_milp(least - spent - rounding))
            result = self.solve_option_milp(option, sram, domains, joint)
            bound = self._bound_from(option, result, ceiling)
            if everything or bound >= self.cutoff:
                return bound
            wanted *= CORE_GROWTH
            if cores is not None and (cores := cores - 1) == 0:
                return bound

    def _splits(self, option: int, sram: tuple[float, float]) -> bool:
        """Whether a range is better split, at the SRAM of the incumbent within it, before solved.

        Power at all times is exact at its ends alone: between, the solver finds what is no design.
        """
        best = self.incumbent
        if best is None or best.option != option or not sram[0] < best.sram_bits < sram[1]:
            return False
        low, high = (np.array([bits]) for bits in sram)
        if not self.power_grows(np.array([option]), low, high)[0]:
            return False
        self.last_sram_bits = best.sram_bits
        return True

    def _in_core(self, rows: LayerCandidates, least: float) -> Bools:
        """Joint choices of one layer whose bound is below the least left out; some of each.

        Where layers may be fused: what is fused in the relaxed optimum need not fit.
        """
        kept = rows.forced < least
        if self.space.runs and len(rows) > CORE_OF_LAYER:
            kept |= rows.forced <= np.partition(rows.forced, CORE_OF_LAYER)[CORE_OF_LAYER]
        return np.asarray(kept)

    def _as_found(self, found: DualBound, domains: Domains) -> Domains:
        """Widths and places of tensors as in the best assignment met; any weights."""
        own = found.variable_width[0].astype(np.int64)
        widths, places = np.zeros_like(domains.variable_allowed), np.zeros_like(domains.places)
        widths[np.arange(len(own)), own] = True
        placed = len(self.space.placed)
        on_chip, runs = found.on_chip[0, :placed].astype(np.int64), found.on_chip[0, placed:]
        places[on_chip, np.arange(placed), own[self.space.placed_variable]] = True
        return Domains(domains.pairs, widths, places, runs)

    def _bound_from(self, option: int, result: MilpResult, ceiling: float) -> float:
        """The bound on all of an option's designs of a MILP; kept where it had to end early.

        ``ceiling`` bounds what was left out of the MILP.
        """
        bound = min(ceiling, result.bound)
        if not result.complete:
            self.lower[option] = max(self.lower[option], bound)
            raise Stopped
        return bound

    def solve_core(
        self, option: int, sram: tuple[float, float], domains: Domains, marginals: Marginals
    ) -> bool:
        """Solve one option over the pairs of widths of least marginals, if many are left.

        For an incumbent alone, with which more can be left out: it proves no bound. Returns whether
        there were many.
        """
        wanted = CORE_PAIRS * len(domains.pairs)
        if np.count_nonzero(domains.pairs) <= max(LONG_MILP_PAIRS, 2 * wanted):
            return False
        ceiling = np.partition(marginals.pair[domains.pairs], wanted)[wanted]
        core = domains & Domains.within(marginals, ceiling)
        if not self.solve_option_milp(option, sram, core).complete:
            raise Stopped
        return True

    def solve_option_milp(
        self,
        option: int,
        sram: tuple[float, float],
        domains: Domains,
        joint: Joint | None = None,
        goal: Goal | None = None,
    ) -> MilpResult:
        """Solve the MILP of one option, its SRAM in a range, for this goal or another."""

        def priced(choice: MilpSolution) -> Solution | None:
            sram_bits = max(choice.sram_bits, sram[0])
            widths = choice.variable_width, choice.weight
            self.last_sram_bits = sram_bits
            how = choice.modes, choice.tilings
            return price(self.space, option, *widths, sram_bits, choice.on_chip, *how)

        if goal is None and self.space.runs and self.incumbent is not None:
            # What is no better is no design: a relaxation that shows it ends the solver.
            limit = min(self.incumbent_ceiling, self.goal.limits.get(self.goal.metric, np.inf))
            goal = Goal(self.goal.metric, {**self.goal.limits, self.goal.metric: limit})
        listed = self.option_candidates(option, sram, domains, joint)
        result = self.run_milp(listed, priced, goal)
        if result.runs:
            self.task.stats.solved.add(option)
        return result

    def option_candidates(
        self,
        option: int,
        sram: tuple[float, float],
        domains: Domains,
        joint: Joint | None = None,
    ) -> Candidates:
        """What the MILP of one option chooses from."""
        energy, options = self.batches.energy, np.array([option])
        tilings = self.tilings_of(option)
        made = candidates(
            self.space,
            options,
            np.array([sram[0]]),
            np.array([sram[1]]),
            *domains,
            joint,
            traffic_matters="dram_bits" in self.goal.kinds,
            energy=None if tilings is None else [tilings],
        )
        if energy is None:
            return made
        ends = (self.space.least_area_mm2(options, np.array([bits])) for bits in sram)
        least_w, most_w = (energy.static_w(area_mm2) for area_mm2 in ends)
        grows = bool(energy.power_grows(least_w, most_w)[0])
        made = replace(made, static_w=least_w, grows=grows)
        if not made.grows or sram[0] >= sram[1]:
            return made
        return replace(made, growth=self._growth(option, sram, float(least_w[0]), float(most_w[0])))

    def _growth(
        self, option: int, sram: tuple[float, float], least_w: float, most_w: float
    ) -> StaticGrowth:
        """Power at all times of one option, and for how long in the designs in question."""
        ends_s: dict[str, tuple[float, float]] = {}
        for name in self._energies:
            least_s, dynamic_j = self.least_parts.get(option, {}).get(name, (0.0, 0.0))
            most_s = self._ceiling_of(timed_by(name))
            if least_w > 0:
                most_s = min(most_s, (self._ceiling_of(name) - dynamic_j) / least_w)
            ends_s[name] = least_s, max(most_s, least_s)
        return StaticGrowth((most_w - least_w) / (sram[1] - sram[0]), sram, ends_s)

    @property
    def _energies(self) -> list[str]:
        """The energies that count: of all, or of members of a suite."""
        asked = dict.fromkeys((self.goal.metric, *self.goal.limits))
        return [x for x in asked if kind_of(x) == ENERGY]

    def _ceiling_of(self, metric: str) -> float:
        """No design that keeps the limits and is no worse than the incumbent has more."""
        limit = beyond(self.goal.limits.get(metric, np.inf))
        return min(limit, self.incumbent_ceiling) if metric == self.goal.metric else limit

    def _bound_parts(self, option: int, low: float, high: float) -> None:
        """Bound the latency of one option's designs, and their energy without static power.

        Of those with SRAM in a range that are no worse than the incumbent.
        """
        single = self.tables_of(option, high, low)
        dynamic = single.without_static_power()
        limits = {x: self._ceiling_of(x) for x in (*self.goal.limits, self.goal.metric)}
        limits = {x: most for x, most in limits.items() if np.isfinite(most)}

        def least(metric: str, batch: Batch) -> float:
            dual = Dual(self.relaxation, metric, limits)
            free = np.zeros((1, len(dual.limited)))
            starts = (free, 1), (None, ROUNDS_OF_PARTS)
            found = (dual.bound(batch, x, accuracy=1e-3, rounds=n) for x, n in starts)
            return max(0.0, *(float(bound.value[0]) for bound in found))

        self.least_parts[option] = {
            name: (least(timed_by(name), single), least(name, dynamic)) for name in self._energies
        }

    def tilings_of(self, option: int) -> EnergyTilings | None:
        """Tilings of an option, where energies or the SRAM's port count."""
        counted = self.batches.energy is not None, self.batches.port
        if not any(counted):
            return None
        shape = int(self.space.shape_of[option])
        if shape not in self._tilings:
            self._tilings.clear()
            self._tilings[shape] = EnergyTilings(self.space, option, *counted)
        return self._tilings[shape]

    def in_question(self, option: int) -> bool:
        """Whether some design of the ranges asked for may be no worse than the incumbent."""
        if self.batches.energy is None:
            return True
        if option not in self.least_parts:
            self._bound_parts(option, *self._asked_bits)
        return bool(np.isfinite([*self.least_parts[option].values()]).all())

    def over_srams(
        self, option: int, ranges: Sequence[SramRange], solve: Callable[[float, float], float]
    ) -> list[SramRange]:
        """Solve one option over ranges of SRAM, the least bound first; returns them with bounds.

        A range is solved with the tilings of its most SRAM and the power of its least. Where that
        leaves a gap, it is split at the SRAM of what was found, which then has the power it is said
        to.
        """
        options, closed = np.array([option]), list[SramRange]()
        wanted = [(low, high) for low, high, known in ranges if known < self.cutoff]
        if wanted:
            self._asked_bits = min(low for low, _ in wanted), max(high for _, high in wanted)
        self.least_parts.pop(option, None)
        queue = [(known, low, high) for low, high, known in ranges]
        heapq.heapify(queue)
        while queue:
            known, low, high = heapq.heappop(queue)
            self.last_sram_bits = None
            found = known if known >= self.cutoff else max(known, solve(low, high))
            ends = np.array([low]), np.array([high])
            if found >= self.cutoff or high <= low or not self.power_grows(options, *ends)[0]:
                closed.append((low, high, found))
                continue
            for part in split_at(self.last_sram_bits, low, high, self.space.capacities):
                heapq.heappush(queue, (found, *part))
        return closed

    def power_grows(
        self, options: Ints, low: Floats, high: Floats, worth: float = POWER_APART
    ) -> Bools:
        """(options,): whether power at all times is worth telling apart between two capacities."""
        energy = self.batches.energy
        if energy is None:
            return np.zeros(len(options), dtype=bool)
        least, most = (energy.static_w(self.space.least_area_mm2(options, x)) for x in (low, high))
        return energy.power_grows(least, most, worth)
