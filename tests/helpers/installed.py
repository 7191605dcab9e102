"""The installed command as users and scripts start it, and files for every command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from command_line import ARRAY, BUDGET, SMALL, TINY
from onnx_graphs import model
from pipelines import tiny

from codesign import load_technology, solve

TINY_GRID = """
[grid]
network = ["tiny.toml"]
max_area_mm2 = [0.02, 0.05]
rows = ["1,2"]
cols = ["1,2"]
bits = ["4,6,8"]
"""
SRAMS = "bits,area_um2\n1000,6000\n2000,9000\n4000,15100\n"
ONNX_LINES = """
    first: h = Conv <pads=[1,1,1,1]> (x, w)
    f = Flatten (h)
    last: y = Gemm (f, v)
"""
TINY_SOLVE = ("solve", "tiny.toml", *SMALL, *BUDGET)
WITH_JSON = {  # every command, with all it needs
    "solve": (*TINY_SOLVE,),
    "solve, infeasible": ("solve", "tiny.toml", *SMALL, "--max-area-mm2", "1e-6"),
    "solve, whole": (*TINY_SOLVE, "--method", "whole"),
    "solve, certified": (*TINY_SOLVE, "--certificate", "new_certificate.json"),
    "pareto": ("pareto", "tiny.toml", *SMALL, *BUDGET, "--points", "4"),
    "pareto, three objectives": (
        *("pareto", "tiny.toml", *SMALL, "--points", "4"),
        *("--objectives", "latency,area,noise"),
    ),
    "evaluate": ("evaluate", "tiny.toml", *ARRAY, "--sram-kbit", "100"),
    "assign": ("assign", "tiny.toml", "--bits", "4,6,8", "--max-model-mbit", "0.02"),
    "explain": ("explain", "design.json"),
    "compare": ("compare", "design.json", "design.json"),
    "check": ("check", "design.json"),
    "check, altered": ("check", "altered.json"),
    "check --deep": ("check", "design.json", "--deep", "--certificate", "certificate.json"),
    "export sheet": ("export", "sheet", "design.json"),
    "export brevitas": ("export", "brevitas", "design.json", "--out", "bits"),
    "export finn": ("export", "finn", "pipeline.json"),
    "export accelforge": ("export", "accelforge", "design.json"),
    "export stream": ("export", "stream", "design.json"),
    "export timeloop": ("export", "timeloop", "design.json"),
    "export zigzag": ("export", "zigzag", "design.json"),
    "fit": ("fit", "srams.csv", "--kind", "sram"),
    "import": ("import", "small.onnx"),
    "show": ("show",),
    "show networks": ("show", "networks"),
    "show technologies": ("show", "technologies"),
    "show accelerators eyeriss": ("show", "accelerators", "eyeriss"),
    "show networks tiny.toml": ("show", "networks", "tiny.toml"),
    "show design.json": ("show", "design.json"),
    "show certificate.json": ("show", "certificate.json"),
    "show grid.sqlite": ("show", "grid.sqlite"),
    "show tiny.toml": ("show", "tiny.toml"),
    "study run": ("study", "run", "grid.toml", "--workers", "2", "--store", "new.sqlite"),
    "study status": ("study", "status", "grid.sqlite"),
    "technology scale": ("technology", "scale", "tsmc28", "--node", "16"),
    "sweep": ("sweep", "tiny.toml", *SMALL, "--max-area-mm2", "0.02,0.05"),
}
WITH_QUIET = ("solve", "pareto", "evaluate", "assign", "study run", "sweep")
WITHOUT_JSON = {"study export", "sensitivity"}  # which print a table for programs already
WITHOUT_JSON |= {"plot", "report", "export csv", "help"}  # which print names of files, and a page
WITHOUT_JSON |= {"explore"}  # which prints an address
CODES = {"solve, infeasible": 3, "check, altered": 1}


def executable() -> str:
    """The command beside this Python."""
    found = shutil.which("codesign", path=str(Path(sys.executable).parent))
    assert found is not None, "install the project: pip install -e ."
    return found


def make_files(folder: Path) -> None:
    """All that the commands read."""
    (folder / "tiny.toml").write_text(TINY)
    (folder / "grid.toml").write_text(TINY_GRID)
    (folder / "srams.csv").write_text(SRAMS)
    onnx.save(
        model(ONNX_LINES, {"x": (1, 4, 6, 6)}, {"w": (8, 4, 3, 3), "v": (288, 10)}),
        folder / "small.onnx",
    )
    files = ("--out", "design.json", "--certificate", "certificate.json")
    started(folder, *TINY_SOLVE, "--quiet", *files)
    started(folder, "study", "run", "grid.toml", "--workers", "1", "--quiet")
    on_fpga = {"technology": load_technology("finn-mvau"), "budgets": {"lut": 50_000}}
    solve(tiny(("dataflow",), objective="interval", **on_fpga)).save(folder / "pipeline.json")
    content = json.loads((folder / "design.json").read_text())
    content["metrics"]["area_mm2"] *= 1.5
    (folder / "altered.json").write_text(json.dumps(content))


def started(folder: Path, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder to its end; both streams are pipes unless ``how`` says else."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    for store in folder.glob("new.sqlite*"):
        store.unlink()
    return subprocess.run([executable(), *words], cwd=folder, text=True, **(streams | how))


def started_closed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The same with standard output closed."""
    shell = ["sh", "-c", 'exec "$0" "$@" >&-', executable(), *words]
    for store in folder.glob("new.sqlite*"):
        store.unlink()
    return subprocess.run(shell, cwd=folder, text=True, stderr=subprocess.PIPE)


def started_unread(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The same with standard output a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return started(folder, *words, stdout=writer)
    finally:
        os.close(writer)


def python(program: str, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a process of its own."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run([sys.executable, "-c", program, *words], text=True, **(streams | how))


def strict_json(text: str) -> Any:
    """What the whole text says as JSON, without the numbers only Python takes for such."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def leaf_commands(group: Any, before: Sequence[str] = ()) -> dict[str, set[str]]:
    """Options of every command: ``study run`` → {"json", "quiet", …}."""
    found = {}
    for name, command in group.commands.items():
        words = (*before, name)
        if hasattr(command, "commands"):
            found |= leaf_commands(command, words)
        else:
            found[" ".join(words)] = {option.name for option in command.params}
    return found
