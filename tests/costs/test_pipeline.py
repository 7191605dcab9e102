"""Pipelines: memories, lags, FIFOs, intervals and energies as the arithmetic on paper has them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pipelines import made_up

from codesign import Choices, Layer, Network, Problem, load_technology
from codesign.costs.stages import band_heights, lag_of
from codesign.errors import SpecError

SKIP = Network(
    name="skip",
    layers=(
        Layer(name="a", input="in", output="x", K=4, C=3, P=8, Q=8, R=3, S=3, H=8, W=8),
        Layer(name="b", input="x", output="y", K=4, C=4, P=8, Q=8, R=3, S=3, H=8, W=8),
        Layer(
            name="c",
            input="y",
            output="z",
            residuals=("x",),
            K=4,
            C=4,
            P=8,
            Q=8,
            R=1,
            S=1,
            H=8,
            W=8,
        ),
        Layer(name="fc", input="z", output="out", K=10, C=256),
    ),
    tensors={"in": 192, "x": 256, "y": 256, "z": 256, "out": 10},
)
PROBLEM = Problem(network=SKIP, choices=Choices(architecture="dataflow"), objective="interval")


def test_lags_are_rows_waited_for_and_worked_on() -> None:
    a, _, c, fc = SKIP.layers
    assert lag_of(a, [1, 2, 8]).tolist() == [(3 - 1) / 8 + 1 / 8, (4 - 1) / 8 + 2 / 8, 7 / 8 + 1]
    assert float(lag_of(c, 1)) == 1 / 8
    assert float(lag_of(fc, 1)) == 1.0


def test_memories_and_fifos() -> None:
    design = made_up(PROBLEM)
    a, b, c, fc = (row.memory_bits for row in design.stages)
    assert (a.weights, a.lines, a.psums) == (4 * 3 * 9 * 4, (3 + 1) * 8 * 3 * 4, 8 * 4 * (8 + 5))
    assert (b.weights, b.lines) == (4 * 4 * 9 * 4, (3 + 1) * 8 * 4 * 4)
    assert c.lines == (1 + 1) * 8 * 4 * 4
    assert c.psums == 0  # four channels of a 1×1 kernel share a PE
    assert (fc.weights, fc.lines, fc.psums) == (2560 * 4, 2 * 256 * 4, 10 * (8 + 8))
    # x is ahead of what c adds it to by the lags of b and c.
    assert c.fifos == {"x": pytest.approx(256 * 4 * (3 / 8 + 1 / 8), rel=1e-12)}
    assert not any((a.fifos, b.fifos, fc.fifos))


def test_interval_and_latency() -> None:
    design = made_up(PROBLEM)
    cycles = [64 * 2 * 2, 64 * 2 * 2, 64 * 1 * 2, 15 * 5]
    assert [row.cycles for row in design.stages] == cycles
    assert design.metrics["dram_bits"] == (192 + 10) * 4
    assert design.metrics["interval_s"] == 256 / 800e6
    assert design.bottleneck is not None
    last = 3 / 8 + 3 / 8 + 1 / 8 + 1
    assert design.metrics["latency_s"] == pytest.approx(256 / 800e6 * (1 + last), rel=1e-12)


def test_streamed_weights_come_once_for_each_band() -> None:
    chip, stream = made_up(PROBLEM), made_up(PROBLEM, weights="stream", band_rows=3)
    assert [row.dram_bits for row in stream.stages] == [3 * 432, 3 * 576, 3 * 64, 10240]
    held = [row.memory_bits.weights for row in stream.stages]
    assert held == [2 * 36 * 4, 2 * 36 * 4, 2 * 16 * 4, 2 * 36 * 4]
    grown = stream.metrics["dram_bits"] - chip.metrics["dram_bits"]
    assert grown == sum(row.dram_bits for row in stream.stages)
    slow = made_up(replace(PROBLEM, dram_bits_per_s=1e6), weights="stream")
    assert slow.metrics["interval_s"] == slow.metrics["dram_bits"] / 1e6
    assert slow.bottleneck is None


def test_each_memory_pays_the_intercept() -> None:
    design, fit = made_up(PROBLEM), load_technology("tsmc28").sram_area_um2
    pe = 1.694 * 9 * (16 + 8 + 3.169925001442312) + 153.46
    sizes = [x for row in design.stages for x in row.memory_bits.every]
    assert len(sizes) == 3 + 3 + 3 + 3
    expected = 16 * pe + sum(fit.slope * bits + fit.intercept for bits in sizes)
    assert design.metrics["area_mm2"] == pytest.approx(expected / 1e6, rel=1e-9)
    parts = [x["area_mm2"] for stage in design.stage_parts for x in stage.values() if x]
    assert sum(parts) == pytest.approx(design.metrics["area_mm2"], rel=1e-12)


def test_block_rams_are_whole() -> None:
    problem = replace(PROBLEM, technology=load_technology("finn-lut"))
    design = made_up(problem)
    assert design.metrics["bram"] == sum(len(row.memory_bits.every) for row in design.stages)
    assert not design.metrics["dsp"]


def test_energy_adds_up() -> None:
    design = made_up(PROBLEM)
    assert design.energy is not None
    total = sum(x.total_j for x in design.energy.layers)
    assert total == pytest.approx(sum(design.energy.parts_j.values()), rel=1e-12)
    assert total == pytest.approx(design.metrics["energy_j"], rel=1e-12)
    energy, dram_j = PROBLEM.technology.energy, PROBLEM.dram_energy_j_per_bit
    assert energy is not None
    assert dram_j is not None
    read_j, stages = energy.sram_read_j_per_bit or 0.0, design.energy.layers  # as much as a write
    assert design.energy.parts_j["dram"] == pytest.approx(202 * 4 * dram_j)
    assert stages[2].parts_j["fifos"] == pytest.approx(2 * 256 * 4 * read_j)
    lines = 256 * 4 + 2 * 8 * 1 * 8 * 4 * 4  # written once; read by two turns over columns
    assert stages[2].parts_j["lines"] == pytest.approx(lines * read_j)
    assert stages[1].parts_j["weights"] == pytest.approx(8 * 144 * 4 * read_j)
    assert design.layers["fifos_energy_j"].iloc[2] == stages[2].parts_j["fifos"]
    assert design.layers["energy_j"].iloc[2] == stages[2].total_j


def test_bands_of_as_many_are_the_lowest() -> None:
    layer = replace(SKIP.layers[0], P=10, H=10, W=8)
    assert band_heights(layer) == [1, 2, 3, 4, 5, 10]
    assert band_heights(layer, "output", 16) == [2, 4, 6, 10]
    assert band_heights(layer, "output", 3) == [3, 6, 10]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"sram_bits": (1000,)}, "sram_bits is of one shared array"),
        ({"stored_channels": 4}, "stored_channels is of one shared array"),
        ({"precision": "multi-pass"}, "precision is of one shared array"),
        ({"on_chip": "bands"}, "on_chip 'bands' is of one shared array"),
        ({"architecture": "pipeline"}, "architecture"),
    ],
)
def test_what_is_of_one_array_is_refused(given: dict[str, object], fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        Choices(**{"architecture": "dataflow", **given})  # type: ignore[arg-type]


def test_batches_and_caches_are_refused() -> None:
    with pytest.raises(SpecError, match="give a batch of 1, not 2"):
        replace(PROBLEM, network=SKIP.batched(2))


def test_a_stage_that_starts_too_early_is_refused() -> None:
    content = made_up(PROBLEM).to_dict()
    content["layers"][1]["start"] = 0.0
    from codesign.results.dataflow_design import DataflowDesign

    with pytest.raises(SpecError, match="before tensor 'x' is there"):
        DataflowDesign.from_dict(content, "d.json")
