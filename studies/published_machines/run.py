"""Published machines beside `evaluate`, layer by layer: the ratio of every layer, and its cause.

Writes ``layers.csv``, ``summary.csv``, ``layers.md`` (the table of README.md) and
``published_machines.png`` into a folder (``expected`` of this study holds ours). Nothing is fitted:
machines and networks are as published, and published figures enter ratios alone.

    python studies/published_machines/run.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
from machine_descriptions import BITS_PER_MB, DESCRIBED, MS_PER_S
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

import codesign

STUDY = Path(__file__).parent
EYERISS = STUDY.parent / "eyeriss_silicon"
NETWORKS: dict[str, Path | str] = {
    "alexnet_conv": EYERISS / "alexnet_conv.toml",
    "vgg16": "vgg16",
    **{
        name: STUDY / f"{name}.toml"
        for name in ("resnet50_caffe", "alexnet_one_group", "resnet18_unpadded")
    },
}
AMPLE_SRAM_BITS = 2**33  # where no capacity is published: any tile fits, and cycles are the same
EXACT, CLOSE = 0.001, 0.05  # of a ratio of 1
UNITS = {"cycles": "cycles", "compute_ms": "ms", "latency_ms": "ms", "dram_mb": "MB"}
PANELS = {  # what is drawn of each machine
    ("nvdla_full", "cycles"): "NVDLA, 64 × 32: manufacturer's estimate",
    ("eyeriss", "latency_ms"): "Eyeriss, 12 × 14: measured on silicon",
    ("zhang2015", "compute_ms"): "Zhang et al. 2015, 7 × 64: measured on an FPGA",
    ("dpu_b4096", "compute_ms"): "DPU B4096, 8 × 16 × 16: measured on an FPGA",
    ("scale_sim_os", "cycles"): "SCALE-Sim, 256 × 256, output stationary",
    ("scale_sim_ws", "cycles"): "SCALE-Sim, 32 × 32, weight stationary",
}
MARKERS = ("o", "s")  # of a machine's networks


def main() -> None:
    """Compare, print and write everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    table = compare(published())
    tables = {"layers": table, "summary": summarise(table)}
    for name, rows in tables.items():
        rows.to_csv(folder / f"{name}.csv", index=False, float_format="%.5g")
    (folder / "layers.md").write_text(markdown(table), "utf-8")
    print(tables["summary"].to_string(index=False, float_format="{:.3g}".format))
    draw(table).savefig(folder / "published_machines.png", dpi=130)


def published() -> pd.DataFrame:
    """What was published: a machine, network, layer, batch, quantity and figure a row."""
    table = pd.read_csv(STUDY / "published.csv", comment="#")
    silicon = pd.read_csv(EYERISS / "measured.csv", comment="#")
    silicon = silicon[silicon["layer"] != "total"].replace({"network": {"alexnet": "alexnet_conv"}})
    parts = [
        silicon[["network", "layer", "batch"]].assign(
            machine="eyeriss", quantity=name, published=silicon[column]
        )
        for name, column in (("latency_ms", "processing_latency_ms"), ("dram_mb", "dram_mb"))
    ]
    return pd.concat([table, *parts], ignore_index=True)[table.columns]


def compare(given: pd.DataFrame) -> pd.DataFrame:
    """The rows of `published` with our figure, the ratio of ours to theirs, and causes.

    And with what the machine's own description says, where it leaves our model.
    """
    rows = []
    for (machine, name), part in given.groupby(["machine", "network"], sort=False):
        network = codesign.load_network(NETWORKS[name]).batched(int(part["batch"].iloc[0]))
        layers, designs = network.layers, evaluated(network, machine)
        for quantity, figures in part.groupby("quantity", sort=False):
            for theirs, layer, design in zip(figures.itertuples(), layers, designs, strict=False):
                ours = figure_of(design, quantity)
                described, causes = DESCRIBED[machine, quantity](network, layer)
                described = math.nan if described is None else described
                rows.append(
                    {
                        **{column: getattr(theirs, column) for column in given.columns},
                        "ours": ours,
                        "ratio": ours / theirs.published,
                        "described": described,
                        "described_ratio": described / theirs.published,
                        "causes": "; ".join(causes),
                    }
                )
    assert len(rows) == len(given)
    return pd.DataFrame(rows)


def evaluated(network: codesign.Network, machine: str) -> tuple[object, ...]:
    """The layers of a network on a machine, every tensor in DRAM between them."""
    accelerator = codesign.load_accelerator(machine)
    if accelerator.sram_bits is None:
        accelerator = replace(accelerator, sram_bits=AMPLE_SRAM_BITS)
    return codesign.evaluate(network, accelerator, on_chip="none").layer_designs


def figure_of(design: object, quantity: str) -> float:
    """What `evaluate` says of a layer, in the unit of the published figure."""
    if quantity == "cycles":
        return float(design.cycles)
    if quantity == "dram_mb":
        return design.dram_bits.total / BITS_PER_MB
    seconds = design.compute_s if quantity == "compute_ms" else design.latency_s
    return MS_PER_S * seconds


# --- tables and the picture -----------------------------------------------------------------------


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """One row per machine, network and quantity: how many layers agree, and how far they are."""
    rows = []
    for keys, part in table.groupby(["machine", "network", "quantity"], sort=False):
        ratios, described = part["ratio"], part["described_ratio"].dropna()
        rows.append(
            {
                **dict(zip(("machine", "network", "quantity"), keys, strict=True)),
                "layers": len(part),
                "exact": int(((ratios - 1).abs() <= EXACT).sum()),
                "within_5_percent": int(((ratios - 1).abs() <= CLOSE).sum()),
                "ratio_of_totals": part["ours"].sum() / part["published"].sum(),
                "geometric_mean": math.exp(ratios.map(math.log).mean()),
                "least": ratios.min(),
                "greatest": ratios.max(),
                "described_exact": int(((described - 1).abs() <= EXACT).sum()),
                "described_least": described.min(),
                "described_greatest": described.max(),
            }
        )
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame) -> str:
    """The table of README.md: every layer, those of the same figures on one line."""
    lines = [
        "| machine | network | layers | published | ours | ratio | as described | causes |",
        "|---|---|---|---:|---:|---:|---:|---|",
    ]
    same = ["machine", "network", "quantity", "published", "ours", "causes"]
    for keys, part in table.groupby(same, sort=False):
        machine, network, quantity, theirs, ours, causes = keys
        first, more = part.iloc[0], len(part) - 1
        layers = first["layer"] + (f" and {more} more" if more else "")
        last = first["described_ratio"]
        ratios = f"{first['ratio']:.3f} | " + ("" if math.isnan(last) else f"{last:.3f}")
        figures = f"{amount(theirs)} {UNITS[quantity]} | {amount(ours)} | {ratios}"
        lines.append(f"| {machine} | {network} | {layers} | {figures} | {causes} |")
    return "\n".join(lines) + "\n"


def amount(figure: float) -> str:
    """A figure: cycles whole, all else to four digits."""
    return f"{figure:,.0f}" if figure >= 1000 else f"{figure:.4g}"


def draw(table: pd.DataFrame) -> Figure:
    """Ratios of all layers in order, a machine a panel, on one scale; 1 is a line."""
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes = figure.subplots(2, 3, sharey=True)
    for ax, ((machine, quantity), title) in zip(axes.flat, PANELS.items(), strict=True):
        mine = table[(table["machine"] == machine) & (table["quantity"] == quantity)]
        panel(ax, mine.reset_index(drop=True), title)
    for ax in axes[:, 0]:
        ax.set_ylabel("ours / published, cycles or time")
    for ax in axes[-1]:
        ax.set_xlabel("layer, in order of execution")
    return figure


def panel(ax: Axes, table: pd.DataFrame, title: str) -> None:
    """One machine: filled, our model; hollow, the same with its own description of the array."""
    ax.axhline(1, color="0.6", linewidth=0.8)
    ax.set(title=title, yscale="log", ylim=(0.12, 40))
    ax.title.set_fontsize("medium")
    ax.set_yticks([0.2, 0.5, 1, 2, 5, 10, 20], ["0.2", "0.5", "1", "2", "5", "10", "20"])
    ax.minorticks_off()
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    for marker, (name, part) in zip(MARKERS, table.groupby("network", sort=False), strict=False):
        ax.plot(part.index + 1, part["ratio"], marker, color="black", markersize=4, label=name)
        if part["described_ratio"].notna().any():
            hollow = {"markerfacecolor": "none", "color": "0.45", "markersize": 7}
            label = f"{name}, as described"
            ax.plot(part.index + 1, part["described_ratio"], marker, label=label, **hollow)
    ax.legend(fontsize="x-small", frameon=False)


if __name__ == "__main__":
    main()
