"""`codesign assign`, and what other commands do with its files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_line import ARRAY, BUDGET, SMALL, TINY, run

import codesign
from codesign import Assignment
from codesign.cli import front

HEAD = "layer,weight_bits,activation_bits,latency_s\n"
FEW = ("--bits", "4,8")


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    (tmp_path / "tiny.toml").write_text(TINY)
    return str(tmp_path / "tiny.toml")


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A millisecond for each bit of weights, both layers."""
    rows = [
        f"{name},{w},{a},{w * 1e-3}\n" for name in ("conv1", "fc") for w in (4, 8) for a in (4, 8)
    ]
    (tmp_path / "table.csv").write_text(HEAD + "".join(rows))
    return str(tmp_path / "table.csv")


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "assign", "--help")
    assert code == 0
    for parameter in front.commands["assign"].params:
        if parameter.opts[0].startswith("--"):
            assert f"  {parameter.opts[0]} " in out
    assert "codesign assign" in run(capsys, "--help")[1]


def test_report(capsys: pytest.CaptureFixture[str], tiny: str, table: str) -> None:
    """12 ms leave 8 bit to one layer: of equal noise, to the one with fewer weights."""
    budget = ("--max-latency-ms", "12", "--latency-table", table)
    code, out, err = run(capsys, "assign", tiny, *FEW, *budget)
    assert (code, err) == (0, "")
    text = " ".join(out.split())
    assert "widths of tiny: least noise with latency ≤ 12 ms" in text
    assert "conv1 8/8/8 0.288 883.0 8.000" in text  # 10,368 MACs · (64 + 16 + log2 36)
    assert "fc 4/8/8 2.880 150.2 4.000" in text
    assert "latency 12 ms ≤ 12 100.0 % exhausted" in text
    assert "area" not in text
    assert "optimal: noise 0.003952, bound 0.003952, gap 0" in text
    assert "s of it in the solver" in text


def test_quiet_and_json(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    code, out, err = run(capsys, "assign", tiny, *FEW, "--max-model-mbit", "0.02", "--quiet")
    assert (code, err) == (0, "")
    assert out.startswith("optimal, gap 0: noise 0.003952, model size 0.01382 Mbit, bit operation")
    assert out.count("\n") == 1
    code, out, _ = run(capsys, "assign", tiny, *FEW, "--max-model-mbit", "0.02", "--json")
    assert code == 0
    assert json.loads(out)["format"] == "codesign-assignment/1"


@pytest.mark.parametrize(
    ("arguments", "objective", "budgets", "quality"),
    [
        ([], "noise", {}, None),
        (["--max-noise", "1"], "noise", {"noise": 1.0}, None),
        (["--quality", "none", "--max-noise", "1"], "noise", {"noise": 1.0}, None),
        (["--quality", "uniform:4"], "noise", {"noise": 4 * 4.0**-4}, "uniform:4"),
        (["--minimize", "bops"], "bops", {"noise": 4 * 4.0**-6}, "uniform:6"),
        (["--minimize", "model", "--quality", "none"], "model_bits", {}, None),
        (["--max-gbops", "1"], "noise", {"bops": 1e9}, None),
    ],
)
def test_options_reach_the_problem(
    capsys: pytest.CaptureFixture[str],
    tiny: str,
    tmp_path: Path,
    arguments: list[str],
    objective: str,
    budgets: dict[str, float],
    quality: str | None,
) -> None:
    out = str(tmp_path / "a.json")
    code, _, _ = run(capsys, "assign", tiny, *arguments, "--out", out)
    assert code == 0
    problem = Assignment.load(out).problem
    assert problem.objective == objective
    assert problem.budgets == pytest.approx(budgets)
    assert problem.quality == quality


def test_choices_reach_the_problem(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path
) -> None:
    out, csv = str(tmp_path / "a.json"), str(tmp_path / "a.csv")
    words = ["--weight-bits", "3,5", "--activation-bits", "5,7", "--output-bits", "6", "--tie"]
    words += ["--group", "weight:conv1,weight:fc", "--pin", "tensor:image=5", "--batch", "2"]
    assert run(capsys, "assign", tiny, *words, "--out", out, "--csv", csv)[0] == 0
    found = Assignment.load(out)
    choices = found.problem.choices
    assert (choices.weight_bits, choices.activation_bits) == ((3, 5), (5, 7))
    assert (choices.output_bits, choices.tied, choices.pinned) == (6, True, {"tensor:image": 5})
    assert choices.shared == (("weight:conv1", "weight:fc"),)
    assert found.network.tensors["image"] == 2 * 144
    assert [*found.widths.values()] == [5, 5, 5, 5, 6]
    assert Path(csv).read_text().splitlines()[1].startswith("conv1,5,5,5,20736,288,")


def test_results_are_shown(capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path) -> None:
    words = {
        "assign": [*FEW],
        "solve": [*SMALL, *BUDGET],
        "evaluate": [*ARRAY, "--sram-kbit", "100"],
    }
    for command, options in words.items():
        path = str(tmp_path / f"{command}.json")
        code, told, _ = run(capsys, command, tiny, *options, "--out", path)
        assert code == 0
        assert run(capsys, "show", path) == (0, told, "")


def test_widths_are_evaluated(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path
) -> None:
    a, design, e = (str(tmp_path / f"{x}.json") for x in ("a", "d", "e"))
    assert run(capsys, "assign", tiny, *FEW, "--max-model-mbit", "0.02", "--out", a)[0] == 0
    assert run(capsys, "solve", tiny, *SMALL, *BUDGET, "--out", design)[0] == 0
    for path, load in ((a, Assignment.load), (design, codesign.Design.load)):
        hardware = (*ARRAY, "--sram-kbit", "100", "--widths", path)
        assert run(capsys, "evaluate", tiny, *hardware, "--out", e)[0] == 0
        evaluation = codesign.Evaluation.load(e)
        assert evaluation.metrics["noise"] == pytest.approx(load(path).metrics["noise"])
        assert evaluation.tensor_bits == load(path).tensor_bits
    pinned = (*ARRAY, "--sram-kbit", "100", "--widths", a, "--pin", "tensor:a=3", "--out", e)
    assert run(capsys, "evaluate", tiny, *pinned)[0] == 0
    assert codesign.Evaluation.load(e).tensor_bits["a"] == 3
    code, _, err = run(capsys, "evaluate", tiny, *ARRAY, "--sram-kbit", "100", "--widths", e)
    assert (code, err.count("\n")) == (2, 1)
    assert "this is an evaluation file; wanted is a design file or an assignment file" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["NETWORK", "--max-latency-ms", "1"], 2, "budgets: no latency is known without a latency"),
        (["NETWORK", "--minimize", "latency"], 2, "objective: no latency is known without a laten"),
        (["NETWORK", "--minimize", "area"], 2, "'area' is not one of 'noise', 'latency', 'model'"),
        (["NETWORK", "--max-area-mm2", "1"], 2, "No such option"),
        (
            ["NETWORK", "--quality", "sqnr:9", "--max-noise", "1"],
            2,
            "--quality and --max-noise cont",
        ),
        (["NETWORK", "--bits", "4", "--weight-bits", "4"], 2, "--bits and --weight-bits contradic"),
        (["NETWORK", "--json", "--quiet"], 2, "--json and --quiet contradict each other"),
        (["NETWORK", "--latency-table", "none.csv"], 2, "none.csv: cannot be read: No such file"),
        (
            ["NETWORK", "--latency-table", "NETWORK"],
            2,
            "a network (TOML); wanted is a latency table",
        ),
        (["NETWORK", "--latency-table", "TABLE"], 2, "latency table: no value for 'conv1' at 2 ×"),
        (["NETWORK", "--latency-table", "TABLE", "--out", "TABLE"], 2, "given twice, for two diff"),
        (["NETWORK", "--out", "x.y", "--csv", "x.y"], 2, "given twice, for two different files"),
        (["NETWORK", "--csv", os.devnull], 2, "cannot be written"),
        (
            ["NETWORK", "--pin", "weight:fo=4"],
            2,
            "no such weight-owning layer; did you mean 'weigh",
        ),
        (["none"], 2, "no 'none'"),
        (["NETWORK", "--max-noise", "1e-9"], 3, "no design keeps noise at most 1e-09 (alone at le"),
        (
            ["NETWORK", "--minimize", "model", "--max-gbops", "0.0001"],
            3,
            "no design keeps bit operations at most 0.0001 GBOP",
        ),
        (["NETWORK", "--time-limit-s", "1e-9"], 5, "no assignment found within 1e-09 s"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str],
    tiny: str,
    table: str,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    named = {"NETWORK": tiny, "TABLE": table}
    found, out, err = run(capsys, "assign", *(named.get(word, word) for word in arguments))
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1


def test_the_default_quality_is_named(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    code, _, err = run(capsys, "assign", tiny, "--bits", "2,3", "--minimize", "model")
    assert code == 3
    assert "the limit on noise is the default --quality uniform:6" in err


def test_faulty_result_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for text, message in {
        "{": "not JSON",
        "[]": "format None is none of codesign-design/1, codesign-evaluation/1, codesign-assign",
        '{"format": ["x"]}': "is none of codesign-design/1",
        '{"format": "codesign-assignment/1"}': "layers: missing",
    }.items():
        (tmp_path / "a.json").write_text(text)
        code, out, err = run(capsys, "show", str(tmp_path / "a.json"))
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err
    assert "unexpected extra argument" in run(capsys, "show", "a.json", "more")[2]
    assert "cannot be read" in run(capsys, "show", str(tmp_path / "none.json"))[2]
