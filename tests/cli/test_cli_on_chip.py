"""Options and keys for tensors on chip: what reaches the problem, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pandas as pd
import pytest
from command_line import ARRAY, BUDGET, EYERISS, SMALL, refused, run
from study_grids import parameters, problems, questions
from study_work import TINY as GRID_TINY

from codesign import Choices, Design, SpecError, Study
from codesign.cli import app

ALLOWED = ("--on-chip", "tensors")


def choices_of(asked: dict[str, Any], capsys: pytest.CaptureFixture[str], *words: str) -> Choices:
    assert "recorded" in refused(capsys, "solve", *words)
    found = asked["problem"].choices
    assert isinstance(found, Choices)
    return found


@pytest.mark.parametrize(
    ("words", "on_chip", "places"),
    [
        ((), Choices().on_chip, {}),
        (("--on-chip", "none"), "none", {}),
        (ALLOWED, "tensors", {}),
        ((*ALLOWED, "--pin", "chip:a"), "tensors", {"a": "chip"}),
        ((*ALLOWED, "--pin", "dram:a", "--pin", "dram:a"), "tensors", {"a": "dram"}),
        ((*ALLOWED, "--pin", "dram:image"), "tensors", {"image": "dram"}),
    ],
)
def test_options_reach_the_choices(
    asked: dict[str, Any],
    tiny: str,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    on_chip: str,
    places: dict[str, str],
) -> None:
    found = choices_of(asked, capsys, tiny, *words)
    assert (found.on_chip, found.places, found.pinned) == (on_chip, places, {})


def test_widths_and_places_are_pinned_side_by_side(
    asked: dict[str, Any], tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = ("--pin", "tensor:a=4", "--pin", "chip:a", "--pin", "weight:fc=6")
    found = choices_of(asked, capsys, tiny, *ALLOWED, *pins)
    assert found.places == {"a": "chip"}
    assert found.pinned == {"tensor:a": 4, "weight:fc": 6}


@pytest.mark.parametrize("command", ["solve", "pareto"])
def test_help_shows_the_default_of_the_choices(command: str) -> None:
    (option,) = [x for x in app.program.commands[command].params if x.name == "on_chip"]
    assert isinstance(option, click.Option)
    assert option.default == Choices().on_chip
    assert str(option.help).endswith(f"[default: {Choices().on_chip}]")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--on-chip", "rows"], "'rows' is not one of 'bands', 'tensors', 'none'"),
        (
            [*ALLOWED, "--pin", "chip:aa"],
            "place of 'aa': network 'tiny' has no such tensor; did",
        ),
        ([*ALLOWED, "--pin", "chip:image"], "place of 'image': an input or a result"),
        ([*ALLOWED, "--pin", "chip:out"], "place of 'out': an input or a result"),
        (
            [*ALLOWED, "--pin", "chip:a", "--pin", "dram:a"],
            "--pin of tensor a: given as chip and as dram",
        ),
        (["--on-chip", "none", "--pin", "chip:a"], "--pin chip:a: tensors have places with --on"),
        (["--pin", "chip:"], "'chip:': write weight:LAYER=BITS, tensor:TENSOR=BITS, chip:TENSOR"),
        (["--pin", "sram:a"], "dram:TENSOR or band:TENSOR, as in weight:conv1=8."),
    ],
)
def test_refusals(
    tiny: str, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refused(capsys, "solve", tiny, *SMALL, *BUDGET, *words)
    assert message in refused(capsys, "pareto", tiny, *SMALL, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pin", "chip:a"], "write weight:LAYER=BITS or tensor:TENSOR=BITS, as in weight:conv1"),
        (["--fixed", "dram:a"], "write weight:LAYER=BITS or tensor:TENSOR=BITS, as in weight:conv"),
        (["--on-chip", "tensors"], "No such option '--on-chip'"),
    ],
)
def test_widths_alone_know_no_places(
    tiny: str, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refused(capsys, "assign", tiny, *words)


def test_words_of_a_study() -> None:
    study = Study.grid(
        networks=[GRID_TINY],
        on_chip=["tensors", "none"],
        pin=[{"weight:fc": 6}, ["weight:fc=6", "dram:a"]],
    )
    labels = [(cell["pin"], cell["on_chip"]) for cell in parameters(study)]
    assert {*labels} == {
        ("weight:fc=6", "tensors"),
        ("weight:fc=6", "none"),
        ("weight:fc=6 dram:a", "tensors"),
        ("weight:fc=6 dram:a", "none"),
    }
    keys = {question.sha256 for question in questions(study)}
    assert len(keys) == 4
    refusals = [question.refused or "" for question in questions(study)]
    assert [bool(text) for text in refusals] == [label == labels[-1] for label in labels]
    assert "--pin dram:a: tensors have places with --on-chip tensors" in refusals[-1]


def test_the_mode_of_a_cell_reaches_its_problem() -> None:
    def one(**given: Any) -> Choices:
        (problem,) = problems(Study.grid(networks=[GRID_TINY], **given))
        return problem.choices

    assert one().on_chip == Choices().on_chip
    assert [one(on_chip=mode).on_chip for mode in ("tensors", "none")] == ["tensors", "none"]
    assert one(on_chip="tensors", pin="dram:a").places == {"a": "dram"}
    said = Study.grid(networks=[GRID_TINY], on_chip=Choices().on_chip)
    assert questions(said)[0] == questions(Study.grid(networks=[GRID_TINY]))[0]


@pytest.mark.parametrize("given", ["rows", True, {"tensors": 1}])
def test_a_study_refuses_other_modes(given: object) -> None:
    with pytest.raises(SpecError, match="on_chip: "):
        Study.grid(networks=[GRID_TINY], on_chip=given)


def test_a_sweep_takes_both(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--on-chip", "none,rows", "--workers", "1")
    assert "'rows' is not one of" in refused(capsys, "sweep", tiny, *words)
    code, out, _ = run(
        capsys, "sweep", tiny, *SMALL, *BUDGET, "--on-chip", "none", "--workers", "1", "--json"
    )
    assert code == 0
    assert '"on_chip":"none"' in out.replace(" ", "")


@pytest.mark.slow
def test_the_picture_of_the_sram_is_drawn_at_once_or_later(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_once, later, file = (tmp_path / name for name in ("one.svg", "two.svg", "found.json"))
    commands = (
        ("evaluate", tiny, *ARRAY, "--sram-kbit", "20"),
        ("solve", tiny, *SMALL, *BUDGET),
    )
    for words in commands:
        code, _, err = run(capsys, *words, "--out", str(file), "--plot-sram", str(at_once))
        assert (code, err) == (0, "")
        code, out, err = run(capsys, "plot", str(file), "--sram", "--out", str(later))
        assert (code, out, err) == (0, f"{later}\n", "")
        assert at_once.read_bytes() == later.read_bytes()
        assert b"SRAM per layer" in at_once.read_bytes()


def test_where_there_is_no_such_picture(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(tmp_path / "sram.png")
    words = ("--roofline", "ideal", "--plot-sram", picture)
    err = refused(capsys, "evaluate", tiny, *EYERISS, *words)
    assert "--plot-sram: the ideal roofline has no tiles and needs no SRAM." in err
    err = refused(capsys, "evaluate", tiny, *EYERISS, "--plot-sram", str(tmp_path / "sram.gif"))
    assert "--plot-sram" in err
    assert "must end in .png, .pdf, .svg" in err
    ideal, front = tmp_path / "ideal.json", tmp_path / "front.csv"
    run(capsys, "evaluate", tiny, *EYERISS, "--roofline", "ideal", "--out", str(ideal))
    err = refused(capsys, "plot", str(ideal), "--sram", "--out", picture)
    assert "nothing is cut into tiles" in err
    run(capsys, "pareto", tiny, *SMALL, *BUDGET, "--points", "2", "--out", str(front))
    err = refused(capsys, "plot", str(front), "--sram", "--out", picture)
    assert "--sram is for a design or an evaluation." in err
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.toml", "ideal.json", "front.csv"}


# --- evaluate -----------------------------------------------------------------------------------

ROOMY = (*ARRAY, "--sram-kbit", "20", "--bits", "4")  # a, of 288 elements, takes 1.152 kbit


def evaluated(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = run(capsys, "evaluate", *words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_an_evaluation_chooses_what_stays(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    none = evaluated(capsys, tiny, *ROOMY, "--on-chip", "none")
    kept = evaluated(capsys, tiny, *ROOMY, *ALLOWED)
    apart = evaluated(capsys, tiny, *ROOMY, *ALLOWED, "--pin", "dram:a")
    assert "on_chip" not in none
    assert kept["on_chip"] == {"image": "dram", "a": "chip", "out": "dram"}
    assert [row["resident_bits"] for row in kept["layers"]] == [1152, 1152]
    # Written once and read once, at 4 bit.
    assert none["metrics"]["dram_bits"] - kept["metrics"]["dram_bits"] == 2 * 1152
    assert set(apart["on_chip"].values()) == {"dram"}
    assert apart["metrics"] == none["metrics"]
    usual = evaluated(capsys, tiny, *ROOMY)
    assert usual == (none if Choices().on_chip == "none" else kept)


def test_the_ideal_roofline_is_as_it_was(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    ideal = (tiny, *ROOMY, "--roofline", "ideal")
    assert evaluated(capsys, *ideal) == evaluated(capsys, *ideal, "--on-chip", "none")
    assert "ideal roofline moves every tensor" in refused(capsys, "evaluate", *ideal, *ALLOWED)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--on-chip", "none", "--pin", "chip:a"], "--pin chip:a: tensors have places with --on"),
        ([*ALLOWED, "--pin", "chip:aa"], "place of 'aa': network 'tiny' has no such tensor; did"),
        ([*ALLOWED, "--pin", "chip:out"], "place of 'out': an input or a result"),
        ([*ALLOWED, "--pin", "chip:a", "--pin", "dram:a"], "given as chip and as dram"),
        ([*ALLOWED, "--pin", "chip:a", "--sram-kbit", "1"], "its SRAM of 1 kbit holds no tile"),
    ],
)
def test_evaluations_refused(
    tiny: str, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refused(capsys, "evaluate", tiny, *ROOMY, *words)


def test_what_stays_is_told(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "evaluate", tiny, *ROOMY, *ALLOWED)
    assert (code, err) == (0, "")
    assert "on chip: 1 of the 1 tensors between layers" in out
    code, out, err = run(capsys, "evaluate", tiny, *ROOMY, "--on-chip", "none")
    assert (code, err) == (0, "")
    assert "on chip" not in out


# --- solve --------------------------------------------------------------------------------------


def test_a_solve_chooses_what_stays(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "design.json"
    asked = ("solve", tiny, *SMALL, *BUDGET, "--out", str(path))
    metrics = {}
    for words in (("--on-chip", "none"), ALLOWED, (*ALLOWED, "--pin", "dram:a")):
        code, out, err = run(capsys, *asked, *words)
        assert (code, err) == (0, "")
        found = Design.load(path)
        metrics[words] = found.metrics
        assert ("on chip:" in out) == (found.on_chip is not None) == (words[1] == "tensors")
        assert run(capsys, "check", str(path))[0] == 0
        # Shown later as at once.
        assert run(capsys, "show", str(path))[1] == out
    none, kept, apart = metrics.values()
    assert kept["latency_s"] < none["latency_s"]
    assert apart == pytest.approx(none)
    assert run(capsys, *asked, *ALLOWED, "--quiet")[1].endswith(", 1 tensor on chip\n")


def test_a_front_and_a_sweep_choose_what_stays(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    front, folder = tmp_path / "front.csv", tmp_path / "designs"
    words = (*SMALL, *BUDGET, *ALLOWED, "--points", "2", "--designs", str(folder))
    code, out, _ = run(capsys, "pareto", tiny, *words, "--out", str(front))
    assert code == 0
    assert "tensors" in out
    designs = [Design.load(path) for path in sorted(folder.iterdir())]
    assert [*pd.read_csv(front)["resident_tensors"]] == [x.resident_tensors for x in designs]
    assert designs[0].resident_tensors == 1  # of the least latency
    assert run(capsys, "show", str(front))[1] == out
    modes = ("--on-chip", "none,tensors", "--workers", "1", "--json")
    code, out, _ = run(capsys, "sweep", tiny, *SMALL, *BUDGET, *modes)
    assert code == 0
    rows = json.loads(out)
    assert [row["on_chip"] for row in rows] == ["none", "tensors"]
    assert rows[1]["latency_s"] < rows[0]["latency_s"]
