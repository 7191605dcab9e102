"""Seven shipped networks from half a mm² to sixteen: where silicon stops paying, and why.

Runs ``sweep.toml`` (252 problems, each proven), and writes ``sweep.csv`` (one row per problem, with
the share of the latency that the DRAM binds, the share of the SRAM in the area, and the mean
widths), ``latency.png`` and ``wall.png`` into a folder (``expected`` of this study holds ours).
Stopped, it goes on where it was.

    python studies/budget_sweep/run.py [--out FOLDER] [--workers N]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

import codesign
from codesign.study import load_design

STUDY = Path(__file__).parent
MARKERS = {"uniform:4": "v", "uniform:6": "o", "uniform:8": "^"}
MEMORIES = {"ddr4-2400": ("0.0", "-"), "lpddr4x-4266": ("0.55", "--")}
PAYS = 0.05  # a doubling of the silicon that saves less than this of the latency stops paying


def main() -> None:
    """Run the sweep, write and print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    store = given.out / "sweep.sqlite"
    study = codesign.Study.load(STUDY / "sweep.toml")
    tally = study.run(store, workers=given.workers, resume=True)
    print(f"{len(study)} problems, {tally.here} solved now in {tally.seconds:.0f} s")
    results = study.results(store)
    results = results.join(pd.DataFrame([extras(store, row) for _, row in results.iterrows()]))
    dropped = ["study", "question", "design", "seconds", "error", "front_gap", "codesign"]
    dropped += ["ended", "on_chip"]  # all are optimal, and no tensor stays on chip
    dropped += ["energy_j"]  # known with one of the memories alone
    table = results.drop(columns=dropped)
    table.to_csv(given.out / "sweep.csv", index=False, float_format="%.9g")
    study.plot(store, given.out / "latency.png", x="max_area_mm2", by=["quality", "memory"])
    draw_wall(table).savefig(given.out / "wall.png", dpi=110)
    for title, shown in readings(table).items():
        print(f"\n{title}\n{shown.to_string()}")


def extras(store: Path, row: pd.Series) -> dict[str, float]:
    """What the README reads beside the metrics: shares, and widths weighted by their use."""
    if not isinstance(row["question"], str) or pd.isna(row["design"]):
        return {}
    design = load_design(store, row["question"], int(row["design"]))
    macs = np.array([layer.macs for layer in design.network.layers])
    layers = design.layers
    return {
        "memory_bound_share": design.memory_bound_share,
        "sram_area_share": design.area_breakdown_mm2["SRAM"] / design.metrics["area_mm2"],
        "weight_bits_mean": float(np.average(layers["weight_bits"], weights=macs)),
        "input_bits_mean": float(np.average(layers["input_bits"], weights=macs)),
    }


def draw_wall(table: pd.DataFrame) -> Figure:
    """Share of the latency in layers the DRAM binds, over the budget, one panel per network."""
    networks = list(dict.fromkeys(table["network"]))
    picture = Figure(figsize=(11, 6.2), layout="constrained")
    panels = picture.subplots(2, 4, sharex=True, sharey=True).ravel()
    for axes, network in zip(panels, networks, strict=False):
        for (quality, memory), line in table[table["network"] == network].groupby(
            ["quality", "memory"], sort=False
        ):
            shade, dashes = MEMORIES[memory]
            axes.plot(
                line["max_area_mm2"],
                100 * line["memory_bound_share"],
                color=shade,
                ls=dashes,
                marker=MARKERS[quality],
                ms=5,
                lw=1.2,
                mfc="white" if memory != "ddr4-2400" else shade,
            )
        axes.set_title(network, fontsize=10, weight="bold", loc="left")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted(set(table["max_area_mm2"])))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axes.set_ylim(-3, 103)
        axes.grid(True, color="0.9")
        axes.tick_params(labelbottom=True)
    for axes in panels[[0, 4]]:
        axes.set_ylabel("latency in memory-bound layers (%)")
    for axes in panels[4:7]:
        axes.set_xlabel("area budget (mm²)")
    handles = [
        Line2D([], [], color=shade, ls=dashes, label=memory)
        for memory, (shade, dashes) in MEMORIES.items()
    ]
    handles += [
        Line2D([], [], color="0.0", ls="", marker=marker, label=quality)
        for quality, marker in MARKERS.items()
    ]
    panels[7].axis("off")
    panels[7].legend(handles=handles, loc="center", frameon=False, fontsize=10)
    return picture


def readings(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables of the README."""
    index = ["network", "quality", "memory"]
    ms = 1e3 * table.pivot(index=index, columns="max_area_mm2", values="latency_s")
    areas = ms.columns.to_numpy()
    saved = 1 - ms.iloc[:, 1:] / ms.iloc[:, :-1].to_numpy()
    pays = saved.ge(PAYS).apply(lambda row: max([areas[0], *areas[1:][row]]), axis=1)
    wall = table.pivot(index=index, columns="max_area_mm2", values="memory_bound_share")
    by_memory = table.pivot(
        index=["network", "quality", "max_area_mm2"], columns="memory", values="latency_s"
    )
    faster = by_memory["ddr4-2400"] / by_memory["lpddr4x-4266"]
    across = ["median", "min", "max"]
    of_quality = table.groupby("quality")[["weight_bits_mean", "input_bits_mean"]].agg(across)
    pes = table["pe_weight_bits"].astype(str) + " x " + table["pe_activation_bits"].astype(str)
    return {
        "latency (ms) by budget (mm²)": ms.round(3),
        "share of the latency saved by doubling the silicon up to a budget": saved.agg(
            across
        ).T.round(3),
        f"largest budget (mm²) whose doubling still saved {PAYS:.0%}": pays.unstack(),
        "share of latency in memory-bound layers (%)": (100 * wall).round(0),
        "median share by memory (%)": (100 * wall).groupby("memory").median().round(0),
        "latency on DDR4-2400 over that on LPDDR4X-4266": faster.groupby("max_area_mm2")
        .agg(across)
        .round(2),
        "share of the SRAM in the area": table.groupby("max_area_mm2")["sram_area_share"]
        .agg(across)
        .round(2),
        "mean widths (bit, weighted by MACs)": of_quality.round(2),
        "PE widths (weights x activations): problems": pes.groupby([table["quality"], pes])
        .size()
        .unstack(0)
        .fillna(0)
        .astype(int),
        "proofs": table.groupby("status").size().to_frame("problems"),
    }


if __name__ == "__main__":
    main()
