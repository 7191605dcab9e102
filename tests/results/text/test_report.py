"""The report: units, budgets, proof, and a layout that loses nothing."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from importlib import import_module
from typing import Any, Literal

import pytest

from codesign import Accelerator, Evaluation, evaluate, load_technology, units
from codesign.cli import progress as cli_progress
from codesign.problem.choices import Choices
from codesign.problem.problem import Problem
from codesign.results.design import Design
from codesign.results.records import ProofRecord, SolverRecord
from codesign.results.text import design as report
from codesign.results.text import layout
from codesign.search.progress import Progress
from codesign.specs.network import Layer, Network


@pytest.fixture(scope="module")
def design() -> Design:
    conv = Layer(name="conv", input="image", output="a", K=8, C=4, P=6, Q=6, H=6, W=6, R=3, S=3)
    fc = Layer(name="fc", input="a", output="out", K=10, C=288)
    network = Network(name="tiny", layers=(conv, fc), tensors={"image": 144, "a": 288, "out": 10})
    choices = Choices(rows=(2,), cols=(2,), weight_bits=(6,), activation_bits=(6,), on_chip="none")
    problem = Problem(
        network=network, choices=choices, quality="uniform:6", budgets={"area_mm2": 0.02}
    )
    solved = import_module("codesign.tasks.solve").solve(problem)
    assert isinstance(solved, Design)
    return solved


def text_of(design: Design | Evaluation) -> str:
    if isinstance(design, Evaluation):
        return layout.to_text(report.evaluation_parts(design), terminal=False)
    return layout.to_text(report.design_parts(design), terminal=False)


def row(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).split()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.69377875, "0.6938"),
        (95.0725, "95.07"),
        (18432.0, "18,432"),
        (1234567.8, "1,234,568"),
        (6.0, "6"),
        (100.0, "100"),
        (0.0, "0"),
        (1e-9, "1e-09"),
        (1e15, "1e+15"),
    ],
)
def test_figure(value: float, shown: str) -> None:
    assert units.four_digits(value) == shown


@pytest.mark.parametrize(
    ("gap", "shown"),
    [(0.0, "0"), (1e-15, "< 1e-09"), (4e-7, "4e-07"), (0.0712, "7.12 %"), (1.0, "100 %")],
)
def test_gap(gap: float, shown: str) -> None:
    assert units.gap_text(gap) == shown


def test_one_unit_per_column() -> None:
    assert layout.scaled([1e-3, 2e-6], layout.TIME_UNITS) == (["1.000", "0.002"], "ms")
    assert layout.scaled([5e-5, 2e-6], layout.TIME_UNITS) == (["50.00", "2.00"], "µs")
    assert layout.scaled([12_345_678, 10], layout.BIT_UNITS) == (["12.35", "0.00"], "Mbit")
    assert layout.scaled([999, 10], layout.BIT_UNITS) == (["999", "10"], "bit")


def test_layer_row(design: Design) -> None:
    # conv: 6·6 positions · ⌈4/2⌉ · ⌈8/2⌉ = 288 cycles; 10,368 MACs / (288 · 4 PEs · 9) = 100 %
    chosen = design.layer_designs[0]
    assert chosen.cycles == 288
    cells = row(text_of(design), "conv")
    tile = chosen.tile
    assert cells == [
        "conv",
        "6/6/6",
        "288",
        f"{chosen.dram_bits.total / 1e3:.2f}",
        f"{chosen.latency_s * 1e9:.1f}",
        "100.0",
        chosen.bound_by,
        f"{tile.g}×{tile.k}×{tile.c}×{tile.p}×{tile.q}×{tile.images}",
        chosen.order,
    ]
    assert row(text_of(design), "fc")[1] == "6/6/8"


def test_hardware_and_rates(design: Design) -> None:
    text = text_of(design)
    area = design.area_breakdown_mm2
    assert row(text, "PE array")[-3:] == [
        units.four_digits(area["PE array"]),
        f"{100 * area['PE array'] / design.metrics['area_mm2']:.1f}",
        "%",
    ]
    assert "2 × 2 PEs of 9 multipliers, 6 × 6 bit" in text
    # 4 PEs · 9 MACs · 2 operations · 0.8 GHz = 57.6 GOPS; 10,368 + 2,880 MACs of one image
    latency_s, area_mm2 = design.metrics["latency_s"], design.metrics["area_mm2"]
    gops = 2 * 13_248 / latency_s / 1e9
    assert (
        f"\nclock 800 MHz, DRAM 153.6 Gbit/s, {units.four_digits(1 / latency_s)} images/s\n" in text
    )
    assert (
        f"\npeak 57.6 GOPS ({units.four_digits(0.0576 / area_mm2)} TOPS/mm²), attained "
        f"{units.four_digits(gops)} GOPS ({units.four_digits(gops / 1e3 / area_mm2)} TOPS/mm²); "
        "2 operations a MAC\n"
    ) in text
    assert design.layers["gops"].tolist() == pytest.approx(
        [
            2 * macs / row.latency_s / 1e9
            for macs, row in zip((10_368, 2_880), design.layer_designs, strict=True)
        ]
    )
    overhead = replace(design, problem=replace(design.problem, area_overhead=1.5))
    assert "6 × 6 bit, area overhead × 1.5" in text_of(overhead)


def test_totals_and_budgets(design: Design) -> None:
    text = text_of(design)
    assert row(text, "latency ")[1:] == [
        *(units.four_digits(design.metrics["latency_s"] * 1e3), "ms", "–", "minimised"),
    ]
    assert row(text, "noise")[1:] == ["0.0009766", "≤", "0.0009766", "100.0", "%", "exhausted"]
    assert row(text, "area ")[3:5] == ["≤", "0.02"]
    assert row(text, "area ")[-1] == "%"
    assert "tiny on tsmc28: least latency with area ≤ 0.02 mm², noise ≤ 0.0009766 (uniform:6)" in (
        text
    )


def test_notes_are_told(design: Design) -> None:
    assert not design.notes
    hardware = replace(design.hardware, pe_weight_bits=2, pe_activation_bits=2)
    assert "\nnote: PE area of tsmc28 at " in text_of(replace(design, hardware=hardware))


def test_proof_line(design: Design) -> None:
    solver = SolverRecord(
        **{
            **vars(design.solver),
            "considered": 7056,
            "solved": 4,
            "bounded_away": 7052,
            "programmes": 9,
        }
    )
    proven = report.proof_line(replace(design, solver=solver)).plain
    assert proven.startswith("optimal: latency ")
    assert "7,056 hardware options considered: 4 solved, 7,052 bounded away; 9 pro" in proven
    record = ProofRecord(status="feasible", objective=0.002, bound=0.001, gap=0.5)
    open_gap = report.proof_line(replace(design, solver=solver, proof=record)).plain
    assert "latency 2 ms, bound 1 ms, gap 50 %" in open_gap
    assert "optimal" not in open_gap


def test_colour_only_in_a_terminal(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in layout.to_text(report.design_parts(design), terminal=True)
    assert "\x1b[" not in text_of(design)


def test_progress_line() -> None:
    def line(metric: str, best: float | None, bound: float) -> str:
        progress = Progress(metric, best, bound, 12.3, breaking_ties=metric != "latency_s")
        return cli_progress.design_line(progress, 12.3)

    assert line("latency_s", 2e-3, 1e-3) == "12 s, latency: best 2 ms, bound 1 ms, gap 50 %"
    assert line("latency_s", None, -float("inf")) == "12 s, latency: no design yet"
    assert line("latency_s", float("inf"), 1e-3) == "12 s, latency: no design yet, bound 1 ms"
    assert line("latency_s", 2e-3, 0.0) == "12 s, latency: best 2 ms"
    assert line("area_mm2", 2.0, 1.0).startswith("12 s, area (breaking ties): best 2 mm²")
    waiting = cli_progress.design_line(None, 3.2)
    assert waiting == "3 s, bounding all hardware options"


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("patience_s", "seen"), [(0.0, True), (60.0, False)])
def test_live_line(monkeypatch: pytest.MonkeyPatch, patience_s: float, seen: bool) -> None:
    monkeypatch.setattr(cli_progress, "DELAY_S", patience_s)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with cli_progress.live_line(stream, cli_progress.design_line) as on_progress:
        on_progress(Progress("latency_s", 2e-3, 1e-3, 0.1))
        until = time.monotonic() + 10
        while seen and "best" not in stream.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    written = stream.getvalue()
    assert ("latency: best 2 ms, bound 1 ms, gap 50 %" in written) == seen
    assert bool(written) == seen
    if seen:
        assert written.endswith("\x1b[1A\x1b[2K")  # the line is wiped off again


# --- evaluations --------------------------------------------------------------------------------

GIVEN = Accelerator(
    name="given",
    rows=2,
    cols=2,
    engine=9,
    pe_weight_bits=6,
    pe_activation_bits=6,
    clock_hz=800e6,
    sram_bits=50_000,
    dram_bits_per_s=153.6e9,
    technology=load_technology("tsmc28"),
)


def evaluated(design: Design, roofline: Literal["tiled", "ideal"], **changes: Any) -> Evaluation:
    return evaluate(design.network, replace(GIVEN, **changes), roofline=roofline, on_chip="none")


def headings(text: str) -> str:
    """The heading of the table of layers, of two lines."""
    lines = text.splitlines()
    second = next(i for i, line in enumerate(lines) if line.startswith("layer "))
    return " ".join(f"{lines[second - 1]} {lines[second]}".split())


def test_evaluation_of_a_known_accelerator(design: Design) -> None:
    text = text_of(evaluated(design, "tiled"))
    assert text.startswith("tiny on given: tiled roofline\n")
    assert "budget" not in text
    assert "minimised" not in text
    assert text.count("note:") == 1
    assert "\nnote: no energy: no energy of a DRAM bit is given (--dram-pj-per-bit)\n" in text
    # 288 cycles as above; 2·2·9·288 multiplier-cycles for 10,368 MACs
    assert row(text, "conv")[2] == "288"
    for heading in ("tile", "order", "cycles", "latency", "utilisa-", "bound"):
        assert heading in headings(text)
    # 2.94·50,000 + 3065 = 150,065 µm²
    assert row(text, "SRAM")[1:5] == ["0.05", "Mbit,", "single-port", units.four_digits(0.150065)]
    assert row(text, "area")[2] == "mm²"


def test_ideal_table_has_no_columns_of_tiles(design: Design) -> None:
    text = text_of(evaluated(design, "ideal"))
    assert text.startswith("tiny on given: ideal roofline\n")
    for heading in ("tile", "order", "cycles"):
        assert heading not in headings(text)
    # 10,368 MACs / (4 PEs · 9 · 0.8 GHz) = 360 ns; (288 + 144 + 288) elements of 6 bit, 4320 bits
    assert row(text, "conv") == ["conv", "6/6/6", "4.32", "360.0", "100.0", "compute"]


def test_what_is_not_known_is_a_dash(design: Design) -> None:
    unknown = {"dram_bits_per_s": None, "sram_bits": None, "technology": None}
    text = text_of(evaluated(design, "ideal", number_format="float", **unknown))
    for name in ("latency", "area", "noise", "bit operations", "energy"):
        assert row(text, f"{name} ")[-1] == "–"
    for name in ("PE array", "SRAM", "total "):
        assert row(text, name)[-2:] == ["–", "–"]
    assert row(text, "SRAM")[1:3] == ["not", "given"]
    assert "6 × 6 bit floating point" in text
    assert "\nclock 800 MHz, DRAM not given\npeak 57.6 GOPS; 2 operations a MAC\n" in text
    assert headings(text) == "bits DRAM compute layer w/in/out kbit ns"
    assert row(text, "conv") == ["conv", "6/6/6", "4.32", "360.0"]
    assert "\nnote: no latency: no DRAM bandwidth is given\n" in text
    assert text.count("note: no ") == 5
    assert " 0 " not in text[text.index("\ntotal ") :]


def test_part_of_an_area_has_no_share(design: Design) -> None:
    text = text_of(evaluated(design, "ideal", sram_bits=None))
    # 4·(1.694·(9·(36 + 12 + log2 9)) + 153.46) = 3734.4 µm²
    assert row(text, "PE array")[-2:] == ["0.003734", "–"]
    assert row(text, "total ")[-2:] == ["–", "–"]


def test_totals_line_leaves_out_what_is_not_known(design: Design) -> None:
    known = report.totals_line(evaluated(design, "tiled"))
    assert known.startswith("latency ")
    assert known.endswith("; 2 × 2 PEs of 6 × 6 bit, SRAM 0.05 Mbit")
    line = report.totals_line(evaluated(design, "ideal", dram_bits_per_s=None, sram_bits=None))
    assert line.startswith("DRAM traffic ")
    assert line.endswith("; 2 × 2 PEs of 6 × 6 bit")
    assert "latency" not in line
    assert "area" not in line
