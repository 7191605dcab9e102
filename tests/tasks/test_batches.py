"""A choice among batches is the best of plain enumeration over all of them, with its proof."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import oracle
import pytest
from command_line import run
from compare_designs import EXACT, check_choices, check_figures, check_proof, close
from random_batches import questions
from seeds import check_all

from codesign import (
    Choices,
    Design,
    InfeasibleError,
    Problem,
    SolverError,
    SpecError,
    Suite,
    load_network,
    solve,
    solve_batches,
)
from codesign.checking import check_content
from codesign.results.result_file import with_digest

SEEDS = (0, *range(3, 13))  # of few designs
BLOCK = 100
LONG_BLOCKS = range(1000, 1400, BLOCK)  # the first seed of each
GROWING = ("latency_s", "dram_bits", "bops")  # with the images at once
SEEN: list[str] = []  # outcomes of the batches so far


def per_image(problem: Problem, value: float) -> float:
    return value / problem.network.images if problem.objective in GROWING else value


def compare(problems: Sequence[Problem]) -> Design | None:
    """Hold the choice, and what is said of every batch, to the enumerated designs of each."""
    truths: dict[int, tuple[float, float, float] | None] = {}
    for problem in problems:
        point = oracle.best(oracle.all_points(problem), problem.objective, problem.budgets)
        truths[problem.network.images] = point and (
            per_image(problem, point.value(problem.objective)),
            point.value("area_mm2"),
            point.value("noise"),
        )
    known = {images: truth for images, truth in truths.items() if truth is not None}
    if not known:
        with pytest.raises(InfeasibleError, match="no batch of"):
            solve_batches(problems)
        return None
    design = solve_batches(problems)
    left = [*known]
    for n in range(3):  # objective, area, noise
        least = min(known[images][n] for images in left)
        left = [images for images in left if known[images][n] <= least * (1 + EXACT)]
    chosen = design.network.images
    assert chosen == left[0]
    (own,) = (problem for problem in problems if problem.network.images == chosen)
    found = per_image(own, design.metrics[own.objective])
    for value, expected in zip(
        (found, design.metrics["area_mm2"], design.metrics["noise"]), known[chosen], strict=True
    ):
        assert value == close(expected)
    assert [x.images for x in design.batches] == sorted(truths)
    for batch in design.batches:
        truth = truths[batch.images]
        if batch.outcome == "infeasible":
            assert truth is None
        elif truth is not None:
            assert batch.bound is not None
            assert batch.bound <= truth[0] * (1 + EXACT)
        assert (batch.outcome == "best") == (batch.images == chosen)
        assert batch.outcome != "open"
    check_proof(design)
    check_choices(design)
    check_figures(design)
    return design


def check_file(design: Design) -> None:
    content = json.loads(json.dumps(design.to_dict()))
    report = check_content(content, "given.json")
    assert report.holds, report.findings
    assert json.loads(json.dumps(Design.from_dict(content, "given.json").to_dict())) == content


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_batch_is_the_enumerated_one(seed: int) -> None:
    design = compare(questions(seed))
    if design is not None:
        SEEN.extend(x.outcome for x in design.batches)
        SEEN.append(f"{[x.outcome for x in design.batches].index('best')}")
        if seed % 4 == 0:
            check_file(design)


@pytest.mark.long
@pytest.mark.parametrize("first", LONG_BLOCKS)
def test_the_best_batch_is_the_enumerated_one_long(first: int) -> None:
    def check(seed: int) -> None:
        design = compare(questions(seed))
        if design is not None:
            check_file(design)

    check_all(range(first, first + BLOCK), check)


def test_problems_contain_every_outcome() -> None:
    if not SEEN:
        for seed in SEEDS:
            design = compare(questions(seed))
            SEEN.extend([] if design is None else (x.outcome for x in design.batches))
    assert min(SEEN.count("no better"), SEEN.count("infeasible")) >= 2


# --- figures on paper ---------------------------------------------------------------------------

CHOICES: dict[str, Any] = {
    "rows": (4,),
    "cols": (4,),
    "weight_bits": (8,),
    "activation_bits": (8,),
    "on_chip": "none",
}


def of_mlp(*images: int, **given: Any) -> list[Problem]:
    network = load_network("tpu_mlp1")
    how: dict[str, Any] = {"choices": Choices(**CHOICES), "dram_bits_per_s": 1e9, **given}
    return [Problem(network=network.batched(n), **how) for n in images]


def test_images_share_the_weights_that_are_fetched() -> None:
    """Bound by DRAM: four layers of 1118 × 1118 bytes, and 2 × 1118 bytes an image and layer."""
    design = solve_batches(of_mlp(1, 2, 4), ties="leave")
    assert design.network.images == 4
    moved = 4 * 1118 * 1118 * 8 + 4 * 4 * 2 * 1118 * 8
    assert design.metrics["latency_s"] == pytest.approx(moved / 1e9)
    assert [x.outcome for x in design.batches] == ["no better", "no better", "best"]
    each = [solve(problem, ties="leave").metrics["latency_s"] for problem in of_mlp(1, 2)]
    for batch, latency_s in zip(design.batches, each, strict=False):
        assert batch.bound is not None
        assert batch.bound <= latency_s / batch.images


def test_a_latency_limit_chooses_the_largest_batch_that_keeps_it() -> None:
    alone = [solve(problem, ties="leave").metrics["latency_s"] for problem in of_mlp(1, 2, 4)]
    limit = {"latency_s": (alone[1] + alone[2]) / 2}
    design = solve_batches(of_mlp(1, 2, 4, budgets=limit), ties="leave")
    assert design.network.images == 2
    assert [x.outcome for x in design.batches] == ["no better", "best", "infeasible"]
    # The same as an interval, of which each batch makes a latency of its own.
    most = {"interval_s": alone[1] / 2 * 1.001}
    least = solve_batches(of_mlp(1, 2, 4, budgets=most, objective="area_mm2"))
    assert least.problem.budgets["latency_s"] == pytest.approx(
        most["interval_s"] * least.network.images
    )
    assert least.network.images > 1


def test_an_interval_is_held_as_a_latency() -> None:
    (problem,) = of_mlp(4, objective="interval", budgets={"interval": 2.0, "latency": 9.0})
    assert (problem.objective, dict(problem.budgets)) == ("latency_s", {"latency_s": 8.0})
    (problem,) = of_mlp(4, objective="interval_s", budgets={"interval_s": 3.0, "latency_s": 9.0})
    assert dict(problem.budgets) == {"latency_s": 9.0}
    with pytest.raises(SpecError, match="are one metric"):
        of_mlp(4, budgets={"interval_s": 3.0, "interval": 9.0})
    with pytest.raises(SpecError, match="interval_s must be above 0"):
        of_mlp(4, budgets={"interval_s": 0.0})


def test_a_time_limit_leaves_batches_open() -> None:
    with pytest.raises(SolverError, match="allow more time"):
        solve_batches(of_mlp(1, 2), time_limit_s=1e-9)


def test_problems_that_are_refused() -> None:
    one, two = of_mlp(1, 2)
    other = Problem(network=load_network("tpu_mlp0"), choices=Choices(**CHOICES))
    for given, told in (
        ([], "give one problem at least"),
        ([one, one], "two problems have networks of 1 images each"),
        ([one, replace(two, clock_hz=1e6)], "differ in clock_hz"),
        ([one, replace(two, objective="noise", budgets={"latency_s": 1.0})], "in objective"),
        ([two, replace(other, dram_bits_per_s=1e9)], "of different networks"),
        ([replace(one, network=Suite([one.network] * 2).network, objective="regret")], "regret is"),
    ):
        with pytest.raises(SpecError, match=told):
            solve_batches(given)


# --- files and the command line -----------------------------------------------------------------


def altered(content: dict[str, Any], place: str, value: Any, index: int = 0) -> dict[str, Any]:
    rest = {name: part for name, part in content.items() if name != "sha256"}
    batches = [dict(batch) for batch in rest["batches"]]
    batches[index][place] = value
    return with_digest({**rest, "batches": batches})


def test_altered_batches_are_found() -> None:
    content = json.loads(json.dumps(solve_batches(of_mlp(1, 2), ties="leave").to_dict()))
    assert check_content(content, "given.json").holds
    for place, value, index in (
        ("images", 3, 1),
        ("images", 7, 0),
        ("outcome", "best", 0),
        ("outcome", "infeasible", 0),
        ("bound", 1e-9, 0),
        ("bound", None, 1),
    ):
        assert not check_content(altered(content, place, value, index), "given.json").holds
    rest = {name: part for name, part in content.items() if name not in ("sha256", "batches")}
    assert check_content(with_digest(rest), "given.json").holds  # as of a batch that was given


FEW = ("--rows", "4", "--cols", "4", "--bits", "8", "--on-chip", "none", "--quality", "none")


def test_solve_takes_several_batches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "design.json")
    asked = ("solve", "tpu_mlp1", "--batch", "1,2,4", "--minimize", "interval", *FEW)
    code, out, _ = run(capsys, *asked, "--out", file)
    assert code == 0
    assert "images at once for each image: 1 no better, latency at least " in out
    assert "images/s, one every " in out
    code, out, _ = run(capsys, "check", file)
    assert code == 0
    assert "of other batches (1, 2 images) the bounds are the search's word" in out
    proof = str(tmp_path / "proof.json")
    code, _, err = run(capsys, *asked, "--certificate", proof, "--out", file)
    assert (code, err) == (0, "")
    code, out, _ = run(capsys, "check", file, "--deep", "--certificate", proof)
    assert code == 0
    assert "nor, with as much for each image, on 1, 2 images at once" in out
    assert "search's word" not in out
    code, out, _ = run(capsys, *asked, "--max-interval-ms", "1e-6")
    assert code == 3
