"""The command line: bad input is told in one line, before any solve, and nothing is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import ARRAY, CHIP, EYERISS, SMALL, TINY, refused, run

from codesign.errors import SpecError
from codesign.results.design import Design

BAD: list[tuple[list[str], str]] = [  # NETWORK, TECH, MEM: files of the fixture `files`
    (["slove"], "slove"),
    (["solve"], "Missing argument 'NETWORK...'"),
    (["solve", "resnt18"], "did you mean 'resnet18'? (shipped: alexnet, "),
    (["solve", "no/such/file"], "no/such/file: cannot be read: No such file"),
    (["solve", "FOLDER"], "cannot be read: Is a directory"),
    (["solve", "BROKEN"], "broken.toml: not TOML: Expected '=' after a key"),
    (["solve", "BROKEN"], "line 2"),
    (["solve", "MISFIT"], "layer 'fc': its ifmap has N·G·C·H·W = 288 elements but tensor 'a'"),
    (["solve", "UNKNOWN"], "layers[0] ('conv1').kernel: unknown key (known: name, K, C"),
    (["solve", "NEGATIVE"], "layers[0] ('conv1').K: Input should be greater than"),
    (["solve", "NETWORK", "--out", ""], "'--out': empty; give a path"),
    (["solve", "NETWORK", "--technology", "tsmc82"], "technologies: no 'tsmc82'; did you mean"),
    (["solve", "NETWORK", "--memory", "ddr4"], "memories: no 'ddr4'; did you mean 'ddr4-2400'?"),
    (["solve", "NETWORK", "--sram", "triple"], "no SRAM 'triple'; known: single-port, dual-port"),
    (["solve", "NETWORK", "--max-aera-mm2", "6"], "--max-area-mm2"),
    (["solve", "NETWORK", "--max-area-mm2"], "requires an argument"),
    (["solve", "NETWORK", "--max-area-mm2", "six"], "'--max-area-mm2': 'six' is not a number"),
    (["solve", "NETWORK", "--max-area-mm2", "nan"], "'--max-area-mm2': 'nan' is not a positive"),
    (["solve", "NETWORK", "--max-area-mm2", "inf"], "'--max-area-mm2': 'inf' is not between"),
    (["solve", "NETWORK", "--max-latency-ms", "-1"], "'--max-latency-ms': '-1' is not a positive"),
    (["solve", "NETWORK", "--max-dram-mbit", "0"], "'--max-dram-mbit': '0' is not a positive"),
    (["solve", "NETWORK", "--max-model-mbit", "1e300"], "'--max-model-mbit': '1e300' is not betw"),
    (["solve", "NETWORK", "--max-gbops", "0"], "'--max-gbops': '0' is not a positive"),
    (["solve", "NETWORK", "--max-noise", "-0"], "'--max-noise': '-0' is not a positive"),
    (["solve", "NETWORK", "--clock-mhz", "1e9"], "'--clock-mhz': '1e9' is not between 0.001 and"),
    (["solve", "NETWORK", "--dram-gbit-per-s", "0"], "'--dram-gbit-per-s': '0' is not a positive"),
    (["solve", "NETWORK", "--area-overhead", "nan"], "'--area-overhead': 'nan' is not a positive"),
    (["solve", "NETWORK", "--time-limit-s", "0"], "'--time-limit-s': '0' is not a positive"),
    (["solve", "NETWORK", "--rel-gap", "1"], "'--rel-gap': '1' is not between 0 and 0.999999"),
    (["solve", "NETWORK", "--rel-gap", "nan"], "'--rel-gap': 'nan' is not between 0 and"),
    (["solve", "NETWORK", "--minimize", "power"], "'power' is not one of 'latency', 'area'"),
    (["solve", "NETWORK", "--quality", "uniform"], "quality 'uniform': write uniform:<bits>"),
    (["solve", "NETWORK", "--bits", "0,4"], "'--bits': 0 is not between 1 and 32"),
    (["solve", "NETWORK", "--weight-bits", "33"], "'--weight-bits': 33 is not between 1 and 32"),
    (["solve", "NETWORK", "--pe-bits", "4;8"], "'--pe-bits': '4;8': write whole numbers"),
    (["solve", "NETWORK", "--pe-weight-bits", ""], "'--pe-weight-bits': '': write whole numbers"),
    (["solve", "NETWORK", "--bits", "9" * 5000], "'--bits'"),
    (["solve", "NETWORK", "--output-bits", "33"], "'--output-bits': 33 is not in the range"),
    (["solve", "NETWORK", "--rows", "2.5"], "'--rows': '2.5': write whole numbers"),
    (["solve", "NETWORK", "--cols", "65537"], "'--cols': 65537 is not between 1 and 65536"),
    (["solve", "NETWORK", "--rows", ",".join(map(str, range(1, 1500)))], "Choices: rows: "),
    (["solve", "NETWORK", "--rows", "3", "--cols", "4", "--square"], "no side in common"),
    (["solve", "NETWORK", "--pin", "weight:conv1"], "'--pin': 'weight:conv1': write weight:"),
    (["solve", "NETWORK", "--pin", "conv1=8"], "'--pin': 'conv1=8': write weight:LAYER=BITS"),
    (["solve", "NETWORK", "--pin", "weight:conv1=40"], "'--pin': 40 is not between 1 and 32"),
    (["solve", "NETWORK", "--pin", "weight:conv2=8"], "did you mean 'weight:conv1'?"),
    (["solve", "NETWORK", "--pin", "tensor:out=8"], "'out' is a result of the network"),
    (
        ["solve", "NETWORK", "--pin", "weight:fc=8", "--pin", "weight:fc=4"],
        "--pin weight:fc: given as 8 and as 4 bits",
    ),
    (["solve", "NETWORK", "--bits", "4", "--weight-bits", "4"], "--bits and --weight-bits contr"),
    (["solve", "NETWORK", "--activation-bits", "4", "--bits", "4"], "--bits and --activation-bits"),
    (["solve", "NETWORK", "--pe-bits", "4", "--pe-weight-bits", "4"], "--pe-bits and --pe-weight"),
    (["solve", "NETWORK", "--pe-bits", "4", "--pe-activation-bits", "4"], "--pe-bits and --pe-act"),
    (
        ["solve", "NETWORK", "--quality", "uniform:6", "--max-noise", "1"],
        "--quality and --max-noise con",
    ),
    (
        ["solve", "NETWORK", "--memory", "hbm2", "--dram-gbit-per-s", "1"],
        "--memory and --dram-gbit-per-s contradict",
    ),
    (
        ["solve", "NETWORK", "--max-latency-ms", "3", "--min-fps", "300"],
        "--max-latency-ms and --min-fps contradict each other",
    ),
    (["solve", "NETWORK", "--min-fps", "0"], "'0' is not a positive number"),
    (["solve", "NETWORK", "--json", "--quiet"], "--json and --quiet contradict each other"),
    (["solve", "NETWORK", "--threads", "2"], "No such option"),
    (["solve", "NETWORK", "--out", "FOLDER"], "cannot be written: not an ordinary file"),
    (["solve", "NETWORK", "--out", "FOLDER/none/x.json"], "cannot be written: no folder"),
    (["solve", "NETWORK", "--plot", "FOLDER/none/x.png"], "cannot be written: no folder"),
    (["solve", "NETWORK", "--plot", "x.jpeg"], "--plot x.jpeg: must end in .png, .pdf, .svg"),
    (["solve", "NETWORK", "--out", "NETWORK"], "given twice, for two different files"),
    (["solve", "NETWORK", "--out", "x.svg", "--plot", "./x.svg"], "given twice, for two"),
    (["solve", "NETWORK", "--out", os.devnull], "cannot be written"),
    (["show", "colours"], "'colours' is not one of 'networks', 'technologies', 'memories'"),
    (["show", "networks", "resnet"], "networks: no 'resnet'"),
    (["show", "memories", "BROKEN"], "broken.toml: not TOML"),
    (["show", "memories", "NETWORK"], "this is a network (TOML); wanted is a memory (TOML)"),
    (["show", "networks", "resnet18", "more"], "unexpected extra argument"),
    (["show", "accelerators", "eyeris"], "accelerators: no 'eyeris'; did you mean 'eyeriss'?"),
    (
        ["show", "accelerators", "NETWORK"],
        "a network (TOML); wanted is an accelerator (TOML), a design",
    ),
    (["evaluate"], "Missing argument 'NETWORK...'"),
    (["evaluate", "NETWORK"], "Missing option --rows; or name an accelerator with --accelerator."),
    (["evaluate", "NETWORK", "--rows", "2"], "Missing option --cols; or name an accelerator"),
    (["evaluate", "NETWORK", "--cols", "2", "--pe-bits", "8"], "Missing option --rows; or name"),
    (["evaluate", "NETWORK", "--rows", "2", "--cols", "2"], "Missing option --pe-bits; or name an"),
    (
        ["evaluate", "NETWORK", "--rows", "2", "--cols", "2", "--pe-weight-bits", "8"],
        "option --pe-activation-bits; ",
    ),
    (
        ["evaluate", "NETWORK", "--rows", "2", "--cols", "2", "--pe-activation-bits", "8"],
        "option --pe-weight-bits; ",
    ),
    (["evaluate", "NETWORK", *ARRAY], "'2 × 2 PEs': no SRAM capacity is given, and tiles need on"),
    (["evaluate", "NETWORK", *ARRAY, "--sram-kbit", "1e-3"], "SRAM of 0.001 kbit holds no tile of"),
    (["evaluate", "NETWORK", *ARRAY, "--sram-kbit", "0"], "'0' is not a positive number"),
    (["evaluate", "NETWORK", *ARRAY, "--psum-bits", "1025"], "1025 is not in the range 1<=x<=1024"),
    (["evaluate", "NETWORK", *ARRAY, "--pe-weight-bits", "8"], "--pe-bits and --pe-weight-bits co"),
    (["evaluate", "NETWORK", *ARRAY, "--sram", "triple"], "no SRAM 'triple'; known: single-port"),
    (["evaluate", "resnt18", *EYERISS], "did you mean 'resnet18'? (shipped: alexnet, "),
    (["evaluate", "NETWORK", "--accelerator", "tpu"], "accelerators: no 'tpu'; did you mean"),
    (["evaluate", "NETWORK", "--accelerator", "no/such"], "no/such: cannot be read: No such file"),
    (["evaluate", "NETWORK", "--accelerator", "BROKEN"], "broken.toml: not TOML: "),
    (["evaluate", "NETWORK", *EYERISS, "--rows", "1,2"], "'--rows': '1,2' is not a valid integer"),
    (["evaluate", "NETWORK", *EYERISS, "--cols", "65537"], "65537 is not in the range 1<=x<=65536"),
    (["evaluate", "NETWORK", *EYERISS, "--engine", "0"], "'--engine': 0 is not in the range"),
    (["evaluate", "NETWORK", *EYERISS, "--bits", "17"], "operands of 17 × 17 bit do not run"),
    (
        ["evaluate", "NETWORK", *EYERISS, "--bits", "33"],
        "'--bits': 33 is not in the range",
    ),
    (["evaluate", "NETWORK", *EYERISS, "--bits", "4,6"], "'--bits': '4,6' is not a valid integer"),
    (["evaluate", "NETWORK", *EYERISS, "--pin", "weight:conv9=8"], "did you mean 'weight:conv1'?"),
    (
        ["evaluate", "NETWORK", *EYERISS, "--pin", "tensor:a=8", "--pin", "tensor:a=4"],
        "--pin tensor:a: given as 8 and as 4 bits",
    ),
    (["evaluate", "NETWORK", *EYERISS, "--batch", "0"], "'--batch': 0 is not in the range"),
    (["solve", "NETWORK", "--batch", "1.5"], "'--batch': '1.5': write whole numbers"),
    (
        ["evaluate", "NETWORK", *EYERISS, "--roofline", "flat"],
        "'flat' is not one of 'tiled'",
    ),
    (
        ["evaluate", "NETWORK", *EYERISS, "--sram", "dual-port"],
        "names no technology; give",
    ),
    (
        ["evaluate", "NETWORK", *EYERISS, "--memory", "hbm2", "--dram-gbit-per-s", "1"],
        "--memory and --dram-gbit-per-s contradict",
    ),
    (
        ["evaluate", "NETWORK", *EYERISS, "--bits", "4", "--activation-bits", "4"],
        "--bits and --act",
    ),
    (["evaluate", "NETWORK", *EYERISS, "--json", "--quiet"], "--json and --quiet contradict"),
    (["evaluate", "NETWORK", *EYERISS, "--minimize", "area"], "No such option"),
    (["evaluate", "NETWORK", *EYERISS, "--out", "FOLDER"], "cannot be written: not an ordinary"),
    (["evaluate", "NETWORK", *EYERISS, "--out", "NETWORK"], "given twice, for two different files"),
    (["evaluate", "NETWORK", "--accelerator", "CHIP", "--out", "CHIP"], "given twice, for two dif"),
    (["evaluate", "NETWORK", *EYERISS, "--plot", "x.jpeg"], "--plot x.jpeg: must end in .png, .pd"),
]


@pytest.fixture
def files(tmp_path: Path, tiny: str) -> dict[str, str]:
    texts = {
        "BROKEN": 'name = "x"\nlayers\n',
        "MISFIT": TINY.replace("a = 288", "a = 287"),
        "UNKNOWN": TINY.replace("P = 6", "kernel = 3, P = 6", 1),
        "NEGATIVE": TINY.replace("K = 8", "K = -8"),
        "CHIP": CHIP,
    }
    folder = tmp_path / "folder"
    folder.mkdir()
    made = {"NETWORK": tiny, "FOLDER": str(folder)}
    for name, text in texts.items():
        path = tmp_path / f"{name.lower()}.toml"
        path.write_text(text)
        made[name] = str(path)
    return made


@pytest.mark.parametrize(
    ("arguments", "told"), BAD, ids=[" ".join(bad)[:60] + f"-{i}" for i, (bad, _) in enumerate(BAD)]
)
@pytest.mark.usefixtures("asked")
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for name, path in files.items():
        arguments = [word.replace(name, path) for word in arguments]
    err = refused(capsys, *arguments)
    assert err.startswith("codesign: error: ")
    assert told in err
    assert "Traceback" not in err
    assert "recorded" not in err  # refused before the solve
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs enforced permissions")
@pytest.mark.usefixtures("asked")
def test_read_only_folder(
    capsys: pytest.CaptureFixture[str], tiny: str, tmp_path: Path
) -> None:  # pragma: no cover
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    code, out, err = run(capsys, "solve", tiny, "--out", str(folder / "x.json"))
    assert (code, out) == (2, "")
    assert "permission denied" in err


@pytest.mark.parametrize(("option", "method"), [("--out", "save"), ("--plot", "plot")])
def test_full_disk_does_not_cost_the_result_or_the_other_file(
    capsys: pytest.CaptureFixture[str],
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    method: str,
) -> None:
    def full(self: Design, path: Path) -> None:
        raise SpecError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(Design, method, full)
    files = {"--out": tmp_path / "x.json", "--plot": tmp_path / "x.png"}
    named = [str(word) for pair in files.items() for word in pair]
    code, out, err = run(capsys, "solve", tiny, *SMALL, *named)
    assert code == 2
    assert [name for name, path in files.items() if not path.exists()] == [option]
    assert "\noptimal: latency" in out
    assert err.count("\n") == 1
    assert err.endswith("No space left on device\n")
