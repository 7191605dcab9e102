"""What the proof costs, and what a good heuristic loses for want of it."""

from __future__ import annotations

import math

import greedy
import pandas as pd
from problems import UNIFORM_BITS, Case, OnChip, cases, cpu_s, problem, solved

import codesign

MS_PER_S = 1e3
AREA_MM2 = 6.0
GROWN = ("resnet18", "mobilenetv2", "resnet50", "resnet152", "vit_b_16")
GROWN_GBIT_PER_S = (153.6, 25.6)


def tables() -> dict[str, pd.DataFrame]:
    """Solve times, and latencies of the heuristic."""
    return {
        "growth": pd.DataFrame(
            [grown(Case(x, "tsmc28", y, AREA_MM2)) for x in GROWN for y in GROWN_GBIT_PER_S]
        ),
        "heuristic": (compared := pd.DataFrame([compare(case) for case in cases()])),
        "lost": lost(compared),
    }


def grown(case: Case) -> dict[str, object]:
    """Processor time of one network's proof, with tensors on chip and without."""
    tensors = solved(case, "tensors")
    times: dict[OnChip, float] = {on: cpu_s(case, on) for on in ("none", "tensors")}
    return {
        "network": case.network,
        "gbit_per_s": case.gbit_per_s,
        "layers": len(tensors.network.layers),
        "tensors": len(tensors.network.lifetimes),
        "status": tensors.proof.status,
        "gap": tensors.proof.gap,
        "none_cpu_s": times["none"],
        "tensors_cpu_s": times["tensors"],
        "considered": tensors.solver.considered,
        "bounded_away": tensors.solver.bounded_away,
        "programmes": tensors.solver.programmes,
    }


def compare(case: Case) -> dict[str, object]:
    """The proven optimum beside the heuristics, each latency over the proven one."""
    proven = solved(case, "tensors").metrics["latency_s"]
    none, asked = solved(case, "none"), problem(case, "tensors")
    hardware = none.hardware
    pe_bits = hardware.pe_weight_bits, hardware.pe_activation_bits
    uniform = greedy.uniform_widths(asked, UNIFORM_BITS)
    found = {
        "same_hardware": greedy_on(none, None),
        "its_optimum": _best_residents(none),
        "all_area": greedy_on(none, case.area_mm2),
        "every_array": greedy.best_array(asked, none.widths, pe_bits),
        "one_width": greedy.best_array(asked, uniform, (UNIFORM_BITS, UNIFORM_BITS)),
    }
    found["best"] = min(latency_s for name, latency_s in found.items() if name != "its_optimum")
    return {
        **case._asdict(),
        "proven_ms": MS_PER_S * proven,
        "none_ratio": none.metrics["latency_s"] / proven,
        **{f"{name}_ratio": latency_s / proven for name, latency_s in found.items()},
    }


def greedy_on(design: codesign.Design, area_mm2: float | None) -> float:
    """Latency of a design with tensors kept one by one, its SRAM grown to a budget if given."""
    hardware: codesign.Accelerator | None = design.accelerator
    if area_mm2 is not None:
        hardware = greedy.with_all_area(design.accelerator, area_mm2)
    found = None if hardware is None else greedy.keep(design.network, hardware, design.widths)
    return math.inf if found is None else found.latency_s


def _best_residents(design: codesign.Design) -> float:
    """Latency of a design with the tensors on chip that are proven best for it."""
    given = design.network, design.accelerator, design.widths
    return codesign.evaluate(*given, on_chip="tensors").metrics["latency_s"]


def lost(compared: pd.DataFrame) -> pd.DataFrame:
    """How far each heuristic is from the optimum: median and worst, by price and bandwidth."""
    ratios = [name for name in compared if str(name).endswith("_ratio")]
    grouped = compared.groupby(["technology", "gbit_per_s"], sort=False)[ratios]
    found = {"median": grouped.median(), "worst": grouped.max()}
    return pd.concat(found, names=["which"]).reset_index()


def told(found: dict[str, pd.DataFrame]) -> str:
    """The README's tables: what heuristics lose, and solve times."""
    kinds = {
        "none": "none kept",
        "same_hardware": "same hardware",
        "its_optimum": "its optimum",
        "all_area": "all area",
        "every_array": "every array",
        "one_width": "one width",
        "best": "best",
    }
    lines = [
        f"| SRAM | Gbit/s | {' | '.join(kinds.values())} |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    median, worst = (part for _, part in found["lost"].groupby("which", sort=False))
    for row, other in zip(median.to_dict("records"), worst.to_dict("records"), strict=True):
        cells = [
            f"{percent(row[f'{kind}_ratio'])} ({percent(other[f'{kind}_ratio'])})" for kind in kinds
        ]
        lines.append(f"| `{row['technology']}` | {row['gbit_per_s']:g} | {' | '.join(cells)} |")
    lines += [
        "",
        "| network | layers | tensors | Gbit/s | none s | on chip s | options left | MILPs |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for x in found["growth"].itertuples():
        left = x.considered - x.bounded_away
        seconds = f"{x.none_cpu_s:.1f} | {x.tensors_cpu_s:.1f}"
        counts = f"{x.layers} | {x.tensors} | {x.gbit_per_s:g}"
        lines.append(f"| {x.network} | {counts} | {seconds} | {left} | {x.programmes} |")
    return "\n".join(lines)


def percent(ratio: float) -> str:
    """How much longer than the optimum."""
    return f"{100 * (ratio - 1):.1f} %"
