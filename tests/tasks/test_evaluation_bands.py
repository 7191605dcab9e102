"""Evaluations in which layers may be fused: against every choice of runs and residents."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import oracle
import pytest
from command_line import refused, run
from enumerated_fusion import FusedEnumeration
from fusion_questions import fusion_question
from random_bands import bands_case
from residency_questions import Question
from seeds import half_long

from codesign import (
    Accelerator,
    Evaluation,
    Layer,
    Network,
    SpecError,
    evaluate,
    load_network,
    solve,
)
from codesign.checking import check_content
from codesign.results.text.design import evaluation_parts
from codesign.results.text.layout import to_text
from codesign.specs.write_network import to_toml


def evaluated(question: Question, most_layers: int) -> Evaluation:
    return evaluate(
        question.network,
        question.accelerator,
        question.widths,
        on_chip="bands",
        places=question.places,
        fused_layers=most_layers,
    )


def findings(evaluation: Evaluation) -> tuple[str, ...]:
    report = check_content(json.loads(json.dumps(evaluation.to_dict())), "evaluation")
    return tuple(map(str, report.findings))


@pytest.mark.slow
@pytest.mark.parametrize("first", [3000, 3040])
def test_best_of_all_choices(first: int) -> None:
    refusals = fused = beside = 0
    for seed in range(first, first + 40):
        question, most_layers = fusion_question(seed), 2 + seed % 3
        every = FusedEnumeration(question.network, question.on, question.widths)
        if len(every.lives) > 5:
            continue
        outcomes = every.every(most_layers, question.sram_bits, question.places)
        if not outcomes:
            with pytest.raises(
                SpecError, match=r"no tile of layer|does not hold|no band|no fused runs"
            ):
                evaluated(question, most_layers)
            refusals += 1
            continue
        found, best = evaluated(question, most_layers), min(outcomes.values())
        assert found.metrics["dram_bits"] == best.dram_bits
        if question.on.dram_bits_per_s is not None:
            latency_s = found.metrics["latency_s"]
            assert latency_s == pytest.approx(float(best.latency_s), rel=1e-12, abs=0)
        chosen = [x for x, outcome in outcomes.items() if every.place_of(x) == found.on_chip]
        assert [outcomes[x] for x in chosen] == [best]
        for row in found.layer_designs:
            assert (row.sram_bits or 0) + row.resident_bits <= question.sram_bits
        assert findings(found) == ()
        assert Evaluation.from_dict(found.to_dict(), "file") == found
        fused += "band" in (found.on_chip or {}).values()
        beside += {"band", "chip"} <= {*(found.on_chip or {}).values()}
    assert min(refusals, fused, beside) > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", half_long(["chain", "tall"]))
def test_solved_designs_have_the_figures_they_were_solved_with(kind: str) -> None:
    """At least as fast: a design of another objective need not fuse what saves time."""
    fused = 0
    for seed in range(6):
        problem, points = bands_case(seed, kind)
        if oracle.best(points, problem.objective, problem.budgets) is None:
            continue
        design = solve(problem)
        given = design.network, design.accelerator, design.widths
        most_layers = problem.choices.fused_layers
        latency_s, dram_bits = (design.metrics[name] for name in ("latency_s", "dram_bits"))
        for places in (problem.choices.places, design.on_chip):
            found = evaluate(*given, on_chip="bands", places=places, fused_layers=most_layers)
            assert found.metrics["latency_s"] <= latency_s * (1 + 1e-12)
            if places is design.on_chip:  # told where its tensors are, it is the design
                assert found.on_chip == design.on_chip
                assert found.metrics["latency_s"] == pytest.approx(latency_s, rel=1e-12, abs=0)
                assert found.metrics["dram_bits"] == dram_bits
            elif problem.objective == "latency_s":
                assert found.metrics["latency_s"] == pytest.approx(latency_s, rel=1e-12, abs=0)
        fused += bool(design.fused_runs)
    assert fused > 0


# --- by hand --------------------------------------------------------------------------------------

CHAIN = Network(
    name="chain",
    layers=(
        Layer(name="one", K=2, C=1, P=4, H=4, R=3, input="in", output="a"),
        Layer(name="two", K=1, C=2, P=4, H=4, R=3, input="a", output="b"),
        Layer(name="three", K=1, C=1, P=4, H=4, input="b", output="out"),
    ),
    tensors={"in": 4, "a": 8, "b": 4, "out": 4},
)
ON = Accelerator(
    name="given",
    rows=16,
    cols=16,
    engine=9,
    pe_weight_bits=4,
    pe_activation_bits=4,
    clock_hz=1.0,
    dram_bits_per_s=8.0,
    sram_bits=144,
)


def test_hand_computed() -> None:
    """A run of one and two, 24 + 24 + 24 + 16 + 40 = 128 bits, beside b's 16: 144."""
    found = evaluate(CHAIN, ON, 4, on_chip="bands", fused_layers=2)
    assert found.on_chip == {"in": "dram", "a": "band", "b": "chip", "out": "dram"}
    rows = found.layer_designs
    assert [(row.sram_bits, row.resident_bits) for row in rows] == [(128, 16), (128, 16), (20, 16)]
    # Weights 24 and in 16; weights 24; weights 4 and out 16. Against 4 cycles each.
    assert [row.dram_bits.total for row in rows] == [40, 24, 20]
    # 64 bits take 8 s, as do 8 cycles; a tie is bound by compute.
    assert [row.bound_by for row in rows] == ["compute", "compute", "compute"]
    assert [row.latency_s for row in rows] == [4, 4, 4]
    slower = evaluate(CHAIN, replace(ON, dram_bits_per_s=4.0), 4, on_chip="bands", fused_layers=2)
    assert [row.bound_by for row in slower.layer_designs] == ["memory", "memory", "memory"]
    assert [row.latency_s for row in slower.layer_designs] == [10, 6, 5]
    # All three together need 4 bits more of weights, and b's row of 1, 4 bits, in place of 16.
    three = evaluate(CHAIN, replace(ON, sram_bits=136), 4, on_chip="bands")
    assert (three.on_chip or {})["b"] == "band"
    assert [row.sram_bits for row in three.layer_designs] == [136, 136, 136]


def test_a_bit_less_holds_no_run() -> None:
    given: dict[str, Any] = {"on_chip": "bands", "fused_layers": 2}
    found = evaluate(CHAIN, replace(ON, sram_bits=127), 4, **given)
    assert found.on_chip is not None
    assert found.on_chip["a"] != "band"
    with pytest.raises(SpecError) as refusal:
        evaluate(CHAIN, replace(ON, sram_bits=127), 4, **given, places={"a": "band"})
    assert str(refusal.value) == (
        "accelerator 'given': its SRAM of 0.127 kbit does not hold the fused layers around 'a' "
        "with the places given, 0.128 kbit"
    )


def test_most_layers_of_a_run() -> None:
    network = load_network("mobilenetv2")
    chip = replace(ON, rows=16, cols=32, pe_weight_bits=8, pe_activation_bits=8, clock_hz=8e8)
    chip = replace(chip, dram_bits_per_s=12.8e9, sram_bits=2 * 10**6)
    found = [
        evaluate(network, chip, 8, on_chip="tensors"),
        *(evaluate(network, chip, 8, on_chip="bands", fused_layers=n) for n in (2, 4, 8)),
    ]
    latencies = [each.metrics["latency_s"] for each in found]
    assert latencies == sorted(latencies, reverse=True)
    assert latencies[2] < 0.5 * latencies[0]
    longest = [max((len(run.layers) for run in each.fused_runs), default=1) for each in found]
    assert longest[0] == 1
    assert all(2 <= x <= n for x, n in zip(longest[1:], (2, 4, 8), strict=True))
    assert all(findings(each) == () for each in found)
    assert to_text(evaluation_parts(found[2]), terminal=False)


# --- what is refused ------------------------------------------------------------------------------

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"roofline": "ideal", "on_chip": "bands"}, "on_chip 'bands': the ideal roofline moves every"),
    ({"on_chip": "tensors", "places": {"a": "band"}}, "'band', but on_chip is not 'bands'"),
    ({"on_chip": "tensors", "fused_layers": 2}, "fused_layers is given, but on_chip is not"),
    ({"on_chip": "bands", "fused_layers": 1}, "fused_layers must be a whole number from 2 to 100"),
    ({"on_chip": "bands", "fused_layers": 2.5}, "a whole number from 2 to 100, got 2.5"),
    ({"on_chip": "bands", "places": {"out": "band"}}, "an input or a result of the network"),
    (
        {"on_chip": "bands", "places": {"a": "band", "b": "band"}, "fused_layers": 2},
        "no fused runs of at most 2 layers have them all",
    ),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as refusal:
        evaluate(CHAIN, ON, 4, **given)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "chain.toml", tmp_path / "evaluation.json"
    path.write_text(to_toml(CHAIN), encoding="utf-8")
    given = ("evaluate", str(path), "--rows", "16", "--cols", "16", "--pe-bits", "4")
    given = (*given, "--sram-kbit", "0.144", "--clock-mhz", "1", "--dram-gbit-per-s", "0.008")
    bands = ("--on-chip", "bands", "--out", str(out))
    run(capsys, *given, *bands, "--fused-layers", "2", "--pin", "band:a")
    assert json.loads(out.read_text())["on_chip"]["a"] == "band"
    assert "--on-chip bands" in refused(capsys, *given, "--fused-layers", "2")
    both = ("--fused-layers", "2", "--pin", "band:a", "--pin", "band:b")
    assert "no fused runs of at most 2 layers" in refused(capsys, *given, *bands, *both)
