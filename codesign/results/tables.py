"""Results as tables: layers of a design, evaluation or assignment; points of a front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd

from codesign.costs.layer_energy import LayerEnergy
from codesign.costs.layers import LayerDesign, Tile
from codesign.problem.metrics import ALL_METRICS, COST, ENERGY, INTERVAL, value_in
from codesign.results.assignment import Assignment
from codesign.results.consistency import names_in_bands
from codesign.results.front import Front
from codesign.results.hardware_result import HardwareResult
from codesign.results.records import PipelineHardware
from codesign.results.run_figures import band_rows, held_bits, held_during, rates, run_numbers
from codesign.results.views import AnyHardware
from codesign.specs.network import Layer
from codesign.units import member_of


def layer_frame(result: HardwareResult) -> pd.DataFrame:
    """One row per layer; see `HardwareResult.layers`."""
    layers, steps = result.network.layers, [*zip(run_numbers(result), rates(result), strict=True)]
    zeros, rows = result.network.stored_macs < result.network.macs, []
    for layer, row, (run, (share, gops)) in zip(layers, result.layer_designs, steps, strict=True):
        tile = {} if row.tile is None else row.tile.sizes(layer)
        rows.append(
            {
                "layer": layer.name,
                "fused_run": run,
                "mapping": _mapping(result, layer, row),
                "weight_bits": row.weight_bits,
                "input_bits": result.tensor_bits[layer.input],
                "output_bits": result.tensor_bits[layer.output],
                **{f"tile_{x.name}": tile.get(x.name) for x in fields(Tile)},
                "order": row.order,
                "sram_bits": row.sram_bits,
                "resident_bits": None if result.on_chip is None else row.resident_bits,
                "macs": layer.macs,
                "stored_macs": layer.stored_macs if zeros else None,
                "ops": layer.ops,
                "cycles": row.cycles,
                "utilisation": share,
                "gops": gops,
                "dram_weight_bits": row.dram_bits.weights,
                "dram_ifmap_bits": row.dram_bits.ifmap,
                "dram_output_bits": row.dram_bits.output,
                "dram_psum_bits": row.dram_bits.psum,
                "dram_residual_bits": row.dram_bits.residual,
                "dram_bits": row.dram_bits.total,
                "compute_s": row.compute_s,
                "sram_s": row.sram_s,
                "memory_s": row.memory_s,
                "latency_s": row.latency_s,
                "bound_by": row.bound_by,
            }
        )
    if result.energy is not None:
        for columns, energy in zip(rows, result.energy.layers, strict=True):
            columns |= _energy_columns(energy)
    return _by_layer(rows)


def _mapping(result: HardwareResult, layer: Layer, row: LayerDesign) -> str | None:
    """What a layer's rows and columns take; None where it is the usual one on all layers."""
    mapping = result.accelerator.mapping
    unknown = layer.moves or row.tile is None or mapping == ("window",)
    return None if unknown else row.mapping or mapping[0]


def _energy_columns(energy: LayerEnergy) -> dict[str, float]:
    """SRAM bits read and written, J by part, and J of all of them."""
    sram_j = math.fsum(x for part, x in energy.parts_j.items() if part.startswith("sram_"))
    return {
        "sram_read_bits": sum(energy.sram_read_bits.values()),
        "sram_written_bits": sum(energy.sram_written_bits.values()),
        "mac_energy_j": energy.parts_j["macs"],
        "sram_energy_j": sram_j,
        "dram_energy_j": energy.parts_j["dram"],
        "static_energy_j": energy.parts_j["static"],
        "energy_j": energy.total_j,
    }


def resident_frame(result: HardwareResult) -> pd.DataFrame:
    """One row per tensor that stays on chip; see `HardwareResult.residents`."""
    network, held = result.network, held_during(result)
    bands, rows = names_in_bands(result.on_chip), band_rows(result)
    columns: dict[str, list[Any]] = {
        "bits": [result.tensor_bits[name] for name in held],
        "sram_bits": [*held_bits(result).values()],
        "first_layer": [network.layers[first].name for first, _ in held.values()],
        "last_layer": [network.layers[last].name for _, last in held.values()],
    }
    if bands:
        columns["place"] = ["band" if name in bands else "chip" for name in held]
        columns["rows"] = [rows[name][0] if name in bands else None for name in held]
    frame = pd.DataFrame(columns, index=pd.Index(held, name="tensor"))
    return frame.astype({"rows": "Int64"}) if bands else frame


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
    return _by_layer(rows)


def _by_layer(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A table of rows by layer. What is known of no layer is no column.

    Whole numbers that only some layers have (no width of weights, no tile where data only moves, no
    run where nothing is fused) stay whole: their columns are nullable.
    """
    frame = pd.DataFrame(rows).set_index("layer").dropna(axis="columns", how="all")
    whole = "weight_bits", "fused_run"
    counts = [name for name in frame if name in whole or str(name).startswith("tile_")]
    return frame.astype({name: "Int64" for name in counts if frame[name].hasnans})


def _hardware(hardware: AnyHardware) -> dict[str, Any]:
    """The columns of a design's hardware; several mappings as in ``window+output``."""
    if isinstance(hardware, PipelineHardware):
        return asdict(hardware)
    return {**asdict(hardware), "mapping": "+".join(hardware.mapping)}


def front_frame(front: Front) -> pd.DataFrame:
    """One row per point of a front; see `Front.points`."""
    known = {name for design in front.designs for name in design.metrics}
    rest = (x for x in (INTERVAL, *ALL_METRICS, ENERGY) if x in known and x not in front.objectives)
    shares = sorted(name for name in known if member_of(name) and name not in front.objectives)
    names = [*front.objectives, *rest, *shares]
    rates = front.rates if len(front.objectives) == 2 else np.full(max(len(front) - 1, 0), np.nan)
    counted = ("resident_tensors", "band_tensors")
    shown = [name for name in counted if any(getattr(x, name) is not None for x in front.designs)]
    ported = any(row.bound_by == "sram" for x in front.designs for row in x.layer_designs)
    several, rows = len({design.architecture for design in front.designs}) > 1, []
    for number, design in enumerate(front.designs):
        roofs = [row.bound_by for row in design.layer_designs]
        port = {"sram_bound_layers": roofs.count("sram")} if ported else {}
        rows.append(
            {
                **{name: design.metrics.get(name, np.nan) for name in names},
                **{x: value_in(design.metrics, x) for x in front.objectives},
                **({"architecture": design.architecture} if several else {}),
                **_hardware(design.hardware),
                "compute_bound_layers": roofs.count("compute"),
                **port,
                "memory_bound_layers": roofs.count("memory"),
                "memory_bound_share": design.memory_bound_share,
                **{name: getattr(design, name) for name in shown},
                **{x: rate for x, rate in design.image_rates.items() if x != INTERVAL},
                "rate_to_next": rates[number] if number < len(rates) else np.nan,
                "knee": number == front.knee and len(front) > 2,
                "minimised": design.problem.objective,
                **asdict(design.proof),
                "seconds": design.solver.seconds,
            }
        )
    frame = pd.DataFrame(rows)
    kinds = {type(design.hardware) for design in front.designs}
    counts = [*(x.name for kind in kinds for x in fields(kind)), *shown]
    for name in frame.columns.intersection(counts) if len(kinds) > 1 else ():
        frame[name] = pd.Series([row.get(name) for row in rows], dtype=object)  # whole, or none
    plain = set(frame.get("mapping", [])) <= {"window"}
    return frame.drop(columns="mapping", errors="ignore") if plain else frame
