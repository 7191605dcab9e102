"""The numbers behind the paper's figures, from the package's model."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from tables import GIGA, TECHNOLOGIES, WINDOW

import codesign
from codesign.costs.area import pe_area_um2, pe_bops, sram_area_um2
from codesign.costs.compute import PEArray, fold
from codesign.costs.layers import tiled_layer
from codesign.costs.tiling import operand_bits, tilings
from codesign.results.evaluation import Evaluation

BITS = tuple(range(2, 33))  # Figures 1 and 3
MARKED_BITS = (2, 4, 8, 16, 32)
CHANNELS = (1, 2, 4, 8, 16)  # Figures 4 and 12
MIXED_BITS = (2, 4, 8, 16)
SYSTOLIC_PES = 9  # Figure 12: 3×3 PEs
SRAM_BITS = tuple(2**k for k in range(10, 24))
RIDGE_ARRAY = "table4-fixed4"  # Figure 7


def area_fits() -> pd.DataFrame:
    """Figures 1 and 3: a 3×3 PE by both fits, for equal widths of 2 to 32 bit."""
    bits = np.array(BITS)
    linear, quadratic = (pe_area_um2(codesign.load_technology(n), bits, bits) for n in TECHNOLOGIES)
    return pd.DataFrame(
        {
            "bits": bits,
            "bops": pe_bops(bits, bits, WINDOW),
            "figure1_um2": quadratic,
            "figure3_um2": linear,
            "figure3_over_figure1_percent": 100 * (linear / quadratic - 1),
        }
    )


def refits() -> pd.DataFrame:
    """Lines against BOPS fitted to points of Figure 1's own curve: what their R² hides."""
    rows = []
    whole = area_fits()
    for widths in (MARKED_BITS, BITS):
        curve = whole[whole["bits"].isin(widths)]
        points = pd.DataFrame({"bw": curve["bits"], "ba": curve["bits"], "n": 1, "m": 1})
        points["area_um2"] = curve["figure1_um2"]
        for relative in (False, True):
            fit = codesign.fit_area(points, kind="pe", relative=relative, name="refit")
            rows.append({"points": len(points), "relative": relative, **_quality(fit)})
    return pd.DataFrame(rows)


def channels(pes: int) -> pd.DataFrame:
    """Figures 4 (one PE) and 12 (``pes`` of them): n inputs, m outputs, mixed widths.

    Areas are the model's, of both fits: Figure 3's line at the BOPS of the PE, and Figure 1's
    curve for each of the n·m kernels.
    """
    grid = np.array([*itertools.product(CHANNELS, CHANNELS, MIXED_BITS, MIXED_BITS)])
    n, m, bw, ba = grid.T
    line = codesign.load_technology("tsmc28").pe_area_um2
    one_kernel = pe_area_um2(codesign.load_technology("tsmc28-quadratic"), bw, ba)
    bops = pe_bops(bw, ba, WINDOW, inputs=n, outputs=m)
    return pd.DataFrame(
        {
            "n": n,
            "m": m,
            "bw": bw,
            "ba": ba,
            "accumulator_bits_as_printed": np.log2(WINDOW * m) * bw * ba,
            "bops": pes * bops,
            "line_um2": pes * (line.slope * bops + line.intercept),
            "kernels_um2": pes * n * m * one_kernel,
        }
    )


def channel_fit() -> codesign.AreaFitResult:
    """The line through the areas of Figure 4's kernels, against their BOPS."""
    points = channels(1).rename(columns={"kernels_um2": "area_um2"})
    return codesign.fit_area(points, kind="pe", name="figure4")


def sram(kind: str) -> pd.DataFrame:
    """Figure 6: the area of an SRAM against its bits."""
    bits = np.array(SRAM_BITS)
    technology = codesign.load_technology("tsmc28", sram=kind)
    return pd.DataFrame({"bits": bits, "area_um2": sram_area_um2(technology, bits)})


def ridge() -> pd.DataFrame:
    """Figure 7: of the 3×3 layers of ResNet-18 and VGG-16, on a real array, the one of fewest
    OPS per bit, the one of most, and the one nearest the ridge."""
    on = codesign.load_accelerator(RIDGE_ARRAY)
    assert on.dram_bits_per_s is not None
    tables = []
    for name in ("resnet18", "vgg16"):
        network = codesign.load_network(name)
        layers = codesign.evaluate(network, on, roofline="ideal").layers.reset_index()
        three = [layer.window == WINDOW for layer in network.layers]
        tables.append(layers[three].assign(network=name))
    points = pd.concat(tables, ignore_index=True)
    points["ops_per_bit"] = points["ops"] / points["dram_bits"]
    points["gops_per_s"] = points["ops"] / points["latency_s"] / GIGA
    points["ridge_ops_per_bit"] = on.peak_ops_per_s(WINDOW) / on.dram_bits_per_s
    x = np.log(points["ops_per_bit"] / points["ridge_ops_per_bit"])
    chosen = points.loc[[x.idxmin(), x.idxmax(), x.abs().idxmin()]]
    kept = ["network", "layer", "ops_per_bit", "gops_per_s", "ridge_ops_per_bit", "bound_by"]
    return chosen.assign(app=["App1", "App2", "App3"])[["app", *kept]].reset_index(drop=True)


class Spilling(NamedTuple):
    """One of Figures 13 and 14."""

    network: str
    accelerator: str
    sram_bits: int


# The same SRAM in both, that of Eyeriss: 108 KiB (Chen et al., JSSC 2017)
EYERISS_SRAM_BITS = 884_736
SPILLING = {
    "figure13": Spilling("resnet18", "table3-fixed16", EYERISS_SRAM_BITS),
    "figure14": Spilling("vgg16", "eyeriss", EYERISS_SRAM_BITS),
}


def spilling_accelerator(name: str) -> codesign.Accelerator:
    """The accelerator of Figure 13 or 14."""
    given = SPILLING[name]
    on = codesign.load_accelerator(given.accelerator)
    return replace(on, sram_bits=given.sram_bits)


def partial_sums(name: str) -> pd.DataFrame:
    """Figures 13 and 14: each layer at the ideal roofline, and with its partial sums travelling.

    Beside them the tiling that `codesign.evaluate` takes: that of least DRAM traffic.
    """
    network, on = codesign.load_network(SPILLING[name].network), spilling_accelerator(name)
    ideal = codesign.evaluate(network, on, roofline="ideal")
    best = codesign.evaluate(network, on, on_chip="none")
    frame = pd.DataFrame({"layer": [layer.name for layer in network.layers]})
    frame.insert(0, "number", frame.index + 1)
    frame["kernel"] = [f"{layer.R}×{layer.S}" for layer in network.layers]
    ops = np.array([layer.ops for layer in network.layers])
    for label, evaluation in (("ideal", ideal), ("spilling", _spill(best)), ("least", best)):
        layers = evaluation.layers
        frame[f"{label}_ops_per_bit"] = ops / layers["dram_bits"].to_numpy()
        frame[f"{label}_gops_per_s"] = ops / layers["latency_s"].to_numpy() / GIGA
        frame[f"{label}_bound_by"] = layers["bound_by"].to_numpy()
        frame[f"{label}_psum_bits"] = layers["dram_psum_bits"].to_numpy()
    return frame


def _spill(evaluation: Evaluation) -> Evaluation:
    """The same with tilings of one array-full of input channels at a time, those outermost.

    Each such pass leaves the partial sums of the whole layer, which travel to the DRAM and back
    unless the SRAM holds all of them. Of these tilings that fit, the one of least traffic.
    """
    network, on = evaluation.network, evaluation.accelerator
    layers = []
    for layer, drawn in zip(network.layers, evaluation.layer_designs, strict=True):
        bits = operand_bits(
            drawn.weight_bits, evaluation.tensor_bits[layer.input], layer.accumulation_bits
        )
        bits[2] = on.psum_bits or bits[2]
        table = tilings(layer, PEArray(on.rows, on.cols, on.engine))
        channels_at_once = fold(layer, PEArray(on.rows, on.cols, on.engine)).tile_c
        passes = -(-layer.C // channels_at_once)
        g, k, c, p, q, images = table.tile.T
        whole = (g == layer.G) & (k == layer.K) & (p * q * images == layer.P * layer.Q * layer.N)
        spilled = table.traffic[:, 2] == 2 * layer.computed_outputs * (passes - 1)
        suits = (c == channels_at_once) & (spilled | whole)
        rows = np.flatnonzero(suits & (table.need @ bits <= on.sram_bits))
        row = int(rows[(table.traffic[rows] @ bits).argmin()])
        layers.append(
            tiled_layer(network, layer, on, drawn.weight_bits, evaluation.tensor_bits, table, row)
        )
    metrics = dict(evaluation.metrics)
    metrics["dram_bits"] = float(sum(layer.dram_bits.total for layer in layers))
    metrics["latency_s"] = float(sum(layer.latency_s or 0 for layer in layers))
    return replace(evaluation, layer_designs=tuple(layers), metrics=metrics)


def _quality(fit: codesign.AreaFitResult) -> dict[str, float]:
    return {
        **fit.coefficients,
        "r2": fit.r2,
        "low_end_error": fit.low_end_error,
        "high_end_error": fit.high_end_error,
        "max_relative_error": fit.max_relative_error,
    }
