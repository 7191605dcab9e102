"""Limits on hardware that rule nothing out, and those that are missing: what to tell of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from codesign.costs.area import pe_area_um2, sram_area_um2
from codesign.costs.buffers import in_unified
from codesign.costs.fpga import array_dsp, array_lut, bram
from codesign.costs.fusion import fused_runs, live_during, run_need
from codesign.costs.residency import resident_bits
from codesign.costs.tiling import operand_bits
from codesign.problem.problem import Problem
from codesign.specs.fpga import Fpga
from codesign.units import METRIC_UNITS, UM2_PER_MM2

OPTIONS = {
    "area_mm2": "--max-area-mm2",
    "lut": "--max-lut",
    "dsp": "--max-dsp",
    "bram": "--max-bram",
}


def hardware_notes(
    problem: Problem, metrics: Mapping[str, float], least: bool = True
) -> tuple[str, ...]:
    """What to say of limits on area, or on what an FPGA has, that do not bind; and of none.

    Parameters
    ----------
    metrics : mapping of str to float
        Of the design found.
    least : bool
        Whether it is proven to be the best, and of equally good ones that of least area, or LUTs.
    """
    names = problem.technology.hardware_metrics
    if problem.objective in names:
        return ()
    most, found = most_needed(problem), list[str]()
    for name in names:
        unit, limit = METRIC_UNITS[name], problem.budgets.get(name)
        used = unit.amount(metrics[name])
        # of equally good designs another one may have fewer DSP blocks, or block RAMs
        binds = "; a limit binds below that" if least and name == names[0] else ""
        if limit is None and metrics[name] > 0:
            text = f"no limit on {unit.label}: the design takes all that helps, {used}{binds}"
            found.append(f"{text} ({OPTIONS[name]}, in Python the budget {name})")
        elif limit is not None and limit >= most[name]:
            text = f"the limit on {unit.label} of {unit.amount(limit)} does not bind: no design of "
            text += f"these choices needs more than {unit.amount(most[name])}, and this one takes "
            found.append(f"{text}{used}{binds}")
    return tuple(found)


def most_needed(problem: Problem) -> dict[str, float]:
    """What no design of a problem needs more of: the largest array with its useful SRAM."""
    choices, technology = problem.choices, problem.technology
    rows, cols = choices.rows[-1], choices.cols[-1]
    if choices.square:
        rows = cols = max(set(choices.rows) & set(choices.cols))
    widths = np.array(choices.pe_weight_bits)[:, np.newaxis], np.array(choices.pe_activation_bits)
    sram_bits, overhead = _most_sram_bits(problem), problem.area_overhead
    if isinstance(technology, Fpga):
        srams = [sram_bits, *(bits for bits in choices.buffers if bits is not None)]
        return {
            "lut": float(array_lut(technology, rows, cols, *widths, overhead).max()),
            "dsp": float(array_dsp(technology, rows, cols, *widths).max()),
            "bram": float(bram(technology, srams).sum()),
        }
    pes_um2 = overhead * rows * cols * float(pe_area_um2(technology, *widths).max())
    sram_um2 = float(sram_area_um2(technology, sram_bits, choices.buffers))
    return {"area_mm2": (pes_um2 + sram_um2) / UM2_PER_MM2}


def _most_sram_bits(problem: Problem) -> int:
    """The most of the SRAM sizes on offer that a design can need."""
    choices = problem.choices
    if choices.sram_bits:
        return choices.sram_bits[-1]
    useful = max(_useful_bits(problem), choices.min_sram_bits or 0)
    return useful if choices.max_sram_bits is None else min(useful, choices.max_sram_bits)


def _useful_bits(problem: Problem) -> int:
    """An SRAM that holds all operands of each layer whole, and every tensor that may stay on chip.

    At their widest widths, there is no traffic left for a larger one to save. Of a layer alone no
    tiling needs more than one tile and moves less: where groups come one after the other, two
    buffers of one group each are no larger.
    """
    network, choices = problem.network, problem.choices
    widest = {name: problem.allowed_bits(f"tensor:{name}")[-1] for name in network.inner_tensors}
    lives = network.lifetimes if choices.on_chip != "none" else {}
    resident = resident_bits(network, widest, lives)
    needs, psum_bits, weight_bits = [], list[int](), list[int]()
    for layer, beside in zip(network.layers, resident, strict=True):
        weight_bits.append(0 if layer.moves else problem.allowed_bits(layer.weight_source)[-1])
        bits = operand_bits(weight_bits[-1], widest[layer.input], layer.accumulation_bits)
        psum_bits.append(int(bits[2]))
        tiled = np.array([layer.weight_tensor not in lives, layer.input not in lives, True])
        elements = np.array((layer.weights, layer.ifmap, layer.computed_outputs), dtype=np.int64)
        tile = 0 if layer.moves else int(elements @ (bits * tiled * in_unified(choices.buffers)))
        needs.append(tile + beside)
    for run in fused_runs(network, choices.fused_layers) if choices.on_chip == "bands" else ():
        bw, psum = (of[run.first : run.last + 1] for of in (weight_bits, psum_bits))
        beside = sum(network.tensors[name] * widest[name] for name in live_during(network, run))
        needs.append(run_need(run, network, bw, psum, widest, lives) + beside)
    return max(needs)
