"""`codesign sweep`: a study from options answers what each solve would."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from command_line import refused, run

from codesign.cli import solve_options
from codesign.cli.app import program
from codesign.problem.readers import Reader
from codesign.problem.words import ALL_WORDS, flag_of
from codesign.study import results
from codesign.study.grid import VOCABULARY

FEW = ("--rows", "1,2", "--cols", "1,2")
ALONE = ("--workers", "1")


def test_every_word_of_a_study_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    sweep = {str(x.name) for part in solve_options.SWEEP.values() for x in part}
    assert {*VOCABULARY} - {"network"} <= sweep
    out = run(capsys, "sweep", "--help")[1]
    for parameter in program.commands["sweep"].params[1:]:
        assert f"  {parameter.opts[0]}" in out
    assert "codesign sweep" in run(capsys, "--help")[1]


SOLVE_TAKES_MORE = ("batch", "minimize")  # several batches, and regret
READ = [x for x in ALL_WORDS if ALL_WORDS[x].read is not None and x not in SOLVE_TAKES_MORE]
BAD = ("x", "0", "-1", "1.5", "nan", "4,x", "weight:fc", "power")


def refusal(read: Reader, text: str) -> str | None:
    """What a reader says of a text; None where it takes it."""
    try:
        read(text)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("word", READ)
def test_an_option_and_a_study_refuse_the_same_in_the_same_words(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    read, flag = ALL_WORDS[word].read, flag_of(word)
    assert read is not None
    for text in BAD:
        if told := refusal(read, text):
            expected = f"codesign: error: Invalid value for '{flag}': {told}\n"
            assert run(capsys, "solve", "alexnet", flag, text)[::2] == (2, expected)


def test_each_cell_is_a_solve(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Axes by commas, by repetition, of lists; pins are one value."""
    csv = tmp_path / "out.csv"
    axes = {
        "--clock-mhz": ["400", "800"],
        "--max-area-mm2": ["0.1", "0.001"],
        "--bits": ["4,8", "6"],
    }
    asked = ("--clock-mhz", "400,800", "--max-area-mm2", "0.1", "--max-area-mm2", "0.001")
    fixed = ("--pin", "weight:conv1=8", "--pin", "weight:fc=8", "--square")
    lists = ("--bits", "4,8", "--bits", "6")
    code, out, err = run(
        capsys, "sweep", tiny, *FEW, *fixed, *asked, *lists, *ALONE, "--csv", str(csv)
    )
    assert (code, err) == (0, "")
    found = pd.read_csv(csv)
    cells = [*product(*axes.values())]
    assert len(found) == len(cells) == 8
    for row, cell in zip(found.to_dict("records"), cells, strict=True):
        words = [word for pair in zip(axes, cell, strict=True) for word in pair]
        code, told, _ = run(capsys, "solve", tiny, *FEW, *fixed, *words, "--json")
        assert row["status"] == ("infeasible" if code == 3 else "optimal")
        if code == 0:
            metrics = json.loads(told)["metrics"]
            assert {name: row[name] for name in metrics} == pytest.approx(metrics)
    text = " ".join(out.split())
    assert "clock_mhz max_area_mm2 bits status" in text
    assert "400 0.1 4,8 optimal" in text
    assert "8 cells: 4 optimal, 4 infeasible" in text


def test_a_store_is_kept_and_continued(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "kept.sqlite"
    asked = ("sweep", tiny, *FEW, *ALONE, "--store", str(store), "--quiet", "--max-area-mm2")
    assert "2 in this run" in run(capsys, *asked, "0.1,0.2")[1]
    code, _, err = run(capsys, *asked, "0.1,0.2")
    assert code == 2
    assert "holds results already" in err
    code, out, _ = run(capsys, *asked, "0.1,0.2,0.3", "--resume")
    assert code == 0
    assert "3 cells: 3 optimal; 1 in this run" in out
    assert len(results(store)) == 3
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".sqlite"] == [store.name]


def test_json_and_picture(tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "sweep.png"
    asked = ("--minimize", "latency_s,area", "--max-area-mm2", "0.1", "--plot", str(plot))
    code, out, err = run(capsys, "sweep", tiny, tiny, *FEW, *asked, *ALONE, "--json")
    assert (code, err) == (0, "")
    assert [row["minimize"] for row in json.loads(out)] == ["latency", "area"]
    assert plot.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Missing argument 'NETWORK...'"),
        (["resnt18"], "did you mean 'resnet18'?"),
        (["NETWORK", "--clock-mhz", "400,fast"], "'--clock-mhz': 'fast' is not a number"),
        (["NETWORK", "--max-area-mm2", "1,,2"], "'--max-area-mm2': '' is not a number"),
        (["NETWORK", "--minimize", "latency,speed"], "'--minimize': 'speed' is not one of"),
        (["NETWORK", "--bits", "4,x"], "'--bits': '4,x': write whole numbers"),
        (["NETWORK", "--resume"], "--resume continues a store; give --store"),
        (["NETWORK", "--json", "--quiet"], "--json and --quiet contradict each other"),
        (["NETWORK", "--bits", "4", "--weight-bits", "4"], "bits and weight_bits contradict"),
        (["NETWORK", "--plot", "x.png"], "--plot: nothing varies"),
        (["NETWORK", "--clock-mhz", "1,2", "--plot", "x.txt"], "must end in .png"),
        (["NETWORK", "--csv", "no/such/folder.csv"], "cannot be written: no folder"),
        (["NETWORK", "--workers", "0"], "0 is not in the range"),
        (["NETWORK", "--technology", "tsmc82"], "did you mean 'tsmc28'?"),
    ],
)
def test_bad_sweeps_are_refused(
    words: list[str], told: str, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    err = refused(capsys, "sweep", *(tiny if x == "NETWORK" else x for x in words))
    assert told in err


def test_an_interrupt_shows_what_is_finished(
    tiny: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from codesign import study

    answered = []

    def interrupted(self: study.Study, store: Path, **how: object) -> None:
        whole(self, store, **how)
        answered.append(store)
        raise KeyboardInterrupt

    whole = study.Study.run
    monkeypatch.setattr(study.Study, "run", interrupted)
    code, out, err = run(capsys, "sweep", tiny, *FEW, *ALONE, "--clock-mhz", "400,800")
    assert code == 130
    assert err == "codesign: interrupted; what follows is finished\n"
    assert out.count("optimal") == 2
    assert not answered[0].exists()
