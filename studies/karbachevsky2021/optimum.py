"""What the paper could not do: the proven optimum within the budget of each of its examples.

Beside it, at the same quality, the paper's own array at its ideal roofline (no SRAM: a promise, not
a design), that array with the least SRAM it runs on (beyond the budget), the paper's recipe inside
the budget, and the best square array and the best array of any sides, both of one width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
from published import number
from tables import EXAMPLES, MS_PER_S, TECHNOLOGIES, UM2_PER_MM2

import codesign
from codesign.costs.area import pe_area_um2
from codesign.costs.compute import PEArray
from codesign.costs.tiling import operand_bits, tilings
from codesign.results.evaluation import Evaluation
from codesign.specs.load import shipped

NETWORK = "resnet18"
BITS = (2, 4, 8, 16, 32)
WIDTHS_BESIDE = 3  # bits a layer or a PE may be wider or narrower than the uniform width
MOST_ROWS, MOST_COLS = 128, 512
QUICK = (("Table 4", 8),)


class Case(NamedTuple):
    """A budget of the paper, a width that sets the quality, and a technology."""

    item: str
    bits: int
    technology: str

    @property
    def area_mm2(self) -> float:
        """Silicon."""
        return number(self.item, "conditions", "area")

    @property
    def clock_hz(self) -> float:
        """Clock of the example."""
        return number(self.item, "conditions", "clock") * 1e6

    @property
    def paper_array(self) -> str | None:
        """The paper's own array of this width, if it has one."""
        name = f"{EXAMPLES[self.item][0]}-fixed{self.bits}"
        return name if name in shipped("accelerators") else None


def optima(quick: bool) -> pd.DataFrame:
    """One row per case: the paper's choices beside the optimum, latencies in ms."""
    pairs = QUICK if quick else [(item, bits) for item in EXAMPLES for bits in BITS]
    cases = [Case(*pair, name) for pair in pairs for name in TECHNOLOGIES]
    return pd.DataFrame([_row(case) for case in cases])


def _row(case: Case) -> dict[str, object]:
    started = time.perf_counter()
    network = codesign.load_network(NETWORK)
    row: dict[str, object] = {**case._asdict(), "area_mm2": case.area_mm2}
    row |= _paper(network, case)
    made = recipe(network, case)
    best, square = solve(network, case), solve_square(network, case)
    shaped = solve(network, case, mixed=False)
    on, how = best.hardware, best.proof
    row["recipe_side"], row["recipe_sram_kbit"] = made.accelerator.rows, _kbit(made)
    row["recipe_ms"] = _ms(made)
    row["square_side"], row["square_ms"] = square.hardware.rows, _ms(square)
    row["shaped_rows"], row["shaped_cols"] = shaped.hardware.rows, shaped.hardware.cols
    row["shaped_ms"] = _ms(shaped)
    row["square_status"], row["shaped_status"] = square.proof.status, shaped.proof.status
    row |= {"rows": on.rows, "cols": on.cols, "pe_weight_bits": on.pe_weight_bits}
    row |= {"pe_activation_bits": on.pe_activation_bits, "sram_kbit": on.sram_bits / 1e3}
    row["optimum_ms"], row["used_mm2"] = _ms(best), best.metrics["area_mm2"]
    row |= {"status": how.status, "gap": how.gap, "options": best.solver.considered}
    row["faster_than_recipe"] = made.metrics["latency_s"] / best.metrics["latency_s"]
    row["faster_than_shaped"] = shaped.metrics["latency_s"] / best.metrics["latency_s"]
    other = next(name for name in TECHNOLOGIES if name != case.technology)
    moved = replace(best.accelerator, technology=codesign.load_technology(other))
    row["mm2_by_other_fit"] = codesign.evaluate(
        network, moved, best.widths, output_bits=case.bits, on_chip="none"
    ).metrics["area_mm2"]
    print(f"{case.item}, {case.bits} bit, {case.technology}: {time.perf_counter() - started:.1f} s")
    return row


def _paper(network: codesign.Network, case: Case) -> dict[str, object]:
    """The paper's array: its promise at the ideal roofline, and with the least SRAM it runs on."""
    if case.paper_array is None:
        return {"paper_side": None, "ideal_ms": None, "extra_ms": None, "extra_mm2": None}
    on = codesign.load_accelerator(case.paper_array)
    ideal = codesign.evaluate(network, on, roofline="ideal")
    least = replace(on, sram_bits=least_sram_bits(network, on))
    tiled = codesign.evaluate(network, least, on_chip="none")
    shown: dict[str, object] = {"paper_side": on.rows, "ideal_ms": _ms(ideal)}
    return shown | {"extra_ms": _ms(tiled), "extra_mm2": tiled.metrics["area_mm2"]}


def recipe(network: codesign.Network, case: Case) -> Evaluation:
    """The paper's rule with an SRAM: the largest square array of one width that still runs.

    The SRAM takes all the area that the array leaves.
    """
    technology = codesign.load_technology(case.technology)
    pe_um2 = float(pe_area_um2(technology, case.bits, case.bits))
    budget_um2, sram = case.area_mm2 * UM2_PER_MM2, technology.sram_area_um2
    for side in range(math.isqrt(math.floor(budget_um2 / pe_um2)), 0, -1):
        sram_bits = math.floor((budget_um2 - side**2 * pe_um2 - sram.intercept) / sram.slope)
        on = codesign.Accelerator(
            name=f"recipe-{case.area_mm2:g}mm2-fixed{case.bits}",
            rows=side,
            cols=side,
            engine=technology.engine,
            pe_weight_bits=case.bits,
            pe_activation_bits=case.bits,
            clock_hz=case.clock_hz,
            dram_bits_per_s=codesign.load_memory("ddr4-2400").bits_per_s,
            technology=technology,
        )
        if sram_bits >= least_sram_bits(network, on):
            return codesign.evaluate(network, replace(on, sram_bits=sram_bits), on_chip="none")
    raise ValueError(f"{case}: no square array runs {network.name}")


def least_sram_bits(network: codesign.Network, on: codesign.Accelerator) -> int:
    """The least SRAM in which every layer has a tile, at the widths of the PEs."""
    needs = []
    for layer in network.layers:
        widths = on.pe_weight_bits, on.pe_activation_bits, layer.accumulation_bits
        table = tilings(layer, PEArray(on.rows, on.cols, on.engine))
        needs.append(int((table.need @ operand_bits(*widths)).min()))
    return max(needs)


def solve(network: codesign.Network, case: Case, mixed: bool = True) -> codesign.Design:
    """The optimum: any sides, any widths near, no noisier than the paper's; or one width alone."""
    channels = {size for layer in network.layers for size in (layer.C, layer.K) if size >= 64}
    sizes = sorted(channels - {1000})  # the classifier's outputs alone
    near = range(max(1, case.bits - WIDTHS_BESIDE), min(32, case.bits + WIDTHS_BESIDE) + 1)
    if not mixed or case.bits == max(near):  # then nothing wider could make up for narrower ones
        near = range(case.bits, case.bits + 1)
    return _solved(network, case, _sides(sizes, MOST_ROWS), _sides(sizes, MOST_COLS), near)


def solve_square(network: codesign.Network, case: Case) -> codesign.Design:
    """The best square array with one width everywhere."""
    sides = tuple(range(1, MOST_ROWS + 1))
    return _solved(network, case, sides, sides, (case.bits,), square=True)


def _solved(
    network: codesign.Network,
    case: Case,
    rows: Sequence[int],
    cols: Sequence[int],
    widths: Sequence[int],
    square: bool = False,
) -> codesign.Design:
    choices = codesign.Choices(
        rows=tuple(rows),
        cols=tuple(cols),
        square=square,
        weight_bits=tuple(widths),
        activation_bits=tuple(widths),
        output_bits=case.bits,
        on_chip="none",
    )
    problem = codesign.Problem(
        network=network,
        technology=codesign.load_technology(case.technology),
        clock_hz=case.clock_hz,
        choices=choices,
        quality=f"uniform:{case.bits}",
        budgets={"area_mm2": case.area_mm2},
    )
    return codesign.solve(problem)


def _sides(sizes: Sequence[int], most: int) -> tuple[int, ...]:
    """Sides at which one of the channel counts takes a pass fewer than at the side below."""
    found = {-(-size // passes) for size in sizes for passes in range(1, size + 1)}
    return tuple(sorted(side for side in found if side <= most))


def _ms(figures: Evaluation | codesign.Design) -> float:
    return figures.metrics["latency_s"] * MS_PER_S


def _kbit(evaluation: Evaluation) -> float:
    assert evaluation.accelerator.sram_bits is not None
    return evaluation.accelerator.sram_bits / 1e3


HEADINGS = (
    "budget",
    "width",
    "fit",
    "paper, ideal (ms)",
    "paper + SRAM (ms; mm²)",
    "recipe (ms)",
    "square (ms)",
    "one width (ms)",
    "optimum (ms)",
    "array",
    "PE (bit)",
    "SRAM (kbit)",
    "faster than recipe",
    "than one width",
    "proof",
)


def readme_table(frame: pd.DataFrame) -> str:
    """The table of the README, in Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|---|---|" + "---:|" * (len(HEADINGS) - 3)]
    for row in frame.to_dict("records"):
        promise, extra = "–", "–"
        if not pd.isna(row["ideal_ms"]):
            promise = f"{row['ideal_ms']:.3f}"
            extra = f"{row['extra_ms']:.3f}; {row['extra_mm2']:.2f}"
        cells = [f"{row['area_mm2']:g} mm²", f"{row['bits']} bit", f"`{row['technology']}`"]
        cells += [promise, extra]
        cells += [f"{row[f'{way}_ms']:.3f}" for way in ("recipe", "square", "shaped", "optimum")]
        cells += [f"{row['rows']} × {row['cols']}"]
        cells += [f"{row['pe_weight_bits']} × {row['pe_activation_bits']}"]
        cells += [f"{row['sram_kbit']:.0f}"]
        cells += [f"{row[f'faster_than_{way}']:.2f} ×" for way in ("recipe", "shaped")]
        cells += [f"{row['gap']:.0e}, {row['status']}" if row["gap"] > 1e-9 else row["status"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
