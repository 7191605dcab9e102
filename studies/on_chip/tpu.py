"""TPU v1 as it was measured beside what the model allows it, with tensors on chip and without.

Its unified buffer keeps every tensor between layers, its DRAM holds weights alone, and inputs and
results take the host's bus. So the bound it should obey is that of resident tensors; the model with
every tensor in DRAM is no bound for it. Nothing is fitted: the chip, batches and measurements are
published (``tpu_measured.csv``), the networks are the shipped ones.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import codesign

STUDY = Path(__file__).parent
BITS = 8
MIB_BITS = 2**23
OPS_PER_MAC = 2  # of the paper's TOPS
TERA = 1e12


def tables() -> dict[str, pd.DataFrame]:
    """Bounds beside measurements, and what lies between them, one row per application."""
    measured = pd.read_csv(STUDY / "tpu_measured.csv", comment="#").set_index("application")
    rows = {name: _rows(str(name), row) for name, row in measured.iterrows()}
    return {
        "tpu": pd.DataFrame([bounds for bounds, _ in rows.values()]),
        "tpu_causes": pd.DataFrame([causes for _, causes in rows.values()]),
    }


def _rows(name: str, measured: pd.Series) -> tuple[dict[str, object], dict[str, object]]:
    """The bounds of one application, and what explains its distance from them."""
    tpu = codesign.load_accelerator("tpu_v1")
    rate = tpu.dram_bits_per_s
    assert rate is not None
    network = codesign.load_network(name).batched(int(measured["batch"]))
    found = codesign.evaluate(network, tpu, BITS, on_chip="tensors")
    layers = found.layer_designs
    ops = OPS_PER_MAC * network.macs / TERA
    dram_s = [x.dram_bits.weights / rate for x in layers]
    roofline = min(tpu.peak_macs_per_s, measured["macs_per_weight"] * rate / BITS)
    every_s = codesign.evaluate(network, tpu, BITS, on_chip="none").metrics["latency_s"]
    bounds = {
        "roofline": OPS_PER_MAC * roofline / TERA,
        "weights": ops / sum(max(x.compute_s, s) for x, s in zip(layers, dram_s, strict=True)),
        "on_chip": ops / found.metrics["latency_s"],
        "none": ops / every_s,
    }
    compared: dict[str, object] = {"application": name, "measured_tops": measured["tops"]}
    for bound, tops in bounds.items():
        compared |= {f"{bound}_tops": tops, f"per_{bound}": measured["tops"] / tops}
    folded_s = [folded_cycles(x, tpu) / tpu.clock_hz for x in network.layers]
    folded = ops / sum(max(pair) for pair in zip(folded_s, dram_s, strict=True))
    filled = measured["useful_percent"] / measured["active_percent"]
    return compared, {
        "application": name,
        "fill_measured": filled,
        "fill": network.macs / (tpu.pes * sum(x.cycles or 0 for x in layers)),
        "fill_folded": network.macs
        / (tpu.pes * sum(folded_cycles(x, tpu) for x in network.layers)),
        "folded_tops": folded,
        "per_folded": measured["tops"] / folded,
        "per_weights_of_full_tiles": measured["tops"] / bounds["weights"] / filled,
        "non_matrix": measured["non_matrix_percent"] / 100,
        "weight_shift": measured["weight_shift_percent"] / 100,
        "raw_stalls": measured["raw_stall_percent"] / 100,
        "buffer_mib_measured": measured["buffer_mib"],
        "resident_mib": max(x.resident_bits for x in layers) / MIB_BITS,
    }


def folded_cycles(layer: codesign.Layer, tpu: codesign.Accelerator) -> int:
    """Cycles where kernel taps share the rows with input channels.

    The paper's Section 9: a layer of many channels takes R·S passes, one of few channels fewer, by
    techniques it does not describe. This is the plainest.
    """
    if layer.moves:
        return 0
    passes = -(-layer.C * layer.window // tpu.rows) * -(-layer.K // tpu.cols)
    return layer.N * layer.P * layer.Q * passes
