"""The energy of Eyeriss as it was measured, beside what counting activity makes of it.

Published numbers alone, nothing fitted: the measured power enters ratios and what is left. Those of
MACs are the shipped ``tsmc28``'s before they were scaled, published at 45 nm, times the energy
polynomials of Stillmaker and Baas 2017 (Table 5) to 65 nm, both at 1 V, as the chip ran.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

import codesign
from codesign.costs.widths import layer_bops
from codesign.specs.technology import Energies

SILICON = Path(__file__).parents[1] / "eyeriss_silicon"
NETWORKS = {"alexnet": SILICON / "alexnet_conv.toml", "vgg16": "vgg16"}
BITS = 16
BITS_PER_MB, MJ_PER_J, MS_PER_S, MW_PER_W = 8e6, 1e3, 1e3, 1e3
V = 1.0  # supply of the measured chip
FROM_45_NM = (3.755 * V**2 - 4.398 * V + 1.975) / (1.018 * V**2 - 0.3107 * V + 0.1539)
MAC_J_PER_BOP, MAC_J = 2.13e-15 * FROM_45_NM, 2.10e-14 * FROM_45_NM
# Horowitz 2014: 10 pJ for 64 bit of 8 KB, the smallest; banks of the buffer have 4 KB.
SRAM_J_PER_BIT = 10e-12 / 64 * FROM_45_NM
# Chen, Emer, Sze, ISCA 2016, Table IV: energy of an access over that of a MAC, at 65 nm.
REGISTERS_PER_MAC, REGISTER, BUFFER = 4, 1.0, 6.0
DRAM_J_PER_BIT = 20.3e-12


def tables() -> dict[str, pd.DataFrame]:
    """By layer, and by network."""
    each = {name: compare(name) for name in NETWORKS}
    return {
        "eyeriss": pd.concat(each.values(), ignore_index=True),
        "eyeriss_totals": pd.DataFrame([total(name, table) for name, table in each.items()]),
    }


def compare(network: str) -> pd.DataFrame:
    """Energies of every measured layer, mJ for its batch; ratios are ours over the measured."""
    silicon = pd.read_csv(SILICON / "measured.csv", comment="#")
    silicon = silicon[(silicon["network"] == network) & (silicon["layer"] != "total")]
    found = evaluated(network, int(silicon["batch"].iloc[0]))
    assert found.energy is not None
    rows = []
    for row, layer, energy in zip(
        silicon.itertuples(), found.network.layers, found.energy.layers, strict=False
    ):
        measured_mj = row.power_mw / MW_PER_W * row.total_latency_ms / MS_PER_S * MJ_PER_J
        macs_mj = energy.parts_j["macs"] * MJ_PER_J
        touched = sum(energy.sram_read_bits.values()) + sum(energy.sram_written_bits.values())
        sram_mj = touched * SRAM_J_PER_BIT * MJ_PER_J
        mac_j = float(layer_bops(layer, BITS, BITS)) / layer.macs * MAC_J_PER_BOP + MAC_J
        buffer_mj = row.glb_mb * BITS_PER_MB / BITS * BUFFER * mac_j * MJ_PER_J
        registers_mj = REGISTERS_PER_MAC * REGISTER * macs_mj
        known_mj = macs_mj + registers_mj + buffer_mj
        rows.append(
            {
                "network": network,
                "layer": row.layer,
                "power_mw": row.power_mw,
                "measured_mj": measured_mj,
                "macs_mj": macs_mj,
                "sram_mj": sram_mj,
                "ours_mj": macs_mj + sram_mj,
                "ratio": (macs_mj + sram_mj) / measured_mj,
                "glb_mb": row.glb_mb,
                "ours_glb_mb": touched / BITS_PER_MB,
                "glb_ratio": touched / BITS_PER_MB / row.glb_mb,
                "buffer_mj": buffer_mj,
                "registers_mj": registers_mj,
                "known_mj": known_mj,
                "known_ratio": known_mj / measured_mj,
                "left_mw": (measured_mj - known_mj) / row.total_latency_ms * MW_PER_W,
                "dram_mj": row.dram_mb * BITS_PER_MB * DRAM_J_PER_BIT * MJ_PER_J,
            }
        )
    return pd.DataFrame(rows)


def evaluated(network: str, batch: int) -> codesign.Evaluation:
    """The network on the shipped Eyeriss with these energies."""
    given = Energies(
        j_per_bop=MAC_J_PER_BOP,
        j_per_mac=MAC_J,
        sram_read_j_per_bit=SRAM_J_PER_BIT,
        sram_write_j_per_bit=SRAM_J_PER_BIT,
    )
    chip = replace(
        codesign.load_accelerator("eyeriss"), energy=given, dram_energy_j_per_bit=DRAM_J_PER_BIT
    )
    described = codesign.load_network(NETWORKS[network]).batched(batch)
    return codesign.evaluate(described, chip, BITS, on_chip="none")


def total(network: str, table: pd.DataFrame) -> dict[str, object]:
    """Sums over the layers, and the published total."""
    silicon = pd.read_csv(SILICON / "measured.csv", comment="#")
    published = silicon[(silicon["network"] == network) & (silicon["layer"] == "total")].iloc[0]
    published_mj = published["power_mw"] * published["total_latency_ms"] / MS_PER_S
    sums = table.sum(numeric_only=True)
    latency_ms = published["total_latency_ms"]
    return {
        "network": network,
        "published_mj": published_mj,
        "measured_mj": sums["measured_mj"],
        "macs_mj": sums["macs_mj"],
        "ours_mj": sums["ours_mj"],
        "ratio": sums["ours_mj"] / published_mj,
        "glb_ratio": sums["ours_glb_mb"] / sums["glb_mb"],
        "registers_mj": sums["registers_mj"],
        "buffer_mj": sums["buffer_mj"],
        "known_ratio": sums["known_mj"] / published_mj,
        "least_left_mw": table["left_mw"].min(),
        "left_mw": (published_mj - sums["known_mj"]) / latency_ms * MW_PER_W,
        "most_left_mw": table["left_mw"].max(),
        "dram_over_chip": sums["dram_mj"] / published_mj,
    }
