"""What tensors on chip do to the optimum: the array against the SRAM, and which tensors stay."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from problems import AREAS_MM2, GBIT_PER_S, NETWORKS, TECHNOLOGIES, Case, OnChip, cases, solved

import codesign

MS_PER_S, BITS_PER_MBIT = 1e3, 1e6
SERIES = ["network", "technology", "gbit_per_s"]
TOLD_MM2 = 8.0  # of the designs in the README
MARKERS = dict(zip(NETWORKS, "os^", strict=True))
SHADES = dict(zip(TECHNOLOGIES, ("black", "0.6"), strict=True))


def tables() -> dict[str, pd.DataFrame]:
    """Every optimum, and what tensors on chip change of it."""
    optimum = pd.DataFrame([row(case, on) for case in cases() for on in ("none", "tensors")])
    return {"optimum": optimum, "shift": shift(optimum)}


def row(case: Case, on_chip: OnChip) -> dict[str, object]:
    """The figures of one optimum."""
    design = solved(case, on_chip)
    areas, hardware = design.area_breakdown_mm2, design.hardware
    pe = f"{hardware.pe_weight_bits} × {hardware.pe_activation_bits}"
    return {
        **case._asdict(),
        "on_chip": on_chip,
        "status": design.proof.status,
        "latency_ms": MS_PER_S * design.metrics["latency_s"],
        "array": f"{hardware.rows} × {hardware.cols}",
        "pe_bits": pe,
        "sram_mbit": hardware.sram_bits / BITS_PER_MBIT,
        "used_mm2": design.metrics["area_mm2"],
        "sram_share": areas["SRAM"] / design.metrics["area_mm2"],
        "dram_mbit": design.metrics["dram_bits"] / BITS_PER_MBIT,
        "memory_bound_share": design.memory_bound_share,
        **kept(design),
    }


def kept(design: codesign.Design) -> dict[str, float]:
    """How much of what could stay does: tensors, and their elements."""
    network, places = design.network, design.on_chip or {}
    resident = [name for name in network.lifetimes if places.get(name) == "chip"]
    elements = network.tensors
    return {
        "tensors": len(network.lifetimes),
        "resident": len(resident),
        "resident_share": sum(elements[x] for x in resident)
        / sum(elements[x] for x in network.lifetimes),
        "most_resident_mbit": max(x.resident_bits for x in design.layer_designs) / BITS_PER_MBIT,
    }


def shift(optimum: pd.DataFrame) -> pd.DataFrame:
    """Each case with tensors on chip over the same without."""
    keys = list(Case._fields)
    both = {on: part.set_index(keys) for on, part in optimum.groupby("on_chip", sort=False)}
    none, tensors = both["none"], both["tensors"]
    return pd.DataFrame(
        {
            "latency_ms_none": none["latency_ms"],
            "latency_ms": tensors["latency_ms"],
            "latency_ratio": tensors["latency_ms"] / none["latency_ms"],
            "dram_ratio": tensors["dram_mbit"] / none["dram_mbit"],
            "sram_share_none": none["sram_share"],
            "sram_share": tensors["sram_share"],
            "array_none": none["array"],
            "array": tensors["array"],
            "resident_share": tensors["resident_share"],
        }
    ).reset_index()


def told(found: dict[str, pd.DataFrame]) -> str:
    """The README's tables: latencies by budget, and the designs of one."""
    lines = [_line("network", "SRAM", "Gbit/s", *(f"{area:g} mm²" for area in AREAS_MM2))]
    lines += [_line("---", "---", *["---:"] * (1 + len(AREAS_MM2)))]
    for (network, technology, rate), rows in found["shift"].groupby(SERIES, sort=False):
        cells = [
            f"{x.latency_ms_none:.3f} → {x.latency_ms:.3f} ({x.latency_ratio:.2f})"
            for x in rows.itertuples()
        ]
        lines.append(_line(network, f"`{technology}`", f"{rate:g}", *cells))
    heads = ("array", "SRAM Mbit", "SRAM / silicon", "DRAM Mbit", "tensors kept", "of elements")
    lines += ["", _line("network", "SRAM", "Gbit/s", *heads), _line(*["---"] * 9)]
    optimum = found["optimum"]
    for series, rows in optimum[optimum["area_mm2"] == TOLD_MM2].groupby(SERIES, sort=False):
        none, kept = rows.itertuples()
        assert (none.on_chip, kept.on_chip) == ("none", "tensors")
        lines.append(
            _line(
                series[0],
                f"`{series[1]}`",
                f"{series[2]:g}",
                f"{none.array} → {kept.array}",
                f"{none.sram_mbit:.2f} → {kept.sram_mbit:.2f}",
                f"{none.sram_share:.2f} → {kept.sram_share:.2f}",
                f"{none.dram_mbit:.1f} → {kept.dram_mbit:.1f}",
                f"{kept.resident} of {kept.tensors}",
                f"{kept.resident_share:.2f}",
            )
        )
    return "\n".join(lines)


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def draw(found: dict[str, pd.DataFrame]) -> Figure:
    """Latency with tensors on chip over that without, and the share of SRAM, over the budget."""
    picture = Figure(figsize=(10, 7), layout="constrained")
    panels = picture.subplots(2, len(GBIT_PER_S), sharex=True, sharey="row")
    for (upper, lower), rate in zip(np.transpose(panels), GBIT_PER_S, strict=True):
        lines = found["shift"][found["shift"]["gbit_per_s"] == rate]
        for (network, technology), line in lines.groupby(["network", "technology"], sort=False):
            style = {"color": SHADES[technology], "marker": MARKERS[network]}
            label = f"{network}, {technology}"
            upper.plot(line["area_mm2"], line["latency_ratio"], label=label, **style)
            lower.plot(line["area_mm2"], line["sram_share"], **style)
            lower.plot(line["area_mm2"], line["sram_share_none"], linestyle=":", **style)
        upper.set_title(f"{rate:g} Gbit/s")
        lower.set_xlabel("silicon (mm²)")
        _scale(upper)
        _scale(lower)
    panels[0][0].set_ylabel("latency, tensors on chip / none")
    panels[1][0].set_ylabel("SRAM / silicon (dotted: none on chip)")
    panels[0][0].legend(fontsize=8)
    return picture


def _scale(axes: Axes) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(AREAS_MM2, [f"{area:g}" for area in AREAS_MM2])
    axes.set_ylim(0, 1.05)
    axes.grid(True, alpha=0.25)
