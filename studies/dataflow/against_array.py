"""ResNet-18 as a pipeline against the shared array, at the paper's areas and two prices of SRAM."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

import codesign

AREAS_MM2 = (1, 6, 20, 60)
PRICES = {"tsmc28": "2.94 µm² a bit", "tsmc28-nvdla": "0.388 µm² a bit"}
TIME_LIMIT_S = 300.0


def tables() -> dict[str, pd.DataFrame]:
    """The two architectures at each area and price; a row each."""
    rows = []
    for technology in PRICES:
        for area_mm2 in AREAS_MM2:
            problem = codesign.Problem(
                network=codesign.load_network("resnet18"),
                technology=codesign.load_technology(technology),
                choices=codesign.Choices(),
                objective="latency",
                quality="uniform:6",
                budgets={"area_mm2": float(area_mm2)},
            )
            rows.append({"sram": technology, "area_mm2": area_mm2, **compared(problem)})
    return {"against_array": pd.DataFrame(rows)}


def compared(problem: codesign.Problem) -> dict[str, object]:
    """Interval and latency of both, and what the pipeline is made of."""
    array = codesign.solve(problem, time_limit_s=TIME_LIMIT_S)
    choices = replace(problem.choices, architecture=("dataflow",))
    found: dict[str, object] = {
        "array_ms": 1e3 * array.metrics["latency_s"],
        "array_gap": array.proof.gap,
        "array_dram_mbit": array.metrics["dram_bits"] / 1e6,
    }
    try:
        pipeline = codesign.solve(
            replace(problem, choices=choices, objective="interval"), time_limit_s=TIME_LIMIT_S
        )
    except codesign.InfeasibleError:
        return found
    stages = pipeline.layers
    return {
        **found,
        "interval_ms": 1e3 * pipeline.metrics["interval_s"],
        "interval_gap": pipeline.proof.gap,
        "latency_ms": 1e3 * pipeline.metrics["latency_s"],
        "ratio": pipeline.metrics["interval_s"] / array.metrics["latency_s"],
        "pipeline_dram_mbit": pipeline.metrics["dram_bits"] / 1e6,
        "streamed_stages": int((stages["weights"] == "stream").sum()),
        "pe_share": float(stages["pes_area_mm2"].sum() / pipeline.metrics["area_mm2"]),
        "solve_s": pipeline.solver.seconds,
    }


def draw(found: dict[str, pd.DataFrame]) -> Figure:
    """Time per image of both architectures against the area, a panel for each price."""
    table = found["against_array"]
    picture, panels = plt.subplots(1, len(PRICES), figsize=(9, 3.8), sharey=True, layout="tight")
    for axes, (technology, price) in zip(panels, PRICES.items(), strict=True):
        rows = table[table["sram"] == technology]
        axes.plot(rows["area_mm2"], rows["array_ms"], "s-", color="0.1", label="one array")
        axes.plot(
            *(rows["area_mm2"], rows["interval_ms"]),
            *("o--",),
            color="0.45",
            mfc="white",
            label="pipeline, one image to the next",
        )
        axes.plot(
            *(rows["area_mm2"], rows["latency_ms"]),
            *("^:",),
            color="0.6",
            label="pipeline, latency of an image",
        )
        axes.set(xscale="log", yscale="log", xlabel="area (mm²)", title=f"SRAM {price}")
        axes.set_xticks(AREAS_MM2, [str(x) for x in AREAS_MM2])
        axes.minorticks_off()
        axes.grid(True, alpha=0.4)
    panels[0].set_ylabel("time (ms)")
    panels[0].set_yticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    panels[1].legend(fontsize=8)
    return picture
