"""Sensitivity tables of weights alone or of tensors alone: the rest is 4^−bits, and is told."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import SMALL, refused, run
from random_assignments import random_case

import codesign
from codesign import Problem
from codesign.errors import InfeasibleError, SpecError
from codesign.quality import filled_table, read_sensitivity, weight_sensitivity, write_sensitivity
from codesign.specs.load import load_accelerator, load_network
from codesign.specs.network import Network
from codesign.tasks.evaluate import evaluate

WIDTHS = (4, 6, 8)
KINDS = {"weight": "weights", "tensor": "tensors"}


def random_table(network: Network, kind: str, rng: random.Random) -> dict[str, dict[int, float]]:
    """Losses of one kind, with that of a result beside them now and then."""
    sources = [x for x in network.noise_sources if x.startswith(kind)]
    if kind == "tensor" and rng.random() < 0.5:
        sources += [f"tensor:{name}" for name in network.outputs]
    scale = {source: rng.uniform(0.1, 10) for source in sources}
    return {x: {b: scale[x] * 3.0**-b for b in range(1, 33)} for x in sources}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(15))
def test_a_kind_left_out_is_the_default(kind: str, seed: int, tmp_path: Path) -> None:
    """The optimum is that of the same table with the rest written out, by enumeration too."""
    case, rng = random_case(seed), random.Random(f"{kind} {seed}")
    table = random_table(case.problem.network, kind, rng)
    if not any(x in table for x in case.problem.noise_sources):
        pytest.skip("no such source")
    whole = filled_table(table, case.problem.noise_sources, range(1, 33))
    question = replace(case.problem, sensitivity=table, quality=None, objective="noise", budgets={})
    widest = max(question.choices.weight_bits)
    limits = {"model_bits": 0.7 * sum(x.weights for x in question.network.layers) * widest + 1}
    question = replace(question, budgets=limits)
    written_out = replace(question, sensitivity=whole)
    try:
        truth = codesign.assign(written_out)
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            codesign.assign(question)
        return
    found = codesign.assign(question)
    assert found.metrics == truth.metrics
    assert found.proof.bound == truth.proof.bound
    found.save(tmp_path / "assignment.json")
    assert codesign.check(tmp_path / "assignment.json").holds
    again = codesign.Assignment.load(tmp_path / "assignment.json")
    assert again.problem == found.problem


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quality", ["uniform:6", "sqnr:20"])
def test_designs_check(kind: str, quality: str, tiny: str, tmp_path: Path) -> None:
    network = load_network(Path(tiny))
    table = random_table(network, kind, random.Random(kind))
    choices = codesign.Choices(rows=(1, 2), cols=(1, 2), weight_bits=WIDTHS, activation_bits=WIDTHS)
    problem = Problem(network=network, choices=choices, sensitivity=table, quality=quality)
    whole = filled_table(table, problem.noise_sources, range(1, 33))
    assert problem.budgets == replace(problem, sensitivity=whole).budgets
    design = codesign.solve(problem)
    design.save(tmp_path / "design.json")
    assert codesign.check(tmp_path / "design.json").holds
    again = codesign.Design.load(tmp_path / "design.json").problem
    assert (again.sensitivity, again.notes) == (problem.sensitivity, problem.notes)
    chip = load_accelerator("eyeriss")
    assert (
        evaluate(network, chip, design.widths, sensitivity=table).metrics["noise"]
        == (evaluate(network, chip, design.widths, sensitivity=whole).metrics["noise"])
    )


@pytest.mark.parametrize("kind", KINDS)
def test_part_of_a_kind_is_an_error(kind: str, tiny: str) -> None:
    network = load_network(Path(tiny))
    table = random_table(network, kind, random.Random(1))
    first = next(x for x in network.noise_sources if x.startswith(kind))
    without = {source: row for source, row in table.items() if source != first}
    with pytest.raises(SpecError, match=f"no value for '{first}'"):
        Problem(network=network, sensitivity=without)
    table[first].pop(4)
    with pytest.raises(SpecError, match=f"no value for '{first}' at 4 bits"):
        Problem(network=network, sensitivity=table)


@pytest.mark.parametrize("table", [{}, {"tensor:out": {8: 0.1}}])
def test_a_table_of_neither_is_an_error(table: dict[str, dict[int, float]], tiny: str) -> None:
    with pytest.raises(SpecError, match="no value for 'weight:conv1' at 2 bits"):
        Problem(network=load_network(Path(tiny)), sensitivity=table)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_assumed_is_told(
    kind: str, tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, path = load_network(Path(tiny)), tmp_path / "table.csv"
    table = random_table(network, kind, random.Random(1)) | {"tensor:out": {8: 0.5}}
    if kind == "weight":
        write_sensitivity(table, path)
    else:
        path = path.with_suffix(".toml")
        rows = [
            f'"{x}" = {{ {", ".join(f"{b} = {loss!r}" for b, loss in row.items())} }}'
            for x, row in table.items()
        ]
        path.write_text("\n".join(rows))
    absent = "tensors" if kind == "weight" else "weights"  # one entry of a result makes no kind
    told = f"note: the sensitivity table has no {absent}: their noise is 4^−bits"
    result = "note: the sensitivity table's 'tensor:out' is a result of the network"
    asked = ("--sensitivity", str(path), "--quality", "uniform:6")
    for command in (("assign", tiny, "--bits", "4,6,8"), ("solve", tiny, *SMALL)):
        code, out, err = run(capsys, *command, *asked, "--json")
        assert code == 0
        assert told in err
        assert "of one unit" in err
        assert result in err
        assert "note" not in out
    problem = Problem(network=network, sensitivity=read_sensitivity(path))
    assert [note.split(":")[0] for note in problem.notes] == [
        f"the sensitivity table has no {absent}",
        "the sensitivity table's 'tensor",
    ]
    assert Problem(network=network).notes == ()


@pytest.mark.parametrize("dust", [1e-31, 5e-324, 9.9e-31])
def test_dust_is_nothing(dust: float, tiny: str, tmp_path: Path) -> None:
    """Weights that lie on a grid leave such an error where the grid is met."""
    network = load_network(Path(tiny))
    table = filled_table(None, network.noise_sources, (4, 8))
    table["weight:fc"][8] = dust
    choices = codesign.Choices(weight_bits=(4, 8), activation_bits=(4, 8))
    problem = Problem(network=network, choices=choices, sensitivity=table)
    assert problem.noise_of("weight:fc", 8) == 0
    write_sensitivity(table, tmp_path / "table.csv")
    assert read_sensitivity(tmp_path / "table.csv")["weight:fc"][8] == 0


def test_weights_measured_on_a_grid_are_accepted(tiny: str) -> None:
    network = load_network(Path(tiny))
    rng = random.Random(3)
    weights = {
        layer.name: [
            [rng.randint(-7, 7) * 0.1 for _ in range(layer.weights // layer.K)]
            for _ in range(layer.K)
        ]
        for layer in network.layers
    }
    measured = weight_sensitivity(network, weights, range(2, 9))
    assert any(0 < loss < 1e-30 for row in measured.values() for loss in row.values())
    assert Problem(network=network, sensitivity=measured).noise_of("weight:fc", 4) < 1e-29


# --- a table to fill in ---------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [(2, 3, 4, 5, 6, 7, 8), (4, 8)])
def test_the_template_is_read_back(
    bits: tuple[int, ...], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "table.csv"
    listed = ",".join(map(str, bits))
    assert run(capsys, "sensitivity", tiny, "--bits", listed, "--out", str(out)) == (0, "", "")
    network = load_network(Path(tiny))
    assert read_sensitivity(out) == {
        source: {width: 4.0**-width for width in bits} for source in network.noise_sources
    }
    assert run(capsys, "sensitivity", tiny, "--bits", listed)[1] == out.read_text()
    plain = run(capsys, "assign", tiny, "--bits", listed, "--max-model-mbit", "0.02", "--quiet")
    asked = ("--sensitivity", str(out), "--max-model-mbit", "0.02", "--quiet")
    assert run(capsys, "assign", tiny, "--bits", listed, *asked) == plain


def test_the_template_takes_over_what_is_known(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, path = load_network(Path(tiny)), tmp_path / "mine.csv"
    table = random_table(network, "weight", random.Random(2))
    write_sensitivity(table, path)
    code, out, err = run(capsys, "sensitivity", tiny, "--sensitivity", str(path), "--bits", "4,8")
    assert code == 0
    assert "has no tensors" in err
    again = tmp_path / "again.csv"
    again.write_text(out)
    found = read_sensitivity(again)
    assert found == filled_table(table, network.noise_sources, (4, 8))
    assert found["weight:fc"] == {b: table["weight:fc"][b] for b in (4, 8)}
    assert found["tensor:a"] == {4: 4.0**-4, 8: 4.0**-8}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sensitivity", "weights"], "holds no weights; give an .onnx file"),
        (["--out", "table.json"], "table.json: must end in .csv"),
        (["--bits", "33"], "33 is not between 1 and 32"),
        (["--granularity", "tensor"], "give both"),
    ],
)
def test_bad_templates_are_refused(
    words: list[str], told: str, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    err = refused(capsys, "sensitivity", tiny, *words)
    assert told in err
