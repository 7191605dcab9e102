"""What reports, tables and pictures say of machines; nothing of what is as usual.

`TWO` on 2 × 2 PEs of 9 multipliers: ``deep`` has 8 groups of one channel, 3×3, 6×6 pixels. Window:
two groups side by side, 36·⌈8/2⌉ = 144 cycles. Output: ⌈36/2⌉·⌈8/2⌉·1 = 72. ``fc``, K 10, C 288:
window 5·⌈288/18⌉ = 80, output 5·32 = 160.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes

from codesign import (
    Accelerator,
    Choices,
    Design,
    Evaluation,
    Front,
    Layer,
    Network,
    Problem,
    evaluate,
    load_technology,
    pareto,
    solve,
)
from codesign.results.hardware_result import peaks_ops_per_s
from codesign.results.plots.front import plot_front
from codesign.results.text.design import design_parts, evaluation_parts, summary_line
from codesign.results.text.displays import line, problem_table
from codesign.results.text.front import front_parts
from codesign.results.text.layout import to_text
from codesign.results.text.specs import catalogue, spec_parts

DEEP = Layer(name="deep", G=8, K=1, C=1, P=6, Q=6, R=3, S=3, H=6, W=6, input="image", output="a")
FC = Layer(name="fc", K=10, C=288, input="a", output="out")
TWO = Network(name="two", layers=(DEEP, FC), tensors={"image": 288, "a": 288, "out": 10})
CHIP = Accelerator(
    name="chip",
    rows=2,
    cols=2,
    engine=9,
    pe_weight_bits=8,
    pe_activation_bits=8,
    clock_hz=1e8,
    sram_bits=100_000,
    dram_bits_per_s=1e12,
    technology=load_technology("tsmc28"),
)
OWN: dict[str, Any] = {"mapping": ("window", "output"), "reconfigurable": True}


def report(found: Evaluation | Design) -> list[str]:
    parts = design_parts(found) if isinstance(found, Design) else evaluation_parts(found)
    return to_text(parts, terminal=False).splitlines()


def cells(lines: list[str], name: str) -> list[str]:
    """Words of the row of a table that begins with a name."""
    (row,) = [row.split() for row in lines if row.split()[:1] == [name]]
    return row


# --- reports and tables by layer ----------------------------------------------------------------


def test_what_is_usual_goes_unsaid() -> None:
    found = evaluate(TWO, CHIP, 8)
    text = "\n".join(report(found))
    assert "mapping" not in text
    assert "array:" not in text
    assert "mapping" not in found.layers
    assert "mapping" not in json.dumps(found.to_dict())
    assert line(CHIP) == "<Accelerator chip: 2 × 2 PEs of 8 × 8 bit, SRAM 0.1 Mbit>"


def test_one_mapping_is_named_once() -> None:
    chip = replace(CHIP, mapping=("output",))
    found = evaluate(TWO, chip, 8)
    lines = report(found)
    assert "2 × 2 PEs of 9 multipliers, 8 × 8 bit, output " in lines[4]
    assert not any(row.startswith("layer") and "mapping" in row for row in lines)
    assert found.layers["mapping"].tolist() == ["output", "output"]
    assert found.layers["cycles"].tolist() == [72, 160]
    assert "8 × 8 bit, output, SRAM" in line(chip)
    assert "8 × 8 bit, output, SRAM" in line(found)


def test_a_reconfigurable_machine_has_a_column() -> None:
    found = evaluate(TWO, replace(CHIP, **OWN), 8)
    lines = report(found)
    assert "8 × 8 bit, window/output by " in lines[4]
    assert any(row.startswith("layer") and " mapping " in row for row in lines)
    assert found.layers["mapping"].tolist() == ["output", "window"]
    assert found.layers["cycles"].tolist() == [72, 80]
    assert {"output", "72"} <= {*cells(lines, "deep")}
    assert {"window", "80"} <= {*cells(lines, "fc")}


def test_further_cycles_and_splitting_are_told() -> None:
    chip = replace(
        CHIP,
        precision="widening",
        fill_cycles=True,
        weight_load=True,
        overlap=0.25,
        cycle_factors={"3x3s1": "4/9", "1x1": "2"},
    )
    (told,) = [row for row in report(evaluate(TWO, chip, 4)) if row.startswith("array: ")]
    assert told == (
        "array: PEs split for narrower operands; filling and draining take cycles; loading weights "
        "takes cycles; compute and DRAM traffic overlap by 25.0 %; 3×3 kernels, stride 1, take 4/9 "
        "of the cycles; 1×1 kernels take 2 times the cycles"
    )
    none = report(evaluate(TWO, replace(CHIP, overlap=0.0, accumulator_bits=20_000), 4))
    assert "array: compute and DRAM traffic do not overlap; accumulator 0.02 Mbit" in none
    assert any(row.startswith("SRAM ") and " and 0.02 Mbit in buffers" in row for row in none)
    peaks = [row for row in report(evaluate(TWO, chip, 4)) if row.startswith("peak ")]
    assert peaks[0].endswith("; 2 operations a MAC, peak at 8 × 8 bit")


def test_utilisation_is_of_what_split_pes_can_do() -> None:
    # 4 × 4 bit: PEs of 36 multipliers, that is 4 · 36 · 10⁸ MACs/s; fc 5·⌈288/72⌉ = 20 cycles
    split = evaluate(TWO, replace(CHIP, precision="widening"), 4)
    assert split.layers["cycles"].tolist()[1] == 20
    assert split.layers["utilisation"].tolist()[1] == pytest.approx(2880 / (20 * 4 * 36))
    # half of the cycles that MACs take: the same share of a peak that is twice as high
    plain = evaluate(TWO, CHIP, 8)
    fast = evaluate(TWO, replace(CHIP, cycle_factors={"1x1": "1/2"}), 8)
    assert fast.layers["cycles"].tolist()[1] == 40
    assert fast.layers["utilisation"].tolist() == pytest.approx(plain.layers["utilisation"])
    peaks = {x: peaks_ops_per_s(y) for x, y in (("plain", plain), ("fast", fast), ("split", split))}
    assert peaks["plain"] == {"1×1": 7.2e9, "3×3": 7.2e9}
    assert peaks["fast"] == {"1×1": 14.4e9, "3×3": 7.2e9}
    assert peaks["split"] == {"1×1": 28.8e9, "3×3": 28.8e9}


# --- descriptions -------------------------------------------------------------------------------


def test_accelerators_are_shown_with_their_machine() -> None:
    chip = replace(CHIP, precision="multi-pass", fill_cycles=True, **OWN)
    text = to_text(spec_parts(chip), terminal=False)
    assert "mapping" in text
    assert "window/output by layer" in text
    assert "precision: multi-pass" in text
    assert "array: filling and draining take cycles" in text
    heading, _, *rows = to_text(catalogue([CHIP, chip]), terminal=False).splitlines()
    assert "mapping" in heading
    assert " window " in rows[0]
    assert "window/output by layer" in rows[1]


def test_problems_list_the_mappings_on_offer() -> None:
    def table(**changes: Any) -> str:
        problem = Problem(network=TWO, choices=Choices(**changes))
        return to_text([problem_table(problem)], terminal=False)

    assert "mapping" not in table()
    assert "window, output\n" in table(mapping=("window", "output"))
    assert "window, output; each layer takes its own" in table(**OWN)
    assert "array" not in table(mapping=("window", "output"))
    assert "filling and draining take cycles" in table(fill_cycles=True)


# --- designs and fronts -------------------------------------------------------------------------


def problem(**changes: Any) -> Problem:
    choices = Choices(
        rows=(1, 2, 4), cols=(1, 2), weight_bits=(4, 8), activation_bits=(4, 8), **changes
    )
    return Problem(
        network=TWO, choices=choices, clock_hz=1e8, dram_bits_per_s=1e11, budgets={"area_mm2": 0.2}
    )


def test_designs_name_their_mapping(tmp_path: Path) -> None:
    design = solve(problem(mapping=("im2col",)))
    assert " bit, im2col, SRAM" in summary_line(design)
    assert ", im2col" in report(design)[4]
    own = solve(problem(**OWN))
    assert " bit, window/output by layer, SRAM" in summary_line(own)
    assert {*own.layers["mapping"]} <= {"window", "output"}
    own.save(tmp_path / "own.json")
    assert report(Design.load(tmp_path / "own.json")) == report(own)
    figure = own.plot(tmp_path / "own.png")
    labels = [x.get_text() for y in figure.axes if y.get_legend() for x in y.get_legend().texts]
    assert any("mapping " in label for label in labels)


@pytest.fixture(scope="module")
def front() -> Front:
    return pareto(problem(mapping=("window", "output")), ("latency_s", "area_mm2"), 5)


def entries(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.texts]


def test_fronts_tell_mappings_apart(front: Front, tmp_path: Path) -> None:
    mappings = ["/".join(design.hardware.mapping) for design in front.designs]
    assert {"window", "output"} == {*mappings}
    lines = to_text(front_parts(front), terminal=False).splitlines()
    assert any("mapping" in row for row in lines)
    for number, mapping in enumerate(mappings, 1):
        (row,) = [x.split() for x in lines if x.split()[:1] == [str(number)] and "×" in x]
        assert mapping in row
    assert front.points["mapping"].tolist() == mappings
    front.save(tmp_path / "front.csv")
    again = Front.load(tmp_path / "front.csv")
    assert [x.hardware for x in again.designs] == [x.hardware for x in front.designs]
    figure = plot_front(again)
    count = mappings.count("output")
    told = f"within: mapping output, {count} point{'s' * (count > 1)}"
    assert told in entries(figure.axes[0])
    listed = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "mapping" in listed
    assert listed.count("output") == count
    assert listed.count("window") == len(front) - count


def test_fronts_of_the_usual_mapping_say_nothing_of_it() -> None:
    usual = pareto(problem(), ("latency_s", "area_mm2"), 3)
    assert "mapping" not in to_text(front_parts(usual), terminal=False)
    assert "mapping" not in usual.points
    figure = plot_front(usual)
    assert not [x for axes in figure.axes for x in entries(axes) if "mapping" in x]
