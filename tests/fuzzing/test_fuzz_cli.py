"""Every command with any options in any order: an exit code that is documented, in time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from command_line import CHIP, TINY
from fuzzing import NAMES, PATHS, REAL, WHOLE, cases, check_answer, check_whole, told, tried
from hypothesis import strategies as st
from sound_files import LOSSES, LOSSES_TOML, ONES, PES, SRAMS, TIMES, texts

from codesign.cli.app import program
from codesign.specs.load import KINDS

FILES = {
    "tiny.toml": TINY,
    "chip.toml": CHIP,
    "broken.toml": "name = ",
    "losses.csv": LOSSES,
    "losses.toml": LOSSES_TOML,
    "times.csv": TIMES,
    "pes.csv": PES,
    "ones.csv": ONES,
    "srams.csv": SRAMS,
    "study.toml": 'name = "s"\n[grid]\nnetworks = ["tiny.toml"]\n',
    "store.sqlite": "no store",
    "x\x1b[31m[bold].toml": TINY.replace("tiny", "\\u001b[2J[bold]"),
}
RESULTS = ("design", "evaluation", "residents", "fused", "assignment", "certificate")
# With --out; the others write JSON.
WRITES = {"plot": ".png", "pareto": ".csv", "fit": ".toml", "technology": ".toml"}
WRITES |= {"report": ".html"}
OUT = (
    "out.json",
    "out.csv",
    "out.toml",
    "out.png",
    "out.svg",
    "out.pdf",
    "out.certificate",
    "out.html",
)
NUMBERS = ("1", "2", "0.5", "5", "100", "1000", "1e-3", "1e3", "1e6", "0.05", "0.1")
LISTS = ("1", "2", "8", "1,2", "4,8", "8,4,4", "2,3", "32", "16,64", "65536")
WORDS = ("weight:conv1", "tensor:a", "weight:*", "tensor:image", "weight:fc", "tensor:out")
ODD = (*map(str, REAL), *map(str, WHOLE), *PATHS, "\udcff")  # the last: a byte that is no UTF-8
ODD += tuple(name.replace("\x00", "").replace("\ud800", "") for name in NAMES)
FITTING: dict[str, tuple[str, ...]] = {
    "network": ("tiny.toml",) * 9 + ("alexnet", "chip.toml", "no", "x\x1b[31m[bold].toml"),
    "--technology": ("tsmc28", "tsmc28-quadratic", "broken.toml"),
    "--sram": ("single-port", "dual-port", "triple"),
    "--memory": ("hbm2", "ddr4-2400", "lpddr5-6400"),
    "--accelerator": ("eyeriss", "chip.toml", "table3-float32", "tpu_v1"),
    "--sensitivity": ("losses.csv", "losses.toml", "weights", "times.csv"),
    "--latency-table": ("times.csv", "losses.csv", "srams.csv"),
    "--quality": ("uniform:6", "uniform:2", "sqnr:30", "none", "sqnr:1e3", "uniform:33"),
    "--pin": (
        "weight:conv1=8",
        "tensor:a=4",
        "weight:fc=32",
        "tensor:out=8",
        "chip:a",
        "dram:a",
        "band:a",
    ),
    "--group": (*WORDS, ",".join(WORDS[:2]), "weight:[a-"),
    "--dim": ("n=1", "n=2", "=3"),
    "--input": ("n=1", "n=1,2.5", "n=true", "n=", "n=1e999"),
    "--objectives": ("latency,area", "noise,model", "area,latency,noise", "area,area", "bops"),
    "--range": ("area=0.01:1", "latency=0.1:10", "area=1:0.1", "noise=0:1e-3"),
    "--points": ("2", "3", "1000000", "1"),
    "--widths": ("design.json", "assignment.json", "evaluation.json", "tiny.toml"),
    "--certificate": ("certificate.json", "design.json", "out.certificate"),
    "--out": ("out", "out", "out", "folder", "tiny.toml", "no/x.json"),
    "--plot": ("out.png", "out.svg", "out.pdf", "out.gif", "tiny.toml"),
    "--plot-sram": ("out.png", "out.gif", "tiny.toml"),
    "--csv": ("out.csv", "folder"),
    "--designs": ("designs", "tiny.toml"),
    "--allow": (".", "no"),
    "--store": ("store.sqlite", "new.sqlite"),
    "--name": ("x", "\x1b[1m", "[bold]"),
    "--step": ("0.05", "0.5"),
    "design": ("design.json", "evaluation.json", "tiny.toml"),
    "measured": ("pes.csv", "ones.csv", "srams.csv", "losses.csv", "tiny.toml"),
    "file": ("design.json", "evaluation.json", "certificate.json", "tiny.toml"),
    "results": ("design.json", "evaluation.json", "evaluation.json", "assignment.json"),
    "files": (*(f"{x}.json" for x in RESULTS), "tiny.toml", "store.sqlite"),
    "what": (
        *KINDS,
        "colours",
        "tsmc28",
        *(f"{x}.json" for x in RESULTS),
        "chip.toml",
        "times.csv",
    ),
    "--x": ("rows", "max_area_mm2"),
    "--y": ("latency_s", "area_mm2"),
    "--by": ("network", "cols"),
    "--panels": ("network", "quality"),
    "technology": ("tsmc28", "tsmc28-quadratic", "broken.toml", "out.toml", "tiny.toml"),
    "--node": ("16", "7", "28", "180", "14.5", "6"),
    "name": ("tiny.toml", "chip.toml", "alexnet", "tsmc28", "eyeriss", "hbm2"),
    "store": ("store.sqlite", "no.sqlite", "folder", "tiny.toml"),
}
# What keeps the work small and ends it; the last of several options is the one that counts.
BRIEF: dict[str, tuple[str, ...]] = {
    "solve": ("--rows", "1,2", "--cols", "2", "--bits", "4,8", "--time-limit-s", "2"),
    "pareto": ("--rows", "1,2", "--cols", "2", "--bits", "4,8", "--time-limit-s", "1"),
    "assign": ("--bits", "4,8", "--time-limit-s", "2"),
    "evaluate": ("--accelerator", "eyeriss"),
}
REPEATED = ("--time-limit-s",)  # said again at the end, so that it holds


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file of each kind, as the current one."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for kind in RESULTS:
        (tmp_path / f"{kind}.json").write_text(texts()[kind])
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def value(data: Any, command: str, parameter: click.Parameter) -> str:
    """What an option or argument may be given: mostly something that fits."""
    name = parameter.opts[0]
    if data.draw(st.integers(0, 14), f"odd {name}") == 0:
        return str(data.draw(st.sampled_from(ODD), name))
    if isinstance(parameter.type, click.Choice) and name != "what":
        return str(data.draw(st.sampled_from([*parameter.type.choices]), name))
    fitting = FITTING.get(name)
    if fitting is None:
        fitting = LISTS if "bits" in name or name in ("--rows", "--cols") else NUMBERS
    given = str(data.draw(st.sampled_from(fitting), name))
    return given + WRITES.get(command, ".json") if given == "out" else given


def arguments(data: Any, name: str, command: click.Command) -> list[str]:
    """A command with some of its options, each with a value; now and then one word too few."""
    words = [name]
    if isinstance(command, click.Group):
        words.append(data.draw(st.sampled_from([*command.commands]), "of the group"))
        command = command.commands[words[-1]]
    options = []
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            options.append(parameter)
        else:
            words += [value(data, name, parameter) for _ in range(1 + (name == "compare"))]
    picked = data.draw(st.lists(st.sampled_from(options), max_size=6), "options") if options else []
    for option in [*picked, *(option for option in options if option.required)]:
        words.append(option.opts[0])
        if not option.is_flag:
            words.append(value(data, name, option))
    if data.draw(st.integers(0, 19), "too few") == 0:
        del words[data.draw(st.integers(0, len(words) - 1), "which")]
    brief = BRIEF.get(name, ())
    widths = {"--weight-bits", "--activation-bits"} & {*words}
    for option, given in zip(brief[::2], brief[1::2], strict=True):
        if option in REPEATED or (option not in words and not (option == "--bits" and widths)):
            words += [option, given]
    return words


NOT_TRIED = ("study", "import", "sweep", "help", "explore")
COMMANDS = [name for name in program.commands if name not in NOT_TRIED]
MANY = {"solve": (40, 1500), "pareto": (10, 250), "explain": (2, 25), "evaluate": (40, 1500)}
MANY |= {"assign": (40, 1000), "fit": (40, 600), "check": (20, 500), "show": (20, 500)}
MANY |= {"report": (10, 200), "compare": (10, 300)}
MANY |= {"export": (20, 300), "plot": (10, 200), "sensitivity": (20, 300), "technology": (20, 500)}
NUMBERED = [(name, few, False) for name, (few, _) in MANY.items()]
NUMBERED += [(name, many, True) for name, (_, many) in MANY.items()]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param(name, n, marks=[pytest.mark.long, pytest.mark.slow] if long else [])
        for name, n, long in NUMBERED
    ],
)
def test_options(name: str, number: int, here: Path) -> None:
    command = program.commands[name]

    def judge(data: Any) -> None:
        for file in OUT:
            if (here / file).is_dir():  # of an export
                shutil.rmtree(here / file)
            (here / file).unlink(missing_ok=True)
        words = arguments(data, name, command)
        told(*words)
        folders = [here / file for file in OUT if (here / file).is_dir()]
        check_whole(here, *(file for file in OUT if here / file not in folders))
        for folder in folders:
            check_whole(folder, *(path.name for path in folder.iterdir()))
        for file, text in FILES.items():
            if (here / file).read_text() != text:
                assert words.count(file) == 1, "written without being named, or though it is read"
                (here / file).write_text(text)

    tried(number, judge)


@cases(30, 400)
def test_words(number: int, here: Path) -> None:
    """Words that are no command, no option, or in any order."""
    known = [*program.commands, "run", "status", "export", "tiny.toml", "--help", "-h", "--version"]
    known += ["--rows", "--max-area-mm2", "--json", "study.toml", "--store", *ODD]

    def judge(data: Any) -> None:
        words = data.draw(st.lists(st.sampled_from(known), max_size=4), "words")
        if words[:1] != ["solve"] and words[:2] != ["study", "run"]:
            check_answer(told(*words), *words[:1])

    tried(number, judge)


def test_every_command_is_tried() -> None:
    assert {*MANY} == {*COMMANDS}
