"""The rows of fused layers in a design, held to the rules of `oracle_bands`."""

from __future__ import annotations

from collections.abc import Sequence

import oracle
import oracle_bands
import oracle_widths
import pytest
from oracle_on_chip import Residents

from codesign.costs.layers import LayerDesign, Tile
from codesign.problem.problem import Problem

EXACT = 1e-9


def check_run(
    problem: Problem,
    hardware: oracle.HardwareOption,
    widths: dict[str, int],
    run: range,
    rows: Sequence[LayerDesign],
    on_chip: Residents,
) -> None:
    """Layers of a fused run: one need and one roof, cycles and traffic of each, times of the roof.

    Parameters
    ----------
    rows : sequence of LayerDesign
        Of the layers of the run alone.
    """
    need = oracle_bands.run_need(problem, run, widths, on_chip)
    traffic = oracle_bands.run_traffic(problem, run, widths, on_chip)
    seconds = [0.0, 0.0]
    for i, row, moved in zip(run, rows, traffic, strict=True):
        layer = problem.network.layers[i]
        bw, ba = oracle_widths.layer_widths(layer, widths)
        assert (row.name, row.weight_bits, row.sram_bits) == (layer.name, bw, need)
        assert row.tile == Tile(g=layer.G, k=layer.K, c=layer.C, p=1, q=layer.Q, images=1)
        assert row.order == "pkc"
        dram = row.dram_bits
        found = {"weights": dram.weights, "ifmap": dram.ifmap, "output": dram.output}
        assert found | {"residual": dram.residual} == moved
        assert dram.psum == 0
        assert row.cycles == oracle.layer_cycles(problem, layer, hardware, bw, ba)
        if problem.choices.reconfigurable:
            own = oracle.layer_cycles(problem, layer, hardware, bw, ba, str(row.mapping))
            assert row.cycles == own
        times = row.cycles / problem.clock_hz, sum(moved.values()) / problem.dram_bits_per_s
        assert row.compute_s == pytest.approx(times[0], rel=EXACT)
        assert row.memory_s == pytest.approx(times[1], rel=EXACT)
        seconds = [total + x for total, x in zip(seconds, times, strict=True)]
    both_s = oracle.latency_of(problem, seconds[0], seconds[1] * problem.dram_bits_per_s)
    assert sum(row.latency_s or 0 for row in rows) == pytest.approx(both_s, rel=EXACT)
    (roof,) = {row.bound_by for row in rows}
    assert seconds[roof == "memory"] == pytest.approx(max(seconds), rel=EXACT)
    for row in rows:
        own, other = (row.compute_s, row.memory_s or 0)[:: -1 if roof == "memory" else 1]
        adds = (1 - problem.choices.overlap) * other
        assert row.latency_s == pytest.approx(own + adds, rel=EXACT)
