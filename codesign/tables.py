"""Results as tables."""

from __future__ import annotations

import pandas as pd

from codesign.design import Design


def layer_frame(design: Design) -> pd.DataFrame:
    """One row per layer; see `Design.layers`."""
    network, problem = design.problem.network, design.problem
    multipliers = design.hardware.rows * design.hardware.cols * problem.technology.engine
    peak_macs_per_s = multipliers * problem.clock_hz
    rows = []
    for layer, chosen in zip(network.layers, design.layer_designs, strict=True):
        rows.append(
            {
                "layer": layer.name,
                "weight_bits": chosen.weight_bits,
                "input_bits": design.tensor_bits[layer.input],
                "output_bits": design.tensor_bits[layer.output],
                "tile_g": chosen.tile.g,
                "tile_k": chosen.tile.k,
                "tile_c": chosen.tile.c,
                "tile_p": chosen.tile.p,
                "tile_images": chosen.tile.images,
                "order": chosen.order,
                "sram_bits": chosen.sram_bits,
                "macs": layer.macs,
                "ops": layer.ops,
                "cycles": chosen.cycles,
                "utilisation": layer.macs / (chosen.latency_s * peak_macs_per_s),
                "dram_weight_bits": chosen.dram_bits.weights,
                "dram_ifmap_bits": chosen.dram_bits.ifmap,
                "dram_output_bits": chosen.dram_bits.output,
                "dram_psum_bits": chosen.dram_bits.psum,
                "dram_residual_bits": chosen.dram_bits.residual,
                "dram_bits": chosen.dram_bits.total,
                "compute_s": chosen.compute_s,
                "memory_s": chosen.memory_s,
                "latency_s": chosen.latency_s,
                "bound_by": chosen.bound_by,
            }
        )
    return pd.DataFrame(rows).set_index("layer")
