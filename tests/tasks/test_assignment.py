"""Bit allocation alone: the optimum, ties included, equals that of plain enumeration."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from random_assignments import TIES, Case, best, random_case, within

import codesign
from codesign import Assignment, Choices, Layer, Network, Problem, stopping
from codesign.errors import Clash, InfeasibleError, SolverError, SpecError
from codesign.search import least_widths as search_of_widths

SEEDS = range(100)
MANY = range(100, 3000)
COSTLY = range(50)
MANY_COSTLY = range(50, 2000)


@pytest.mark.parametrize(
    "seed", [*COSTLY, *(pytest.param(x, marks=pytest.mark.long) for x in MANY_COSTLY)]
)
def test_optimum_with_costs_is_that_of_plain_enumeration(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_case(random_case(seed, costly=True), seed, monkeypatch)


@pytest.mark.parametrize("seed", [*SEEDS, *(pytest.param(x, marks=pytest.mark.long) for x in MANY)])
def test_optimum_is_that_of_plain_enumeration(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check_case(random_case(seed), seed, monkeypatch)


def check_case(case: Case, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The optimum with its ties, or why there is none, is that of all assignments."""
    if seed % 3 == 0:  # most programmes begin with less than all that may pay
        monkeypatch.setattr(search_of_widths, "CORE_PAIRS", 1)
        monkeypatch.setattr(search_of_widths, "GROWTH", 2)
    truth = best(case)
    if truth is None:
        with pytest.raises(InfeasibleError) as raised:
            codesign.assign(case.problem, case.table, costs=case.costs, fixed=case.fixed)
        check_reasons(case, raised.value)
        return
    found = codesign.assign(case.problem, case.table, costs=case.costs, fixed=case.fixed)
    assert found.proof.status == "optimal"
    assert found.proof.ties_broken
    for metric in (case.problem.objective, *TIES):
        assert found.metrics[metric] == pytest.approx(truth.metrics[metric], rel=3e-9, abs=1e-300)
    assert found.proof.bound <= truth.metrics[case.problem.objective] * (1 + 1e-9)
    inner = {x: bits for x, bits in found.widths.items() if x in truth.widths}
    (same,) = (each for each in case.all if each.widths == inner)
    assert found.metrics == pytest.approx(same.metrics, rel=1e-12)


def check_reasons(case, error: InfeasibleError) -> None:
    """The budgets named clash, none of them is idle, and each amount named is enough."""
    budgets = dict(case.problem.budgets)
    for clashing in (error.clashing, *error.further):
        check_clash(case, clashing, budgets)
        budgets = {name: limit for name, limit in budgets.items() if name not in clashing}
    assert within(case.all, budgets)


def check_clash(case, clashing: Clash, budgets: dict[str, float]) -> None:
    """The same of one set of these budgets."""
    clash = {name: budgets[name] for name in clashing}
    assert clash
    assert not within(case.all, clash)
    for name, (limit, alone, needed) in clashing.items():
        assert limit == budgets[name]
        assert within(case.all, {x: y for x, y in clash.items() if x != name})
        assert alone == pytest.approx(min(each.metrics[name] for each in case.all))
        others = within(case.all, {x: y for x, y in budgets.items() if x != name})
        least = min((each.metrics[name] for each in others), default=None)
        assert needed == (None if least is None else pytest.approx(least))


def test_costly_questions_are_of_all_kinds() -> None:
    cases = [random_case(seed, costly=True) for seed in COSTLY]
    assert sum(best(case) is None for case in cases) >= 2
    assert sum(case.problem.objective.startswith("cost:") for case in cases) >= 8
    assert sum(any(x.startswith("cost:") for x in case.problem.budgets) for case in cases) >= 10
    assert sum(len(case.costs) == 2 for case in cases) >= 15
    lacking = [
        any({*c.fixed} - {f"weight:{x}" for x in t} for t in c.costs.values()) for c in cases
    ]
    assert sum(lacking) >= 5


def test_random_questions_are_of_all_kinds() -> None:
    cases = [random_case(seed) for seed in SEEDS]
    assert sum(best(case) is None for case in cases) >= 4
    assert sum(case.table is None for case in cases) >= 10
    assert sum(case.problem.choices.tied for case in cases) >= 10
    assert sum(bool(case.problem.choices.shared) for case in cases) >= 17
    assert sum(any(x.moves for x in case.problem.network.layers) for case in cases) >= 17
    assert sum(len(case.problem.budgets) >= 2 for case in cases) >= 27
    assert sum(len(case.all) >= 50 for case in cases) >= 40
    tensors = [x for c in cases for x in c.problem.network.layers if x.weight_tensor is not None]
    assert len(tensors) >= 17


# --- by hand ------------------------------------------------------------------------------------

NETWORK = Network(
    name="pair",
    layers=(
        Layer(name="a", K=4, C=8, input="x", output="y"),
        Layer(name="b", K=2, C=4, input="y", output="z"),
    ),
    tensors={"x": 8, "y": 4, "z": 2},
)
CHOICES = Choices(weight_bits=(2, 4), activation_bits=(4,))
PAIRS = list(itertools.product((2, 4), (4,)))
TABLE = {
    "a": {(2, 4): 1e-3, (4, 4): 2e-3},
    "b": {(2, 4): 5e-4, (4, 4): 25e-4},
}
PROBLEM = Problem(network=NETWORK, choices=CHOICES, objective="noise")


def test_latency_decides_which_layer_is_wide() -> None:
    """Of 3 ms there is enough for 4 bit in one layer, and only in ``a``: 2 + 0.5 ≤ 3 < 1 + 2.5."""
    found = codesign.assign(replace(PROBLEM, budgets={"latency_s": 3e-3}), TABLE)
    assert {x: b for x, b in found.widths.items() if x[0] == "w"} == {"weight:a": 4, "weight:b": 2}
    assert found.metrics["latency_s"] == pytest.approx(2.5e-3)
    assert found.metrics["noise"] == 4.0**-2 + 3 * 4.0**-4
    assert found.metrics["model_bits"] == 32 * 4 + 8 * 2
    assert found.widths["tensor:z"] == 8  # a result, at output_bits
    assert found.layers.loc["a"].tolist() == [4, 4, 4, 32, 32, 32 * (16 + 4 + 4 + 3), 2e-3]


def test_ties_go_to_the_smaller_model() -> None:
    """4 bit in either layer makes the same noise; ``b`` has fewer weights."""
    slack = {name: {pair: 1e-3 * pair[0] for pair in PAIRS} for name in ("a", "b")}
    found = codesign.assign(replace(PROBLEM, budgets={"latency_s": 6e-3}), slack)
    assert found.layers["weight_bits"].tolist() == [2, 4]
    assert found.proof.ties_broken


@pytest.mark.parametrize("free", [(), ((4, 4),), ((2, 4), (4, 4))])
def test_layers_that_take_no_time(free: tuple[tuple[int, int], ...]) -> None:
    """Where nothing takes time, prices of noise against it are next to nothing."""
    table = {name: {pair: float(pair not in free) for pair in PAIRS} for name in ("a", "b")}
    problem = replace(PROBLEM, objective="latency_s", budgets={"noise": 4.0**-2 + 3 * 4.0**-4})
    found = codesign.assign(problem, table)
    assert found.metrics["latency_s"] == (0.0 if free else 2.0)
    assert found.layers["weight_bits"].tolist() == [4, 4]


def test_without_a_table_there_is_no_latency() -> None:
    found = codesign.assign(replace(PROBLEM, budgets={"model_bits": 144}))
    assert found.layers["weight_bits"].tolist() == [2, 4]
    assert "latency_s" not in found.metrics
    assert "latency_s" not in found.layers


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (replace(PROBLEM, objective="latency_s"), "objective: no latency is known without a lat"),
        (replace(PROBLEM, budgets={"latency_s": 1.0}), "budgets: no latency is known without a l"),
        (replace(PROBLEM, objective="area_mm2"), "objective: area_mm2 needs hardware, and none"),
        (replace(PROBLEM, budgets={"dram_bits": 1.0}), "budgets: dram_bits needs hardware"),
    ],
)
def test_what_is_not_known_is_refused(problem: Problem, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        codesign.assign(problem)


def test_the_platform_is_of_no_account() -> None:
    other = replace(PROBLEM, clock_hz=1.0, choices=replace(CHOICES, rows=(1,), pe_weight_bits=(2,)))
    mine, theirs = codesign.assign(PROBLEM), codesign.assign(other)
    assert mine.problem == theirs.problem
    assert mine.widths == theirs.widths


def test_budgets_that_clash_are_named() -> None:
    problem = replace(PROBLEM, budgets={"noise": 0.02, "latency_s": 4e-3})
    with pytest.raises(InfeasibleError, match=r"these budgets clash: noise .* latency") as raised:
        codesign.assign(problem, TABLE)
    # 4 bit everywhere: 4·4^−4 of noise in 4.5 ms; within 4 ms at best 4^−2 + 3·4^−4
    assert raised.value.clashing["latency_s"] == pytest.approx((4e-3, 1.5e-3, 4.5e-3))
    assert raised.value.clashing["noise"] == pytest.approx((0.02, 4**-3, 4**-2 + 3 * 4**-4))


def test_time_limit() -> None:
    with pytest.raises(SpecError, match="time_limit_s must be positive"):
        codesign.assign(PROBLEM, time_limit_s=0)
    with pytest.raises(SolverError, match="no assignment found within 1e-09 s"):
        codesign.assign(PROBLEM, time_limit_s=1e-9)


def test_out_of_time_with_an_assignment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is up once the first bound is known: an assignment, an honest gap, no proof."""
    network = codesign.load_network("resnet18")
    problem = Problem(network=network, objective="noise", budgets={"bops": 4e10})
    proven = codesign.assign(problem)
    now = stopping.time.monotonic

    def late(*_: object) -> None:
        monkeypatch.setattr(stopping.time, "monotonic", lambda: now() + 1e6)
        raise stopping.Stopped

    monkeypatch.setattr(search_of_widths.LeastWidths, "_solve", late)
    found = codesign.assign(problem, time_limit_s=1000.0)
    assert found.proof.status == "feasible"
    assert not found.proof.ties_broken
    assert found.proof.gap > 1e-6
    assert found.proof.bound <= proven.metrics["noise"] < found.metrics["noise"]
    assert found.metrics["bops"] <= 4e10


def test_progress_is_told() -> None:
    seen = []
    problem = Problem(
        network=codesign.load_network("resnet18"), objective="noise", budgets={"bops": 4e10}
    )
    found = codesign.assign(problem, on_progress=seen.append)
    assert {p.metric for p in seen} == {"noise", "model_bits"}
    noise = [p for p in seen if p.metric == "noise"]
    assert all(p.bound <= found.metrics["noise"] * (1 + 1e-9) for p in noise)
    assert noise[-1].gap < 1e-6


# --- a real network -----------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_resnet50_beats_uniform_widths(tied: bool) -> None:
    """Within the size and bit operations of 5 bits everywhere, noise is no more than theirs."""
    network = codesign.load_network("resnet50")
    uniform = {f"weight:{name}": 5 for name in network.weight_layers}
    uniform |= {f"tensor:{name}": 5 for name in network.inner_tensors}
    budgets = {"model_bits": 5.0 * network.weights}
    budgets["bops"] = sum(x.macs * (25 + 10 + x.log2_reduction) for x in network.layers)
    problem = Problem(
        network=network, choices=Choices(tied=tied), objective="noise", budgets=budgets
    )
    found = codesign.assign(problem)
    assert found.proof.status == "optimal"
    assert found.metrics["noise"] <= problem.uniform_noise(5) * (1 + 1e-9)
    assert all(found.metrics[name] <= x * (1 + 1e-9) for name, x in budgets.items())
    if tied:
        for layer in network.layers:
            assert found.widths[f"weight:{layer.name}"] == found.widths[f"tensor:{layer.input}"]
    else:
        assert found.metrics["noise"] < 0.998 * problem.uniform_noise(5)


def test_widths_can_be_evaluated() -> None:
    found = codesign.assign(PROBLEM)
    chip = codesign.load_accelerator("eyeriss")
    evaluation = codesign.evaluate(NETWORK, chip, found.widths)
    for metric in ("noise", "model_bits", "bops"):
        assert evaluation.metrics[metric] == pytest.approx(found.metrics[metric])


# --- the file -----------------------------------------------------------------------------------


@pytest.fixture
def full() -> Assignment:
    """One that says something about everything."""
    for seed in SEEDS:
        case = random_case(seed)
        problem = case.problem
        moves = any(layer.moves for layer in problem.network.layers)
        told = problem.sensitivity and problem.choices.shared and problem.choices.pinned
        if moves and told and problem.budgets and case.table and best(case):
            return codesign.assign(problem, case.table)
    raise AssertionError("no such case")


def test_round_trip(full: Assignment, tmp_path: Path) -> None:
    for assignment in (full, codesign.assign(PROBLEM)):
        path, again = tmp_path / "a.json", tmp_path / "b.json"
        assignment.save(path)
        loaded = Assignment.load(str(path))
        assert loaded == assignment
        loaded.save(again)
        assert again.read_bytes() == path.read_bytes()


def test_the_loaded_question_has_the_same_answer(full: Assignment, tmp_path: Path) -> None:
    full.save(tmp_path / "a.json")
    loaded = Assignment.load(tmp_path / "a.json")
    again = codesign.assign(loaded.problem, loaded.latency_table)
    assert again.metrics == full.metrics


def test_csv(tmp_path: Path) -> None:
    codesign.assign(PROBLEM, TABLE).save_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "layer,weight_bits,input_bits,output_bits,macs,weights,bops,latency_s",
        "a,4,4,4,32,32,864.0,0.002",
        "b,4,4,8,8,8,208.0,0.0025",
    ]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), "codesign-design/1", "wanted is an assignment file"),
        (("problem",), None, "problem: missing"),
        (("problem", "choices", "tied"), None, "problem.choices.tied: missing"),
        (("problem", "choices", "rows"), [1], "problem.choices.rows: unknown key"),
        (("problem", "clock_hz"), 1e9, "problem.clock_hz: unknown key"),
        (("tensor_bits", "x"), None, "tensor_bits: 'x' is missing"),
        (("tensor_bits", "x"), 8, "'a'.: its widths are not those of tensor_bits"),
        (("layers",), None, "layers: missing"),
        (("layers",), [], "layers: 0 that are not the network's 2"),
        (("metrics", "latency_s"), None, "metrics: must be bops, latency_s, model_bits, noise"),
        (("latency_table",), None, "metrics: must be bops, model_bits, noise"),
        (("latency_table", "a"), 5, "latency_table.a: must be a table of values by widths"),
        (("latency_table", "a", "2,4"), -1, "latency_s must be a number from 0 to 1e.09, got '-1'"),
        (("latency_table", "a", "2,4"), None, "no value for 'a' at 2 × 4 bit"),
        (("latency_table", "a", "2x4"), 1, "weight_bits must be a whole number from 1 to 32"),
        (("latency_table", "c"), {"2,4": 1}, "latency table: unknown layer 'c'"),
        (("proof", "status"), "sure", "proof.status"),
        (("surprise",), 1, "surprise: unknown key"),
    ],
)
def test_faulty_files(path: tuple[str, ...], value: object, message: str, tmp_path: Path) -> None:
    codesign.assign(PROBLEM, TABLE).save(tmp_path / "a.json")
    data = json.loads((tmp_path / "a.json").read_text())
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    if value is None:
        del place[path[-1]]
    (tmp_path / "b.json").write_text(json.dumps(data))
    with pytest.raises(SpecError, match=message) as raised:
        Assignment.load(tmp_path / "b.json")
    assert str(tmp_path / "b.json") in str(raised.value)
    assert "\n" not in str(raised.value)
