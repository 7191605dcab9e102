"""Objects in Python: one line each, tables in a notebook; names of files are never code there."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from markup import HOSTILE, Tags
from pipelines import dataflow, made_up
from rich.text import Text
from seeds import mostly_long

from codesign import (
    Accelerator,
    Choices,
    InfeasibleError,
    Layer,
    Network,
    Problem,
    assign,
    compare,
    evaluate,
    fit_area,
    load_technology,
    pareto,
    solve,
)
from codesign.results.text import design as report
from codesign.results.text import specs as catalogue
from codesign.results.text.area_fit import fit_parts
from codesign.results.text.displays import DISPLAYS
from codesign.results.text.layout import to_text
from codesign.specs import load as specs
from codesign.specs.decoder import Decoder, DecoderSizes
from codesign.study.text import Overview, overview_parts
from codesign.units import METRIC_UNITS

TAGS = {"p", "br", "table", "thead", "tbody", "tr", "th", "td"}


@cache
def objects(name: str) -> tuple[Any, ...]:
    """One of every kind, whose names are all of this kind."""
    conv = Layer(name=name, input=name, output="a", K=8, C=4, P=6, Q=6, H=6, W=6, R=3, S=3)
    fc = Layer(name="fc", input="a", output="out", K=10, C=288)
    network = Network(name=name, layers=(conv, fc), tensors={name: 144, "a": 288, "out": 10})
    choices = Choices(
        rows=(2, 4),
        cols=(2,),
        weight_bits=(4, 6),
        activation_bits=(4, 6),
        pinned={f"weight:{name}": 6},
        shared=((f"weight:{name}", "weight:fc"),),
    )
    problem = Problem(
        network=network, choices=choices, quality="uniform:4", budgets={"area_mm2": 0.03}
    )
    accelerator = Accelerator(
        name=name,
        rows=2,
        cols=2,
        engine=9,
        pe_weight_bits=6,
        pe_activation_bits=6,
        clock_hz=8e8,
        sram_bits=50_000,
        dram_bits_per_s=1e9,
        technology=load_technology("tsmc28"),
        source=name,
    )
    design = solve(problem)
    sizes = DecoderSizes(
        blocks=2, hidden=8, heads=2, ffn=16, vocabulary=10, max_context=32, learned_positions=True
    )
    evaluation = evaluate(network, accelerator, 6)
    bits_alone = Problem(network=network, choices=choices, objective="model_bits")
    return (
        network,
        Decoder(name=name, decoder=sizes, source=name),
        accelerator,
        problem,
        design,
        made_up(dataflow(network)),
        evaluation,
        compare(design, evaluation, names=[name, name]),
        assign(bits_alone),
        pareto(problem, ["latency_s", "area_mm2"], 2),
        design.explain(),
    )


@pytest.mark.parametrize("name", ["conv", *HOSTILE])
def test_every_kind_shows_itself(name: str) -> None:
    assert {type(one) for one in objects(name)} == {*DISPLAYS}
    for one in objects(name):
        line = repr(one)
        assert line.startswith(f"<{type(one).__name__} ")
        assert line.endswith(">")
        assert line.isprintable()  # of one line
        assert len(line) < 400
        assert str(one) == line
        found = Tags(one._repr_html_())
        assert found.tags <= TAGS
        assert "table" in found.tags
        if name.isprintable():
            assert name in line
            assert name in found.text


def test_lines_say_the_most_important() -> None:
    network, decoder, accelerator, problem, design, *others = objects("conv")
    pipeline, evaluation, comparison, assignment, front, _ = others
    assert repr(pipeline).startswith("<DataflowDesign for conv: feasible, gap 100 %: interval ")
    assert repr(network) == "<Network conv: 2 layers, 13,248 MACs, 3,168 weights>"
    assert repr(decoder).startswith("<Decoder conv: ")
    assert repr(accelerator) == "<Accelerator conv: 2 × 2 PEs of 6 × 6 bit, SRAM 0.05 Mbit>"
    assert "conv on tsmc28: least latency with area ≤ 0.03 mm², noise ≤" in repr(problem)
    assert repr(design).startswith("<Design for conv: optimal, gap ")
    assert f"{design.hardware.rows} × 2 PEs of 6 × " in repr(design)
    assert repr(evaluation).startswith("<Evaluation conv on conv: tiled roofline: latency ")
    assert repr(comparison).startswith("<Comparison of 2 results: conv, latency ")
    assert repr(assignment).startswith("<Assignment for conv: optimal, gap ")
    assert repr(front).startswith("<Front latency, area of conv: 2 points, 2 proven; ")
    text = Tags(problem._repr_html_()).text
    for words in (
        "rows2, 4",
        "pinnedweight:conv=6",
        "one widthweight:conv, weight:fc",
    ):
        assert words in " ".join(text.split())


# --- every report in terminals of any width -----------------------------------------------------

LONG = "/model/layers.11/self_attention/query_projection/with_a_very_long_name/MatMul_quantised"


@cache
def reports() -> dict[str, list[Any]]:
    """What each command prints, of names that are long."""
    found = {type(one).__name__: DISPLAYS[type(one)].parts(one) for one in objects(LONG)}
    kinds = {
        "networks": specs.describe_network,
        "technologies": specs.load_technology,
        "memories": specs.load_memory,
        "accelerators": specs.load_accelerator,
    }
    for kind, load in kinds.items():
        shipped = [load(name) for name in specs.shipped(kind)]
        found[kind] = catalogue.catalogue(shipped)
        found |= {f"{kind} {one.name}": catalogue.spec_parts(one) for one in shipped}
    found["kinds"] = catalogue.kinds_parts({kind: specs.shipped(kind) for kind in kinds})
    network = objects(LONG)[0]
    found["import"] = catalogue.imported_parts(network, [f"{LONG} is ignored"], {LONG: 8})
    clash = dict.fromkeys(METRIC_UNITS, (0.123456, 0.123457, 1500000.0))
    found["clash"] = report.conflict_parts(InfeasibleError("", clash, [clash]))
    return found


def figures_of(text: str) -> Counter[str]:
    """Numbers, widths, tiles and shapes."""
    return Counter(re.findall(r"(?<!\S)[≤≥+−-]?\d[\d.,×/e+−-]*(?!\S)", text))


@pytest.mark.parametrize("columns", mostly_long([60, 100, 80, 120], 1))
def test_every_report_fits_and_loses_no_figure(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    for what, parts in reports().items():
        narrow = Text.from_ansi(to_text(parts, terminal=True)).plain
        wide = to_text(parts, terminal=False)
        assert figures_of(wide) - figures_of(narrow) == Counter(), what
        for line in map(str.rstrip, narrow.splitlines()):
            assert len(line) <= columns or line.startswith("widths declared: --pin"), (what, line)
        if what in ("Design", "Evaluation", "Explanation"):
            named = [line.split()[0] for line in narrow.splitlines() if line.startswith("/model")]
            assert len(named) > 1
            assert all(LONG.startswith(name.partition("…")[0]) for name in named)


def test_fits_and_studies_fit_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    csv = tmp_path / f"{'measured_' * 12}.csv"
    rows = [(b, n) for b in (4, 8, 16) for n in (1, 16)]
    table = "".join(f"{b},{b},{n},{n},{150 * n * n * (b * b + 2 * b + n)}\n" for b, n in rows)
    csv.write_text(f"bw,ba,n,m,area_um2\n{table}")
    counts = {"optimal": 123_456, "infeasible": 12, "error": 3}
    found = Overview(
        cells=Counter(counts),
        designs=Counter(counts),
        seconds={"optimal": 1e6},
        errors=Counter({f"{LONG}: unknown key": 3}),
        runs=((123_471, 1e6),),
    )
    for parts in (fit_parts(fit_area(csv, kind="pe")), overview_parts(found)):
        narrow = Text.from_ansi(to_text(parts, terminal=True)).plain
        wide = to_text(parts, terminal=False)
        assert figures_of(wide) - figures_of(narrow) == Counter()
        assert max(len(line.rstrip()) for line in narrow.splitlines()) <= 60
