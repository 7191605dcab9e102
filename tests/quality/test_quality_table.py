"""Tables of sensitivity: read, written, refused in one line, and used by every command."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import oracle
import pytest
from command_line import ARRAY, BUDGET, SMALL, refused, run
from onnx_graphs import imported, model

from codesign import Choices, Design, Problem, load_network
from codesign.errors import SpecError
from codesign.quality import read_sensitivity, rises, weight_sensitivity, write_sensitivity
from codesign.study import Study
from codesign.study.cell_keys import QuestionBuilder

SOURCES = ("weight:conv1", "weight:fc", "tensor:image", "tensor:a")
TABLE = {
    source: {bits: (index + 1) * 3.0**-bits for bits in (4, 6, 8)}
    for index, source in enumerate(SOURCES)
}
HEAD = "tensor,bits,loss\n"
ROW = "weight:conv1,4,0.1\n"


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.csv"
    write_sensitivity(TABLE, path)
    return str(path)


# --- files ----------------------------------------------------------------------------------------


def test_what_is_written_is_read(table: str) -> None:
    assert read_sensitivity(table) == TABLE
    text = Path(table).read_text()
    assert text.startswith(HEAD + "weight:conv1,4,0.0123456790123456")
    assert text.count("\n") == 13


def test_csv_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "table.CSV"
    path.write_text(
        "\ufeff# measured on Monday\nloss, tensor ,bits\n\n0.5, weight:conv1, 4\r\n"
        '# two commas follow\n,,\n1e-3,"tensor:a, b",8\n',
        encoding="utf-8",
    )
    assert read_sensitivity(path) == {"weight:conv1": {4: 0.5}, "tensor:a, b": {8: 1e-3}}


def test_toml(tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text('"weight:conv1" = { 4 = 0.5, 8 = 0 }\n["tensor:a.b"]\n6 = 1e-3\n')
    assert read_sensitivity(path) == {"weight:conv1": {4: 0.5, 8: 0.0}, "tensor:a.b": {6: 1e-3}}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.csv", "", "a table without entries"),
        ("t.csv", HEAD, "a table without entries"),
        ("t.csv", "tensor,bit,loss\n", "line 1: unknown column 'bit'; did you mean 'bits'?"),
        ("t.csv", "tensor,loss\n", "line 1: column 'bits' is missing"),
        ("t.csv", "tensor,bits,bits,loss\n", "line 1: column 'bits' is there twice"),
        ("t.csv", HEAD + "conv1,4,0.1\n", "line 2: tensor 'conv1': write weight:<layer> or"),
        ("t.csv", HEAD + "weight:,4,0.1\n", "line 2: tensor 'weight:': write weight:<layer> or"),
        ("t.csv", HEAD + ROW + ROW, "line 3: 'weight:conv1' at 4 bits is given twice"),
        ("t.csv", HEAD + ROW.replace(",4,", ",04,") + ROW, "line 3: 'weight:conv1' at 4 bits is"),
        ("t.csv", HEAD + "weight:conv1,4,-0.1\n", "line 2: loss must be a number from 0 to 1e+30"),
        ("t.csv", HEAD + "weight:conv1,4,nan\n", "line 2: loss must be a number"),
        ("t.csv", HEAD + "weight:conv1,4,inf\n", "line 2: loss must be a number"),
        ("t.csv", HEAD + "weight:conv1,4,\n", "line 2: loss must be a number"),
        ("t.csv", HEAD + "weight:conv1,4,1_0\n", "line 2: loss must be a number"),
        ("t.csv", HEAD + "weight:conv1,0,1\n", "line 2: bits must be a whole number from 1 to 32"),
        ("t.csv", HEAD + "weight:conv1,33,1\n", "line 2: bits must be a whole number"),
        ("t.csv", HEAD + "weight:conv1,4.0,1\n", "line 2: bits must be a whole number"),
        ("t.csv", HEAD + f"weight:conv1,{'9' * 5000},1\n", "line 2: bits must be a whole number"),
        ("t.csv", HEAD + "weight:conv1,4\n", "line 2: 2 cells for 3 columns"),
        ("t.csv", HEAD + 'weight:conv1,"4"x,1\n', "line 2: not CSV"),
        ("t.toml", "", "a table without entries"),
        ("t.toml", "x =", "not TOML"),
        ("t.toml", '"weight:a" = 3', "weight:a: write a table of losses"),
        ("t.toml", '"weight:a" = { 4 = "x" }', "weight:a: 4: loss must be a number"),
        ("t.toml", '"weight:a" = { 4 = true }', "weight:a: 4: loss must be a number"),
        ("t.toml", '"weight:a" = { 4 = nan }', "weight:a: 4: loss must be a number"),
        ("t.toml", '"weight:a" = { 4 = [1] }', "weight:a: 4: loss must be a number"),
        ("t.toml", '"weight:a" = { four = 1 }', "weight:a: four: bits must be a whole number"),
        ("t.toml", '"weight:a" = { 4 = 1, 04 = 1 }', "'weight:a' at 4 bits is given twice"),
        ("t.toml", "conv = { 4 = 1 }", "tensor 'conv': write weight:<layer> or tensor:<tensor>"),
        ("t.txt", HEAD + ROW, "a table of sensitivity ends in .csv or .toml"),
    ],
)
def test_bad_tables(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_sensitivity(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert told in message
    assert "\n" not in message


def test_files_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        read_sensitivity(tmp_path / "none.csv")
    with pytest.raises(SpecError, match=r"must end in \.csv"):
        write_sensitivity(TABLE, tmp_path / "table.toml")
    with pytest.raises(SpecError, match="no folder"):
        write_sensitivity(TABLE, tmp_path / "none" / "table.csv")


def test_rises_are_told() -> None:
    assert rises(TABLE) is None
    assert rises({"weight:a": {8: 0.0, 4: 0.0}, "tensor:b": {4: 1.0}, "tensor:c": {}}) is None
    assert rises({"weight:a": {4: 1.0, 6: 1 + 1e-12}}) is None
    told = rises({"weight:a": {8: 0.5, 4: 0.1, 6: 0.2}, "tensor:b": {2: 1.0, 3: 3.0}})
    assert told == (
        "sensitivity: more bits lose more for 'weight:a' (0.1 at 4 bits, 0.2 at 6), "
        "'weight:a' (0.2 at 6 bits, 0.5 at 8), 'tensor:b' (1 at 2 bits, 3 at 3)"
    )
    many = rises({f"weight:{i}": {2: 1.0, 3: 3.0} for i in range(9)})
    assert many is not None
    assert many.endswith("'weight:2' (1 at 2 bits, 3 at 3) and 6 more")


def test_what_is_missing_is_named(tiny: str) -> None:
    network, choices = load_network(Path(tiny)), Choices(weight_bits=(4, 8), activation_bits=(4,))
    lacking = {source: {4: 0.1} for source in SOURCES}
    told = "^sensitivity: no value for 'weight:conv1' at 8 bits, 'weight:fc' at 8 bits$"
    with pytest.raises(SpecError, match=told):
        Problem(network=network, choices=choices, sensitivity=lacking)
    told = "no value for 'weight:conv1' at 4 bits, 'weight:conv1' at 8 bits, .* and 3 more$"
    with pytest.raises(SpecError, match=told):
        Problem(network=network, choices=choices, sensitivity={})
    with pytest.raises(SpecError, match=r"unknown 'weight:cnv1'; did you mean 'weight:conv1'\?"):
        Problem(network=network, choices=choices, sensitivity={"weight:cnv1": {4: 1.0}})


# --- the command line -----------------------------------------------------------------------------


def test_solve_takes_a_table(capsys: pytest.CaptureFixture[str], tiny: str, table: str) -> None:
    words = ("--sensitivity", table, "--quality", "uniform:6", *BUDGET)
    code, out, err = run(capsys, "solve", tiny, *SMALL, *words, "--json")
    assert (code, err) == (0, "")
    design = json.loads(out)
    assert design["problem"]["sensitivity"]["tensor:a"] == {
        str(bits): TABLE["tensor:a"][bits] for bits in (4, 6, 8)
    }
    assert design["problem"]["budgets"]["noise"] == pytest.approx(10 * 3.0**-6)
    widths = {f"weight:{row['name']}": row["weight_bits"] for row in design["layers"]}
    widths |= {f"tensor:{name}": bits for name, bits in design["tensor_bits"].items()}
    noise = sum(TABLE[source][widths[source]] for source in SOURCES)
    assert design["metrics"]["noise"] == pytest.approx(noise)


def test_least_noise_within_size_and_operations(
    capsys: pytest.CaptureFixture[str], tiny: str, table: str, tmp_path: Path
) -> None:
    network, out = load_network(Path(tiny)), tmp_path / "design.json"
    conv1, fc = network.layers
    mbit, gbops = 288 * 6e-6 + 2880 * 4e-6, 36 * 288 * 40e-9  # fc is held to 4 bits, conv1 to BOPS
    words = ("--minimize", "noise", "--max-model-mbit", str(mbit), "--max-gbops", str(gbops))
    words += ("--max-latency-ms", "1", "--sensitivity", table, "--out", str(out), "--quiet")
    code, _, err = run(capsys, "solve", tiny, *SMALL, *words)
    assert (code, err) == (0, "")

    def within(bits: tuple[int, ...]) -> bool:
        size = conv1.weights * bits[0] + fc.weights * bits[1]
        bops = oracle.layer_bops(conv1, bits[0], bits[2]) + oracle.layer_bops(fc, bits[1], bits[3])
        return size <= mbit * 1e6 and bops <= gbops * 1e9

    noises = {
        bits: sum(TABLE[source][b] for source, b in zip(SOURCES, bits, strict=True))
        for bits in product((4, 6, 8), repeat=4)
    }
    kept = [noise for bits, noise in noises.items() if within(bits)]
    assert 0 < len(kept) < len(noises)
    assert Design.load(out).metrics["noise"] == pytest.approx(min(kept))
    assert min(kept) > min(noises.values())


@pytest.mark.parametrize("command", ["solve", "pareto", "evaluate"])
def test_a_rise_is_warned_of(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path, command: str
) -> None:
    path = tmp_path / "odd.csv"
    odd = {**TABLE, "tensor:a": {4: 0.01, 6: 0.02, 8: 0.03}}
    write_sensitivity(odd, path)
    words = {"solve": SMALL, "pareto": (*SMALL, "--points", "2"), "evaluate": ARRAY}[command]
    words += ("--sram-kbit", "100") if command == "evaluate" else ()
    code, out, err = run(capsys, command, tiny, *words, "--sensitivity", str(path), "--quiet")
    assert code == 0
    assert out
    assert err == (
        "codesign: warning: sensitivity: more bits lose more for "
        "'tensor:a' (0.01 at 4 bits, 0.02 at 6), 'tensor:a' (0.02 at 6 bits, 0.03 at 8)\n"
    )


def test_evaluate_takes_a_table(capsys: pytest.CaptureFixture[str], tiny: str, table: str) -> None:
    words = (*ARRAY, "--sram-kbit", "100", "--bits", "6", "--sensitivity", table, "--json")
    code, out, err = run(capsys, "evaluate", tiny, *words)
    assert (code, err) == (0, "")
    assert json.loads(out)["metrics"]["noise"] == pytest.approx(10 * 3.0**-6)
    code, out, err = run(capsys, "evaluate", tiny, *words, "--pin", "tensor:a=5")
    assert (code, out) == (2, "")
    assert err == "codesign: error: sensitivity: no value for 'tensor:a' at 5 bits\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sensitivity", "weights"], "holds no weights; give an .onnx file, or a table"),
        (["--sensitivity", "weigths"], "weigths: a table of sensitivity ends in .csv or .toml"),
        (["--sensitivity", "none.csv"], "none.csv: cannot be read"),
        (["--granularity", "tensor"], "--granularity says how --sensitivity weights measures"),
        (
            ["--granularity", "row", "--sensitivity", "weights"],
            "'row' is not one of 'channel', 'te",
        ),
        (["--quality", "sqnr:loud"], "write uniform:<bits>, as in uniform:6"),
    ],
)
def test_bad_words(
    capsys: pytest.CaptureFixture[str], tiny: str, words: list[str], told: str
) -> None:
    err = refused(capsys, "solve", tiny, *SMALL, *words)
    assert told in err


def test_the_table_is_not_overwritten(
    capsys: pytest.CaptureFixture[str], tiny: str, table: str
) -> None:
    code, _, err = run(capsys, "solve", tiny, "--sensitivity", table, "--out", table)
    assert code == 2
    assert "given twice, for two different files" in err


def test_a_width_the_default_quality_needs(
    capsys: pytest.CaptureFixture[str], tiny: str, table: str
) -> None:
    lacking = {source: {4: 0.1, 8: 0.01} for source in SOURCES}
    write_sensitivity(lacking, table)
    code, _, err = run(capsys, "solve", tiny, "--bits", "4,8", "--sensitivity", table)
    assert code == 2
    assert "'tensor:image' at 6 bits and 1 more, which quality 'uniform:6' is measured by" in err


def test_weights_of_an_onnx_file_reach_the_problem(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    kernels = {"w": rng.normal(size=(6, 4, 3, 3)), "v": rng.normal(size=(5, 6, 1, 1))}
    found = imported(
        tmp_path,
        model(
            "conv: a = Conv <pads=[1,1,1,1]> (x, w)\n last: y = Conv (a, v)",
            {"x": (1, 4, 8, 8)},
            {name: array.astype(np.float32) for name, array in kernels.items()},
        ),
    )
    words = ("--sensitivity", "weights", "--granularity", "tensor", "--pin", "weight:last=7")
    words += ("--quality", "uniform:5")
    code, out, err = run(capsys, "solve", str(tmp_path / "tiny.onnx"), *SMALL, *words, "--json")
    assert (code, err) == (0, "")
    table = json.loads(out)["problem"]["sensitivity"]
    arrays = {"conv": kernels["w"].astype(np.float32), "last": kernels["v"].astype(np.float32)}
    expected = weight_sensitivity(found.network, arrays, (4, 5, 6, 7, 8), "tensor")
    assert {s: {int(b): e for b, e in row.items()} for s, row in table.items()} == {
        source: pytest.approx(row) for source, row in expected.items()
    }


def test_weights_need_a_file_that_holds_them(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    code, _, err = run(capsys, "solve", tiny, *SMALL, "--sensitivity", "weights")
    assert code == 2
    assert "holds no weights; give an .onnx file, or a table" in err


# --- studies --------------------------------------------------------------------------------------


def test_a_study_takes_tables_by_path(
    tmp_path: Path, tiny: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sensitivity({**TABLE, "weight:fc": {4: 0.01, 6: 0.02, 8: 0.0}}, tmp_path / "odd.csv")
    grid = tmp_path / "grid.toml"
    grid.write_text(
        f'[grid]\nnetworks = ["{Path(tiny).name}"]\nrows = "1,2"\ncols = "1,2"\nbits = "4,6,8"\n'
        'sensitivity = ["none", "table.csv", "odd.csv"]\nquality = ["uniform:6", "sqnr:20"]\n'
    )
    study = Study.load(grid)
    cells = list(study.cells())
    assert [cell.parameters["sensitivity"] for cell in cells[::2]] == [None, "table.csv", "odd.csv"]
    questions = [json.loads(QuestionBuilder(None).question(cell).text)["problem"] for cell in cells]
    assert questions[0]["sensitivity"] is None
    assert questions[2]["sensitivity"]["weight:fc"]["6"] == TABLE["weight:fc"][6]
    assert questions[2]["budgets"]["noise"] == pytest.approx(10 * 3.0**-6)
    assert questions[3]["budgets"]["noise"] == pytest.approx(0.01)
    store = str(tmp_path / "store.sqlite")
    code, _, err = run(
        capsys, *("study", "run", str(grid), "--store", store, "--quiet", "--workers", "1")
    )
    assert code == 0
    assert err.startswith("codesign: warning: sensitivity: more bits lose more for 'weight:fc'")
    frame = study.results(store)
    assert sorted(frame["status"]) == ["optimal"] * 6
