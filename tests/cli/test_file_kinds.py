"""A wrong kind of file is named as what it is, by every command that reads one."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import BUDGET, CHIP, SMALL, TINY
from onnx_graphs import model
from pipelines import dataflow, made_up

from codesign.cli.app import main
from codesign.files import FOREIGN_KINDS, FRAMEWORK_KINDS, JSON_KINDS, OUR_KINDS, kind_of, kind_text
from codesign.specs.load import models_folder

GRID = f"""
[grid]
networks = "network.toml"
rows = "{SMALL[1]}"
cols = "{SMALL[3]}"
bits = "{SMALL[5]}"
max_area_mm2 = [0.1]
"""


def archive(*members: str) -> bytes:
    """A ZIP archive with such members."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for member in members:
            file.writestr(member, b"")
    return data.getvalue()


def array(write: Callable[..., None]) -> bytes:
    """What NumPy writes."""
    data = io.BytesIO()
    write(data, np.zeros(3))
    return data.getvalue()


WEIGHTS = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
FOREIGN = {  # name: (kind, content)
    "model.pt": ("PyTorch", archive("model/data.pkl", "model/data/0")),
    "scripted.pth": ("PyTorch", archive("model/code/net.py", "model/constants.pkl")),
    "old.pth": ("PyTorch", pickle.dumps(0x1950A86A20F9469CFC6C, 2) + b"\x80\x02"),
    "model.keras": ("Keras", archive("config.json", "model.weights.h5")),
    "model.h5": ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(64)),
    "model.tflite": ("TFLite", b"\x1c\0\0\0TFL3" + bytes(64)),
    "model.pb": ("TensorFlow", b"\x0a\x21\x0a\x05input\x12\x0bPlaceholder*\xff\xfe"),
    "model.safetensors": ("safetensors", len(WEIGHTS).to_bytes(8, "little") + WEIGHTS + bytes(4)),
    "files.zip": ("ZIP", archive("readme.txt")),
    "table.csv.gz": ("gzip", gzip.compress(b"tensor,bits,loss\n")),
    "picture.png": ("PNG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    "photo.jpg": ("JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF"),
    "picture.svg": ("SVG", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>\n'),
    "paper.pdf": ("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
    "table.parquet": ("Parquet", b"PAR1\x15\x04\x15\x1a" + bytes(64)),
    "array.npy": ("NumPy", array(np.save)),
    "arrays.npz": ("NumPy", array(np.savez)),
    "object.pkl": ("pickle", pickle.dumps([1, 2])),
    "package.json": ("JSON", b'{"name": "other", "version": "1"}\n'),
}
TABLES = {
    "sensitivity.csv": ("sensitivity", "tensor,bits,loss\nweight:conv1,4,0.1\n"),
    "sensitivity.toml": ("sensitivity", '"weight:conv1" = { 4 = 0.1 }\n'),
    "latency.csv": ("latency", "layer,weight_bits,activation_bits,latency_s\nconv1,4,4,0.1\n"),
    "german.csv": ("latency", "layer;weight_bits;activation_bits;latency_s\nconv1;4;4;0,1\n"),
    "pe.csv": ("pe_areas", "# measured\n\nbw,ba,n,m,area_um2\n2,2,1,1,200\n"),
    "sram.csv": ("sram_areas", "bits,area_um2\n1024,6000\n"),
    "network.toml": ("network", TINY),
    "accelerator.toml": ("accelerator", CHIP),
    "grid.toml": ("study", GRID),
}
COPIED = {"technology.toml": "technologies/tsmc28.toml", "memory.toml": "memories/hbm2.toml"}
ASKED = ("network.toml", *SMALL)
MADE = {  # by a command: what it is told to write, or None for what it prints
    "design.json": ("design", ("solve", *ASKED, *BUDGET, "--out", "design.json")),
    "proof.json": ("certificate", ("solve", *ASKED, *BUDGET, "--certificate", "proof.json")),
    "evaluation.json": (
        "evaluation",
        (
            "evaluate",
            "network.toml",
            "--accelerator",
            "accelerator.toml",
            "--out",
            "evaluation.json",
        ),
    ),
    "assignment.json": ("assignment", ("assign", *ASKED[:1], "--out", "assignment.json")),
    "layers.csv": ("widths", ("assign", *ASKED[:1], "--csv", "layers.csv")),
    "front.csv": ("front", ("pareto", *ASKED, "--points", "3", "--out", "front.csv")),
    "results.sqlite": ("store", ("study", "run", "grid.toml", "--store", "results.sqlite")),
    "results.csv": ("results", ("study", "export", "results.sqlite", "--out", "results.csv")),
    "both.json": ("comparison", ("compare", "design.json", "evaluation.json", "--json")),
    "why.json": ("explanation", ("explain", "design.json", "--json")),
    "clash.json": ("infeasible", ("solve", *ASKED, "--max-area-mm2", "1e-6", "--json")),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of every kind, by name."""
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module")
def kinds(folder: Path) -> dict[str, str]:
    """Name of each file in the folder, and its kind."""
    found = {}
    for name, (kind, content) in FOREIGN.items():
        (folder / name).write_bytes(content)
        found[name] = kind
    for name, (kind, text) in TABLES.items():
        (folder / name).write_text(text, encoding="utf-8")
        found[name] = kind
    for name, source in COPIED.items():
        (folder / name).write_text((models_folder() / source).read_text(encoding="utf-8"))
        found[name] = name.removesuffix(".toml")
    graph = model("c: y = Conv (x, w)", {"x": (1, 4, 8, 8)}, {"w": (4, 4, 1, 1)})
    onnx.save(graph, folder / "model.onnx")
    with sqlite3.connect(folder / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    found |= {"model.onnx": "onnx", "other.db": "SQLite"}
    made_up(dataflow()).save(folder / "pipeline.json")
    found["pipeline.json"] = "dataflow"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, (kind, words) in MADE.items():
            with pytest.MonkeyPatch.context() as printed:
                out = io.StringIO()
                printed.setattr("sys.stdout", out)
                assert main([*words]) in (0, 3)
            if "--json" in words:
                (folder / name).write_text(out.getvalue())
            found[name] = kind
    return found


def test_there_is_a_file_of_every_kind(folder: Path, kinds: dict[str, str]) -> None:
    assert {name: kind_of(folder / name) for name in kinds} == kinds
    assert {*kinds.values()} == {*OUR_KINDS, *FRAMEWORK_KINDS, *FOREIGN_KINDS}


DEEP = ("--deep", "--certificate")
PE = ("fit", "pe.csv", "--kind", "pe")
ARRAY = ("--rows", "2", "--cols", "2", "--pe-bits", "8", "--sram-kbit", "100")
DRAWN = ("design", "dataflow", "evaluation", "front", "explanation", "comparison", "store")
REPORTED = ("design", "dataflow", "evaluation", "assignment", "explanation", "comparison")
REPORTED += ("front", "store")
SHOWN = ("network", "onnx", "technology", "memory", "accelerator", *DRAWN)
SHOWN += ("assignment", "certificate")
SLOTS: dict[tuple[str, ...], tuple[str, ...]] = {  # where FILE stands: the kinds that may
    ("solve", "FILE"): ("network", "onnx"),
    ("pareto", "FILE"): ("network", "onnx"),
    ("assign", "FILE"): ("network", "onnx"),
    ("evaluate", "FILE", *ARRAY): ("network", "onnx"),
    ("import", "FILE"): ("onnx",),
    ("solve", "resnet18", "--technology", "FILE"): ("technology",),
    ("solve", "resnet18", "--memory", "FILE"): ("memory",),
    ("solve", "network.toml", "--sensitivity", "FILE"): ("sensitivity",),
    ("pareto", "resnet18", "--technology", "FILE"): ("technology",),
    ("pareto", "resnet18", "--memory", "FILE"): ("memory",),
    ("evaluate", "network.toml", *ARRAY, "--technology", "FILE"): ("technology",),
    ("evaluate", "network.toml", *ARRAY, "--memory", "FILE"): ("memory",),
    ("evaluate", "network.toml", "--accelerator", "FILE"): ("accelerator", "design", "evaluation"),
    ("evaluate", "network.toml", *ARRAY, "--widths", "FILE"): ("design", "dataflow", "assignment"),
    ("evaluate", "network.toml", *ARRAY, "--sensitivity", "FILE"): ("sensitivity",),
    ("evaluate", "network.toml", "--pipeline", "FILE", "--bits", "4"): ("dataflow", "JSON"),
    ("evaluate", "network.toml", "--folding", "FILE", "--bits", "4"): ("dataflow", "JSON"),
    ("assign", "network.toml", "--sensitivity", "FILE"): ("sensitivity",),
    ("assign", "network.toml", "--latency-table", "FILE"): ("latency",),
    ("check", "FILE"): ("design", "dataflow", "assignment", "evaluation"),
    ("check", "FILE", *DEEP, "proof.json"): ("design", "dataflow"),
    ("check", "design.json", *DEEP, "FILE"): ("certificate",),
    ("explain", "FILE"): ("design", "dataflow"),
    ("export", "accelforge", "FILE"): ("design", "evaluation"),
    ("export", "timeloop", "FILE"): ("design", "evaluation"),
    ("export", "zigzag", "FILE"): ("design", "evaluation"),
    ("export", "sheet", "FILE"): ("design", "dataflow", "evaluation"),
    ("export", "csv", "FILE", "--out", "tables"): ("design", "dataflow", "evaluation"),
    ("export", "brevitas", "FILE", "--out", "bits"): (
        *("design", "dataflow", "evaluation", "assignment"),
    ),
    ("compare", "design.json", "FILE"): ("design", "dataflow", "evaluation"),
    ("compare", "FILE", "pipeline.json"): ("design", "dataflow", "evaluation"),
    ("fit", "FILE", "--kind", "pe"): ("pe_areas",),
    ("fit", "FILE", "--kind", "sram"): ("sram_areas",),
    (*PE, "--technology", "FILE"): ("technology",),
    ("show", "networks", "FILE"): ("network", "onnx"),
    ("show", "technologies", "FILE"): ("technology",),
    ("show", "memories", "FILE"): ("memory",),
    ("show", "accelerators", "FILE"): ("accelerator", "design", "evaluation"),
    ("show", "FILE"): SHOWN,
    ("plot", "FILE", "--out", "new.png"): DRAWN,
    ("report", "FILE", "--out", "new.html"): REPORTED,
    ("explore", "FILE", "--designs", "points"): ("front", "store"),
    ("study", "run", "FILE"): ("study",),
    ("study", "run", "grid.toml", "--resume", "--store", "FILE"): ("store",),
    ("study", "status", "FILE"): ("store",),
    ("study", "export", "FILE"): ("store",),
}


@pytest.mark.parametrize("words", SLOTS, ids=" ".join)
def test_a_wrong_kind_of_file_is_named(
    words: tuple[str, ...],
    folder: Path,
    kinds: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    wanted = SLOTS[words]
    for name, kind in kinds.items():
        if kind in wanted:
            continue
        before = (folder / name).read_bytes()
        code = main([word.replace("FILE", name) for word in words])
        out, err = capsys.readouterr()
        assert (code, out, err.count("\n")) == (2, "", 1), (name, err)
        assert f"{name}: " in err
        assert (folder / name).read_bytes() == before
        if words[0] == "plot" and kind == "assignment":
            assert "an assignment has no picture; codesign show prints it" in err
            continue
        if kind == "JSON" and {*wanted} & {*JSON_KINDS} and wanted not in (SHOWN, DRAWN, REPORTED):
            assert "format" in err  # one of ours may lack it
            continue
        assert f"this is {kind_text(kind)}; wanted is {kind_text(wanted[0])}" in err
        assert ("; export it to ONNX first\n" in err) == (
            kind in FRAMEWORK_KINDS and "onnx" in wanted
        )


@pytest.mark.parametrize("name", ["nothing.pt", "nothing.json", "nothing.csv"])
@pytest.mark.parametrize("command", ["solve", "check"])
def test_a_missing_file_is_missing(
    command: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, name]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["", "{", "[[[", "a,b\n1,2\n", "x = 1\n", "\0\0\0\0", '{"a": 1']
)
def test_what_is_hard_to_say_is_left_open(content: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    assert kind_of(path) is None
    assert kind_of(tmp_path) is kind_of(tmp_path / "nothing") is kind_of(Path("/dev/zero")) is None


def test_a_newer_format_is_told_by_its_number(
    folder: Path, kinds: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((folder / "design.json").read_text())
    (tmp_path / "new.json").write_text(json.dumps({**content, "format": "codesign-design/2"}))
    assert main(["check", str(tmp_path / "new.json")]) == 2
    assert "'codesign-design/2', expected codesign-design/1" in capsys.readouterr().err


def test_a_model_without_its_ending_is_told(
    folder: Path, kinds: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model").write_bytes((folder / "model.onnx").read_bytes())
    assert main(["solve", str(tmp_path / "model")]) == 2
    assert (
        "this is an ONNX model; wanted is a network (TOML) or an ONNX model; let its name end"
        in (capsys.readouterr().err)
    )
