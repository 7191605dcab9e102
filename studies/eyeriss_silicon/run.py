"""Eyeriss as it was measured beside our ideal and tiled rooflines, layer by layer.

Writes ``alexnet.csv``, ``vgg16.csv``, ``summary.csv``, ``causes.csv``, ``mapping.csv`` and
``eyeriss_silicon.png`` into a folder (``expected`` of this study holds ours). Nothing is fitted:
every parameter is published, and the measured values enter ratios and ``causes.csv`` alone.

    python studies/eyeriss_silicon/run.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import codesign

STUDY = Path(__file__).parent
NETWORKS = {"alexnet": STUDY / "alexnet_conv.toml", "vgg16": "vgg16"}
BITS = 16  # weights, activations and results alike
BITS_PER_MB = 8e6  # 10⁶ bytes: those alone give the paper's own accesses per MAC and per pixel
MS_PER_S = 1e3
PADS_BITS = 168 * 448 * 8  # scratch pads for weights in the PEs (Table IV)
BITS_PER_NONZERO = 64 / 3  # compressed: three values with their runs of zeros share 64 bit
PASSES = {  # Table III: ofmap channels m, images n and ofmap rows e that the buffer holds at once
    "CONV1": (96, 1, 7),
    "CONV2": (64, 1, 27),
    "CONV3": (64, 4, 13),
    "CONV4": (64, 4, 13),
    "CONV5": (64, 4, 13),
}
COMPARED = {  # measured quantity: its prediction
    "processing_latency_ms": "latency_ms",
    "total_latency_ms": "latency_ms",
    "dram_mb": "dram_mb",
}
SHADES = {"alexnet": "black", "vgg16": "0.65"}
MARKERS = {"ideal": "o", "tiled": "s"}
TITLES = {"alexnet": "AlexNet, batch 4", "vgg16": "VGG-16, batch 3"}
PLACES = {  # of a layer's name beside its marker: shift in points, alignments
    "below": ((0, -6), "center", "top"),
    "above": ((0, 6), "center", "bottom"),
    "below left": ((-4, -3), "right", "top"),
    "left": ((-6, 0), "right", "center"),
    "right": ((6, -1), "left", "center"),
}
SIDES = {  # where "below" would overlap; "with" another: same spot, named there
    "processing_latency_ms": {
        "CONV1": "right",
        "CONV4": "below left",
        "CONV1-1": "left",
        "CONV1-2": "above",
        "CONV3-3": "with",
        "CONV4-3": "with",
        "CONV5-1": "right",
        "CONV5-2": "with",
        "CONV5-3": "with",
    },
    "dram_mb": {
        "CONV4": "left",
        "CONV5": "left",
        "CONV1-1": "left",
        "CONV2-2": "right",
        "CONV5-1": "right",
        "CONV5-2": "above",
        "CONV5-3": "with",
        "CONV3-1": "left",
        "CONV4-2": "left",
        "CONV4-3": "right",
        "CONV3-2": "right",
        "CONV2-1": "right",
    },
}
NAMES = {
    "processing_latency_ms": {
        "CONV3-2": "3-2, 3-3",
        "CONV4-2": "4-2, 4-3",
        "CONV5-1": "5-1 to 5-3",
    },
    "dram_mb": {"CONV5-2": "5-2, 5-3"},
}


def main() -> None:
    """Compare, print and write everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    compared = {name: compare(name) for name in NETWORKS}
    tables = {
        **compared,
        "summary": pd.concat([summarise(name, table) for name, table in compared.items()]),
        "causes": pd.concat([causes(name) for name in NETWORKS]),
        "mapping": mapping(),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.5g")
        shown = table.to_string(index=False, float_format="{:.4g}".format, na_rep="-")
        print(f"\n{name}\n{shown}")
    draw(compared).savefig(folder / "eyeriss_silicon.png", dpi=130)


def measured(network: str) -> tuple[pd.DataFrame, pd.Series]:
    """What was published of a network: its layers, and their total."""
    table = pd.read_csv(STUDY / "measured.csv", comment="#")
    table = table[table["network"] == network].reset_index(drop=True)
    return table.iloc[:-1], table.iloc[-1]


def described(network: str) -> tuple[codesign.Network, tuple[codesign.Layer, ...]]:
    """A network in the batch it was measured in, and its measured layers: the convolutions."""
    layers, total = measured(network)
    batch = codesign.load_network(NETWORKS[network]).batched(int(total["batch"]))
    return batch, batch.layers[: len(layers)]


def compare(network: str) -> pd.DataFrame:
    """One row per layer: the measurement, the predictions, and what they are of the measurement."""
    eyeriss = codesign.load_accelerator("eyeriss")
    assert eyeriss.sram_bits is not None
    with_pads = replace(eyeriss, sram_bits=eyeriss.sram_bits + PADS_BITS)
    layers, _ = measured(network)
    table = layers[["layer", *COMPARED]].rename(
        columns={name: f"measured_{name}" for name in COMPARED}
    )
    table = table.join(predict(network, eyeriss, "ideal").add_prefix("ideal_"))
    table = table.join(predict(network, eyeriss, "tiled").add_prefix("tiled_"))
    table = table.join(predict(network, with_pads, "tiled").add_prefix("pads_"))
    for model in ("ideal", "tiled"):
        for theirs, ours in COMPARED.items():
            ratio = table[f"{model}_{ours}"] / table[f"measured_{theirs}"]
            table[f"{model}_per_{theirs.rsplit('_', 1)[0]}"] = ratio
    return table


def predict(network: str, accelerator: codesign.Accelerator, roofline: str) -> pd.DataFrame:
    """Latency, its compute part, and DRAM traffic of the measured layers."""
    batch, layers = described(network)
    found = codesign.evaluate(
        batch, accelerator, BITS, roofline=roofline, on_chip="none"
    ).layer_designs
    rows = found[: len(layers)]
    return pd.DataFrame(
        {
            "compute_ms": [MS_PER_S * row.compute_s for row in rows],
            "latency_ms": [MS_PER_S * row.latency_s for row in rows],
            "dram_mb": [row.dram_bits.total / BITS_PER_MB for row in rows],
        }
    )


def summarise(network: str, table: pd.DataFrame) -> pd.DataFrame:
    """Per prediction and quantity: ratio of the totals, and how the layers' ratios are spread."""
    _, total = measured(network)
    rows = []
    for model in ("ideal", "tiled", "pads"):
        for theirs, ours in COMPARED.items():
            predicted, truth = table[f"{model}_{ours}"], table[f"measured_{theirs}"]
            ratio = predicted / truth
            rows.append(
                {
                    "network": network,
                    "prediction": model,
                    "quantity": theirs,
                    "predicted": predicted.sum(),
                    "measured": total[theirs],
                    "ratio_of_totals": predicted.sum() / total[theirs],
                    "geometric_mean": np.exp(np.log(ratio).mean()),
                    "least": ratio.min(),
                    "least_in": table["layer"][ratio.idxmin()],
                    "greatest": ratio.max(),
                    "greatest_in": table["layer"][ratio.idxmax()],
                    "rank_correlation": predicted.rank().corr(truth.rank()),
                }
            )
    return pd.DataFrame(rows)


def causes(network: str) -> pd.DataFrame:
    """What the published tables alone say about time and traffic beyond the ideal roofline.

    ``idle_pes``, ``per_busy_mac`` and ``not_overlapped`` multiply to the measured total latency
    over the time of the MACs on all PEs. ``once_mb`` is every tensor moved once, outputs before
    pooling; ``compressed_mb`` the same with feature maps run-length coded, by their zeros, where
    those of the output are known; ``while_processing_mb`` what is left of the measured traffic
    if the link was busy in all the time that is not processing.
    """
    eyeriss = codesign.load_accelerator("eyeriss")
    assert eyeriss.dram_bits_per_s is not None
    rows_measured, _ = measured(network)
    batch, layers = described(network)
    nonzero = 1 - rows_measured["zeros_percent"] / 100
    rows = []
    for i, (layer, row) in enumerate(zip(layers, rows_measured.itertuples(), strict=True)):
        busy_ms = MS_PER_S * layer.macs / (row.active_pes * eyeriss.clock_hz)
        ifmap = layer.ifmap * (BITS_PER_NONZERO * nonzero[i] if i else BITS)
        known = i + 1 < len(layers) and batch.tensors[layer.output] == layer.computed_outputs
        output = layer.computed_outputs * BITS_PER_NONZERO * nonzero[i + 1] if known else np.nan
        other_s = (row.total_latency_ms - row.processing_latency_ms) / MS_PER_S
        weights = layer.weights * BITS
        rows.append(
            {
                "network": network,
                "layer": row.layer,
                "idle_pes": eyeriss.pes / row.active_pes,
                "per_busy_mac": row.processing_latency_ms / busy_ms,
                "not_overlapped": row.total_latency_ms / row.processing_latency_ms,
                "measured_mb": row.dram_mb,
                "once_mb": (weights + (layer.ifmap + layer.computed_outputs) * BITS) / BITS_PER_MB,
                "compressed_mb": (weights + ifmap + output) / BITS_PER_MB,
                "weights_mb": weights / BITS_PER_MB,
                "while_processing_mb": row.dram_mb
                - other_s * eyeriss.dram_bits_per_s / BITS_PER_MB,
            }
        )
    return pd.DataFrame(rows)


def mapping() -> pd.DataFrame:
    """DRAM traffic of AlexNet without compression, as the chip's own mapping schedules it.

    Sections IV and V: weights are read again for every strip of ``e`` ofmap rows and every ``n``
    images, the ifmap for every ``m`` ofmap channels, partial sums never leave the chip.
    """
    rows_measured, _ = measured("alexnet")
    rows = []
    for layer, row in zip(described("alexnet")[1], rows_measured.itertuples(), strict=True):
        m, n, e = PASSES[row.layer]
        strips = -(-layer.P // e)
        halo = 1 + (strips - 1) * (layer.kernel_rows - layer.stride_rows) / layer.H
        weights = layer.weights * strips * -(-layer.N // n) * BITS / BITS_PER_MB
        ifmap = layer.ifmap * halo * -(-layer.K // m) * BITS / BITS_PER_MB
        output = layer.computed_outputs * BITS / BITS_PER_MB
        rows.append(
            {
                "layer": row.layer,
                "weights_mb": weights,
                "ifmap_mb": ifmap,
                "output_mb": output,
                "uncompressed_mb": weights + ifmap + output,
                "measured_mb": row.dram_mb,
                "saved_of_maps": 1 - (row.dram_mb - weights) / (ifmap + output),
            }
        )
    return pd.DataFrame(rows)


def draw(compared: dict[str, pd.DataFrame]) -> Figure:
    """Predicted over measured latency and traffic, and their ratios layer by layer."""
    figure = Figure(figsize=(12, 10), layout="constrained")
    upper, lower = figure.subplots(2, 2, height_ratios=(3, 2))
    for axes, quantity, words in (
        (upper[0], "processing_latency_ms", "processing latency (ms)"),
        (upper[1], "dram_mb", "DRAM traffic (10⁶ bytes)"),
    ):
        draw_identity(axes, compared, quantity)
        axes.set(xlabel=f"measured {words}", ylabel=f"predicted {words}")
    draw_ratios(lower[0], compared, "processing_latency")
    draw_ratios(lower[1], compared, "dram")
    lower[0].set_ylabel("predicted / measured processing latency")
    lower[1].set_ylabel("predicted / measured DRAM traffic")
    return figure


def draw_identity(axes: Axes, compared: dict[str, pd.DataFrame], quantity: str) -> None:
    """Predictions over the measurement with the identity line, all logarithmic."""
    seen: list[float] = []
    for network, table in compared.items():
        truth = table[f"measured_{quantity}"]
        both = {model: table[f"{model}_{COMPARED[quantity]}"] for model in MARKERS}
        seen += [*truth, *both["ideal"], *both["tiled"]]
        axes.vlines(truth, *both.values(), color=SHADES[network], lw=0.8, zorder=1)
        for model, predicted in both.items():
            style = {"marker": MARKERS[model], "color": SHADES[network], "edgecolor": "black"}
            axes.scatter(truth, predicted, s=36, label=f"{TITLES[network]}: {model}", **style)
        for layer, x, ideal, tiled in zip(table["layer"], truth, *both.values(), strict=True):
            side = SIDES[quantity].get(layer, "below")
            if side in PLACES:
                shift, horizontal, vertical = PLACES[side]
                axes.annotate(
                    NAMES[quantity].get(layer, layer.removeprefix("CONV")),
                    (x, tiled if side == "above" else ideal),
                    textcoords="offset points",
                    xytext=shift,
                    fontsize=8,
                    horizontalalignment=horizontal,
                    verticalalignment=vertical,
                )
    ends = (0.7 * min(seen), 1.4 * max(seen))
    axes.plot(ends, ends, color="black", lw=0.8, zorder=0, label="predicted = measured")
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    ticks = [tick for d in range(4) for tick in (10**d, 3 * 10**d) if ends[0] < tick < ends[1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.legend(fontsize=8, loc="upper left")
    axes.grid(True, alpha=0.25)


def draw_ratios(axes: Axes, compared: dict[str, pd.DataFrame], quantity: str) -> None:
    """Both predictions over the measurement, a pair of bars per layer, from 1 up or down."""
    places: list[float] = []
    names: list[str] = []
    for network, table in compared.items():
        start = places[-1] + 2 if places else 0  # a gap between the networks
        for model, shift in (("ideal", -0.2), ("tiled", 0.2)):
            axes.bar(
                start + np.arange(len(table)) + shift,
                table[f"{model}_per_{quantity}"] - 1,
                0.4,
                bottom=1,
                color=SHADES[network] if model == "ideal" else "white",
                edgecolor=SHADES[network],
                hatch="" if model == "ideal" else "/////",
                label=f"{TITLES[network]}: {model}",
            )
        places += [start + i for i in range(len(table))]
        names += list(table["layer"])
    axes.set_yscale("log")
    axes.set_ylim(0.18, 6)  # room for the legend
    axes.set_yticks(ticks := [0.2, 0.5, 1, 2, 3], [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.axhline(1, color="black", lw=0.8)
    axes.set_xticks(places, names, rotation=90, fontsize=8)
    axes.legend(fontsize=8, ncols=2, loc="upper right")
    axes.grid(True, axis="y", alpha=0.25)


if __name__ == "__main__":
    main()
