"""What a report and its tables say of fused layers, by hand; nothing where none are.

`CHAIN` at 8 bit, its first three layers fused, ``y4`` (128 elements, 1024 bits) resident from c4 to
fc. For one output row of c3, c2 makes one, for which it reads 3 rows of ``y1`` and c1 makes as
many; so 3 rows of ``y1`` and one of ``y2``, each of 8 · 4 elements: 768 and 256 bits. c1 reads 5
rows, twice as many are more than all 8 · 16 elements of ``x``: 1024 bits. The weights, 72 + 144 +
16, take 1856 bits; the partial sums of c2, of 22 bits (8 + 8 + ⌈log₂ 36⌉), two rows, 1408.

Cycles: 64, 128 and 64, so 2.56 µs at 100 MHz; DRAM bits: 1856 + 1024 + 2048 (``y3``), 0.2464 µs.
2 · (4608 + 9216 + 1024) operations in 2.56 µs are 11.6 GOPS, 80.6 % of 14.4.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pandas as pd
import pytest
from fused_designs import (
    chain_design,
    chain_problem,
    fused_design,
    random_fused_design,
)
from residents import as_evaluation

from codesign import Design, Explanation
from codesign.results.run_figures import band_rows, fullest, held_during, run_figures
from codesign.results.text.design import design_parts, evaluation_parts, summary_line, totals_line
from codesign.results.text.displays import problem_table
from codesign.results.text.explanation import layers_table
from codesign.results.text.layout import to_text


@pytest.fixture(scope="module")
def found() -> Design:
    return chain_design()


def report(design: Design) -> list[str]:
    return to_text(design_parts(design), terminal=False).splitlines()


def rows_below(lines: list[str], heading: str, count: int) -> list[list[str]]:
    """Words of the rows of the table whose last line of headings begins so."""
    start = next(i for i, line in enumerate(lines) if line.startswith(heading))
    return [line.split() for line in lines[start + 2 : start + 2 + count]]


def test_the_table_of_layers_marks_each_run(found: Design) -> None:
    rows = rows_below(report(found), "layer", 5)
    assert [row[1:3] for row in rows[:3]] == [["1", "┐"], ["1", "│"], ["1", "┘"]]
    assert [row[1] for row in rows[3:]] == ["–", "–"]
    tiles = ["1×4×2×1×8×1", "1×4×4×1×8×1", "1×4×4×1×8×1"]
    for row, cycles, tile in zip(rows, ("64", "128", "64"), tiles, strict=False):
        # cycles, DRAM, latency, utilisation, need of the run, residents, roof, tile, order
        assert row[4] == cycles
        assert row[7:] == ["80.6", "5.312", "0.000", "compute", tile, "pkc"]
    assert sum(float(row[6]) for row in rows[:3]) == pytest.approx(2.56)


def test_tensors_and_their_places(found: Design) -> None:
    lines = report(found)
    told = "on chip: 1 of the 4 tensors between layers, and bands of 2 more in 1 fused run"
    assert f"{told}; in DRAM: y3" in lines
    assert rows_below(lines, "tensor on chip", 3) == [
        ["y1", "band", "8", "3", "of", "8", "0.768", "1–3", "c1", "c3"],
        ["y2", "band", "8", "1", "of", "8", "0.256", "1–3", "c1", "c3"],
        ["y4", "chip", "8", "all", "1.024", "4–5", "c4", "fc"],
    ]


def test_what_a_run_holds_and_how_long_it_takes(found: Design) -> None:
    lines = report(found)
    sizes = ["1.856", "1.024", "1.024", "1.408", "5.312"]
    assert rows_below(lines, "run ", 1) == [
        ["1", "1–3", "c1", "c3", *sizes, "2.560", "0.246", "compute"]
    ]
    held = "resident 0 + run 0.005312 = 0.005312 of 0.005312 Mbit"
    assert f"SRAM fullest during c1 to c3, fused: {held}" in lines


def test_a_resident_is_there_during_the_whole_run() -> None:
    """``y3``, which c3 writes, from c1 on; the input of a run that is resident has no band."""
    design = chain_design(on_chip=["y3"])
    assert held_during(design)["y3"] == (0, 3)
    assert design.residents.loc["y3", ["first_layer", "last_layer"]].tolist() == ["c1", "c4"]
    (figures,) = run_figures(chain_design(bands=["y3"], on_chip=["y2"]))
    assert figures.input == 0
    assert "resident 0.002048 + run " in "\n".join(report(design))


def test_tables(found: Design) -> None:
    layers, residents = found.layers, found.residents
    assert [None if pd.isna(x) else x for x in layers["fused_run"]] == [1, 1, 1, None, None]
    assert str(layers["fused_run"].dtype) == "Int64"
    operations = 2 * (4608 + 9216 + 1024)
    assert layers["gops"].tolist()[:3] == pytest.approx([operations / 2.56e3] * 3)
    assert layers["utilisation"].tolist()[:3] == pytest.approx([operations / 2.56e3 / 14.4] * 3)
    assert layers["resident_bits"].tolist() == [0, 0, 0, 1024, 1024]
    assert residents["place"].to_dict() == {"y1": "band", "y2": "band", "y4": "chip"}
    assert residents["rows"].dropna().to_dict() == {"y1": 3, "y2": 1}
    assert residents["sram_bits"].to_dict() == {"y1": 768, "y2": 256, "y4": 1024}


def test_one_line_says_how_many_bands(found: Design) -> None:
    assert summary_line(found).endswith(", 1 tensor on chip, 2 bands")
    assert summary_line(chain_design([], [])).endswith(", 0 tensors on chip, 0 bands")
    assert totals_line(found).endswith(", 1 tensor on chip, 2 bands")
    assert totals_line(chain_design([], ["y4"])).endswith(", 1 tensor on chip")
    assert (found.resident_tensors, found.band_tensors) == (1, 2)


def test_an_evaluation_says_the_same(found: Design) -> None:
    lines = to_text(evaluation_parts(as_evaluation(found)), terminal=False).splitlines()
    for heading, count in (("layer", 5), ("tensor on chip", 3), ("run ", 1)):
        assert rows_below(lines, heading, count) == rows_below(report(found), heading, count)


def test_without_a_bandwidth_there_is_no_roof(found: Design) -> None:
    unknown = replace(
        as_evaluation(found),
        accelerator=replace(found.accelerator, dram_bits_per_s=None),
        layer_designs=tuple(
            replace(row, memory_s=None, latency_s=None, bound_by=None)
            for row in found.layer_designs
        ),
        metrics={
            name: x for name, x in found.metrics.items() if name not in ("latency_s", "energy_j")
        },
        absent={"latency_s": "no DRAM bandwidth is given"},
    )
    lines = to_text(evaluation_parts(unknown), terminal=False).splitlines()
    (row,) = rows_below(lines, "run ", 1)
    assert row[-2:] == ["5.312", "2.560"]
    assert "utilisation" not in unknown.layers


def test_nothing_is_said_of_runs_where_no_layers_are_fused() -> None:
    design = chain_design(bands=[])
    text = "\n".join(report(design))
    for word in ("fused", "band", "place", "tiles, run"):
        assert word not in text
    assert "fused_run" not in design.layers
    assert not {"place", "rows"} & {*design.residents}


def test_a_problem_in_a_notebook_says_what_may_stay() -> None:
    problem = chain_problem(fused_layers=3, places={"y1": "band", "y4": "chip"})
    text = to_text([problem_table(problem)], terminal=False)
    assert "tensors, bands of at most 3 fused layers; y1 band; y4 chip" in text


@pytest.mark.parametrize("seed", range(40))
def test_figures_of_any_runs_add_up(seed: int) -> None:
    design = random_fused_design(seed)
    rows, figures = design.layer_designs, run_figures(design)
    assert [each.run for each in figures] == [*design.fused_runs]
    for each in figures:
        ours = rows[each.run.first : each.run.last + 1]
        assert each.weights + each.bands + each.input + each.psums == ours[0].sram_bits
        assert min(each.weights, each.bands, each.psums) > 0 <= each.input
        assert each.latency_s == pytest.approx(max(each.compute_s, each.memory_s))
        assert each.latency_s == pytest.approx(math.fsum(row.latency_s for row in ours))
    shares = design.layers["utilisation"].dropna()
    assert (shares <= 1 + 1e-12).all()
    for name, (held, all_rows) in band_rows(design).items():
        assert 1 <= held <= all_rows, name
    live = [0] * len(rows)
    for name, (first, last) in held_during(design).items():
        if design.on_chip[name] == "chip":
            bits = design.network.tensors[name] * design.tensor_bits[name]
            live[first : last + 1] = [x + bits for x in live[first : last + 1]]
    assert live == [row.resident_bits for row in rows]
    row, run = fullest(design)
    assert (run is None) == (
        row.name not in {x.name for r in design.fused_runs for x in rows[r.first : r.last + 1]}
    )
    assert "\x1b" not in "\n".join(report(design))


def test_an_explanation_puts_a_layer_under_the_roof_of_its_run(found: Design) -> None:
    """At 2 Gbit/s c1 to c3 take 2.464 µs for their DRAM bits, 0.096 µs less than to compute.

    So the array binds all of them, c1 as well, which moves 1600 bits in 0.8 µs, and computes for
    0.64.
    """
    slow = fused_design(replace(found.problem, dram_bits_per_s=2e9), ["y1", "y2"], ["y4"])
    told = Explanation(
        design=slow, step=0.05, sensitivities=(), runner_ups=(), seconds=0.0, residency=None
    )
    lines = to_text([layers_table(told)], terminal=False).splitlines()
    rows = {row[0]: row[3:] for row in map(str.split, lines[3:])}
    assert rows["c1"] == ["compute", "125.0", "%"]
    assert rows["c2"] == ["compute", "45.0", "%"]
    again = Explanation.from_dict(json.loads(json.dumps(told.to_dict())), "explanation.json")
    assert to_text([layers_table(again)], terminal=False).splitlines() == lines
    assert again.latency_share == pytest.approx(told.latency_share)
