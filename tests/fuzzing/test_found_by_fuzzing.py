"""Each fault that fuzzing or a bomb has found, in its smallest form."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import onnx
import pytest
from command_line import SMALL, TINY, run
from fuzzing import check_line
from onnx_graphs import model

import codesign
from codesign import Choices, InfeasibleError, Network, Problem, SolverError, SpecError
from codesign.checking import check_content
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.errors import MOST_SHOWN, one_line
from codesign.files import MAX_FILE_BYTES, read_text, read_toml
from codesign.results.plots.drawing import short_label
from codesign.specs.load import load_network
from codesign.specs.network import MAX_LAYERS, Layer
from codesign.specs.onnx import import_onnx
from codesign.tasks.fit_area import fit_area

ESCAPE = "\x1b[2J"


@pytest.fixture
def small(tiny: str) -> Problem:
    choices = Choices(rows=(1, 2), cols=(2,), weight_bits=(4, 8), activation_bits=(4, 8))
    return Problem(network=load_network(Path(tiny)), choices=choices)


# --- messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SpecError, InfeasibleError, SolverError])
def test_every_message_is_one_printable_line(kind: type[Exception]) -> None:
    message = str(kind(f"a\n{ESCAPE}\x9b\u202e\ud800 {'x' * 10**6} end"))
    check_line(message)
    assert message.startswith(r"a \x1b[2J\x9b\u202e\ud800 xx")
    assert message.endswith("xx end")
    assert len(message) <= MOST_SHOWN
    assert one_line(message) == message  # as it is when a process hands it on


def test_an_unknown_column_is_spelt_out(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    path.write_text(f"{ESCAPE},b\n1,2\n")
    with pytest.raises(SpecError) as refused:
        fit_area(path, kind="pe")
    check_line(str(refused.value))


def test_a_place_of_a_finding_is_short(small: Problem) -> None:
    content = json.loads(json.dumps(codesign.solve(small).to_dict()))
    content["x" * 10**6] = 1
    found = [str(finding) for finding in check_content(content, "given.json").findings]
    assert any("no entry of this name" in line for line in found)
    for line in found:
        check_line(line)


def test_the_check_spells_its_files_name_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Problem
) -> None:
    path = tmp_path / f"{ESCAPE}.json"
    codesign.solve(small).save(path)
    code, out, _ = run(capsys, "check", str(path))
    assert code == 0
    assert "\x1b" not in out


def test_the_explanation_as_json_is_ascii(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Problem
) -> None:
    layers = tuple(replace(x, name=f"{x.name}\x7f\x9b") for x in small.network.layers)
    problem = replace(small, network=replace(small.network, layers=layers))
    path = tmp_path / "design.json"
    codesign.solve(problem).save(path)
    code, out, _ = run(capsys, "explain", str(path), "--json")
    assert code == 0
    assert out.isascii()
    assert "\x7f" not in out
    assert json.loads(out)["layers"][0]["name"] == "conv1\x7f\x9b"


def test_a_fault_of_a_value_is_told_without_its_class(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        Problem(network=load_network("alexnet"), clock_hz=1e-31)
    assert str(refused.value) == (
        "Problem: clock_hz: Input should be at least 1e-30, if not 0, got 1e-31"
    )


# --- pictures -----------------------------------------------------------------------------------


def test_a_pictures_names_are_spelt_out() -> None:
    assert short_label(f"a{ESCAPE}$x", 50) == r"a\x1b[2J\$x"


def test_signs_that_a_font_lacks_and_control_characters(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, picture = tmp_path / "tiny.toml", tmp_path / "design.svg"
    path.write_text(TINY.replace('"tiny"', '"網絡 \\u001b\\u0001"'), "utf-8")
    code, _, err = run(capsys, "solve", str(path), *SMALL, "--plot", str(picture))
    assert (code, err) == (0, "")
    ElementTree.parse(picture)


# --- amounts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["clock_hz", "dram_bits_per_s", "area_overhead"])
@pytest.mark.parametrize("amount", [5e-324, 1e-31])
def test_traces_are_no_amounts(field: str, amount: float, small: Problem) -> None:
    with pytest.raises(SpecError, match=f"{field}: Input should be at least 1e-30"):
        replace(small, **{field: amount})


def test_traces_are_no_budgets_and_nothing_as_losses(small: Problem) -> None:
    with pytest.raises(SpecError, match=r"budgets\.area_mm2: Input should be at least 1e-30"):
        replace(small, budgets={"area_mm2": 5e-324})
    losses = {source: dict.fromkeys((4, 8), 1e-31) for source in small.noise_sources}
    loose = replace(
        small, choices=replace(small.choices, weight_bits=(4, 8), activation_bits=(4, 8))
    )
    assert replace(loose, sensitivity=losses).uniform_noise(8) == 0


def test_a_sum_of_losses_beyond_a_budget(small: Problem) -> None:
    losses = {source: {4: 1e30, 6: 1e30, 8: 1e30} for source in small.noise_sources}
    with pytest.raises(SpecError, match=r"quality 'uniform:6': a noise of 4e\+30, above 1e\+30"):
        replace(small, sensitivity=losses, quality="uniform:6")


def test_the_check_takes_what_a_problem_takes(small: Problem) -> None:
    design = codesign.solve(replace(small, dram_bits_per_s=1e30))
    report = check_content(json.loads(json.dumps(design.to_dict())), "design.json")
    assert report.findings == ()


# --- sizes --------------------------------------------------------------------------------------


def chain(count: int) -> dict[str, Any]:
    layers = [
        Layer(name=f"l{i}", input=f"t{i}", output=f"t{i + 1}", K=1, C=1) for i in range(count)
    ]
    return {"layers": layers, "tensors": {f"t{i}": 1 for i in range(count + 1)}}


def test_networks_have_an_end() -> None:
    assert len(Network(name="long", **chain(MAX_LAYERS)).layers) == MAX_LAYERS
    with pytest.raises(SpecError, match="layers: Tuple should have at most 10000 items"):
        Network(name="long", **chain(MAX_LAYERS + 1))


def test_the_check_reads_one_entry_at_a_time() -> None:
    """Looking one key up made an entry of every key."""

    class Counted(dict[str, int]):
        asked = 0

        def items(self) -> Any:
            Counted.asked += 1
            return super().items()

    entry = Entry("table", Counted(a=1), Ledger())
    assert entry["a"] == Entry("table.a", 1, entry.ledger)
    assert entry.get("b", 2).value == 2
    assert Counted.asked == 0


# --- files --------------------------------------------------------------------------------------


def test_a_file_without_end(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="larger than 64 MiB"):
        read_text(Path("/dev/zero"))
    path = tmp_path / "just.txt"
    path.write_bytes(b"x" * MAX_FILE_BYTES)
    assert len(read_text(path)) == MAX_FILE_BYTES


def test_lines_end_as_before(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"a\r\nb\rc\n")
    assert read_text(path) == "a\nb\nc\n"


@pytest.mark.parametrize("part", ["a", "a-b ", "'a b'", '"a.b"\t'])
def test_keys_have_an_end(part: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(f"{'.'.join([part] * 100)} = 1\n")
    assert read_toml(path)
    path.write_text(f"{'.'.join([part] * 101)} = 1\n")
    with pytest.raises(SpecError, match="nested too deeply"):
        read_toml(path)


def test_rows_of_areas_have_an_end(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    path.write_text("bits,area_um2\n1,2\n" + "," * 1000)
    with pytest.raises(SpecError, match="a row of more than 1000 columns"):
        fit_area(path, kind="sram")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800"])
def test_names_that_no_file_can_have(name: str, small: Problem) -> None:
    with pytest.raises(SpecError, match="cannot be written: "):
        codesign.solve(small).save(Path(name))
    with pytest.raises(SpecError, match="cannot be read: "):
        import_onnx(Path(name))
    with pytest.raises(SpecError, match="cannot be read: "):
        load_network(Path(name))


@pytest.mark.skipif(os.name == "nt", reason="devices of POSIX")
def test_an_onnx_file_is_a_file() -> None:
    with pytest.raises(SpecError, match=r"/dev/zero: cannot be read: not an ordinary file"):
        import_onnx("/dev/zero")


@pytest.mark.parametrize("words", [["import", "m.onnx"], ["explain", "design.json"]])
def test_what_is_read_need_not_be_writable(
    words: list[str],
    tmp_path: Path,
    small: Problem,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(model("y = MatMul (x, w)", {"x": (2, 8)}, {"w": (8, 3)}), "m.onnx")
    codesign.solve(small).save(Path("design.json"))
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.R_OK)
    code, _, err = run(capsys, *words)
    assert (code, err) == (0, "")


def test_what_is_read_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["import", "m.onnx", "--out", "m.onnx"], ["explain", "d.svg", "--plot", "d.svg"]):
        code, _, err = run(capsys, *words)
        assert code == 2
        assert "given twice, for two different files" in err


FRONT = (*SMALL, "--points", "2", "--range", "area=0.005:0.1")


def test_of_designs_of_a_front_all_are_written_or_none(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first point was written before the second was found to be impossible."""
    folder = tmp_path / "designs"
    (folder / "point_2.json").mkdir(parents=True)
    code, out, err = run(capsys, "pareto", tiny, *FRONT, "--designs", str(folder))
    assert (code, "2 points, 2 proven" in out) == (2, True)
    assert err.endswith("point_2.json: cannot be written: not an ordinary file\n")
    assert [*folder.iterdir()] == [folder / "point_2.json"]


def test_a_folder_of_designs_within_a_file(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was refused when the front was found, and the points with it."""
    table, folder = tmp_path / "front.csv", Path(tiny) / "deeper" / "designs"
    told = run(capsys, "pareto", tiny, *FRONT, "--designs", str(folder), "--out", str(table))
    fault = f"cannot be made: {tiny} is not a folder"
    assert told == (2, "", f"codesign: error: --designs {folder}: {fault}\n")
    assert not table.exists()


@pytest.mark.parametrize("kind", [31, 40])
def test_constants_of_unknown_types(kind: int, tmp_path: Path) -> None:
    made = model("y = MatMul (x, w)", {"x": (2, 8)}, {"w": (8, 3)})
    made.graph.initializer[0].data_type = kind
    path = tmp_path / "odd.onnx"
    path.write_bytes(made.SerializeToString())
    with pytest.raises(SpecError, match=f"constant 'w': unknown type {kind}"):
        import_onnx(path)


def test_a_table_on_a_terminal_is_spelt_out() -> None:
    """``study export`` prints names as they are into a pipe, spelt out on a terminal."""
    program = (
        "import io, sys\n"
        "from codesign.cli.terminal import print_text\n"
        "print_text('a\\x07\\x9b\\nb')\n"
        "sys.stdout.isatty = lambda: True\n"
        "print_text('a\\x07\\x9b\\nb')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.decode() == "a\x07\x9b\nba\\x07\\x9b\nb"
