"""`codesign assign`, and what other commands do with its files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_line import ARRAY, BUDGET, SMALL, TINY, refused, run

import codesign
from codesign import Assignment
from codesign.cli.app import program

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
    for parameter in program.commands["assign"].params:
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
    wanted = "a design file, a dataflow design file or an assignment file"
    assert f"this is an evaluation file; wanted is {wanted}" in err


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
    err = refused(capsys, "assign", *(named.get(word, word) for word in arguments), code=code)
    assert message in err


def test_the_default_quality_is_named(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    code, _, err = run(capsys, "assign", tiny, "--bits", "2,3", "--minimize", "model")
    assert code == 3
    assert "the limit on noise is the default --quality uniform:6" in err


def test_faulty_result_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for text, message in {
        "{": "not JSON",
        "[]": "format None is none of codesign-design/1, codesign-dataflow/1, codesign-eval",
        '{"format": ["x"]}': "this is a JSON file of another program; wanted is a network",
        '{"format": "codesign-design/9"}': "'codesign-design/9' is none of codesign-design/1",
        '{"format": "codesign-assignment/1"}': "layers: missing",
    }.items():
        (tmp_path / "a.json").write_text(text)
        code, out, err = run(capsys, "show", str(tmp_path / "a.json"))
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err
    assert "unexpected extra argument" in run(capsys, "show", "a.json", "more")[2]
    assert "cannot be read" in run(capsys, "show", str(tmp_path / "none.json"))[2]


# --- costs of one's own ---------------------------------------------------------------------------

COST = "layer,weight_bits,activation_bits,value\n"


@pytest.fixture
def energy(tmp_path: Path) -> str:
    """One for each bit of weights of ``fc``, three of ``conv1``; inputs cost nothing."""
    each = {"conv1": 3, "fc": 1}
    rows = [f"{x},{w},{a},{n * w}\n" for x, n in each.items() for w in (4, 8) for a in (4, 8)]
    (tmp_path / "energy.csv").write_text(COST + "".join(rows))
    return str(tmp_path / "energy.csv")


def test_a_cost_is_a_budget(
    capsys: pytest.CaptureFixture[str], tiny: str, table: str, energy: str, tmp_path: Path
) -> None:
    """28 are enough for 8 bit in either layer, and for conv1 only: 3·8 + 4 = 28, 3·4 + 8 = 20."""
    asked = ("--cost", f"energy={energy}", "--cost", f"again={energy}")
    limits = ("--max-cost", "energy=20", "--max-cost", "again=21")
    out = tmp_path / "widths.json"
    code, told, err = run(
        capsys, "assign", tiny, *FEW, *asked, *limits, "--latency-table", table, "--out", str(out)
    )
    assert (code, err) == (0, "")
    text = " ".join(told.split())
    assert "least noise with cost energy ≤ 20, cost again ≤ 21" in text
    assert "cost energy 20 ≤ 20 100.0 % exhausted" in text
    found = Assignment.load(out)
    assert found.metrics["cost:energy"] == found.metrics["cost:again"] == 20
    assert found.layers["weight_bits"].tolist() == [4, 8]
    assert found.layers["cost:energy"].tolist() == [12, 8]
    assert run(capsys, "check", str(out))[0] == 0


def test_a_cost_is_minimised(capsys: pytest.CaptureFixture[str], tiny: str, energy: str) -> None:
    asked = ("--cost", f"energy={energy}", "--minimize", "cost:energy", "--quality", "none")
    code, out, _ = run(capsys, "assign", tiny, *FEW, *asked, "--quiet")
    assert code == 0
    assert out.startswith("optimal, gap ")
    assert "cost energy 16" in out


def test_clashing_costs_are_named(
    capsys: pytest.CaptureFixture[str], tiny: str, energy: str
) -> None:
    asked = ("--cost", f"energy={energy}", "--max-cost", "energy=15")
    code, out, err = run(capsys, "assign", tiny, *FEW, *asked, "--json")
    assert code == 3
    assert "cost energy" in err
    assert json.loads(out)["clashing"]["cost:energy"] == {"limit": 15, "alone": 16, "needed": 16}


def test_a_fixed_layer_may_be_left_out_of_tables(
    capsys: pytest.CaptureFixture[str], tiny: str, energy: str, tmp_path: Path
) -> None:
    """Without conv1 8 of a budget of 8 are fc's; as a pin its rows are missing."""
    lines = Path(energy).read_text().splitlines(keepends=True)
    short = tmp_path / "short.csv"
    short.write_text("".join(line for line in lines if not line.startswith("conv1")))
    asked = ("--cost", f"energy={short}", "--max-cost", "energy=8")
    code, out, _ = run(capsys, "assign", tiny, *FEW, *asked, "--fixed", "weight:conv1=8", "--json")
    assert code == 0
    found = json.loads(out)
    assert [row["weight_bits"] for row in found["layers"]] == [8, 8]
    assert [row["costs"] for row in found["layers"]] == [{"energy": 0}, {"energy": 8}]
    assert found["metrics"]["model_bits"] == 8 * (288 + 2880)  # conv1 counts here
    assert found["problem"]["choices"]["pinned"] == {"weight:conv1": 8}
    code, _, err = run(capsys, "assign", tiny, *FEW, *asked, "--pin", "weight:conv1=8")
    assert code == 2
    assert "table of cost 'energy': no value for 'conv1' at 8 × 4 bit" in err
    whole = ("--cost", f"energy={energy}", "--max-cost", "energy=32", "--fixed", "weight:conv1=8")
    assert "cost energy 32" in run(capsys, "assign", tiny, *FEW, *whole, "--quiet")[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--max-cost", "energy=3"], "budgets: cost:energy has no table (--cost NAME=TABLE)"),
        (["--minimize", "cost:energy"], "objective: cost:energy has no table"),
        (["--cost", "ENERGY", "--minimize", "cost:enrgy"], "did you mean 'cost:energy'?"),
        (["--cost", "energy"], "write NAME=TABLE.csv"),
        (["--cost", "e e=x.csv"], "write NAME=TABLE.csv"),
        (["--cost", "=x.csv"], "write NAME=TABLE.csv"),
        (["--max-cost", "energy=much"], "'much' is not a number"),
        (["--max-cost", "energy=0"], "not a positive number"),
        (["--cost", "e=none.csv"], "none.csv: cannot be read"),
        (["--cost", "e=x.txt"], "a table of cost 'e' ends in .csv"),
        (["--cost", "ENERGY", "--cost", "energy=x.csv"], "--cost energy: given twice"),
        (["--max-cost", "e=1", "--max-cost", "e=2"], "--max-cost e: given twice"),
        (["--pin", "weight:fc=4", "--fixed", "weight:fc=8"], "given as 4 and as 8 bits"),
        (["--fixed", "weight:nothing=8"], "pin 'weight:nothing'"),
        (["--cost", "ENERGY", "--out", "energy.csv"], "given twice, for two different files"),
    ],
)
def test_bad_costs_are_refused(
    words: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tiny: str,
    energy: str,
) -> None:
    monkeypatch.chdir(Path(energy).parent)
    given = ["energy=energy.csv" if word == "ENERGY" else word for word in words]
    err = refused(capsys, "assign", tiny, *FEW, *given)
    assert told in err


def test_costs_are_known_to_assign_alone(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    network = codesign.load_network(Path(tiny))
    problem = codesign.Problem(network=network, objective="cost:energy")
    with pytest.raises(codesign.SpecError, match="cost:energy: costs of one's own"):
        codesign.solve(problem)
    problem = codesign.Problem(network=network, budgets={"cost:energy": 1.0})
    with pytest.raises(codesign.SpecError, match="cost:energy: costs of one's own"):
        codesign.pareto(problem)
    assert run(capsys, "solve", tiny, "--minimize", "cost:energy")[0] == 2
    with pytest.raises(codesign.SpecError, match="cost 'a b': a name is"):
        codesign.assign(codesign.Problem(network=network), costs={"a b": {}})
