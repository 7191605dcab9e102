"""Evaluations whose tensors may stay on chip: against every choice of those that do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import oracle
import pytest
from enumerated_residency import Enumeration
from random_on_chip import on_chip_case
from residency_questions import Question, dense_question, random_question
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
from codesign.space import residency


def evaluated(question: Question) -> Evaluation:
    return evaluate(
        question.network,
        question.accelerator,
        question.widths,
        on_chip="tensors",
        places=question.places,
    )


def findings(evaluation: Evaluation) -> tuple[str, ...]:
    report = check_content(json.loads(json.dumps(evaluation.to_dict())), "evaluation")
    return tuple(map(str, report.findings))


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=0)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1100, 50))
def test_best_of_all_sets(first: int) -> None:
    refused = kept = 0
    for seed in range(first, first + 50):
        question = random_question(seed)
        every = question.enumerated()
        if not every:
            with pytest.raises(SpecError, match=r"holds no tile of layer|does not hold"):
                evaluated(question)
            refused += 1
            continue
        found = evaluated(question)
        best = min(outcome for outcome, _ in every)
        assert found.metrics["dram_bits"] == best.dram_bits
        if question.on.dram_bits_per_s is not None:
            assert found.metrics["latency_s"] == close(float(best.latency_s))
        assert found.on_chip is not None
        for name, place in question.places.items():
            assert found.on_chip[name] == place
        chosen = frozenset(name for name, place in found.on_chip.items() if place == "chip")
        outcomes = {residents: outcome for outcome, residents in every}
        assert outcomes[chosen] == best
        check_room(question, found, chosen)
        assert findings(found) == ()
        assert Evaluation.from_dict(found.to_dict(), "file") == found
        kept += bool(chosen)
    assert min(refused, kept) > 0


def check_room(question: Question, found: Evaluation, chosen: frozenset[str]) -> None:
    """Tiles and what is resident fit beside each other, in every layer."""
    network, alive = question.network, Enumeration(question.network, question.on, question.widths)
    for i, row in enumerate(found.layer_designs):
        held = sum(
            network.tensors[name] * question.widths[f"tensor:{name}"]
            for name in chosen
            if alive.lives[name][0] <= i <= alive.lives[name][1]
        )
        assert row.resident_bits == held
        assert row.sram_bits is not None
        assert row.sram_bits + held <= question.sram_bits


@pytest.mark.slow
@pytest.mark.parametrize("kind", half_long(["plain", "moving", "in place", "sharing"]))
def test_solved_designs_have_the_figures_they_were_solved_with(kind: str) -> None:
    """At least as fast: a design of another objective need not keep on chip what saves time."""
    kept = 0
    for seed in range(6):
        problem, points = on_chip_case(seed, kind)
        if oracle.best(points, problem.objective, problem.budgets) is None:
            continue
        design = solve(problem)
        places = problem.choices.places
        given = design.network, design.accelerator, design.widths
        found = evaluate(*given, on_chip="tensors", places=places)
        latency_s = design.metrics["latency_s"]
        assert found.metrics["latency_s"] <= latency_s * (1 + 1e-12)
        if problem.objective == "latency_s":
            assert found.metrics["latency_s"] == close(latency_s)
            assert found.metrics["dram_bits"] <= design.metrics["dram_bits"]
        # Told where its tensors are, it is the design.
        assert design.on_chip is not None
        kept += "chip" in design.on_chip.values()
        told = evaluate(*given, on_chip="tensors", places=design.on_chip)
        assert told.on_chip == design.on_chip
        assert told.metrics["latency_s"] == close(latency_s)
        assert told.metrics["dram_bits"] == design.metrics["dram_bits"]
    assert kept > 0


# --- by hand ------------------------------------------------------------------------------------

CHAIN = Network(
    name="chain",
    layers=(
        Layer(name="one", K=10, C=1, input="in", output="a"),
        Layer(name="move", K=10, C=10, input="a", output="b", moves=True),
        Layer(name="two", K=1, C=10, input="b", output="out"),
    ),
    tensors={"in": 1, "a": 10, "b": 10, "out": 1},
)
ON = Accelerator(
    name="given",
    rows=1,
    cols=16,
    engine=4,
    pe_weight_bits=4,
    pe_activation_bits=4,
    clock_hz=1.0,
    dram_bits_per_s=8.0,
    sram_bits=164,
)


def test_hand_computed() -> None:
    """164 bits: 40 weights, 4 ifmap and 80 partial sums of layer 1 beside 40 of a; b beside a."""
    found = evaluate(CHAIN, ON, 4, on_chip="tensors")
    assert found.on_chip == {"in": "dram", "a": "chip", "b": "chip", "out": "dram"}
    # Compute: 1 cycle; ⌈10/4⌉ = 3; ⌈10/4⌉ = 3. Memory: 40 + 4 bits, 0, 40 + 4 bits, at 8 per s.
    assert [row.compute_s for row in found.layer_designs] == [1, 3, 3]
    assert [row.memory_s for row in found.layer_designs] == [5.5, 0, 5.5]
    assert found.metrics["latency_s"] == 14
    # In DRAM: 40 + 4 + 40, 80, 40 + 40 + 4 bits, and what only moves takes no cycles.
    without = evaluate(CHAIN, ON, 4, on_chip="none")
    assert (without.metrics["latency_s"], without.on_chip) == (31, None)
    assert [row.compute_s for row in without.layer_designs] == [1, 0, 3]
    pinned = evaluate(CHAIN, ON, 4, on_chip="tensors", places={"b": "dram"})
    assert [row.memory_s for row in pinned.layer_designs] == [5.5, 5, 10.5]


def test_default_is_that_of_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    for default, other in (("none", "tensors"), ("tensors", "none")):
        monkeypatch.setattr("codesign.tasks.evaluate_places.DEFAULT_ON_CHIP", default)
        assert (evaluate(CHAIN, ON, 4).on_chip is None) == (default == "none")
        explicit: Any = other
        assert (evaluate(CHAIN, ON, 4, on_chip=explicit).on_chip is None) == (other == "none")
        assert evaluate(CHAIN, ON, 4, roofline="ideal").on_chip is None


def test_most_stays_in_a_large_sram_and_nothing_in_a_small_one() -> None:
    network = load_network("mobilenetv2")
    chip = Accelerator(
        name="chip",
        rows=16,
        cols=32,
        engine=9,
        pe_weight_bits=8,
        pe_activation_bits=8,
        clock_hz=8e8,
        dram_bits_per_s=12.8e9,
        sram_bits=4 * 10**6,
    )
    found, without = (evaluate(network, chip, 6, on_chip=x) for x in ("tensors", "none"))
    assert found.metrics["latency_s"] < 0.6 * without.metrics["latency_s"]
    assert findings(found) == ()
    assert found.on_chip is not None
    # One at a time: no tensor that went to DRAM had better stayed beside the others.
    for name, place in found.on_chip.items():
        if place == "dram" and name in network.lifetimes:
            given = {**{x: "chip" for x, y in found.on_chip.items() if y == "chip"}, name: "chip"}
            try:
                more = evaluate(network, chip, 6, on_chip="tensors", places=given)
            except SpecError:
                continue  # they do not fit
            assert more.metrics["latency_s"] >= found.metrics["latency_s"]


# --- what is not proven ---------------------------------------------------------------------------


def test_says_what_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "MAX_LABELS", 2)
    monkeypatch.setattr(residency, "BEAM", 2)
    monkeypatch.setattr(residency, "FEW", 1)
    unproven = 0
    for seed in range(28, 40):
        question = dense_question(seed)
        found = evaluated(question)
        best = min(outcome for outcome, _ in question.enumerated())
        if found.residency_bound is None:
            assert found.metrics["dram_bits"] == best.dram_bits
            assert "residency_bound" not in found.to_dict()
            continue
        assert found.residency_bound <= float(best.latency_s) * (1 + 1e-12)
        assert any("not proven best" in note for note in found.notes)
        assert "not proven best" in to_text(evaluation_parts(found), terminal=False)
        assert findings(found) == ()
        assert Evaluation.from_dict(found.to_dict(), "file") == found
        unproven += 1
    assert unproven > 0


# --- what is refused ------------------------------------------------------------------------------

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"on_chip": "all"}, "on_chip must be one of bands, tensors, none, got 'all'"),
    ({"roofline": "ideal", "on_chip": "tensors"}, "on_chip 'tensors': the ideal roofline moves"),
    ({"roofline": "ideal", "places": {"a": "chip"}}, "places: the ideal roofline moves every"),
    ({"on_chip": "none", "places": {"a": "chip"}}, "places are given, but on_chip is 'none'"),
    ({"on_chip": "tensors", "places": {"A": "chip"}}, "network 'chain' has no such tensor"),
    ({"on_chip": "tensors", "places": {"in": "chip"}}, "an input or a result of the network"),
    (
        {"on_chip": "tensors", "places": {"a": "sram"}},
        "must be one of chip, dram, band, got 'sram'",
    ),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as refusal:
        evaluate(CHAIN, ON, 4, **given)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_refuses_places_that_do_not_fit() -> None:
    with pytest.raises(SpecError) as refusal:
        evaluate(CHAIN, replace(ON, sram_bits=163), 4, on_chip="tensors", places={"a": "chip"})
    assert str(refusal.value) == (
        "accelerator 'given': its SRAM of 0.163 kbit holds no tile of layer 'one' beside what "
        "stays on chip, 0.04 kbit, which needs 0.164 kbit at 4 × 4 bit"
    )
    move = replace(CHAIN.layers[1], input="in", output="a")
    layers = move, replace(CHAIN.layers[2], input="a")
    network = Network(name="moved", layers=layers, tensors={"in": 10, "a": 10, "out": 1})
    with pytest.raises(SpecError) as refusal:
        evaluate(network, replace(ON, sram_bits=39), 4, on_chip="tensors", places={"a": "chip"})
    assert str(refusal.value) == (
        "accelerator 'given': its SRAM of 0.039 kbit does not hold what stays on chip during layer "
        "'move', 0.04 kbit"
    )
