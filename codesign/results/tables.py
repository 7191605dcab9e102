"""Results as tables."""

from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pandas as pd

from codesign.costs.layers import LayerDesign, Tile, utilisation
from codesign.problem.metrics import COST, METRICS
from codesign.results.assignment import Assignment
from codesign.results.front import Front
from codesign.results.hardware_result import HardwareResult
from codesign.specs.network import Layer
from codesign.units import OPS_PER_GOP, OPS_PER_MAC


def layer_frame(result: HardwareResult) -> pd.DataFrame:
    """One row per layer; see `Design.layers`. What is known of no layer is no column.

    Whole numbers that only some layers have (no width of weights, no tile where data only moves)
    stay whole: their columns are nullable.
    """
    rows = []
    for layer, priced in zip(result.network.layers, result.layer_designs, strict=True):
        rows.append(
            {
                "layer": layer.name,
                "weight_bits": priced.weight_bits,
                "input_bits": result.tensor_bits[layer.input],
                "output_bits": result.tensor_bits[layer.output],
                **_tiling(priced),
                "macs": layer.macs,
                "ops": layer.ops,
                "cycles": priced.cycles,
                "utilisation": utilisation(layer, priced, result.accelerator),
                "gops": _gops(layer, priced),
                "dram_weight_bits": priced.dram_bits.weights,
                "dram_ifmap_bits": priced.dram_bits.ifmap,
                "dram_output_bits": priced.dram_bits.output,
                "dram_psum_bits": priced.dram_bits.psum,
                "dram_residual_bits": priced.dram_bits.residual,
                "dram_bits": priced.dram_bits.total,
                "compute_s": priced.compute_s,
                "memory_s": priced.memory_s,
                "latency_s": priced.latency_s,
                "bound_by": priced.bound_by,
            }
        )
    frame = pd.DataFrame(rows).set_index("layer").dropna(axis="columns", how="all")
    counts = [name for name in frame if name == "weight_bits" or str(name).startswith("tile_")]
    partly = [name for name in counts if frame[name].hasnans]
    return frame.astype(dict.fromkeys(partly, "Int64"))


def _gops(layer: Layer, priced: LayerDesign) -> float | None:
    if priced.latency_s is None:
        return None
    return OPS_PER_MAC * layer.macs / OPS_PER_GOP / priced.latency_s


def _tiling(priced: LayerDesign) -> dict[str, int | str | None]:
    sizes: dict[str, int | str | None] = {}
    for size in fields(Tile):
        sizes[f"tile_{size.name}"] = getattr(priced.tile, size.name, None)
    return sizes | {"order": priced.order, "sram_bits": priced.sram_bits}


def widths_frame(assignment: Assignment) -> pd.DataFrame:
    """One row per layer; see `Assignment.layers`."""
    rows = [
        {
            "layer": layer.name,
            "weight_bits": row.weight_bits,
            "input_bits": row.input_bits,
            "output_bits": row.output_bits,
            "macs": layer.macs,
            "weights": layer.weights if layer.owns_weights else 0,
            "bops": row.bops,
            "latency_s": row.latency_s,
            **{COST + name: value for name, value in row.costs.items()},
        }
        for layer, row in zip(assignment.network.layers, assignment.layer_widths, strict=True)
    ]
    frame = pd.DataFrame(rows).set_index("layer").dropna(axis="columns", how="all")
    return frame.astype({"weight_bits": "Int64"} if frame["weight_bits"].hasnans else {})


def front_frame(front: Front) -> pd.DataFrame:
    """One row per point of a front; see `Front.points`."""
    names = [*front.objectives, *(name for name in METRICS if name not in front.objectives)]
    rates = front.rates if len(front.objectives) == 2 else np.full(max(len(front) - 1, 0), np.nan)
    rows = []
    for number, design in enumerate(front.designs):
        roofs = [row.bound_by for row in design.layer_designs]
        rows.append(
            {
                **{name: design.metrics[name] for name in names},
                **asdict(design.hardware),
                "compute_bound_layers": roofs.count("compute"),
                "memory_bound_layers": roofs.count("memory"),
                "memory_bound_share": design.memory_bound_share,
                "rate_to_next": rates[number] if number < len(rates) else np.nan,
                "knee": number == front.knee and len(front) > 2,
                "minimised": design.problem.objective,
                **asdict(design.proof),
                "seconds": design.solver.seconds,
            }
        )
    return pd.DataFrame(rows)
