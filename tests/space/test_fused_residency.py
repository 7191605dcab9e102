"""The best residents and fused runs on given hardware, against every choice tried one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from enumerated_fusion import Choice, FusedEnumeration
from enumerated_residency import Outcome
from fusion_questions import fusion_question, wide_question
from residency_questions import Question
from seeds import mostly_long

from codesign import Accelerator, Layer, Network
from codesign.problem.places import Place
from codesign.space import residency
from codesign.space.exact_cost import First
from codesign.space.given_hardware import GivenHardware
from codesign.space.residency import Residency

MOST_LAYERS = (2, 3, 4, 5)


def enumeration(question: Question) -> FusedEnumeration:
    return FusedEnumeration(question.network, question.on, question.widths)


def choice_of(question: Question, found: Residency) -> Choice:
    """What was chosen, as it is enumerated."""
    runs = {run.first: run.layers for run in found.runs}
    blocks: list[range] = []
    while not blocks or blocks[-1].stop < len(question.network.layers):
        first = blocks[-1].stop if blocks else 0
        blocks.append(runs.get(first, range(first, first + 1)))
    return Choice(tuple(blocks), frozenset(found.on_chip))


def check_best(question: Question, every: dict[Choice, Outcome], found: Residency | None) -> bool:
    """Hold what was found to all that could be; whether anything could."""
    if found is None:
        assert not every
        return False
    best = min(every.values())
    assert every[choice_of(question, found)] == best
    assert found.proven
    timed = question.on.dram_bits_per_s is not None
    assert found.bound == pytest.approx(float(best[0] if timed else best[1]), rel=1e-15, abs=0)
    assert sum(row.dram_bits for row in found.layers) == best.dram_bits
    if timed:
        latency_s = question.fusing(5).latency_s(found)
        assert latency_s == pytest.approx(float(best.latency_s), rel=1e-12, abs=0)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("first", mostly_long(range(0, 150, 25), 3))
def test_best_of_all_choices(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_best(range(first, first + 25), monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("first", range(10_000, 15_000, 500))
def test_best_of_all_choices_at_length(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_best(range(first, first + 500), monkeypatch)


def assert_best(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    none = fused = beside = skips = banded = 0
    for seed in seeds:
        question = fusion_question(seed)
        if len(enumeration(question).lives) > 6:
            continue
        # Labels are few here: on a narrow beam the bounds decide.
        beam, few = ((64, 16), (1, 0), (2, 0))[seed % 3]
        monkeypatch.setattr(residency, "BEAM", beam)
        monkeypatch.setattr(residency, "FEW", few)
        most_layers = MOST_LAYERS[seed % len(MOST_LAYERS)]
        given = most_layers, question.sram_bits, question.places
        every = enumeration(question).every(*given)
        found = question.fusing(most_layers).residency(question.sram_bits, question.places)
        if not check_best(question, every, found):
            none += 1
            continue
        assert found is not None
        assert all(2 <= len(run.layers) <= most_layers for run in found.runs)
        fused += bool(found.runs)
        layers = question.network.layers
        lives = {name: enumeration(question).lives[name] for name in found.on_chip}.values()
        for run in found.runs:
            beside += any(x <= run.last and y >= run.first for x, y in lives)
            skips += any({*layers[i].residuals} & {*run.inner} for i in run.layers)
        banded += "band" in question.places.values()
    assert min(none, fused, beside) > 0
    assert skips + banded > 0


@pytest.mark.slow
def test_of_least_traffic_where_that_counts_first() -> None:
    first: First = "dram_bits"
    differ = fused = 0
    for seed in range(500, 560):
        question = fusion_question(seed)
        if question.on.dram_bits_per_s is None or len(enumeration(question).lives) > 5:
            continue
        every = enumeration(question).every(4, question.sram_bits, question.places)
        found = question.fusing(4).residency(question.sram_bits, question.places, first)
        if found is None:
            assert not every
            continue
        best = min(every.values(), key=lambda x: (x.dram_bits, x.latency_s))
        assert every[choice_of(question, found)] == best
        assert (found.bound, found.proven) == (best.dram_bits, True)
        differ += best != min(every.values())
        fused += bool(found.runs)
    assert min(differ, fused) > 0


@pytest.mark.slow
def test_never_worse_than_without_runs_and_shorter_ones() -> None:
    better = 0
    for seed in range(600, 660):
        question = fusion_question(seed)._replace(places={})
        bounds = []
        for most_layers in (1, 2, 3, 6):
            found = question.fusing(most_layers).residency(question.sram_bits)
            bounds.append(float("inf") if found is None else found.bound)
        assert bounds == sorted(bounds, reverse=True)
        better += bounds[-1] < bounds[0]
    assert better > 0


# --- by hand ------------------------------------------------------------------------------------

CHAIN = Network(
    name="chain",
    layers=(
        Layer(name="one", K=2, C=1, P=4, H=4, R=3, input="in", output="a"),
        Layer(name="two", K=1, C=2, P=4, H=4, R=3, input="a", output="out"),
    ),
    tensors={"in": 4, "a": 8, "out": 4},
)
ARRAY = {"rows": 16, "cols": 16, "engine": 9, "pe_weight_bits": 4, "pe_activation_bits": 4}


def chain_on(dram_bits_per_s: float) -> GivenHardware:
    on = Accelerator(name="one", clock_hz=1.0, dram_bits_per_s=dram_bits_per_s, **ARRAY)
    return GivenHardware(CHAIN, on, [4, 4], dict.fromkeys(CHAIN.tensors, 4), 2)


def test_hand_computed_run() -> None:
    """Weights 24 and 24; a's 3 rows of 2, 24; all 4 rows of in, 16; sums 2 rows · 2 · 10 = 40."""
    given = chain_on(1.0)
    assert (found := given.residency(128)) is not None
    assert [(run.first, run.last, run.inner) for run in found.runs] == [(0, 1, ("a",))]
    assert (found.on_chip, found.bands) == ((), ("a",))
    # Weights and in, 24 + 16; weights and out, 24 + 16. Compute: 4 + 4 cycles.
    assert [row.dram_bits for row in found.layers] == [40, 40]
    assert (found.bound, found.proven, given.latency_s(found)) == (80.0, True, 80.0)
    # One bit less: a stays whole (32 bits) beside layer one's tiles of one row, 24 + 24 + 40, for
    # which 4 + 3·2 rows of in are read.
    assert (found := given.residency(127)) is not None
    assert (found.on_chip, found.runs) == (("a",), ())
    assert [row.dram_bits for row in found.layers] == [24 + 40, 24 + 16]
    assert [row.resident_bits for row in found.layers] == [32, 32]


def test_places_given_to_a_run() -> None:
    given = chain_on(1.0)
    assert given.residency(127, {"a": "band"}) is None
    other: tuple[Place, ...] = ("chip", "dram")
    for place in other:
        assert (found := given.residency(128, {"a": place})) is not None
        assert found.runs == ()
        assert found.on_chip == (("a",) if place == "chip" else ())


def test_layers_of_a_run_share_their_roofs() -> None:
    """Weights of 8 and 1 bit: 64 and 22 bits, 6.4 and 2.2 s, against 4 and 4 s; 8.6 against 8."""
    on = Accelerator(name="one", clock_hz=1.0, dram_bits_per_s=10.0, **ARRAY)
    on = replace(on, pe_weight_bits=8)
    given = GivenHardware(CHAIN, on, [8, 1], dict.fromkeys(CHAIN.tensors, 4), 2)
    ample = given.ample_sram_bits
    assert (alone := given.residency(ample, {"a": "chip"})) is not None
    assert (found := given.residency(ample)) is not None
    assert [row.dram_bits for row in found.layers] == [row.dram_bits for row in alone.layers]
    assert [row.dram_bits for row in found.layers] == [64, 22]
    assert given.latency_s(alone) == pytest.approx(6.4 + 4, rel=1e-15)
    assert given.latency_s(found) == pytest.approx(8.6, rel=1e-15)


# --- many tensors side by side ------------------------------------------------------------------


@pytest.mark.long
def test_bounds_where_labels_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "BEAM", 1)
    monkeypatch.setattr(residency, "FEW", 1)
    unproven = fused = 0
    for seed in (0, 3, 10, 19, 20, 22):
        question = wide_question(seed)
        every = enumeration(question).every(4, question.sram_bits)
        check_best(question, every, question.fusing(4).residency(question.sram_bits))
        with monkeypatch.context() as fewer:
            fewer.setattr(residency, "MAX_LABELS", 1)
            found = question.fusing(4).residency(question.sram_bits)
        assert found is not None
        best, reached = min(every.values()), every[choice_of(question, found)]
        assert found.bound <= float(best.latency_s) <= float(reached.latency_s)
        assert not found.proven or reached == best
        unproven += not found.proven
        fused += bool(found.runs)
    assert min(unproven, fused) > 0
