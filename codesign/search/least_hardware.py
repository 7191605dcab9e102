"""The search for the least of a metric that the hardware alone decides, such as area."""

from __future__ import annotations

from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from codesign.arrays import Bools, Floats, Ints
from codesign.problem.goal import Goal
from codesign.problem.tolerances import beyond, ceiling
from codesign.search.bounds.lagrangian import member_of_limits, members_limits
from codesign.search.by_labels import RangeLabels
from codesign.search.by_member import ByMember
from codesign.search.domains import Domains
from codesign.search.hardware_search import HardwareSearch
from codesign.search.least_metric import LeastMetric
from codesign.search.option_batches import envelope
from codesign.search.sram_ranges import least_bound
from codesign.space.hardware_metrics import HardwareMetric
from codesign.space.solution import Solution, least_sram, price
from codesign.stopping import Stopped
from codesign.units import kind_of

MOST_UNBISECTED = 4  # options of a shape, or shapes: so many are as soon bounded one by one
# Ratio of two capacities between which the least SRAM is known well enough: of an option bounded
# beside others, of one that is solved next, and of many together.
COARSE, CLOSE, FINE = 1.05, 1.01, 1.0001
LEAST_BITS = 64.0  # of SRAM; less is not told apart in a bisection of ratios
WAITING = 1.3  # times the least of a shape not ruled out: what costs more waits for an incumbent
SHORTEST_STEP = 2.0**-12  # down from a capacity that has a design: so much of it
LONG_MILP = 2  # of a range of SRAM: times the candidates of one capacity


class LeastHardware(HardwareSearch):
    """Minimise such a metric: the array's part is known, the SRAM's by bisection and MILP.

    An option is infeasible with ``S`` bits of SRAM where the dual bound of one limited metric
    exceeds its limit. With the tilings of ``S`` and the power of the least, that bounds all with
    less, too, so the least ``S`` not ruled out (`least_sram`) bounds the option's metric. Of a
    metric that the SRAM adds nothing to, no more is asked than whether the option has a design at
    all: with all the SRAM that its limits leave.
    """

    least_sram: Floats
    least_need: Floats  # what no design has less of, whatever its limits

    @property
    def metric(self) -> HardwareMetric:
        """What is minimised."""
        return self.space.hardware_metrics[self.goal.metric]

    @property
    def held(self) -> str | None:
        """A sum over layers and tensors that is held at its least, which few widths keep."""
        primary = self.task.primary_metric
        return primary if primary in self.space.additive_metrics else None

    @cached_property
    def labels(self) -> RangeLabels:
        """Bounds ranges of SRAM where energies count."""
        return RangeLabels(self)

    @cached_property
    def by_member(self) -> ByMember:
        """Solves options of a suite."""
        return ByMember(self, LeastMetric)

    def bounded_metric(self) -> str:
        if self.held is not None:  # no limit is tighter than one at its least value
            return self.held
        limited = [name for name in self.space.additive_metrics if name in self.goal.limits]
        for whole in map(kind_of, limited):  # of which each member of a suite is bounded
            own = members_limits(whole, limited)
            others = [x for x in limited if x not in own]
            if own and member_of_limits(self.space, whole, others) is not None:
                return whole
        return limited[0] if limited else "noise"

    def dual_cutoff(self) -> float:
        return ceiling(self.goal.limits.get(self.bounded_metric(), np.inf))

    def raise_bounds(self, options: Ints, bound: Floats) -> None:
        self.lower[options[self.rules_out(bound)]] = np.inf

    def rules_out(self, bound: Floats) -> Bools:
        """(options,): whether no design keeps the limits; inf: not even where there are none."""
        return np.asarray((bound > self.dual_cutoff()) | (bound == np.inf))

    def bound_from_milp(self, bound: float) -> float:
        return self.incumbent_ceiling if self.rules_out(np.array(bound)) else -np.inf

    def update_incumbent(self, solution: Solution | None) -> None:
        if solution is not None and self.goal.kept_by(solution.metrics):
            solution = least_sram(self.space, solution, self.goal.limits)
        super().update_incumbent(solution)

    def start_from_pool(self) -> None:
        options = np.arange(len(self.space))
        least = self.space.min_sram_bits_of_shapes[self.space.shape_of]
        self.least_sram = self.space.capacities.holding(least)
        self.least_need = self.least_sram.copy()
        self.lower = np.maximum(self.lower, self.cut_pool.lower(self.goal, self.least_sram))
        if self.bounded_metric() in self.goal.limits:
            too_small = self.cut_pool.too_small(
                self.bounded_metric(), self.goal.limits, self.dual_cutoff(), len(options)
            )
            self.lower[np.isinf(too_small)] = np.inf
            known = np.isfinite(too_small)
            self._raise_sram(options[known], too_small[known] + 1)
        self._start_from_members()
        self._raise_metric(options)
        self.update_incumbent(self.incumbent)

    def _start_from_members(self) -> None:
        """Raise the least SRAM to what members need for limits of their own, as far as known."""
        options = np.arange(len(self.space))
        for name in members_limits(self.bounded_metric(), self.goal.limits):
            others = {x: most for x, most in self.goal.limits.items() if x != name}
            most = float(beyond(self.goal.limits[name]))
            found = self.cut_pool.too_small(name, others, most, len(options))
            self.lower[np.isinf(found)] = np.inf
            known = np.isfinite(found)
            self._raise_sram(options[known], found[known] + 1)

    # Metric and SRAM ----------------------------------------------------------------------------

    def _raise_sram(self, options: Ints, least: npt.ArrayLike) -> None:
        on_offer = self.space.capacities.holding(least)
        self.least_sram[options] = np.maximum(self.least_sram[options], on_offer)

    def _raise_metric(self, options: Ints) -> None:
        """Bound the metric of options by that of their array and least SRAM."""
        parts, least = self.metric.base[options], self.least_sram[options]
        if self.metric.slope:
            parts = parts + self.metric.slope * least
        else:
            parts = np.where(np.isinf(least), np.inf, parts)
        self.lower[options] = np.maximum(self.lower[options], parts / self.metric.scale)

    def _affordable_sram_bits(self, options: Ints) -> Floats:
        """The most SRAM with which each option is no worse than the incumbent and its limits."""
        limits = dict(self.goal.limits)
        least = min(self.incumbent_ceiling, limits.get(self.metric.name, np.inf))
        if np.isfinite(least):
            limits[self.metric.name] = least
        return self.space.sram_bits_within(options, limits)

    def _improving_sram_bits(self, options: Ints) -> Floats:
        """The most SRAM with which each option is better than the incumbent."""
        most = self.cutoff / ceiling(ceiling(1.0))
        limits = {self.metric.name: most} if np.isfinite(most) else {}
        return self.space.sram_bits_within(options, limits)

    def _saturating_sram_bits(self, shape: int) -> float:
        """SRAM beyond which nothing improves on an array shape."""
        most = self.space.useful_sram_bits(shape, self.batches.moves_data)
        return float(self.space.capacities.holding(most))

    def most_sram_bits(self, options: Ints) -> Floats:
        saturating = self._saturating_sram_bits(int(self.space.shape_of[options[0]]))
        return np.minimum(self._affordable_sram_bits(options), saturating)

    # Bounds -------------------------------------------------------------------------------------

    def bound_as_one(self) -> None:
        """Raise the least SRAM of all to what the best of their PEs needs with the finest tiles."""
        finest, options = self.space.finest, self.open_options()
        if finest is None or len(self.space.shapes_among(options)) <= MOST_UNBISECTED:
            return
        high = float(self._affordable_sram_bits(options).max())
        probe = high = min(high, self._saturating_sram_bits(finest))
        low, multipliers = LEAST_BITS, None
        while high > low * FINE:
            self.stop.check()
            traffic = self.batches.traffic(finest, np.array([probe]))[0]
            tables = envelope([self.batches.of_pe_pairs(options, traffic, (finest, probe))[0]])
            found = self.dual_bound(tables, multipliers, accuracy=1e-5)
            multipliers = found.multipliers
            if self.rules_out(found.value)[0]:
                low = probe + 1
                self._raise_sram(options, low)
                row = np.zeros(len(options), dtype=np.int64)
                self.add_cut(options, found, np.array([probe]), row)
            else:
                high = probe
            probe = float(np.floor(np.sqrt(low * high)))
        self._raise_metric(options)

    def bound_by_finer(self) -> None:
        """Raise the least SRAM of all open shapes where energies count, to open the best first."""
        options = self.open_options()
        shapes, row = np.unique(self.space.shape_of[options], return_inverse=True)
        finer = self.space.finer_shapes
        if self.batches.energy is None or finer is None or len(shapes) <= MOST_UNBISECTED:
            return
        if self.metric.slope:
            useful = [self._saturating_sram_bits(x) for x in finer[shapes].tolist()]
            self._bisect_shapes(options, shapes, row, np.array(useful))

    def _bisect_shapes(self, options: Ints, shapes: Ints, row: Ints, useful: Floats) -> None:
        """Raise the least SRAM of options by shapes, with the tilings of finer ones.

        ``row``: whose is each option's; ``useful`` (shapes,): more SRAM changes no tiling.
        """
        least, high, probe = np.full(len(shapes), np.inf), *np.zeros((2, len(shapes)))
        np.minimum.at(least, row, self.least_sram[options])
        np.maximum.at(high, row, self._affordable_sram_bits(options))
        np.maximum.at(probe, row, self._improving_sram_bits(options))
        useful = np.maximum(useful, least)  # a shape may need more than its finer one has a use for
        high = np.minimum(high, useful)
        probe, multipliers = np.minimum(probe, high), self.multipliers[shapes]
        left = np.flatnonzero(high >= least)
        while len(left):
            self.stop.check()
            probe[left] = np.maximum(probe[left], least[left])
            mine = np.isin(row, left)
            some, of = options[mine], np.searchsorted(left, row[mine])
            sizes = probe[left], least[left]
            batch = self.batches.of_shapes(some, shapes[left], of, *sizes, finer=True)
            found = self.dual_bound(batch, multipliers[left], accuracy=1e-2, below=1e-2)
            multipliers[left] = found.multipliers
            ruled_out = self.rules_out(found.value)
            least[left[ruled_out]] = self.space.capacities.holding(probe[left[ruled_out]] + 1)
            high[left[~ruled_out]] = probe[left[~ruled_out]]
            self._raise_sram(some, least[left][of])
            self._raise_metric(some)
            low = np.maximum(least, LEAST_BITS)
            probe = self.space.capacities.within(np.floor(np.sqrt(low * high)))
            known = np.full(len(shapes), np.inf)
            np.minimum.at(known, row, self.metric.value(options, low[row]))
            keep = options[(least <= high)[row]], high[row[(least <= high)[row]]]
            most = WAITING * self.metric.value(*keep).min(initial=np.inf)
            left = left[(high[left] > low[left] * COARSE) & (known[left] <= most)]
        self.multipliers[shapes] = multipliers
        self.lower[options[(least > useful)[row]]] = np.inf

    def bound_options(self, shape: int, options: Ints) -> None:
        self._start_from_least_need(shape, options)
        self._try_incumbent_widths(self.still_open(options))
        options = self.still_open(options)
        if len(options) > MOST_UNBISECTED:
            self._bisect(shape, options, COARSE)

    def _start_from_least_need(self, shape: int, options: Ints) -> None:
        """Every layer needs room for its smallest tile at the widths it may take."""
        space = self.space
        need = space.least_need(shape, self.batches.moves_data)[space.geometry_of]
        allowed = (
            space.weight_allowed[:, :, None] & space.variable_allowed[space.input_index][:, None]
        )
        runs = space.runnable(options)
        runs = (runs[:, space.geometry_of] if runs.shape[1] > 1 else runs) & allowed
        each = np.where(runs, need, np.inf).min(axis=(2, 3))
        least = np.minimum(each, space.least_fused_bits).max(axis=1)
        self.lower[options[np.isinf(least)]] = np.inf
        fits = np.isfinite(least)
        self._raise_sram(options[fits], least[fits])
        on_offer = space.capacities.holding(least[fits])
        self.least_need[options[fits]] = np.maximum(self.least_need[options[fits]], on_offer)
        self._raise_metric(options)

    def _try_incumbent_widths(self, options: Ints) -> None:
        """Try the incumbent's widths on the smallest of some options of one shape they run on.

        Where a metric is held at its least, few widths keep to that, and no multipliers meet them.
        """
        best, space = self.incumbent, self.space
        if best is None or self.held is None:
            return
        pairs = list(best.weight), [best.variable_width[v] for v in self.space.input_index]
        for option in options[np.argsort(self.metric.base[options], kind="stable")]:
            runs = space.runnable(np.array([option]))[0]
            geometry = space.geometry_of if len(runs) > 1 else 0
            if runs[(geometry, *pairs)].all():
                sram_bits = float(self.most_sram_bits(np.array([option]))[0])
                chosen = best.variable_width, best.weight, sram_bits, best.on_chip, best.modes
                self.update_incumbent(price(space, int(option), *chosen))
                return

    def _bisect(self, shape: int, options: Ints, ratio: float) -> None:
        """Raise the least SRAM of options until the undecided range is within ``ratio``."""
        if not self.metric.slope:
            ratio = np.inf
        multipliers = self.first_multipliers(options)
        high = self.most_sram_bits(options)
        # First the most that could pay: is the option worth anything?
        probe = np.minimum(high, self._improving_sram_bits(options))
        rows = self._with_room(options, high, np.arange(len(options)))
        while len(rows):
            self.stop.check()
            high = np.minimum(high, self.most_sram_bits(options))
            rows = self._with_room(options, high, rows)
            mine = options[rows]
            # No less than is needed, which the most that could pay may be.
            probe[rows] = np.clip(probe[rows], self.least_sram[mine], high[rows])
            powered = np.minimum(self.least_sram[mine], probe[rows])
            batch = self.batches.of_options(mine, probe[rows], powered_bits=powered)
            found = self.dual_bound(batch, multipliers[rows], accuracy=1e-5)
            multipliers[rows] = found.multipliers
            self.add_cut(mine, found, probe[rows], from_bits=self._bounded_from(mine, powered))
            for n, option in enumerate(mine.tolist()):
                self.update_from_bound(option, found, n, float(probe[rows[n]]))
            ruled_out = self.rules_out(found.value)
            self._raise_sram(mine[ruled_out], probe[rows[ruled_out]] + 1)
            high[rows[~ruled_out]] = probe[rows[~ruled_out]]
            self._raise_metric(mine)
            low = self.least_sram[mine]
            self.lower[mine[low > self._saturating_sram_bits(shape)]] = np.inf
            low = np.maximum(low, LEAST_BITS)
            probe[rows] = self.space.capacities.within(np.floor(np.sqrt(low * high[rows])))
            rows = rows[(high[rows] > low * ratio) & (self.lower[mine] < self.cutoff)]

    def _bounded_from(self, options: Ints, powered: Floats) -> Floats | None:
        """(options,): SRAM bits from which bounds hold that take so many to be powered; 0: all."""
        if self.batches.energy is None:
            return None
        below = self.space.capacities.within(powered - 1)
        return np.where(powered > self.least_need[options], below + 1, 0.0)

    def _with_room(self, options: Ints, high: Floats, rows: Ints) -> Ints:
        """Those rows whose options can have the SRAM they need; the others are no better."""
        fits = high[rows] >= np.maximum(self.least_sram[options[rows]], 0.0)
        out = options[rows[~fits]]
        self.lower[out] = np.maximum(self.lower[out], self.incumbent_ceiling)
        return np.asarray(rows[fits])

    # The MILP of one option ---------------------------------------------------------------------

    def solve_option(self, option: int) -> float:
        options, shape = np.array([option]), int(self.space.shape_of[option])
        self._bisect(shape, options, CLOSE)
        if self.lower[option] >= self.cutoff:
            return float(self.lower[option])
        high, low = float(self.most_sram_bits(options)[0]), float(self.least_sram[option])
        if self.by_member.suits(self._sum_of_members):
            return self._shrink_by_members(option)
        if self.batches.energy is not None:
            whole = low, high, float(self.lower[option])
            ranges = self.over_srams(option, [whole], partial(self._solve_range, option))
            return least_bound(ranges)
        if self.space.placed:
            return self._solve_joint_range(option, low, high)
        domains = self.cut_pool.known_domains(option, self.goal, high)
        if domains is None:
            domains = self._domains_with(option, high)
            if domains is None:
                return self.incumbent_ceiling
        if self.held is not None:
            of_range, of_one = (
                self.option_candidates(option, sram, domains).count
                for sram in ((low, high), (high, high))
            )
            if of_range > LONG_MILP * of_one:
                return self._bisect_by_milps(option)
        return self.solve_restricted(option, (low, high), domains)

    def _solve_range(self, option: int, low: float, high: float) -> float:
        """Solve one option where energies count, with SRAMs of a range."""
        options, cutoff = np.array([option]), self.cutoff
        most = self.space.capacities.within(self._improving_sram_bits(options))
        high = min(high, float(most[0]))
        if high < low:
            return cutoff
        return min(cutoff, self._solve_improving(option, low, high))

    def _solve_improving(self, option: int, low: float, high: float) -> float:
        """The same with SRAMs of which none is too large to be better than the incumbent."""
        single = self.with_all_couplings(self.tables_of(option, high, low))
        found = self.bound_option(option, single)
        if self.space.runs:
            single, found = self.price_runs(single, found)
        if self.rules_out(found.value)[0]:
            return self.incumbent_ceiling
        bound, splits = self.labels.bound(option, (low, high), single, found)
        if self.rules_out(np.array(bound)):
            return self.incumbent_ceiling
        if splits:
            return -np.inf
        if not self.in_question(option):
            return self.incumbent_ceiling
        if self.space.placed:
            return self.solve_joint(option, (low, high), single, found)
        multipliers = found.multipliers[0]
        domains = self.reduced_domains(self.marginals(single, multipliers), multipliers)
        return self.solve_restricted(option, (low, high), domains)

    def _solve_joint_range(self, option: int, low: float, high: float) -> float:
        """Solve one option where tensors may stay on chip, with SRAMs of a range."""
        single = self.with_all_couplings(self.tables_of(option, high, low))
        found = self.bound_option(option, single)
        if self.space.runs:
            single, found = self.price_runs(single, found)
        if self.rules_out(found.value)[0]:
            return self.incumbent_ceiling
        return self.solve_joint(option, (low, high), single, found)

    def _domains_with(self, option: int, sram_bits: float) -> Domains | None:
        """Reduced domains of one option with so much SRAM; None where the bound rules it out."""
        single = self.tables_of(option, sram_bits)
        found = self.bound_option(option, single)
        if self.rules_out(found.value)[0]:
            return None
        multipliers = found.multipliers[0]
        return self.reduced_domains(self.marginals(single, multipliers), multipliers)

    def _bisect_by_milps(self, option: int) -> float:
        """Find the least SRAM of one option by the least of the primary metric with ever less.

        Limited to its least, a metric leaves few widths within the duality gap of one capacity, and
        many in a MILP over a range of them. A capacity with which the metric's least is above the
        limit is too small. A design found needs no more than its own, and of the option only those
        that need less are better.
        """
        options = np.array([option])
        mine = self.space.hardware_metrics
        limits = {name: x for name, x in self.goal.limits.items() if name not in mine}
        goal, high = Goal(self.bounded_metric(), limits), float(self.most_sram_bits(options)[0])
        probe = high
        while self.lower[option] < self.cutoff and high >= self.least_sram[option]:
            self.stop.check()
            high = min(high, self._probe(option, probe, goal))
            low = float(self.least_sram[option])
            probe = float(self.space.capacities.within(np.floor(np.sqrt(low * max(high, low)))))
            probe = max(probe, low)
        return self._known_of(option)

    def _shrink_by_members(self, option: int) -> float:
        """Find the least SRAM of one option of a suite by the members' least with ever less.

        With a sum held at its least, a member that is no better with less room has none to spare:
        the SRAM of the best known is most often the least, which its members' next one shows. From
        there it is left in ever longer steps.
        """
        options = np.array([option])
        goal, high = self._sum_of_members, float(self.most_sram_bits(options)[0])
        if self.incumbent is not None and self.incumbent.option == option:
            high = self._smaller(option, self.incumbent)
        step = 0.0
        while self.lower[option] < self.cutoff and high >= self.least_sram[option]:
            self.stop.check()
            low, last = float(self.least_sram[option]), high
            wanted = np.floor(max(high - step, (low + high) / 2))
            probe = float(self.space.capacities.within(wanted))
            high = min(high, self._probe(option, max(probe, low), goal))
            step = max(2 * step, SHORTEST_STEP * high) if high < last else 0.0
        return self._known_of(option)

    def _probe(self, option: int, sram_bits: float, goal: Goal) -> float:
        """Look for a design with so much SRAM; returns with how much one may yet be better."""
        options = np.array([option])
        found = self._least_with(option, sram_bits, goal)
        if found is None:
            self._raise_sram(options, sram_bits + 1)
            self._raise_metric(options)
            return float(self.most_sram_bits(options)[0])
        return self._smaller(option, found)

    def _smaller(self, option: int, found: Solution) -> float:
        """The most SRAM with which an option is better than with a design found."""
        options, least = np.array([option]), float(found.sram_bits)
        high = float(self.space.capacities.within(least - 1))
        if high < self.least_sram[option]:
            self._raise_sram(options, least)
        self._raise_metric(options)
        return min(high, float(self.most_sram_bits(options)[0]))

    def _known_of(self, option: int) -> float:
        """A bound on an option whose least SRAM is known."""
        if self.least_sram[option] > self._saturating_sram_bits(int(self.space.shape_of[option])):
            self.lower[option] = np.inf
        return float(self.lower[option])

    def _least_with(self, option: int, sram_bits: float, goal: Goal) -> Solution | None:
        """The design of least ``goal`` on one option with so much SRAM, if there is any."""
        if self.by_member.suits(goal):
            cutoff = float(np.nextafter(ceiling(goal.limits.get(goal.metric, np.inf)), np.inf))
            bound, found = self.by_member.solve(option, sram_bits, goal, cutoff)
            self.update_incumbent(found)
            if found is not None:
                return least_sram(self.space, found, self.goal.limits)
            if bound >= cutoff:
                return None  # else the members' least break a limit on the sum of all
        domains = self._domains_with(option, sram_bits)
        if domains is None:
            return None
        sram = sram_bits, sram_bits
        result = self.solve_option_milp(option, sram, domains, goal=goal)
        if result.solution is None and not result.complete:
            raise Stopped
        return result.solution

    @property
    def _sum_of_members(self) -> Goal:
        """Of a suite: a sum that its members have alone, within the limits not on the hardware."""
        mine = self.space.hardware_metrics
        limits = {name: x for name, x in self.goal.limits.items() if name not in mine}
        return Goal(self.held or "latency_s", limits)
