"""Names from foreign files never reach a terminal, a picture or a table as more than text."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fuzzing import EVIL, Told, as_toml, check_answer, told

from codesign.cli.app import main
from codesign.specs.load import load_network
from codesign.specs.onnx import import_onnx
from codesign.study import Serial, Study

COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # what tables are drawn with
LIVE = re.compile(r"\x1b\[(?:\?25[hl]|\d*[AK]|2K)|\r")
OBEYED = EVIL.replace("\x1b[31m", "\x1b]0;title\x07\x1b[2J") + "\x7f"  # more than a colour
MATHS = "$\\frac{$ $x^2 \\undefined{$"
NAMES = {"layer": f"l{OBEYED}", "tensor": f"t{OBEYED}{MATHS}", "network": f"{MATHS}n{OBEYED}"}


def content() -> dict[str, object]:
    """A network with nothing but such names."""
    return {
        "name": NAMES["network"],
        "source": OBEYED,
        "layers": [
            {"name": NAMES["layer"], "input": NAMES["tensor"], "output": "[/]", "K": 8, "C": 36},
            {"name": "[bold]" + MATHS, "input": "[/]", "output": OBEYED, "K": 4, "C": 8},
        ],
        "tensors": {NAMES["tensor"]: 36, "[/]": 8, OBEYED: 4},
    }


TECHNOLOGY = {
    "name": NAMES["network"],
    "source": OBEYED,
    "sram": OBEYED,
    "pe_area_um2": {"slope": 1.7, "intercept": 150.0, "source": OBEYED},
    "sram_fits": {OBEYED: {"slope": 2.9, "intercept": 3000.0, "source": MATHS}},
    "pe_measured": [{"precision": OBEYED, "area_um2": 1000.0, "source": MATHS}],
}
CHIP = {
    "name": NAMES["network"],
    "source": OBEYED,
    "rows": 2,
    "cols": 2,
    "engine": 9,
    "pe_weight_bits": 8,
    "pe_activation_bits": 8,
    "clock_hz": 1e8,
    "sram_bits": 100_000,
    "dram_bits_per_s": 1e9,
    "technology": TECHNOLOGY,
}
MEMORY = {"name": OBEYED, "source": MATHS, "transfer_rate_gt_per_s": 1.0, "bus_width_bits": 8}
SMALL = ("--rows", "1,2", "--cols", "2", "--bits", "4,8")
WHERE = ("--technology", "technology.toml", "--memory", "memory.toml", *SMALL)
KEPT = ("--on-chip", "tensors")
COMMANDS = [
    ["show", "networks", "network.toml"],
    ["show", "technologies", "technology.toml"],
    ["show", "memories", "memory.toml"],
    ["show", "accelerators", "chip.toml"],
    ["solve", "network.toml", *WHERE, "--max-area-mm2", "0.1"],
    ["solve", "network.toml", *WHERE, "--json"],
    ["solve", "network.toml", *WHERE, "--quiet"],
    ["solve", "network.toml", *WHERE, "--max-area-mm2", "1e-9"],
    ["solve", "network.toml", *WHERE, "--max-noise", "1e-20"],
    ["solve", "network.toml", *WHERE, "--pin", f"weight:{OBEYED}=8"],
    ["solve", "network.toml", *WHERE, "--group", f"weight:{OBEYED},tensor:x"],
    ["solve", "network.toml", *WHERE, "--tie", "--pin", f"weight:{NAMES['layer']}=4"],
    ["solve", "network.toml", *WHERE, *KEPT],
    ["solve", "network.toml", *WHERE, *KEPT, "--pin", f"chip:{OBEYED}"],
    ["solve", "network.toml", *WHERE, "--on-chip", "none", "--pin", f"dram:{NAMES['tensor']}"],
    ["solve", "network.toml", "--technology", f"{OBEYED}.toml"],
    ["solve", "network.toml", "--sram", OBEYED],
    ["solve", "network.toml", "--sensitivity", "losses.csv", *SMALL],
    ["solve", "network.toml", "--sensitivity", "odd.csv", *SMALL],
    ["solve", f"{OBEYED}.toml"],
    ["solve", OBEYED],
    ["solve", "--" + OBEYED],
    [OBEYED],
    ["pareto", "network.toml", *WHERE, "--points", "2", "--plot", "x.svg", "--out", "out.csv"],
    ["pareto", "network.toml", *WHERE, "--points", "2", "--designs", "designs"],
    ["evaluate", "network.toml", "--accelerator", "chip.toml", "--plot", "x.pdf"],
    ["evaluate", "network.toml", "--accelerator", "chip.toml", "--json"],
    ["evaluate", "network.toml", "--accelerator", "chip.toml", *KEPT],
    ["evaluate", "network.toml", "--accelerator", "chip.toml", "--bits", "9"],
    ["assign", "network.toml", "--max-model-mbit", "0.01", "--csv", "out.csv"],
    ["assign", "network.toml", "--max-model-mbit", "0.01", "--json"],
    ["assign", "network.toml", "--latency-table", "odd.csv"],
    ["show", "design.json"],
    ["check", "design.json", "--deep", "--certificate", "certificate.json"],
    ["check", f"{OBEYED.replace('/', '')}.json"],
    ["check", "wrong.json"],
    ["explain", "design.json", "--plot", "x.svg"],
    ["explain", "design.json", "--json"],
    ["fit", "pes.csv", "--kind", "pe", "--name", OBEYED, "--out", "fitted.toml", "--plot", "x.png"],
    ["fit", f"{OBEYED.replace('/', '')}.csv", "--kind", "pe", "--plot", "x.svg"],
    ["fit", "losses.csv", "--kind", "pe"],
    ["import", "network.onnx", "--out", "imported.toml"],
    ["import", "unknown.onnx"],
    ["study", "status", "store.sqlite"],
    ["study", "export", "store.sqlite"],
    ["study", "run", f"{OBEYED}.toml"],
    ["study", "run", "odd.toml"],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files with such names in them, and two with such a name of their own."""
    from onnx_graphs import model

    path = tmp_path_factory.mktemp("foreign")
    texts = {"network": content(), "technology": TECHNOLOGY, "chip": CHIP, "memory": MEMORY}
    for name, text in texts.items():
        (path / f"{name}.toml").write_text(as_toml(text), "utf-8")
    network = load_network(path / "network.toml")
    sources = [f"weight:{x}" for x in network.weight_layers]
    sources += [f"tensor:{x}" for x in network.inner_tensors]
    for name, keys in (("losses", sources), ("odd", [OBEYED])):
        with (path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = [(key, b, b * 1.0) for key in keys for b in range(1, 33)]
            csv.writer(file).writerows([("tensor", "bits", "loss"), *rows])
    areas = "bw,ba,n,m,area_um2\n" + "".join(f"{b},{b},1,1,{100 * b}\n" for b in range(1, 9))
    (path / "pes.csv").write_text(areas)
    (path / f"{OBEYED.replace('/', '')}.csv".replace("\x00", "")).write_text(areas)
    for name, operator in (("network", "MatMul"), ("unknown", "odd.Unknown")):
        made = model(f"a: y = {operator} (x, w)", {"x": (2, 8)}, {"w": (8, 3)}, domains=["odd"])
        made.graph.name, made.graph.node[0].name = OBEYED, OBEYED
        made.graph.node[0].output[0] = made.graph.output[0].name = NAMES["tensor"]
        (path / f"{name}.onnx").write_bytes(made.SerializeToString())
    given = [str(path / "network.toml"), *SMALL, "--max-area-mm2", "0.1"]
    files = ["--out", str(path / "design.json"), "--certificate", str(path / "certificate.json")]
    told("solve", *given, *files)
    wrong = json.loads((path / "design.json").read_text())
    wrong["layers"][0]["cycles"] += 1
    wrong[OBEYED] = OBEYED
    for name in ("wrong.json", f"{OBEYED.replace('/', '')}.json".replace("\x00", "")):
        (path / name).write_text(json.dumps(wrong))
    (path / "odd.toml").write_text(as_toml({OBEYED: 1}), "utf-8")
    axes = {"networks": [network], "max_area_mm2": [0.1, 1e-9], "rows": "1,2", "cols": "2"}
    Study.grid(**axes).run(path / "store.sqlite", executor=Serial())
    return path


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: ascii(" ".join(words))[1:60])
def test_files_and_pipes(words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    words = [word.replace("\x00", "") for word in words]
    if words[:2] == ["study", "export"]:
        assert told_raw(words).out.isascii() is False  # a file gets the names as they are
        return
    answer = told(*words)
    if words[0] == "show" or "--json" in words:
        assert answer.code == 0
        assert "\\x1b]0;title" in answer.out or "\\u001b]0;title" in answer.out


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: ascii(" ".join(words))[1:60])
def test_terminals(words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr("codesign.cli.progress.DELAY_S", 1e3)  # a terminal wipes its live line off
    answer = told_raw([word.replace("\x00", "") for word in words], Terminal)
    plain = answer._replace(out=COLOUR.sub("", answer.out), err=LIVE.sub("", answer.err))
    check_answer(plain._replace(err=COLOUR.sub("", plain.err)), words[0])


def told_raw(words: list[str], kind: type[io.TextIOWrapper] = io.TextIOWrapper) -> Told:
    """What a command answers, on streams of a kind."""
    out, err = kind(io.BytesIO(), "utf-8"), kind(io.BytesIO(), "utf-8")
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
        sys.stdout.flush()
        sys.stderr.flush()
    return Told(code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())


# Every command and every format; svg, whose words are text, of each.
PICTURES = [("solve", "svg"), ("solve", "pdf"), ("pareto", "svg"), ("evaluate", "svg")]
PICTURES += [("evaluate", "png")]


@pytest.mark.parametrize(("command", "ending"), PICTURES)
def test_pictures(command: str, ending: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    rest = ["--accelerator", "chip.toml"] if command == "evaluate" else [*WHERE]
    rest += ["--points", "2"] if command == "pareto" else []
    pictures = {"--plot": f"{command}.{ending}"}
    if command == "evaluate":
        rest += KEPT
        pictures |= {"--plot-sram": f"sram.{ending}"}
    rest += [word for pair in pictures.items() for word in pair]
    assert told(command, "network.toml", *rest).code == 0
    if ending == "svg":
        for picture in pictures.values():
            ElementTree.parse(folder / picture)  # well-formed: no control character


def test_tables_are_read_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    told("assign", "network.toml", "--max-model-mbit", "0.01", "--csv", "widths.csv")
    with (folder / "widths.csv").open(newline="", encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert [row["layer"] for row in rows] == [NAMES["layer"], "[bold]" + MATHS]


def test_what_is_written_is_read_back(folder: Path) -> None:
    found = import_onnx(folder / "network.onnx").network
    told("import", str(folder / "network.onnx"), "--out", str(folder / "again.toml"))
    assert load_network(folder / "again.toml") == found
    assert "\x1b" in "".join(load_network(folder / "network.toml").tensors)
