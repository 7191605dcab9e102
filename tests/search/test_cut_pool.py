"""What one goal leaves behind for the next is true, and changes no answer.

Sequences of goals over one space, in random order and with random limits, are put to one prover.
Each answer is compared with enumeration and with a prover that remembers nothing; each cut, fact
and point remembered is held to every enumerated design.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import oracle
import pytest
from enumerated_fronts import vectors
from placed_points import options_of
from random_problems import Case, good_point, random_case
from seeds import check_all, mostly_long

from codesign.problem.goal import Goal
from codesign.problem.metrics import ADDITIVE_METRICS
from codesign.search import group_bounds, screening
from codesign.search.cut_pool import Cut, CutPool, ProvenBounds, ReducedDomains
from codesign.search.domains import Domains
from codesign.search.lexicographic import LexicographicSearch
from codesign.space.hardware import HardwareSpace
from codesign.space.solution import Solution

SEEDS = range(20)
LONG_SEEDS = range(20_000, 21_000)
BLOCK = 50
GOALS = 7
EQUAL = 1e-8  # relative


class Question(NamedTuple):
    """Metrics to minimise one after the other, within limits."""

    metrics: tuple[str, ...]
    limits: dict[str, float]


def questions(rng: random.Random, points: Sequence[oracle.Point], count: int) -> list[Question]:
    """Limits around good designs: some kept by many designs, some by few, some by none."""
    asked = []
    for _ in range(count):
        metrics = rng.sample(oracle.METRICS, rng.choice((1, 1, 2)))
        limited = rng.sample(oracle.METRICS, rng.choice((0, 1, 2, 2, 3)))
        anchor = good_point(rng, points)
        slacks = (0.7, 0.95, 1.0, 1.0, 1.1, 1.5, 3.0)
        limits = {name: anchor.value(name) * rng.choice(slacks) for name in limited}
        asked.append(Question(tuple(metrics), limits))
    nearby = rng.choice(asked)  # and its likes, looser and tighter, which facts are about
    for slack in (1.2, 1.0, 0.98):
        limits = {name: limit * slack for name, limit in nearby.limits.items()}
        asked.append(Question(nearby.metrics, limits))
    rng.shuffle(asked)
    return asked


def least_in_order(points: Sequence[oracle.Point], question: Question) -> list[float] | None:
    """The least of each metric, those before held; None where nothing is within the limits."""
    left = oracle.within(points, question.limits)
    values = []
    for metric in (*question.metrics, *oracle.TIE_BREAKERS):
        value = oracle.least(left, metric, {})
        if value is None:
            return None
        values.append(value)
        left = oracle.within(left, {metric: value})
    return values


def check_sequence(case: Case, seed: int, fresh: bool) -> CutPool:
    """Put questions to one prover; compare with enumeration and, if asked, with fresh provers."""
    rng = random.Random(f"memory {seed}")
    space = HardwareSpace(case.problem)
    prover = LexicographicSearch(space)
    for question in questions(rng, case.points, GOALS):
        metrics = tuple(dict.fromkeys((*question.metrics, *oracle.TIE_BREAKERS)))
        found = prover.minimise(metrics, question.limits)
        assert found.complete
        truth = least_in_order(case.points, question)
        if truth is None:
            assert found.solution is None, str(question)
            continue
        assert found.solution is not None, str(question)
        reached = [
            found.solution.metrics[name] for name in (*question.metrics, *oracle.TIE_BREAKERS)
        ]
        assert reached == pytest.approx(truth, rel=EQUAL, abs=0), str(question)
        assert found.first.bound == pytest.approx(truth[0], rel=EQUAL, abs=0)
        if fresh:
            alone = LexicographicSearch(space).minimise(metrics, question.limits)
            assert alone.solution is not None
            values = [alone.solution.metrics[name] for name in metrics]
            assert values == pytest.approx([found.solution.metrics[n] for n in metrics], rel=EQUAL)
    return prover.cut_pool


# --- everything that is remembered --------------------------------------------------------------


def check_memory(memory: CutPool, case: Case) -> None:
    """No enumerated design contradicts a cut or a fact, and each point is one of the designs."""
    designs = by_option(case)
    for cut in memory.cuts:
        check_cut(cut, designs)
    for fact in memory.proven_bounds:
        check_fact(fact, designs)
    for option, left in memory.reduced_domains.items():
        check_left_over(left, case, designs[option])
    known = {name: np.sort(vectors(case.points, [name])[:, 0]) for name in oracle.METRICS}
    for point in memory.solutions:
        for name, values in known.items():
            nearest = values[np.abs(values - point.metrics[name]).argmin()]
            assert point.metrics[name] == pytest.approx(nearest, rel=EQUAL, abs=0)


def by_option(case: Case) -> dict[int, list[oracle.Point]]:
    """The enumerated designs of each hardware option of the space."""
    space = HardwareSpace(case.problem)
    index = {hardware: i for i, hardware in enumerate(options_of(space))}
    found: dict[int, list[oracle.Point]] = {option: [] for option in index.values()}
    for point in case.points:
        found[index[point.hardware]].append(point)
    return found


def check_cut(cut: Cut, designs: Mapping[int, list[oracle.Point]]) -> None:
    """``coefficients · metrics ≥ value`` for its options' designs within its SRAM and noise."""
    priced = {option: vectors(points, ADDITIVE_METRICS) for option, points in designs.items()}
    sram = {option: np.array([p.sram_bits for p in points]) for option, points in designs.items()}
    for option, n in zip(cut.options.tolist(), cut.row.tolist(), strict=True):
        quiet = priced[option][:, ADDITIVE_METRICS.index("noise")] <= cut.limits.get(
            "noise", np.inf
        )
        holds = quiet & (sram[option] <= cut.sram_bits[n])
        total = priced[option][holds] @ cut.coefficients[n]
        assert cut.value[n] <= total.min(initial=math.inf) * (1 + EQUAL)


def check_fact(fact: ProvenBounds, designs: Mapping[int, list[oracle.Point]]) -> None:
    """A bound on the goal's metric, for the designs of each option within the goal's limits."""
    for option, points in designs.items():
        least = oracle.least(points, fact.goal.metric, fact.goal.limits)
        if least is not None:
            assert fact.lower[option] <= least * (1 + EQUAL), str(fact.goal)


def check_left_over(left: ReducedDomains, case: Case, designs: Sequence[oracle.Point]) -> None:
    """Widths of every design within the limits and the SRAM are among those left."""
    space = HardwareSpace(case.problem)
    index = {int(bits): w for w, bits in enumerate(space.widths)}
    for point in oracle.within(designs, left.limits):
        if point.sram_bits > left.sram_bits:
            continue
        for i, layer in enumerate(case.problem.network.layers):
            operand = f"weight:{layer.name}" if layer.weight_tensor is None else None
            bw = point.widths[operand or f"tensor:{layer.weight_tensor}"]
            ba = point.widths[f"tensor:{layer.input}"]
            assert left.domains.pairs[i, index[bw], index[ba]]
        for name, t in space.tensor_index.items():
            assert left.domains.variable_allowed[t, index[point.widths[f"tensor:{name}"]]]


# --- sequences ----------------------------------------------------------------------------------


def memory_case(seed: int) -> Case:
    """A problem of few thousand designs at most, some of them in many hardware options."""
    rng = random.Random(f"memory case {seed}")
    while True:
        case = random_case(rng.randrange(10**6))
        if 20 <= len(case.points) <= 3000:
            return case


@pytest.mark.parametrize("seed", mostly_long(SEEDS, 8))
def test_a_prover_that_remembers_answers_like_enumeration(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:  # screen as for many options, and bound options in groups from the first one on
        monkeypatch.setattr(screening, "MOST_UNSCREENED", 1)
        monkeypatch.setattr(group_bounds, "SOLVED_BETWEEN_ATTEMPTS", 1)
        monkeypatch.setattr(group_bounds, "SOLVED_BEFORE_ALL", 1)
        monkeypatch.setattr(group_bounds, "LEAST_GROUP", 2)
    case = memory_case(seed)
    memory = check_sequence(case, seed, fresh=seed % 8 == 0)
    assert memory.proven_bounds
    check_memory(memory, case)


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_SEEDS[::BLOCK])
def test_a_prover_that_remembers_answers_like_enumeration_long(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(seed: int) -> None:
        monkeypatch.setattr(screening, "MOST_UNSCREENED", 64 if seed % 2 else 1)
        case = memory_case(seed)
        check_memory(check_sequence(case, seed, fresh=True), case)

    check_all(range(first, first + BLOCK), check)


# --- by hand ------------------------------------------------------------------------------------

# p · metrics ≥ V with latency 2 a second and noise 3: for a noise of at most 1, latency is at least
# (V − 3·1)/2, and for a latency of at most 4, noise is at least (V − 2·4)/3.
PRICES = np.array([[2.0, 0.0, 3.0, 0.0, 0.0]])


def test_prices_too_small_to_trust_prove_nothing() -> None:
    """Seventeen steps of the smallest number there is, over 654: 0.026, but the noise is 0.0234."""
    step = 5e-324
    coefficients = np.array([[1.0, 0.0, 654 * step, 0.0, 0.0]])
    memory = CutPool()
    only = np.array([0])
    cut = Cut(only, only, coefficients, np.array([17 * step]), np.array([9.0]))
    memory.add_cut("latency_s", cut, options=1)
    lower = memory.lower(Goal("noise", {"latency_s": 0.0}), np.array([9.0]))
    assert lower[0] <= 0.0234


def one_cut(value: float, sram_bits: float) -> CutPool:
    memory = CutPool()
    cut = Cut(np.array([1]), np.array([0]), PRICES, np.array([value]), np.array([sram_bits]))
    memory.add_cut("latency_s", cut, options=2)
    return memory


def test_a_cut_bounds_each_metric_it_prices() -> None:
    memory, unlimited = one_cut(11.0, math.inf), np.full(2, math.inf)
    noisy = Goal("latency_s", {"noise": 1.0})
    assert memory.lower(noisy, unlimited) == pytest.approx([-math.inf, 4.0], abs=1e-7)
    fast = Goal("noise", {"latency_s": 4.0})
    assert memory.lower(fast, unlimited) == pytest.approx([-math.inf, 1.0], abs=1e-7)
    tight = Goal("noise", {"latency_s": 4.0, "bops": 1e9, "area_mm2": 1.0})
    assert memory.lower(tight, unlimited) == pytest.approx([-math.inf, 1.0], abs=1e-7)


@pytest.mark.parametrize(
    "goal",
    [
        Goal("latency_s", {}),  # noise may be anything
        Goal("latency_s", {"bops": 1.0}),
        Goal("dram_bits", {"latency_s": 4.0, "noise": 1.0}),  # has no price
        Goal("area_mm2", {"latency_s": 4.0, "noise": 1.0}),
    ],
)
def test_a_cut_that_says_nothing(goal: Goal) -> None:
    assert (one_cut(11.0, math.inf).lower(goal, np.full(2, math.inf)) == -math.inf).all()


def test_a_cut_holds_up_to_its_sram() -> None:
    memory, goal = one_cut(11.0, 100.0), Goal("latency_s", {"noise": 1.0})
    assert memory.lower(goal, np.full(2, 100.0))[1] == pytest.approx(4.0, abs=1e-7)
    assert memory.lower(goal, np.full(2, 101.0))[1] == -math.inf
    # Latency above 3.9 needs more than 100 bits; above 4.1 may do with less.
    assert memory.too_small("latency_s", {"noise": 1.0}, 3.9, 2).tolist() == [-1.0, 100.0]
    assert memory.too_small("latency_s", {"noise": 1.0}, 4.1, 2).tolist() == [-1.0, -1.0]
    assert memory.too_small("latency_s", {}, 0.1, 2).tolist() == [-1.0, -1.0]


def test_a_cut_that_holds_from_some_sram_on_needs_all_below_to_be_too_small() -> None:
    limits, unlimited = {"noise": 1.0}, np.full(2, 80.0)
    only, from_bits = (np.array([1]), np.array([0]), PRICES), np.array([51.0])
    upper = Cut(*only, np.array([11.0]), np.array([100.0]), from_bits=from_bits)
    memory = CutPool()
    memory.add_cut("latency_s", upper, options=2)
    assert memory.lower(Goal("latency_s", limits), unlimited)[1] == -math.inf
    assert memory.too_small("latency_s", limits, 3.9, 2).tolist() == [-1.0, -1.0]
    for bits, known in ((49.0, 49.0), (50.0, 100.0)):
        memory = CutPool()
        for cut in (Cut(*only, np.array([11.0]), np.array([bits])), upper):
            memory.add_cut("latency_s", cut, options=2)
        assert memory.too_small("latency_s", limits, 3.9, 2).tolist() == [-1.0, known]


def test_a_fact_holds_for_limits_as_tight() -> None:
    memory = CutPool()
    lower = np.array([5.0, math.inf])
    memory.proven_bounds.append(
        ProvenBounds(Goal("latency_s", {"noise": 2.0, "area_mm2": 6.0}), lower)
    )
    unlimited = np.full(2, math.inf)

    def known(metric: str, **limits: float) -> list[float]:
        return memory.lower(Goal(metric, limits), unlimited).tolist()

    nothing = [-math.inf, -math.inf]
    assert known("latency_s", noise=2.0, area_mm2=6.0) == [5.0, math.inf]
    assert known("latency_s", noise=1.0, area_mm2=6.0, bops=9.0) == [5.0, math.inf]
    assert known("bops", noise=1.0, area_mm2=5.0) == [-math.inf, math.inf]  # no design at all
    assert known("latency_s", noise=2.1, area_mm2=6.0) == nothing
    assert known("latency_s", noise=2.0) == nothing
    assert known("latency_s", area_mm2=6.0) == nothing


def test_the_best_design_met_is_within_the_limits() -> None:
    memory = CutPool()
    for latency_s, area_mm2 in ((1.0, 9.0), (2.0, 4.0), (3.0, 4.0)):
        metrics = {"latency_s": latency_s, "area_mm2": area_mm2}
        memory.solutions.append(Solution(0, (), (), 1, (), metrics))

    def best(limit: float) -> float | None:
        point = memory.best_solution(Goal("latency_s", {"area_mm2": limit}))
        return None if point is None else point.metrics["latency_s"]

    assert [best(limit) for limit in (9.0, 8.9, 4.0, 3.9)] == [1.0, 2.0, 2.0, None]


def test_widths_left_over_are_left_to_tighter_goals_and_less_sram() -> None:
    memory, few = CutPool(), np.ones((1, 2, 2), dtype=bool)
    left = ReducedDomains({"latency_s": 2.0, "area_mm2": 6.0}, 100.0, Domains(few, few[0]))
    memory.reduced_domains[3] = left
    tight = {"latency_s": 2.0, "area_mm2": 5.0, "noise": 1.0}
    assert memory.known_domains(3, Goal("noise", tight), 100.0) is left.domains
    assert memory.known_domains(3, Goal("noise", tight), 101.0) is None
    assert memory.known_domains(2, Goal("noise", tight), 100.0) is None
    assert memory.known_domains(3, Goal("noise", {"latency_s": 2.0}), 100.0) is None
    assert memory.known_domains(3, Goal("noise", {**tight, "latency_s": 2.1}), 100.0) is None


def test_cuts_at_prices_of_any_size_bound_without_overflowing() -> None:
    rng = random.Random("prices of any size")
    goal, only = Goal("dram_bits", {"noise": 1e-3}), np.array([0])
    main, other = ADDITIVE_METRICS.index("dram_bits"), ADDITIVE_METRICS.index("noise")
    beyond_all = 0
    for _ in range(500):
        coefficients = np.zeros((1, len(ADDITIVE_METRICS)))
        coefficients[0, main], coefficients[0, other] = (
            10.0 ** rng.uniform(-320, 30) for _ in range(2)
        )
        value = rng.choice((-1, 1)) * 10.0 ** rng.uniform(-30, 30)
        memory = CutPool()
        memory.add_cut(
            "noise", Cut(only, only, coefficients, np.array([value]), np.array([np.inf])), 1
        )
        bound = float(memory.lower(goal, np.array([1.0]))[0])
        price, spent = (
            Fraction(coefficients[0, main]),
            Fraction(coefficients[0, other]) * Fraction(1e-3),
        )
        exact = (Fraction(value) - spent) / price if price else None
        if exact is None or bound == -math.inf:
            continue
        assert not math.isnan(bound)
        if bound == math.inf:
            beyond_all += 1
            assert exact > 10**300
        else:
            assert Fraction(bound) <= exact
    assert beyond_all > 5


def test_ranges_of_sram_that_adjoin_are_too_small_together() -> None:
    """Of one that does not reach down to another nothing is known of what lies between."""
    pool = CutPool(("latency_s", "noise"))
    where, row, latency = np.array([1]), np.zeros(1, dtype=np.int64), np.array([[1.0, 0.0]])
    limits = {"noise": 5.0}

    def keep(low: float, high: float, value: float) -> None:
        of_range = np.array([value]), np.array([high]), limits, np.array([low])
        pool.add_cut(None, Cut(where, row, latency, *of_range), 3)

    keep(0.0, 10.0, 8.0)
    keep(11.0, 20.0, 9.0)
    keep(22.0, 30.0, 9.0)
    within = {"noise": 5.0, "area_mm2": 1.0}
    assert pool.too_small("latency_s", within, 7.0, 3).tolist() == [-1.0, 20.0, -1.0]
    assert pool.too_small("latency_s", within, 8.5, 3).tolist() == [-1.0, -1.0, -1.0]
    keep(21.0, 21.0, 8.0)  # in no order, it says less than it could
    assert pool.too_small("latency_s", within, 7.0, 3).tolist() == [-1.0, 21.0, -1.0]
    assert pool.too_small("latency_s", {"noise": 6.0}, 7.0, 3).tolist() == [-1.0, -1.0, -1.0]
    # They are no multipliers to begin with.
    assert not pool.multipliers(np.array([1]), "latency_s", [1])[1].any()
