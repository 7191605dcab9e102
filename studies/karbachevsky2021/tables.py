"""Tables 1, 2, 3, 4 and 6 of the paper, from the general model with accelerator files."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from published import GIVEN, NOT_MODELLED, Ours, number, printed, published, rows_of

import codesign
from codesign.costs.area import pe_area_um2

FITTED_DRAM_BITS_PER_S = 1.016e9  # Table 6: no text states it; see the interval in its CSV
IMAGES = 3  # Table 6: handled one by one, the weights fetched for each
UNPOOLED = Path(__file__).parent / "vgg16_unpooled.toml"
EXAMPLES = {"Table 3": ("table3", "layer3.1.conv1"), "Table 4": ("table4", "layer1.0.conv1")}
TECHNOLOGIES = ("tsmc28", "tsmc28-quadratic")
WINDOW = 9  # 3×3 kernels
UM2_PER_MM2, GIGA, MS_PER_S = 1e6, 1e9, 1e3


def table1() -> pd.DataFrame:
    """Ratios of the two 32-bit multipliers."""
    wide = published().query("item == 'Table 1'").pivot(index="quantity", columns="row")
    frame = wide["printed"].astype(float).loc[list(_quantities("Table 1"))]
    return frame.assign(float_over_fixed=frame["float32"] / frame["fixed32"]).reset_index()


def table2() -> pd.DataFrame:
    """3×3 PEs on 1 mm² by both forms of the area fit."""
    rows = []
    for precision in rows_of("Table 2"):
        row: dict[str, object] = {"precision": precision}
        row["published_pes"] = number("Table 2", precision, "PEs on 1 mm²")
        for name in TECHNOLOGIES if precision.startswith("fixed") else ():
            bits = int(precision.removeprefix("fixed"))
            area_um2 = float(pe_area_um2(codesign.load_technology(name), bits, bits))
            row[f"{name}_pe_um2"], row[f"{name}_pes"] = area_um2, math.floor(UM2_PER_MM2 / area_um2)
        rows.append(row)
    return pd.DataFrame(rows)


def arrays(item: str) -> pd.DataFrame:
    """Table 3 or 4: the layer on each array at the ideal roofline."""
    prefix, layer = EXAMPLES[item]
    network = codesign.load_network("resnet18")
    area_um2 = number(item, "conditions", "area") * UM2_PER_MM2
    rows = []
    for precision in rows_of(item):
        on = codesign.load_accelerator(f"{prefix}-{precision}")
        figures = codesign.evaluate(network, on, roofline="ideal").layers.loc[layer]
        assert on.pe_area_um2 is not None
        assert on.dram_bits_per_s is not None
        fitted = {} if on.number_format == "float" else _fitted_sides(on, area_um2)
        rows.append(
            {
                "accelerator": on.name,
                "precision": precision,
                "pe_area_um2": on.pe_area_um2,
                "side": on.rows,
                "largest_square_side": math.isqrt(math.floor(area_um2 / on.pe_area_um2)),
                "clock_mhz": on.clock_hz / 1e6,
                "gops_per_s": on.peak_ops_per_s(WINDOW) / GIGA,
                "ops_per_bit": figures["ops"] / figures["dram_bits"],
                "dram_gbit_per_s": on.dram_bits_per_s / GIGA,
                "ridge_ops_per_bit": on.peak_ops_per_s(WINDOW) / on.dram_bits_per_s,
                "attained_gops_per_s": figures["ops"] / figures["latency_s"] / GIGA,
                "bound_by": figures["bound_by"],
                **fitted,
            }
        )
    return pd.DataFrame(rows)


def _fitted_sides(on: codesign.Accelerator, area_um2: float) -> dict[str, int]:
    """The side of the largest square array where each fit gives the PE's area."""
    found = {}
    for name in TECHNOLOGIES:
        bits = on.pe_weight_bits, on.pe_activation_bits
        pe_um2 = float(pe_area_um2(codesign.load_technology(name), *bits))
        found[f"{name}_side"] = math.isqrt(math.floor(area_um2 / pe_um2))
    return found


def table6() -> pd.DataFrame:
    """VGG-16 on Eyeriss, and the DRAM bandwidths that each printed latency allows."""
    network = codesign.load_network(UNPOOLED)
    on = codesign.load_accelerator("eyeriss")
    on = replace(on, dram_bits_per_s=FITTED_DRAM_BITS_PER_S)
    layers = codesign.evaluate(network, on, roofline="ideal").layers
    latency_ms = layers["compute_s"] * IMAGES * MS_PER_S
    roofline_ms = layers["latency_s"] * IMAGES * MS_PER_S
    shown, shown_roofline = latency_ms.round(1), roofline_ms.round(1)
    frame = pd.DataFrame(
        {
            "latency_ms": latency_ms,
            "roofline_ms": roofline_ms,
            "increase_of_rounded_percent": 100 * (shown_roofline / shown - 1),
            "increase_percent": 100 * (roofline_ms / latency_ms - 1),
            "dram_mbit": layers["dram_bits"] * IMAGES / 1e6,
            "bound_by": layers["bound_by"],
        }
    )
    theirs = [number("Table 6", row, "latency from roofline") for row in frame.index]
    megabits = frame["dram_mbit"]  # per ms: Gbit/s
    least, most = megabits / (np.array(theirs) + 0.05), megabits / (np.array(theirs) - 0.05)
    memory_bound = latency_ms < np.array(theirs) - 0.05
    frame["dram_least_gbit_per_s"] = least
    frame["dram_most_gbit_per_s"] = most.where(memory_bound)
    return frame.reset_index()


def fitted_interval() -> tuple[float, float]:
    """DRAM bandwidths, Gbit/s, that every printed latency of Table 6 allows."""
    frame = table6()
    return frame["dram_least_gbit_per_s"].max(), frame["dram_most_gbit_per_s"].min()


def ours() -> list[Ours]:
    """Our number for every published one."""
    return [*_fits(), *_table1(), *_table2(), *_arrays(), *_memory(), *_table6()]


def _quantities(item: str) -> list[str]:
    return list(dict.fromkeys(published().query("item == @item")["quantity"]))


def _fits() -> list[Ours]:
    linear, quadratic = (codesign.load_technology(name).pe_area_um2 for name in TECHNOLOGIES)
    held = {("Figure 1", "fit"): quadratic, ("Figure 3", "fit"): linear}
    for letter, kind in (("a", "single-port"), ("b", "dual-port")):
        fit = codesign.load_technology("tsmc28", sram=kind).sram_area_um2
        held[f"Figure 6{letter}", kind] = fit
    found = []
    for (item, row), fit in held.items():
        for quantity in _quantities(item):
            if quantity == "R²":
                how = f"{NOT_MODELLED}: the measured areas are not published"
                found.append(Ours(item, row, quantity, None, how))
            else:
                found.append(Ours(item, row, quantity, getattr(fit, quantity), GIVEN))
    return found


def _table1() -> list[Ours]:
    how = f"{NOT_MODELLED}: synthesis of one multiplier"
    keys = published().query("item == 'Table 1'")[["row", "quantity"]].to_numpy()
    return [Ours("Table 1", row, quantity, None, how) for row, quantity in keys]


def _table2() -> list[Ours]:
    found = []
    for row in table2().to_dict("records"):
        key = "Table 2", row["precision"], "PEs on 1 mm²"
        if row["precision"] == "float32":
            found.append(Ours(*key, None, f"{NOT_MODELLED}: BOPS are defined for integers"))
            continue
        found += [Ours(*key, row[f"{name}_pes"], f"`{name}`") for name in TECHNOLOGIES]
    return found


def _arrays() -> list[Ours]:
    found = []
    for item, (_, layer) in EXAMPLES.items():
        frame = arrays(item)
        squared = "the square array of the accelerator files fills it"
        area_mm2 = number(item, "conditions", "area") if _fills(frame) else None
        found.append(Ours(item, "conditions", "area", area_mm2, squared))
        found.append(Ours(item, "conditions", "clock", frame["clock_mhz"][0], GIVEN))
        for row in frame.to_dict("records"):
            how = f"`{row['accelerator']}`"
            at = f"{how}, ideal roofline, `{layer}`"
            found.append(Ours(item, row["precision"], "performance", row["gops_per_s"], how))
            found.append(Ours(item, row["precision"], "intensity", row["ops_per_bit"], at))
    return found


def _fills(frame: pd.DataFrame) -> bool:
    """Whether every array is the largest square one of its area."""
    return bool((frame["side"] == frame["largest_square_side"]).all())


def _memory() -> list[Ours]:
    memory, key = codesign.load_memory("ddr4-2400"), ("Figures 8, 9", "DDR")
    return [
        Ours(*key, "transfer rate", memory.transfer_rate_gt_per_s, GIVEN),
        Ours(*key, "bus", float(memory.bus_width_bits), GIVEN),
        Ours(*key, "bandwidth", memory.bits_per_s / GIGA, "`ddr4-2400`: rate × bus"),
    ]


def _table6() -> list[Ours]:
    found = []
    for row in table6().to_dict("records"):
        name = row["layer"]
        found.append(Ours("Table 6", name, "latency", row["latency_ms"], "`eyeriss`: compute"))
        how = "`eyeriss`, DRAM fitted: roofline"
        found.append(Ours("Table 6", name, "latency from roofline", row["roofline_ms"], how))
        if printed("Table 6", name, "increase") is not None:
            rounded = row["increase_of_rounded_percent"]
            found.append(Ours("Table 6", name, "increase", rounded, "our two, rounded to 0.1 ms"))
    return found
