"""Small or absurd input that asks for endless time or memory: refused clearly, or answered.

Each case runs in a process of its own that may take 3 GiB beyond what Python and its packages
take, and a minute. What it says is one line for an error, as anywhere.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from command_line import TINY
from fuzzing import Told, check_answer

from codesign.files import digest
from codesign.specs.network import MAX_LAYERS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bounds memory as Linux does")

GIB = 2**30
ROOM = 3 * GIB
WALL_S = 120  # what takes more has no end; on one core, a minute at most
LIMITED = f"""
import resource, sys
import matplotlib.figure, pandas, pyomo.environ
import codesign.tasks.certify, codesign.cli.app, codesign.specs.onnx.read
import codesign.search.milp.highs, codesign.study
with open("/proc/self/statm") as file:
    most = int(file.read().split()[0]) * resource.getpagesize() + {ROOM}
resource.setrlimit(resource.RLIMIT_AS, (most, most))
sys.exit(codesign.cli.app.main(sys.argv[1:]))
"""


def limited(*words: str, folder: Path) -> Told:
    """What a command answers within bounds of memory and time."""
    command = [sys.executable, "-c", LIMITED, *words]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=WALL_S)
    answer = Told(run.returncode, run.stdout, run.stderr)
    check_answer(answer, words[0])
    return answer


def some(every: Iterable[Any], *often: Any) -> list[Any]:
    """All, but only those named in a run that is not long: each takes some seconds."""
    return [x if x in often else pytest.param(x, marks=pytest.mark.long) for x in every]


# --- networks and choices -----------------------------------------------------------------------


def one_layer(**sizes: int) -> str:
    """A network of one layer."""
    of = {letter: sizes.get(letter, 1) for letter in "NGKCPH"}
    ifmap, outputs = of["N"] * of["G"] * of["C"] * of["H"], of["N"] * of["G"] * of["K"] * of["P"]
    loops = ", ".join(f"{letter} = {size}" for letter, size in of.items())
    layer = f'{{ name = "a", input = "x", output = "y", {loops} }}'
    return f'name = "one"\nlayers = [{layer}]\n[tensors]\nx = {ifmap}\ny = {outputs}\n'


def chain(count: int) -> str:
    """A network of many layers, one after the other."""
    layers = (
        f'{{ name = "l{i}", input = "t{i}", output = "t{i + 1}", K = 4, C = 4 }}'
        for i in range(count)
    )
    tensors = (f"t{i} = 4" for i in range(count + 1))
    return f'name = "long"\nlayers = [{", ".join(layers)}]\n[tensors]\n' + "\n".join(tensors)


def writers(count: int) -> str:
    """A network whose layers all write a part of one tensor."""
    layers = (
        f'{{ name = "l{i}", input = "x", output = "y", K = 1, C = 4, parts = {{ y = 1 }} }}'
        for i in range(count)
    )
    return f'name = "parts"\nlayers = [{", ".join(layers)}]\n[tensors]\nx = 4\ny = {count}\n'


def upto(most: int, step: int = 1) -> str:
    """``1,2,3,…``"""
    return ",".join(map(str, range(step, most + 1, step)))


BUDGET = ("--max-area-mm2", "6", "--time-limit-s", "5", "--quiet")
EYERISS = ("--accelerator", "eyeriss", "--quiet")
THOUSAND = ("--rows", upto(1000), "--cols", upto(1000))
HUGE = ("--rows", upto(65536, 66), "--cols", upto(65536, 66))
ALL_BITS = ("--bits", upto(32), "--pe-bits", upto(32))
# What is asked of which network, the exit codes that are right, and what is said.
ASKED: list[tuple[str, str, tuple[str, ...], set[int], str]] = [
    ("solve", one_layer(K=10**9), BUDGET, {0}, "optimal"),
    ("solve", one_layer(C=10**9), BUDGET, {0}, "optimal"),
    ("solve", one_layer(G=10**9), BUDGET, {0}, "optimal"),
    ("solve", one_layer(P=10**9, H=10**9), BUDGET, {0, 4, 5}, ""),
    ("solve", one_layer(N=10**8, C=10, K=10), BUDGET, {0}, "optimal"),
    ("solve", one_layer(K=720720, C=720720), BUDGET, {2}, "layer 'a' has 1917610 tiles on an"),
    ("evaluate", one_layer(P=10**9, H=10**9), EYERISS, {0}, "12 × 14 PEs"),
    ("evaluate", one_layer(C=10080, K=10080, P=10080, H=10080), EYERISS, {0}, "12 × 14 PEs"),
    ("evaluate", one_layer(G=10**9), EYERISS, {0}, "12 × 14 PEs"),
    ("solve", one_layer(K=10**9 + 1), BUDGET, {2}, "less than or equal to 1000000000"),
    ("solve", one_layer(K=10**7, C=10**7), BUDGET, {2}, "1e+14 MACs; a layer may have at most"),
    ("solve", chain(3000), BUDGET, {0, 4, 5}, ""),
    ("evaluate", chain(MAX_LAYERS), EYERISS, {0}, "latency"),
    ("assign", chain(MAX_LAYERS), ("--max-model-mbit", "0.5", *BUDGET[2:]), {0, 4, 5}, ""),
    ("solve", chain(10**5), BUDGET, {2}, "at most 10000 items"),
    ("show networks", writers(MAX_LAYERS), (), {0}, "l9999"),
    ("solve", TINY, (*THOUSAND, "--pe-bits", "8", *BUDGET), {0, 4, 5}, ""),
    ("solve", TINY, (*HUGE, "--pe-bits", "8", *BUDGET), {0, 3, 4, 5}, ""),
    ("solve", TINY, (*THOUSAND, "--pe-bits", "8,9", *BUDGET), {2}, "4000000 hardware options; at"),
    ("solve", TINY, (*THOUSAND, "--method", "whole", "--pe-bits", "8"), {2}, "candidates, at most"),
    ("solve", TINY, ("--rows", "65536", "--cols", "65536", *ALL_BITS, *BUDGET), {0, 3, 4, 5}, ""),
    ("solve", TINY, ("--rows", upto(31), "--cols", upto(31), *ALL_BITS, *BUDGET), {0, 4, 5}, ""),
    ("solve", TINY, ("--rows", upto(1001)), {2}, "Choices: rows: "),
    ("pareto", TINY, ("--points", "1000000", "--rows", "1,2", *BUDGET[2:]), {0, 4, 5}, ""),
    ("pareto", TINY, ("--points", "1000000000000"), {2}, "not in the range 2<=x<=1000000"),
    ("pareto", TINY, ("--all", "--rows", "1,2", *BUDGET[2:]), {0, 4, 5}, ""),
]


@pytest.mark.slow
@pytest.mark.parametrize("number", some(range(len(ASKED)), 0, 10))
def test_asked(number: int, tmp_path: Path) -> None:
    command, network, words, codes, said = ASKED[number]
    (tmp_path / "network.toml").write_text(network)
    answer = limited(*command.split(), "network.toml", *words, folder=tmp_path)
    assert answer.code in codes, answer
    assert said in answer.out + answer.err


# --- files ---------------------------------------------------------------------------------------

DEEP = 10**5
PES = "bw,ba,n,m,area_um2\n"
LOSSES = "tensor,bits,loss\n"
FILES: dict[str, tuple[str, Callable[[], str], str, str]] = {
    "arrays": ("toml", lambda: "a = " + "[" * DEEP + "]" * DEEP, "show networks", "too deeply"),
    "tables": ("toml", lambda: f"[{'.'.join('a' * DEEP)}]\n", "show networks", "too deeply"),
    "dotted": ("toml", lambda: ".".join(['"a b"'] * DEEP) + " = 1", "study run", "too deeply"),
    "inline": ("toml", lambda: "a = " + "{a = " * DEEP + "1" + "}" * DEEP, "study run", "too dee"),
    "name": ("toml", lambda: f'name = "{"x" * 10**7}"\n', "show networks", "at most 200 char"),
    "digits": ("toml", lambda: f"name = 1{'0' * 10**6}\n", "show memories", "not TOML: Exceeds"),
    "a power": ("toml", lambda: f"bus_width_bits = 1{'0' * 4000}\n", "show memories", ""),
    "large": ("toml", lambda: "#" * (64 * 2**20 + 1), "show networks", "larger than 64 MiB"),
    "lists": ("json", lambda: "[" * DEEP * 10 + "]" * DEEP * 10, "show", "nested too deeply"),
    "objects": ("json", lambda: '{"a":' * DEEP + "1" + "}" * DEEP, "check", "nested too deeply"),
    "number": ("json", lambda: f'{{"format": 1{"0" * 10**6}}}', "check", "not JSON: Exceeds"),
    "areas": (
        *("csv", lambda: PES + "8,8,1,1,100\n" * (10**6 + 1)),
        *("fit --kind pe", "1000001 rows; at most 1000000 are fitted"),
    ),
    "commas": ("csv", lambda: "," * 2 * 10**7, "fit --kind pe", "more than 1000 columns"),
    "quote": ("csv", lambda: PES + '"' + "x" * 2 * 10**7, "fit --kind pe", "not a CSV table"),
    "losses": (
        *("csv", lambda: LOSSES + "".join(f"weight:l{i},4,0.1\n" for i in range(10**6))),
        *("solve tiny.toml --sensitivity", "unknown 'weight:l0'; did you mean"),
    ),
    "twice": (
        *("csv", lambda: LOSSES + "weight:fc,4,0.1\n" * 10**6),
        *("solve tiny.toml --sensitivity", "line 3: 'weight:fc' at 4 bits is given twice"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", some(FILES, "arrays"))
def test_files(name: str, tmp_path: Path) -> None:
    suffix, text, command, said = FILES[name]
    (tmp_path / "tiny.toml").write_text(TINY)
    (tmp_path / f"given.{suffix}").write_text(text())
    answer = limited(*command.split(), f"given.{suffix}", folder=tmp_path)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


ENDLESS = [
    "show networks /dev/../dev/zero",
    "check /dev/zero",
    "explain /dev/zero",
    "fit /dev/zero --kind pe",
    "import /dev/zero",
    "study run /dev/zero",
    "study status /dev/zero",
    "evaluate tiny.toml --accelerator eyeriss --widths /dev/zero",
]


@pytest.mark.slow
@pytest.mark.parametrize("command", some(ENDLESS, ENDLESS[0]))
def test_what_has_no_end(command: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    answer = limited(*command.split(), folder=tmp_path)
    assert (answer.code, answer.out) == (2, "")


@pytest.mark.slow
def test_a_grid_of_10_to_the_12_cells(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    axes = "".join(f"{word} = [{upto(10_000)}]\n" for word in AXES)
    (tmp_path / "grid.toml").write_text(f'[grid]\nnetworks = "tiny.toml"\n{axes}')
    answer = limited("study", "run", "grid.toml", folder=tmp_path)
    assert answer.code == 2
    assert "1e+12 cells; a study has at most 1,000,000" in answer.err
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.toml", "grid.toml"}


AXES = ("max_area_mm2", "max_latency_ms", "max_gbops")


# --- ONNX ----------------------------------------------------------------------------------------

TOO_LARGE = [
    ("y = MatMul (x, w)", {"x": (2**62, 8)}, {"w": (8, 3)}),
    ("y = MatMul (x, w)", {"x": (2**31, 2**31, 8)}, {"w": (8, 3)}),
    ("y = Conv (x, w)", {"x": (1, 4, 2**62, 2**62)}, {"w": (4, 4, 3, 3)}),
    ("y = Tile (x, r)\nz = MatMul (y, w)", {"x": (1, 8)}, {"r": (2**62, 1), "w": (8, 3)}),
    ("c = ConstantOfShape (r)\ny = MatMul (c, w)", {"x": (1, 8)}, {"r": (2**40, 8), "w": (8, 3)}),
    ("e = Expand (v, r)\ny = MatMul (x, e)", {"x": (1, 2**20)}, {"r": (2**20, 2**20), "v": 1}),
    ("n = Range (o, r, s)\ny = MatMul (x, w)", {"x": (1, 8)}, {"o": 0, "r": 2**62, "s": 1}),
]


@pytest.mark.slow
@pytest.mark.parametrize("number", some(range(len(TOO_LARGE))))
def test_shapes_without_bounds(number: int, tmp_path: Path) -> None:
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper
    from onnx_graphs import node

    lines, inputs, constants = TOO_LARGE[number]
    kinds = {"r": np.int64, "o": np.int64, "s": np.int64}
    stored = {
        name: np.zeros(value, np.float32) if name == "w" else np.array(value, kinds.get(name))
        for name, value in {"w": (8, 3), **constants}.items()
    }
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node(line) for line in lines.splitlines()],
        "huge",
        [info(name, onnx.TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [info(lines.split("\n")[-1].split()[0], onnx.TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in stored.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=8)
    (tmp_path / "huge.onnx").write_bytes(made.SerializeToString())
    for command in (["import"], ["evaluate", *EYERISS], ["solve", "--sensitivity", "weights"]):
        answer = limited(command[0], "huge.onnx", *command[1:], folder=tmp_path)
        assert answer.code in (0, 2)


# --- the check -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a design and its certificate."""
    folder = tmp_path_factory.mktemp("proven")
    (folder / "tiny.toml").write_text(TINY)
    small = ("--rows", "1,2", "--cols", "1,2", "--bits", "4,8", "--max-area-mm2", "0.1")
    files = ("--out", "design.json", "--certificate", "certificate.json")
    assert limited("solve", "tiny.toml", *small, *files, folder=folder).code == 0
    return folder


def groups(content: dict[str, Any], count: int) -> None:
    """Say each argument over and over."""
    content["groups"] *= count // len(content["groups"]) + 1


def enumerated(content: dict[str, Any]) -> None:
    """Ask for the dearest argument over and over."""
    dear = [{**group, "by": "enumeration", "prices": {}} for group in content["groups"]]
    content["groups"] = dear * 10**4


def arrays(content: dict[str, Any]) -> None:
    """Groups of arrays said over and over."""
    for group in content["groups"]:
        group["arrays"] *= 10**6


CERTIFICATES: dict[str, Callable[[dict[str, Any]], object]] = {
    "groups": lambda content: groups(content, 10**5),
    "enumerated": enumerated,
    "cuts": lambda content: content["cuts"].extend([["conv1", "weight:conv1"]] * 10**6),
    "arrays": arrays,
    "bound": lambda content: content.update(bound=10**4000),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", some(CERTIFICATES))
def test_certificates(name: str, proven: Path) -> None:
    content = json.loads((proven / "certificate.json").read_text())
    CERTIFICATES[name](content)
    (proven / f"{name}.json").write_text(json.dumps(content))
    words = ("check", "design.json", "--deep", "--certificate", f"{name}.json")
    assert limited(*words, folder=proven).code in (0, 1)


def offered(sides: Iterable[int], bits: Iterable[int]) -> Callable[[dict[str, Any]], None]:
    """Offer other hardware."""

    def change(content: dict[str, Any]) -> None:
        both = {"rows": [*sides], "cols": [*sides]}
        pes = {"pe_weight_bits": [*bits], "pe_activation_bits": [*bits]}
        content["problem"]["choices"].update(**both, **pes)

    return change


def only_layer(K: int, C: int, P: int) -> Callable[[dict[str, Any]], None]:
    """Have one layer of another size."""

    def change(content: dict[str, Any]) -> None:
        network = content["problem"]["network"]
        layer = {**network["layers"][1], "K": K, "C": C, "P": P, "H": P}
        network.update(layers=[layer], tensors={"a": C * P, "out": K * P})
        content["layers"] = content["layers"][1:]
        del content["tensor_bits"]["image"]

    return change


def many(count: int) -> list[str]:
    return [f"weight:x{i}" for i in range(count)]


DESIGNS: dict[str, Callable[[dict[str, Any]], object]] = {
    "options": offered(range(1, 1001), [8]),
    "too many options": offered(range(1, 1001), range(1, 33)),
    "all sides": offered(range(1, 65537), [8]),
    "tiles": only_layer(10080, 10080, 10080),
    "rows": only_layer(1, 1, 10**9),
    "pins": lambda x: x["problem"]["choices"]["pinned"].update(dict.fromkeys(many(300_000), 4)),
    "shared": lambda x: x["problem"]["choices"].update(shared=[many(2)] * 300_000),
    "losses": lambda x: x["problem"].update(
        sensitivity={key: {"4": 0.1, "8": 0.1} for key in many(300_000)}
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", some(DESIGNS))
def test_designs(name: str, proven: Path) -> None:
    content = json.loads((proven / "design.json").read_text())
    DESIGNS[name](content)
    content["problem_sha256"] = digest(content["problem"])
    (proven / f"{name}.json").write_text(json.dumps(content))
    file, certificate = f"{name}.json", ("--deep", "--certificate", "certificate.json")
    assert limited("check", file, folder=proven).code == 1
    assert limited("check", file, *certificate, folder=proven).code == 1
    assert limited("show", file, folder=proven).code in (0, 2)
