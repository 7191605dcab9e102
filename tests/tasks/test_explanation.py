"""Every figure of an explanation is the enumerated one: numbers moved, parts forbidden."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import oracle
import pytest
from command_line import BUDGET, SMALL, refused, run
from compare_explanations import EXACT, SEEN, check_runner_up, check_side, padded, random_points
from random_problems import random_case
from seeds import half_long, mostly_long

from codesign import Design, SpecError, solve
from codesign.results.explanation import Explanation
from codesign.search.lexicographic import LexicographicSearch
from codesign.space.hardware import HardwareSpace
from codesign.tasks.explain import explain

SEEDS = range(1, 40, 2)
EVERY = mostly_long(range(1, 60, 2), len(SEEDS))


@cache
def explained(seed: int) -> tuple[Explanation, list[oracle.Point]] | None:
    """A feasible tiny problem's design, explained with a step of 5, 20 or 50 %; its designs."""
    problem, points = random_case(seed)
    if oracle.best(points, problem.objective, problem.budgets) is None:
        return None
    return explain(solve(problem), step=(0.05, 0.2, 0.5)[seed % 3]), points


@pytest.mark.parametrize("seed", half_long(EVERY))
def test_budgets_are_worth_what_enumeration_says(seed: int) -> None:
    if (found := explained(seed)) is None:
        return
    explanation, points = found
    problem = explanation.design.problem
    worth = [x for x in explanation.sensitivities if x.kind == "budget"]
    expected = [b for b, x in problem.budgets.items() if b != problem.objective and x > 0]
    assert [x.name for x in worth] == expected
    for each in worth:
        assert each.value == problem.budgets[each.name]
        for side, factor in ((each.less, -1), (each.more, 1)):
            assert side.value == pytest.approx(each.value * (1 + factor * explanation.step))
            limits = {**problem.budgets, each.name: side.value}
            check_side(side, each.value, points, problem, limits)


@pytest.mark.parametrize("seed", half_long(EVERY))
def test_rates_are_worth_what_enumeration_says(seed: int) -> None:
    if (found := explained(seed)) is None:
        return
    explanation, _ = found
    problem = explanation.design.problem
    worth = {x.name: x for x in explanation.sensitivities if x.kind == "platform"}
    assert [*worth] == ["dram_bits_per_s", "clock_hz"]
    for name, each in worth.items():
        for side in (each.less, each.more):
            other = replace(problem, **{name: side.value})
            check_side(side, each.value, oracle.all_points(other), problem, problem.budgets)


@pytest.mark.parametrize("seed", EVERY)
def test_runner_ups_are_the_enumerated_ones(seed: int) -> None:
    if (found := explained(seed)) is None:
        return
    explanation, points = found
    design, step = explanation.design, explanation.step
    mine = design.hardware
    array, pes = (mine.rows, mine.cols), (mine.pe_weight_bits, mine.pe_activation_bits)
    most, least = math.floor((1 - step) * mine.sram_bits), math.ceil((1 + step) * mine.sram_bits)
    others = {
        "array": [p for p in points if p.hardware[:2] != array],
        "PE widths": [p for p in points if p.hardware[2:4] != pes],
        "less SRAM": [p for p in points if p.sram_bits <= most],
        "more SRAM": [padded(p, least, design.problem) for p in points],
    }
    runner_ups = {each.change: each for each in explanation.runner_ups}
    budgets, objective = design.problem.budgets, design.problem.objective
    paid = "area_mm2" in budgets and objective != "area_mm2"
    assert [*runner_ups] == [name for name in others if name != "more SRAM" or paid]
    for change, each in runner_ups.items():
        check_runner_up(each, others[change], design)
    if (up := runner_ups.get("more SRAM")) and up.hardware:
        assert up.hardware.sram_bits >= least


@pytest.mark.parametrize("seed", mostly_long(range(0, 80, 2), 16))
def test_sram_to_pay_for_beyond_what_any_tile_needs(seed: int) -> None:
    """Every design is padded: of equal ones the smallest, then the least noisy, is still found."""
    problem = replace(random_case(seed).problem, quality=None, budgets={})
    least = 1.3 * max((point.sram_bits for point in random_points(problem)), default=1)
    prover = LexicographicSearch(HardwareSpace(problem))
    part = prover.part(np.ones(len(prover.space), dtype=bool), math.ceil(least))
    points = [padded(point, math.ceil(least), problem) for point in random_points(problem)]
    metrics = tuple(dict.fromkeys((problem.objective, *oracle.TIE_BREAKERS)))
    found = part.minimise(metrics, {})
    assert found.complete
    if found.solution is None:
        assert not points
        return
    limits: dict[str, float] = {}
    for metric in metrics:
        truth = oracle.least(points, metric, limits)
        assert found.solution.metrics[metric] == pytest.approx(truth, rel=EXACT, abs=0)
        limits[metric] = found.solution.metrics[metric]


def test_the_problems_had_all_there_is() -> None:
    if explained.cache_info().currsize < len(SEEDS) or not {"change", "array"} <= SEEN:
        pytest.skip("only some of this file's tests ran")
    others = {f"no other {change}" for change in ("array", "PE widths", "less SRAM", "more SRAM")}
    changes = {"array", "PE widths", "less SRAM", "more SRAM"}
    assert {"infeasible side", "change", "no change", *changes, *others} <= SEEN


def test_the_same_from_a_file(tmp_path: Path) -> None:
    design, path = next(x for s in SEEDS if (x := explained(s)))[0].design, tmp_path / "d.json"
    design.save(path)
    loaded = Design.load(path).explain(step=0.2).to_dict()
    assert loaded | {"seconds": 0} == design.explain(step=0.2).to_dict() | {"seconds": 0}
    assert loaded["format"] == Explanation.FORMAT


@pytest.mark.parametrize("step", [0.0, 1.0, -0.1, math.nan])
def test_a_step_out_of_range(step: float) -> None:
    design = next(x for s in SEEDS if (x := explained(s)))[0].design
    with pytest.raises(SpecError, match="step must be above 0 and below 1"):
        design.explain(step=step)


# --- the command line ---------------------------------------------------------------------------


@pytest.fixture
def solved(tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A design file of the tiny network."""
    path = tmp_path / "design.json"
    assert run(capsys, "solve", tiny, *SMALL, *BUDGET, "--quiet", "--out", str(path))[0] == 0
    return path


def test_text(solved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "explain", str(solved), "--step", "0.1")
    assert (code, err) == (0, "")
    for words in ("budget of area", "ms per mm²", "ms per Gbit/s", "ms per MHz", "at −10 %"):
        assert words in out
    assert "at least 10 % less SRAM" in out


def test_what_is_left_out_says_why(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "design.json")
    words = ("--max-latency-ms", "0.05", "--quality", "none", "--quiet", "--out", path)
    assert run(capsys, "solve", tiny, *SMALL, *words)[0] == 0
    code, out, err = run(capsys, "explain", path)
    assert (code, err) == (0, "")
    told = [line for line in out.splitlines() if line.startswith("left out: ")]
    assert told == [
        "left out: budget of latency: latency is what is minimised, so its limit costs nothing",
        "left out: more SRAM: no limit on area makes it cost anything",
    ]


def test_text_where_area_is_minimised(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "design.json")
    words = ("--minimize", "area", "--max-latency-ms", "0.01", "--quiet", "--out", path)
    assert run(capsys, "solve", tiny, *SMALL, *words)[0] == 0
    code, out, err = run(capsys, "explain", path)
    assert (code, err) == (0, "")
    headings = out[out.index("best design with") :].splitlines()
    assert headings[0].split("best design with")[1].count("mm²") == 1
    assert "\nleft out: more SRAM: area is what is minimised, and it costs what it takes\n" in out
    assert "more SRAM  " not in out
    assert "mm² per ms" in out
    for row in headings[2:5]:  # array, PE widths, SRAM
        assert "–" in row or row.endswith("a tie") or float(row.split()[-1]) > 0


def test_a_loss_of_nothing_is_a_tie(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The array does not matter to the model's size."""
    path = str(tmp_path / "design.json")
    assert (
        run(capsys, "solve", tiny, *SMALL, "--minimize", "model", "--quiet", "--out", path)[0] == 0
    )
    code, out, _ = run(capsys, "explain", path)
    (array,) = (line for line in out.splitlines() if line.startswith("another array"))
    assert (code, array.split()[-3:]) == (0, ["0", "a", "tie"])


def test_json(solved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "explain", str(solved), "--json")
    assert (code, err) == (0, "")
    content, design = json.loads(out), Design.load(solved)
    assert content["format"] == Explanation.FORMAT
    assert content["optimum"] == design.metrics["latency_s"]
    assert [x["name"] for x in content["sensitivities"]] == [
        "area_mm2", "noise", "dram_bits_per_s", "clock_hz",
    ]  # fmt: skip
    assert math.fsum(x["latency_share"] for x in content["layers"]) == pytest.approx(1)
    assert sum(content["roofs"].values()) == pytest.approx(1)
    used = {name: x["used"] for name, x in content["budgets"].items()}
    assert used == {m: design.metrics[m] / x for m, x in design.problem.budgets.items()}


def test_picture(solved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "worth.png"
    assert run(capsys, "explain", str(solved), "--plot", str(path))[0] == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_bars_are_the_changes(solved: Path) -> None:
    explanation = Design.load(solved).explain(step=0.1)
    axes = explanation.plot().axes[0]
    less, more = ([bar.get_width() for bar in group] for group in axes.containers)
    names = [label.get_text().split("\n")[0] for label in axes.get_yticklabels()]
    optimum = explanation.design.metrics["latency_s"]
    worth = {x.name: x for x in explanation.sensitivities}
    row = names.index("clock")
    for width, side in ((less[row], worth["clock_hz"].less), (more[row], worth["clock_hz"].more)):
        assert side.objective is not None
        assert width == pytest.approx(1e3 * (side.objective - optimum))
    assert "5 % less" not in (text := axes.get_legend().get_texts()[0].get_text())
    assert text == "10 % less"
    assert not any("e" in label.get_text() for label in axes.get_xticklabels())


def test_labels_do_not_overlap(solved: Path) -> None:
    picture = Design.load(solved).explain(step=0.3).plot()
    picture.draw_without_rendering()
    axes = picture.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 8
    bars = [bar.get_window_extent() for group in axes.containers for bar in group]
    frame = axes.get_window_extent()
    for n, box in enumerate(boxes):
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1  # noqa: PT018
        assert not any(box.overlaps(other) for other in boxes[n + 1 :])
        assert not any(box.overlaps(bar) for bar in bars if bar.width > 1)


FAULTS = {
    "no file": (("missing.json",), "missing.json: cannot be read"),
    "no design": (("TINY",), "this is a network (TOML); wanted is a design file"),
    "step": (("DESIGN", "--step", "1"), "is not between 1e-06 and 0.99"),
    "picture": (("DESIGN", "--plot", "worth.gif"), "must end in .png"),
    "over itself": (("DESIGN", "--plot", "DESIGN"), "must end in .png"),
    "no design named": ((), "Missing argument 'DESIGN'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault: str, tiny: str, solved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, message = FAULTS[fault]
    places = {"TINY": tiny, "DESIGN": str(solved)}
    err = refused(capsys, "explain", *(places.get(word, word) for word in words))
    assert message in err


def test_a_design_that_is_not_the_optimum(solved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(solved.read_text())
    content["problem"]["quality"] = None
    content["problem"]["budgets"]["noise"] *= 100  # now a better one exists
    del content["sha256"]
    solved.write_text(json.dumps(content))
    code, _, err = run(capsys, "explain", str(solved))
    assert code == 2
    assert "is not the optimum of its problem" in err


def test_a_design_of_another_problem(solved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(solved.read_text())
    content["problem"]["clock_hz"] *= 2
    solved.write_text(json.dumps(content))
    code, _, err = run(capsys, "explain", str(solved))
    assert code == 2
    assert "compute_s: found " in err
    assert "codesign check tells all" in err
    with pytest.raises(SpecError, match=r"the design does not hold: .*compute_s: found"):
        Design.load(solved).explain()


def test_an_altered_file_is_not_explained(solved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is altered: a layer's roof, or what only the digest tells."""
    whole = json.loads(solved.read_text())
    for part, alter in {
        "compute_s: found": lambda d: d["layers"][0].update(compute_s=1.0),
        ".tile.k: found": lambda d: d["layers"][0]["tile"].update(k=10**6),
        "sha256: found": lambda d: d["problem"]["budgets"].update(area_mm2=10.0),
    }.items():
        content = json.loads(json.dumps(whole))
        alter(content)
        solved.write_text(json.dumps(content))
        code, out, err = run(capsys, "explain", str(solved))
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert part in err
