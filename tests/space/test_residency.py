"""The best resident tensors on given hardware, against every set of them tried one by one."""

from __future__ import annotations

import pytest
from enumerated_residency import Outcome, lives
from residency_questions import Question, dense_question, random_question
from seeds import mostly_long

from codesign import Accelerator, Layer, Network
from codesign.space import residency
from codesign.space.exact_cost import Rates
from codesign.space.given_hardware import GivenHardware
from codesign.space.residency import Residency, best_residency


def check_best(question: Question, found: Residency | None) -> Outcome | None:
    """Hold what was found to all that could be; the best outcome."""
    every = {chosen: outcome for outcome, chosen in question.enumerated()}
    if found is None:
        assert not every
        return None
    best = min(every.values())
    assert every[frozenset(found.on_chip)] == best
    assert found.proven
    timed = question.on.dram_bits_per_s is not None
    assert found.bound == pytest.approx(float(best[0] if timed else best[1]), rel=1e-15, abs=0)
    assert sum(row.dram_bits for row in found.layers) == best.dram_bits
    return best


@pytest.mark.slow
@pytest.mark.parametrize("first", mostly_long(range(0, 360, 60), 3))
def test_best_of_all_sets(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    none = some = every = 0
    for seed in range(first, first + 60):
        question = random_question(seed)
        if len(lives(question.network)) > 7:
            continue
        # Labels are few here: on a narrow beam the bounds decide.
        beam, few = ((64, 16), (1, 0), (2, 0))[seed % 3]
        monkeypatch.setattr(residency, "BEAM", beam)
        monkeypatch.setattr(residency, "FEW", few)
        found = question.given.residency(question.sram_bits, question.places)
        none += check_best(question, found) is None
        if found is not None:
            every += len(found.on_chip) == len(lives(question.network)) > 0
            some += 0 < len(found.on_chip) < len(lives(question.network))
    assert min(none, some, every) > 0  # each of them was tried


def test_of_least_traffic_where_that_counts_first() -> None:
    differ = 0
    for seed in range(400, 500):
        question = random_question(seed)
        rate = question.on.dram_bits_per_s
        if rate is None or len(lives(question.network)) > 5:
            continue
        given, every = question.given, question.enumerated()
        rates = Rates(question.on.clock_hz, rate, "dram_bits")
        arguments = given.tensor_bits, *given.modes[0][:2], question.sram_bits, rates
        found = best_residency(given.lives, *arguments, places=question.places)
        if found is None:
            assert not every
            continue
        best = min(every, key=lambda each: (each[0].dram_bits, each[0].latency_s))[0]
        outcomes = {chosen: outcome for outcome, chosen in every}
        assert outcomes[frozenset(found.on_chip)] == best
        assert (found.bound, found.proven) == (best.dram_bits, True)
        differ += best != min(every)[0]
    assert differ > 0


def test_hand_computed_chain() -> None:
    """From one element to ten (a), to one (b), to one, all of 4 bits, in single tiles."""
    network = Network(
        name="chain",
        layers=(
            Layer(name="one", K=10, C=1, input="in", output="a"),
            Layer(name="two", K=1, C=10, input="a", output="b"),
            Layer(name="three", K=1, C=1, input="b", output="out"),
        ),
        tensors={"in": 1, "a": 10, "b": 1, "out": 1},
    )
    array = {"rows": 16, "cols": 16, "engine": 9, "pe_weight_bits": 4, "pe_activation_bits": 4}
    on = Accelerator(name="one", clock_hz=1e9, dram_bits_per_s=1.0, **array)
    given = GivenHardware(network, on, [4, 4, 4], dict.fromkeys(network.tensors, 4))
    # Layer 1: weights 10·4 + input 4 + outputs 10·8 = 124, and a's 40; layer 2: b's 4 beside.
    assert (found := given.residency(164)) is not None
    assert found.on_chip == ("a", "b")
    assert [row.resident_bits for row in found.layers] == [40, 44, 4]
    # Weights 40 and in 4; weights 40; weights 4 and out 4: all that still moves.
    assert [row.dram_bits for row in found.layers] == [44, 40, 8]
    assert (found.bound, found.proven) == (92.0, True)
    # One bit less, and a goes: its bits are written and read again.
    assert (found := given.residency(163)) is not None
    assert found.on_chip == ("b",)
    assert [row.dram_bits for row in found.layers] == [84, 80, 8]
    # Told to stay, it does not fit.
    assert given.residency(163, {"a": "chip"}) is None
    assert (found := given.residency(164, {"b": "dram"})) is not None
    assert found.on_chip == ("a",)


# --- many tensors side by side ------------------------------------------------------------------


def test_bounds_where_labels_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "BEAM", 2)
    monkeypatch.setattr(residency, "FEW", 1)
    unproven = 0
    for seed in range(28, 40):
        question = dense_question(seed)
        best = check_best(question, question.given.residency(question.sram_bits))
        assert best is not None
        given = question.given
        rates = Rates(question.on.clock_hz, question.on.dram_bits_per_s)
        arguments = given.tensor_bits, *given.modes[0][:2], question.sram_bits, rates
        found = best_residency(given.lives, *arguments, max_labels=2)
        assert found is not None
        every = {chosen: outcome for outcome, chosen in question.enumerated()}
        reached = every[frozenset(found.on_chip)]
        assert found.bound <= float(best.latency_s) <= float(reached.latency_s)
        assert not found.proven or reached == best
        unproven += not found.proven
    assert unproven > 0


def test_none_fits_though_labels_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not told before every label has been tried."""
    monkeypatch.setattr(residency, "BEAM", 1)
    monkeypatch.setattr(residency, "MAX_LABELS", 1)
    for seed in range(6):
        question = dense_question(seed)
        least = max(
            min(
                question.given.modes[0].stairs(i, *x)[0][0] for x in ((False, False), (False, True))
            )
            for i in range(len(question.network.layers))
        )
        question = question._replace(sram_bits=int(least))
        found = question.given.residency(question.sram_bits)
        assert (found is None) == (not question.enumerated())
