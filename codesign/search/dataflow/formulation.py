"""The MILP of a pipeline: a table of options in, Pyomo model out, and nothing else.

Sets: layers ``L``, columns ``O(l)`` of layer ``l`` (an option at a pair of widths), width classes
``C`` and their widths, reads ``E`` that may wait (`codesign.costs.pipeline`), each of a tensor of
class ``c(e)``, from stage ``w`` to stage ``l``. Variables: ``run[o]``, ``width[c, b]`` binary;
starts ``u[l] ≥ 0``; ``wait[e, b] ≥ 0``, how long a read waits, at its width; ``there[e]`` binary,
whether it has a FIFO, where it may have none; on an FPGA ``blocks[e]``, integer, of its block RAMs.

    (1) one_width        Σ_b width_{c,b} = 1                                              ∀ c
    (2) input_widths     Σ_{o ∈ O(l): ba(o) = b} run_o = width_{in(l),b}                  ∀ l, b
    (3) weight_widths    Σ_{o ∈ O(l): bw(o) = b} run_o = width_{wt(l),b}                  ∀ l, b
    (4) beside_widths    Σ_{o ∈ O(l): beside(o) = b} run_o = width_{k(l),b}               ∀ l, b
    (5) after            u_l ≥ u_w + lag_w + least_e; with = where nothing waits          ∀ reads
    (6) waited           Σ_b wait_{e,b} = u_l − u_w − lag_w − least_e + [residual]·lag_l  ∀ e
    (7) waits_at_most    wait_{e,b} ≤ most_e·width_{c(e),b}                               ∀ e, b
    (8) waits_at_least   wait_{e,b} ≥ shortest_e·width_{c(e),b}                           ∀ e, b
    (9) has_fifo         Σ_b wait_{e,b} ≤ most_e·there_e                                  ∀ e
   (10) fifo_at_width    passing_{e,b} ≥ width_{c(e),b} + there_e − 1                     ∀ e, b
   (11) waits_in_all     Σ_{e,b} elements_e·b·wait_{e,b} ≥ Σ_o waiting_o·run_o
                                                           + Σ_{c,b} waiting_{c,b}·width_{c,b}
   (12) whole_blocks     block·blocks_e ≥ Σ_b elements_e·b·(wait_{e,b} + held_e·width)    ∀ e
   (13) within_budget    metric ≤ limit                                                   ∀ limits

``lag_l`` is ``Σ_{o ∈ O(l)} lag_o·run_o``. Where the interval counts, ``T`` is in a range, and ``z``
the last stage's end:

   (14) slowest          T ≥ Σ_{o ∈ O(l)} cycles_o/f·run_o                                ∀ l
   (15) fetched          T ≥ DRAM bits / BW
   (16) ends_after       z ≥ u_l + lag_l                                                  ∀ l
   (17) latency_at_least t ≥ T_least·(1 + z) + (T − T_least)·(1 + z_least),
                         t ≥ T_most·(1 + z) + (T − T_most)·(1 + z_most)
   (18) static_at_least  j ≥ p_A·(T_least·area + (T − T_least)·area_least)

Where layers ``H(k)`` of a segment ``k`` share an array (`codesign.costs.segment`), ``S[k]`` is its
SRAM (on an FPGA in whole block RAMs, as needs are then), ``pes[k, p]``, binary, its PEs among those
on offer, ``t[l]`` what each layer takes, and of those that only move data, ``M(k)``, DRAM bits are
``d_l``; ``C(k)`` are the classes of their operands:

   (20) tiles_fit        Σ_{o ∈ O(l)} need_o·run_o ≤ S_k                              ∀ l ∈ H(k), k
   (21) layer_in_time    t_l ≥ cycles_l/f, t_l ≥ DRAM bits of the layer / BW          ∀ l ∈ H(k), k
   (22) segment_in_time  T ≥ Σ_{l ∈ H(k)} t_l + Σ_{l ∈ M(k)} d_l / BW                     ∀ k
   (23) one_width_of_pes Σ_p pes_{k,p} = 1                                                ∀ k
   (24) pes_take_widths  Σ_{b ≥ x} width_{c,b} ≤ Σ_{p: of x bit or more} pes_{k,p}  ∀ c ∈ C(k), k, x

Of choices ``X`` of columns that break a limit by a hair once priced exactly (`forbid`):

   (19) another_choice   Σ_{o ∈ X} run_o ≤ |X| − 1                                        ∀ X

(4), (8) and (11) are implied where all is whole: a layer whose lag makes a tensor of class ``k(l)``
wait tells that width with its option, so that less waits for nothing in the relaxation. (17) and
(18) are the product with the interval from below (McCormick 1976), the more exactly the narrower
the range. Metrics are sums of what columns, classes and FIFOs take.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyomo.core as pyo
from pyomo.common.gc_manager import PauseGC

from codesign.problem.tolerances import ROW_SCALE, ceiling
from codesign.search.dataflow.programme import ENERGY, LATENCY, Programme, least_of
from codesign.search.milp.coefficients import Terms

WAITS_SLACK = 1e-6  # of the thousandth part of what the largest FIFO holds for an interval


def build(programme: Programme) -> pyo.ConcreteModel:
    """Write the model."""
    model = pyo.ConcreteModel()
    with PauseGC():
        for part in (
            _declare,
            _agree_on_widths,
            _start_in_time,
            _hold,
            _size_fifos,
            _tie_waits,
            _choose_pes,
            _share_array,
            _time,
        ):
            part(model, programme)
        _keep_budgets(model, programme)
        total = programme.total(model, programme.metric, programme.unit / ROW_SCALE)
        model.objective = pyo.Objective(expr=total.expression(), doc=programme.metric)
    return model


def _declare(model: pyo.ConcreteModel, given: Programme) -> None:
    table, fifos = given.table, given.fifos
    model.COLUMNS = pyo.RangeSet(0, len(table) - 1)
    model.LAYERS = pyo.RangeSet(0, given.layers - 1)
    model.CLASSES = pyo.RangeSet(0, len(table.allowed) - 1)
    widths = [(c, int(b)) for c, mine in enumerate(table.allowed) for b in np.flatnonzero(mine)]
    model.WIDTHS = pyo.Set(dimen=2, initialize=widths)
    model.run = pyo.Var(model.COLUMNS, domain=pyo.Binary)
    model.width = pyo.Var(model.WIDTHS, domain=pyo.Binary)
    needs_starts = given.charged or LATENCY in given.asked
    model.STAGES = pyo.Set(initialize=range(given.layers) if needs_starts else [])
    model.start = pyo.Var(model.STAGES, bounds=(0.0, given.most_end))
    waits = [
        (e, int(b))
        for e in given.loose
        for b in np.flatnonzero(table.allowed[fifos.width_class[e]])
    ]
    model.WAITS = pyo.Set(dimen=2, initialize=waits)
    model.wait = pyo.Var(model.WAITS, domain=pyo.NonNegativeReals)
    model.there = pyo.Var(given.optional, domain=pyo.Binary)
    passing = [(e, b) for e, b in waits if e in given.optional and ENERGY in given.asked]
    model.PASSING = pyo.Set(dimen=2, initialize=passing)
    model.passing = pyo.Var(model.PASSING, bounds=(0.0, 1.0))
    if given.timed:  # a hair of room on either side: what is on the edge of the range is in it
        span = given.span.least_s / given.span.most_s * (1 - given.margin)
        model.interval = pyo.Var(bounds=(span, 1 + given.margin))
    whole = given.loose if given.pricing.memory.block_bits is not None else []
    model.blocks = pyo.Var(whole, domain=pyo.NonNegativeIntegers)


def _agree_on_widths(model: pyo.ConcreteModel, given: Programme) -> None:
    table, space = given.table, given.space

    @model.Constraint(model.CLASSES, doc="(1)")
    def one_width(model, c):
        """Σ_b width_{c,b} = 1: what shares a width has one."""
        return sum(model.width[c, int(b)] for b in np.flatnonzero(table.allowed[c])) == 1

    def agree(model, i, b, classes, index):
        """The options of a layer at a width run where its class has it."""
        c = classes[i]
        if c is None or not table.allowed[c][b]:
            return pyo.Constraint.Skip
        mine = [o for o in given.columns[i] if index[o] == b]
        terms = Terms().add([1.0] * len(mine), [model.run[o] for o in mine])
        return terms.add([-1.0], [model.width[c, b]]).expression() == 0

    most = pyo.RangeSet(0, max(len(x) for x in space.bits) - 1)
    count = [len(x) for x in space.bits]

    @model.Constraint(model.LAYERS, most, doc="(2)")
    def input_widths(model, i, b):
        """Σ_{o: ba(o) = b} run_o = width_{in(l),b}: with (1), each layer runs in one way."""
        if space.input_class[i] is None or b >= count[space.input_class[i]]:
            return pyo.Constraint.Skip
        return agree(model, i, b, space.input_class, table.activation)

    @model.Constraint(model.LAYERS, most, doc="(3)")
    def weight_widths(model, i, b):
        """Σ_{o: bw(o) = b} run_o = width_{wt(l),b}."""
        if space.weight_class[i] is None or b >= count[space.weight_class[i]]:
            return pyo.Constraint.Skip
        return agree(model, i, b, space.weight_class, table.weight)

    @model.Constraint(model.LAYERS, most, doc="(4)")
    def beside_widths(model, i, b):
        """Σ_{o: b(o) = b} run_o = width_{c,b}: what a layer's lag makes wait, at its width."""
        if i not in given.beside or b >= count[given.beside[i]]:
            return pyo.Constraint.Skip
        c = given.beside[i]
        if not table.allowed[c][b]:
            return pyo.Constraint.Skip
        mine = [o for o in given.columns[i] if table.beside[o] == b]
        terms = Terms().add([1.0] * len(mine), [model.run[o] for o in mine])
        return terms.add([-1.0], [model.width[c, b]]).expression() == 0


def _start_in_time(model: pyo.ConcreteModel, given: Programme) -> None:
    fifos = given.fifos
    if not len(model.STAGES):
        return
    reads = pyo.RangeSet(0, len(fifos.reader) - 1)

    @model.Constraint(reads, doc="(5)")
    def after(model, e):
        """u_l ≥ u_w + lag_w: a stage starts when what it reads is there, at once if alone."""
        w, reader = int(fifos.writer[e]), int(fifos.reader[e])
        if w == given.layers and not fifos.bridge[e] and not fifos.least[e]:
            return pyo.Constraint.Skip  # of the network's input, which is there at 0
        terms = given.start(model, reader, 1.0, Terms(-float(fifos.least[e])))
        given.lag(model, w, -1.0, given.start(model, w, -1.0, terms))
        expression = terms.expression()
        return expression == 0 if fifos.bridge[e] else expression >= 0


def _hold(model: pyo.ConcreteModel, given: Programme) -> None:
    """FIFOs: how long what they hold waits, and what they are."""
    fifos = given.fifos
    if not given.loose:
        return

    @model.Constraint(given.loose, doc="(6)")
    def waited(model, e):
        """Σ_b wait_{e,b} = u_l + [residual]·lag_l − u_w − lag_w."""
        w, reader = int(fifos.writer[e]), int(fifos.reader[e])
        terms = given.start(model, reader, 1.0, Terms(-float(fifos.least[e])))
        given.lag(model, w, -1.0, given.start(model, w, -1.0, terms))
        if fifos.residual[e]:
            given.lag(model, reader, 1.0, terms)
        mine = given.widths(e)
        terms.add([-1.0] * len(mine), [model.wait[e, b] for b in mine])
        return terms.expression() == 0

    @model.Constraint(model.WAITS, doc="(7)")
    def waits_at_most(model, e, b):
        """wait_{e,b} ≤ most_e·width_{c,b}: at the width that the tensor has."""
        most = float(given.most_waits[e])
        return model.wait[e, b] - most * model.width[int(fifos.width_class[e]), b] <= 0

    @model.Constraint(model.WAITS, doc="(8)")
    def waits_at_least(model, e, b):
        """wait_{e,b} ≥ least_e·width_{c,b}: implied by (5) where widths are whole."""
        least = float(fifos.least_wait[e])
        if least <= 0:
            return pyo.Constraint.Skip
        return model.wait[e, b] - least * model.width[int(fifos.width_class[e]), b] >= 0


def _size_fifos(model: pyo.ConcreteModel, given: Programme) -> None:
    """Whether FIFOs are there, and their block RAMs."""
    fifos = given.fifos
    if not given.loose:
        return

    @model.Constraint(given.optional, doc="(9)")
    def has_fifo(model, e):
        """Σ_b wait_{e,b} ≤ most_e·there_e."""
        waits = sum(model.wait[e, b] for b in given.widths(e))
        return waits - float(given.most_waits[e]) * model.there[e] <= 0

    @model.Constraint(model.PASSING, doc="(10)")
    def fifo_at_width(model, e, b):
        """passing_{e,b} ≥ width_{c,b} + there_e − 1."""
        width = model.width[int(fifos.width_class[e]), b]
        return model.passing[e, b] - width - model.there[e] >= -1

    @model.Constraint(model.blocks.index_set(), doc="(12)")
    def whole_blocks(model, e):
        """block·blocks_e ≥ Σ_b elements_e·b·(wait_{e,b} + held_e·width_{c,b})."""
        c, block = int(fifos.width_class[e]), given.pricing.memory.block_bits or 1
        terms = Terms().add([-1.0], [model.blocks[e]])
        for b in given.widths(e):
            each = float(fifos.elements[e] * given.space.bits[c][b]) / block
            terms.add([each], [model.wait[e, b]])
            terms.add([each * int(fifos.held[e])], [model.width[c, b]])
        return terms.expression() <= 0


def _tie_waits(model: pyo.ConcreteModel, given: Programme) -> None:
    """What waits, to the lags and widths that make it."""
    fifos, table, bits = given.fifos, given.table, given.space.bits
    if not given.loose:
        return

    @model.Constraint(range(int(table.joint)), doc="(11)")
    def waits_in_all(model, _):
        """Σ_{e,b} elements_e·b·wait_{e,b} ≥ what lags and widths say waits at least.

        Implied where all is whole; else it ties lags to the widths of what they make wait.
        """
        least = Terms()
        unit = float(fifos.elements.max()) / ROW_SCALE
        used = np.flatnonzero(table.waiting).tolist()
        least.add((table.waiting[used] / unit).tolist(), [model.run[o] for o in used])
        for c, costs in enumerate(given.least_class_waits):
            mine = np.flatnonzero(table.allowed[c] & (costs != 0)).tolist()
            least.add((costs[mine] / unit).tolist(), [model.width[c, b] for b in mine])
        for e, b in model.WAITS:
            each = float(fifos.elements[e] * bits[int(fifos.width_class[e])][b]) / unit
            least.add([-each], [model.wait[e, b]])
        return least.expression() <= WAITS_SLACK


def _time(model: pyo.ConcreteModel, given: Programme) -> None:
    """The interval, and what is a product with it."""
    if not given.timed:
        return
    table, span = given.table, given.span
    clock, rate = given.space.platform.clock_hz, given.space.platform.dram_bits_per_s
    least = model.interval.lb

    @model.Constraint(model.LAYERS, doc="(14)")
    def slowest(model, i):
        """T ≥ Σ_o cycles_o/f·run_o, of those that may take longer than the range's beginning."""
        mine = given.columns[i]
        scaled = table.cycles[mine] / (clock * span.most_s)
        if not mine or scaled.max() <= least:
            return pyo.Constraint.Skip
        terms = Terms().add((ROW_SCALE * scaled).tolist(), [model.run[o] for o in mine])
        return terms.add([-ROW_SCALE], [model.interval]).expression() <= 0

    @model.Constraint(doc="(15)")
    def fetched(model):
        """T ≥ DRAM bits / BW."""
        terms = given.total(model, "dram_bits", rate * span.most_s / ROW_SCALE)
        return terms.add([-ROW_SCALE], [model.interval]).expression() <= 0

    if LATENCY in given.asked:
        _time_all(model, given)
    if given.static and given.pricing.static_w_per_mm2:
        _charge_static(model, given)


def _share_array(model: pyo.ConcreteModel, given: Programme) -> None:
    """A segment: its tiles fit its SRAM, and its layers take the interval together at most."""
    sharings, table, span = given.sharings, given.table, given.span
    if not sharings:
        return
    segments = range(len(sharings))
    blocks = given.pricing.memory.block_bits is not None
    model.sram = pyo.Var(segments, domain=pyo.Integers if blocks else pyo.Reals)
    for k, sharing in enumerate(sharings):
        ends = (float(given.sram_units(k, x)) for x in (sharing.least_sram, sharing.most_sram))
        for end, hold in zip(ends, (model.sram[k].setlb, model.sram[k].setub), strict=True):
            hold(end)
    model.takes = pyo.Var(given.shared, domain=pyo.NonNegativeReals)
    for layer, own_s in given.array_s.items():
        model.takes[layer].setlb(own_s / span.most_s)

    @model.Constraint(given.shared, doc="(20)")
    def tiles_fit(model, i):
        """Σ_o need_o·run_o ≤ S_k; on an FPGA in whole block RAMs."""
        mine, k = given.columns[i], given.inside[i]
        needs = ROW_SCALE * given.sram_units(k, table.need[mine])
        terms = Terms().add(needs.tolist(), [model.run[o] for o in mine])
        return terms.add([-ROW_SCALE], [model.sram[k]]).expression() <= 0

    @model.Constraint(given.shared, doc="(21)")
    def layer_in_time(model, i):
        """t_l ≥ DRAM bits of the layer / BW."""
        mine, scale = given.columns[i], ROW_SCALE / span.most_s
        bits = table.cost[mine, given.row["dram_bits"]]
        moved = (scale * bits / given.space.platform.dram_bits_per_s).tolist()
        terms = given.beside_s(model, i, scale, Terms()).add(moved, [model.run[o] for o in mine])
        return terms.add([-ROW_SCALE], [model.takes[i]]).expression() <= 0

    @model.Constraint(segments, doc="(22)")
    def segment_in_time(model, k):
        """T ≥ Σ_l t_l, and the DRAM bits of layers that only move data."""
        terms = Terms(0.0 if given.timed else -ROW_SCALE * (1 + given.margin))
        mine = [model.takes[i] for i in given.shared if given.inside[i] == k]
        terms.add([ROW_SCALE] * len(mine), mine)
        for i in (x for x in given.moving if given.inside[x] == k):
            given.beside_s(model, i, ROW_SCALE / span.most_s, terms)
        if given.timed:
            terms.add([-ROW_SCALE], [model.interval])
        return terms.expression() <= 0


def _choose_pes(model: pyo.ConcreteModel, given: Programme) -> None:
    """PEs of shared arrays that take what is widest."""
    if not given.sharings:
        return
    offered = [x.pes for x in given.sharings]
    model.PES = pyo.Set(
        dimen=2, initialize=[(k, p) for k, x in enumerate(offered) for p in range(len(x))]
    )
    model.pes = pyo.Var(model.PES, domain=pyo.Binary)

    @model.Constraint(range(len(offered)), doc="(23)")
    def one_width_of_pes(model, k):
        """Σ_p pes_{k,p} = 1."""
        return sum(model.pes[k, p] for p in range(len(offered[k]))) == 1

    @model.Constraint(given.wider(), doc="(24)")
    def pes_take_widths(model, k, c, operand, least):
        """Σ_b width_{c,b} ≤ Σ_p pes_{k,p}: those of so many bits or more."""
        bits = np.flatnonzero(given.table.allowed[c]).tolist()
        wide = [model.width[c, b] for b in bits if given.space.bits[c][b] >= least]
        takes = [model.pes[k, p] for p, pe in enumerate(offered[k]) if pe[operand] >= least]
        terms = Terms().add([1.0] * len(wide), wide)
        return terms.add([-1.0] * len(takes), takes).expression() <= 0


def _time_all(model: pyo.ConcreteModel, given: Programme) -> None:
    """From the first row of an image to its last result."""
    least_z, ratio = given.fifos.least_end, given.span.least_s / given.span.most_s
    model.end = pyo.Var(bounds=(0.0, given.most_end))
    model.latency = pyo.Var(domain=pyo.NonNegativeReals)

    @model.Constraint(model.LAYERS, doc="(16)")
    def ends_after(model, i):
        """z ≥ u_l + lag_l."""
        terms = given.lag(model, i, 1.0, given.start(model, i, 1.0, Terms()))
        return terms.add([-1.0], [model.end]).expression() <= 0

    @model.Constraint(pyo.RangeSet(0, 1), doc="(17)")
    def latency_at_least(model, side):
        """t ≥ T_least·(1 + z) + (T − T_least)·(1 + z_least), and likewise from the other ends."""
        t, z = (1.0, given.most_end) if side else (ratio, least_z)
        bound = t * (1 + model.end) + (model.interval - t) * (1 + z)
        return bound - model.latency <= 0


def _charge_static(model: pyo.ConcreteModel, given: Programme) -> None:
    ratio, unit = given.span.least_s / given.span.most_s, given.static_unit_j
    w_per_mm2 = given.pricing.static_w_per_mm2 * given.span.most_s
    model.static = pyo.Var(domain=pyo.NonNegativeReals)
    least_mm2 = least_of(given.table, "area_mm2")

    @model.Constraint(doc="(18)")
    def static_at_least(model):
        """j ≥ p_A·(T_least·area + (T − T_least)·area_least)."""
        terms = given.total(model, "area_mm2", unit / (w_per_mm2 * ratio * ROW_SCALE))
        each = w_per_mm2 * least_mm2 / unit * ROW_SCALE
        terms.add([each], [model.interval])
        terms.constant -= each * ratio
        return terms.add([-ROW_SCALE], [model.static]).expression() <= 0


def _keep_budgets(model: pyo.ConcreteModel, given: Programme) -> None:
    @model.Constraint([*given.limits], doc="(13)")
    def within_budget(model, metric):
        """Metric ≤ limit, with the tolerance that budgets have and a margin above the solver's."""
        limit = given.limits[metric]
        unit = limit if limit > 0 else 1.0
        terms = given.total(model, metric, unit / ROW_SCALE)
        most = float(ceiling(limit)) / unit * ROW_SCALE * (1 + given.margin)
        if limit > 0:
            clipped = Terms(terms.constant)
            within = [min(x, 2 * most) for x in terms.coefficients]
            terms = clipped.add(within, terms.variables)
        return terms.expression() <= most


def forbid(model: pyo.ConcreteModel, excluded: Sequence[Sequence[int]]) -> None:
    """Leave out choices of all columns, and no others, of those that a model may be asked for."""
    if hasattr(model, "another_choice"):
        model.del_component(model.another_choice)

    @model.Constraint(range(len(excluded)), doc="(19)")
    def another_choice(model, x):
        """Σ_{o ∈ X} run_o ≤ |X| − 1."""
        return sum(model.run[o] for o in excluded[x]) <= len(excluded[x]) - 1
