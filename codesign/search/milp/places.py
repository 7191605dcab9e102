"""Rows of the MILP on places: which tensors stay on chip, and at what width."""

from __future__ import annotations

import numpy as np
import pyomo.core as pyo

from codesign.problem.tolerances import ROW_SCALE
from codesign.search.milp.coefficients import Coefficients, Terms
from codesign.search.milp.fusion import place_in_run, width_in_run


def place_tensors(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """A tensor on chip is so at its width, and for all that read it as an operand."""
    space, candidates = costs.space, costs.candidates
    bands_of: dict[int, list[tuple[int, int]]] = {}  # runs, and the layer that reads each band
    for n, run in enumerate(candidates.fused):
        for at, x in enumerate(run.inner, 1):
            bands_of.setdefault(x, []).append((n, at))

    @model.Constraint(range(len(space.placed)), range(len(space.widths)), doc="(11)")
    def resident_at_width(model, x, b):
        """resident_{x,b} ≤ width_{t(x),b}: a tensor is on chip at the width that it has.

        With equality where it cannot be in DRAM at that width. A run that holds a band of it at
        that width is added on the left.
        """
        t = int(space.placed_variable[x])
        in_dram, on_chip = candidates.places[:, x, b].tolist()
        banding = bands_of.get(x, [])
        if (t, b) not in model.WIDTHS or (in_dram and not on_chip and not banding):
            return pyo.Constraint.Skip
        there = [model.resident[x, b]] if on_chip else []
        terms = Terms().add([1.0] * len(there), there)
        for n, at in banding:
            widths = candidates.fused[n].layers[at].ifmap
            mine = np.flatnonzero(widths == b).tolist()
            terms.add([1.0] * len(mine), [model.pair[n, at, o] for o in mine])
        row = terms.add([-1.0], [model.width[t, b]]).expression()
        return row <= 0 if in_dram else row == 0

    def runs_with(model, i, x, b, widths, step):
        """The layer runs an option with this operand resident if and only if the tensor is."""
        if x is None or (x, b) not in model.PLACES:
            return pyo.Constraint.Skip
        rows = candidates.layers[i]
        mine = np.flatnonzero((widths == b) & (rows.variant & step > 0)).tolist()
        terms = Terms().add([1.0] * len(mine), [model.run[i, o] for o in mine])
        if step == 1:
            starts = [n for n, at in costs.fused_at[i] if at == 0 and (n, b) in model.SOURCES]
            terms.add([1.0] * len(starts), [model.source[n, b] for n in starts])
        return terms.add([-1.0], [model.resident[x, b]]).expression() == 0

    @model.Constraint(model.LAYERS, range(len(space.widths)), doc="(12)")
    def resident_inputs(model, i, b):
        """Σ_{o: ba(o) = b, input resident} run_o = resident_{in(l),b}: as others have it.

        ``source`` of the fused runs that begin with the layer is added on the left. In others its
        input is a band, and neither side has anything.
        """
        x = space.operand_tensors[i][1]
        return runs_with(model, i, x, b, candidates.layers[i].ifmap, 1)

    @model.Constraint(model.LAYERS, range(len(space.widths)), doc="(13)")
    def resident_weights(model, i, b):
        """Σ_{o: bw(o) = b, weights resident} run_o = resident_{wt(l),b}."""
        x = space.operand_tensors[i][0]
        return runs_with(model, i, x, b, candidates.layers[i].weight, 2)


def choose_size(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """The SRAM is of a size on offer, or of whole blocks."""
    sizes = costs.space.capacities.sizes
    if not sizes:
        _count_blocks(model, costs)
        return
    model.size = pyo.Var(range(len(sizes)), domain=pyo.Binary)

    @model.Constraint(range(2), doc="(14)")
    def one_size(model, n):
        """Σ_n size_n = 1, and S = Σ_n bits_n·size_n: the SRAM is one of those on offer.

        Beside tensors on chip the size that holds a tiling is not known from the tiling alone.
        """
        chosen = [*model.size.values()]
        if n == 0:
            return sum(chosen) == 1
        bits = [x / (costs.sram_unit_bits / ROW_SCALE) for x in sizes]
        return Terms().add(bits, chosen).add([-ROW_SCALE], [model.sram]).expression() == 0


def _count_blocks(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """The SRAM is of whole blocks; between the limits on ``S`` any number of them."""
    model.blocks = pyo.Var(domain=pyo.NonNegativeIntegers)

    @model.Constraint(doc="(28)")
    def whole_blocks(model):
        """S = block·blocks: what beside tensors on chip no tiling tells by itself."""
        bits = costs.space.capacities.block_bits / (costs.sram_unit_bits / ROW_SCALE)
        terms = Terms().add([bits], [model.blocks])
        return terms.add([-ROW_SCALE], [model.sram]).expression() == 0


def join_layers(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    """What a layer's joint options agree on with others, beside its operands."""
    _join_widths(model, costs)
    _join_places(model, costs)


def _runs_are(model, i, those, fused, *variables):
    """Options of layer ``i``, and what is fused, are the first variable less the other.

    No more than that, where a run that the layer may be in says nothing (None).
    """
    mine = np.flatnonzero(those).tolist()
    terms = Terms().add([1.0] * len(mine), [model.run[i, o] for o in mine])
    terms.add([-1.0] + [1.0] * (len(variables) - 1), [*variables])
    told = [each for each in fused if each is not None]
    for each in told:
        terms.add(each.coefficients, each.variables)
    return terms.expression() <= 0 if len(told) < len(fused) else terms.expression() == 0


def _join_widths(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    layers = costs.candidates.layers
    widths = [(i, *each) for i, rows in enumerate(layers) for each in rows.widths_beside]

    def no_runs(model, i, those):
        """None at a width that the variable has not: where (15) is an equation, it says so."""
        mine = np.flatnonzero(those).tolist() if costs.fused_at[i] else []
        if not mine:
            return pyo.Constraint.Skip
        return Terms().add([1.0] * len(mine), [model.run[i, o] for o in mine]).expression() <= 0

    @model.Constraint(range(len(widths)), range(len(costs.space.widths)), doc="(15)")
    def widths_beside(model, n, b):
        """Σ_{o: width of t = b} run_o = width_{t,b}: all who touch a tensor agree on its width.

        What fused runs with the layer say of it is added on the left; where one says nothing, the
        row is ≤.
        """
        i, t, width = widths[n]
        if (t, b) not in model.WIDTHS:
            return no_runs(model, i, width == b)
        fused = [width_in_run(model, costs, run, t, b) for run, _ in costs.fused_at[i]]
        return _runs_are(model, i, width == b, fused, model.width[t, b])


def _join_places(model: pyo.ConcreteModel, costs: Coefficients) -> None:
    layers, count = costs.candidates.layers, range(len(costs.space.widths))
    places = [(i, *each) for i, rows in enumerate(layers) for each in rows.places_beside]

    @model.Constraint(range(len(places)), count, doc="(16)")
    def places_beside(model, n, b):
        """Σ_{o: x resident at b} run_o = resident_{x,b}: and on its place, while it is live.

        With fused runs as in (15); (17) then forbids what is in DRAM in the option alone.
        """
        i, x, width, on_chip = places[n]
        if (x, b) not in model.PLACES:
            return pyo.Constraint.Skip
        fused = [place_in_run(model, costs, run, x, b, True) for run, _ in costs.fused_at[i]]
        return _runs_are(model, i, (width == b) & on_chip, fused, model.resident[x, b])

    fusable = [n for n, (i, *_) in enumerate(places) if costs.fused_at[i]]

    @model.Constraint(fusable, count, doc="(17)")
    def dram_beside(model, n, b):
        """Σ_{o: x in DRAM at b} run_o = width_{t,b} − resident_{x,b}, where it may be in a run.

        With fused runs as in (15), bands among them. Where (16) is an equation of options alone,
        what is not on chip in the option is in DRAM without this.
        """
        i, x, width, on_chip = places[n]
        t = int(costs.space.placed_variable[x])
        if (t, b) not in model.WIDTHS:
            return pyo.Constraint.Skip
        there = [model.resident[x, b]] if (x, b) in model.PLACES else []
        fused = [place_in_run(model, costs, run, x, b, False) for run, _ in costs.fused_at[i]]
        in_dram = (width == b) & ~on_chip
        return _runs_are(model, i, in_dram, fused, model.width[t, b], *there)
