"""A pipeline as a table: a row for each stage."""

from __future__ import annotations

import math

import pandas as pd

from codesign.results.dataflow_design import DataflowDesign, utilisation

PARTS = ("PEs", "weights", "lines", "psums", "fifos")  # of what a stage takes


def stage_frame(design: DataflowDesign) -> pd.DataFrame:
    """One row per stage; see `DataflowDesign.layers`."""
    shares, energy = utilisation(design), design.energy
    rows = []
    for n, (layer, row) in enumerate(zip(design.network.layers, design.stages, strict=True)):
        held, parts = row.memory_bits, design.stage_parts[n]
        columns = {
            "layer": layer.name,
            "weight_bits": row.weight_bits,
            "input_bits": design.tensor_bits[layer.input],
            "output_bits": design.tensor_bits[layer.output],
            "mapping": row.mapping,
            "rows": row.rows,
            "cols": row.cols,
            "weights": row.weights,
            "band_rows": row.band_rows,
            "start": row.start,
            "lag": row.lag,
            "macs": layer.macs,
            "cycles": row.cycles,
            "busy_s": _busy_s(design, n),
            "utilisation": shares[n],
            "weight_memory_bits": held.weights,
            "line_memory_bits": held.lines,
            "psum_memory_bits": held.psums,
            "fifo_memory_bits": math.fsum(held.fifos.values()),
            "dram_weight_bits": row.dram_bits,
            **row.taken,
        }
        if "area_mm2" in row.taken:
            each = {part: parts.get(part, {}).get("area_mm2", 0.0) for part in PARTS}
            columns |= {f"{part.lower()}_area_mm2": area for part, area in each.items()}
            if design.segments:
                columns["shared_area_mm2"] = parts.get("shared", {}).get("area_mm2", 0.0)
        if energy is not None:
            spent = energy.layers[n]
            columns |= {f"{part}_energy_j": x for part, x in spent.parts_j.items()}
            columns["energy_j"] = spent.total_j
        rows.append(columns)
    return pd.DataFrame(rows).set_index("layer").convert_dtypes()


def _busy_s(design: DataflowDesign, stage: int) -> float:
    """How long a layer's array is at work on it."""
    if stage in design.sharing:
        n = design.sharing[stage]
        row = design.segments[n].layers[stage - design.spans[n].start]
        return row.latency_s or 0.0
    return design.stages[stage].cycles / design.problem.clock_hz
