"""Limits on area that rule nothing out, and the one that is missing: what to tell of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from codesign.costs.area import pe_area_um2, sram_area_um2
from codesign.costs.tiling import operand_bits
from codesign.problem.problem import Problem
from codesign.specs.fpga import Fpga
from codesign.specs.network import Layer
from codesign.units import METRIC_UNITS, UM2_PER_MM2


def area_notes(
    problem: Problem, metrics: Mapping[str, float], least: bool = True
) -> tuple[str, ...]:
    """What to say of a limit on area that does not bind, or of none.

    Parameters
    ----------
    metrics : mapping of str to float
        Of the design found.
    least : bool
        Whether it is proven to be the best, and of equally good ones that of least area.
    """
    if problem.objective == "area_mm2" or isinstance(problem.technology, Fpga):
        return ()
    area = METRIC_UNITS["area_mm2"]
    used, limit = area.amount(metrics["area_mm2"]), problem.budgets.get("area_mm2")
    binds = "; a limit binds below that" if least else ""
    if limit is None:
        text = f"no limit on area: the design takes all that helps, {used}{binds}"
        return (f"{text} (--max-area-mm2, in Python the budget area_mm2)",)
    most = largest_area_mm2(problem)
    if limit < most:
        return ()
    text = f"the limit on area of {area.amount(limit)} does not bind: no design of these choices "
    return (f"{text}needs more than {area.amount(most)}, and this one takes {used}{binds}",)


def largest_area_mm2(problem: Problem) -> float:
    """What no design of a problem needs more than: its largest array and useful SRAM.

    An SRAM that holds each layer's operands whole, at the widest widths, leaves no traffic to save.
    """
    choices, technology = problem.choices, problem.technology
    assert not isinstance(technology, Fpga)
    sides = set(choices.rows) & set(choices.cols)
    pes = max(sides) ** 2 if choices.square else choices.rows[-1] * choices.cols[-1]
    pe_um2 = pe_area_um2(
        technology,
        np.array(choices.pe_weight_bits)[:, np.newaxis],
        np.array(choices.pe_activation_bits),
    )
    useful = max(_whole_bits(problem, x) for x in problem.network.layers if not x.moves)
    sram_bits = max(useful, choices.min_sram_bits or 0)
    if choices.max_sram_bits is not None:
        sram_bits = min(sram_bits, choices.max_sram_bits)
    if choices.sram_bits:
        sram_bits = choices.sram_bits[-1]
    pes_um2 = problem.area_overhead * pes * float(pe_um2.max())
    sram_um2 = float(sram_area_um2(technology, sram_bits, choices.buffers))
    return (pes_um2 + sram_um2) / UM2_PER_MM2


def _whole_bits(problem: Problem, layer: Layer) -> int:
    """SRAM bits of a layer in one tile at its widest widths: no tiling needs more and moves less.

    Where groups come one after the other, two buffers of one group each are no larger.
    """
    source = layer.weight_source
    widest = problem.allowed_bits(source)[-1], problem.allowed_bits(f"tensor:{layer.input}")[-1]
    elements = layer.weights, layer.ifmap, layer.computed_outputs
    return int(operand_bits(*widest, layer.accumulation_bits) @ np.array(elements, dtype=np.int64))
