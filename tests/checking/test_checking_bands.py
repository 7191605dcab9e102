"""The check of bands: right designs hold, and nothing about fused layers is altered unnoticed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from altered import Path_, at, findings, matches, put, unnoticed
from banded import banded_design, random_banded_chain
from certified import written
from fused_designs import random_fused_design
from random_chains import random_chain
from residents import as_evaluation

from codesign import Design, Layer, Network
from codesign.checking import check_content
from codesign.checking.entries import Entry
from codesign.checking.findings import Ledger
from codesign.checking.fusion import check_runs, may_be_bands
from codesign.checking.network import read_network
from codesign.costs.fusion import fused_runs, runs_of
from codesign.results.result_file import DIGEST


def example() -> Any:
    """The content of the file of a design of `BANDED`."""
    return written(banded_design().to_dict())


def evaluation() -> Any:
    """The same of an evaluation."""
    return written(as_evaluation(banded_design()).to_dict())


# --- right files hold ---------------------------------------------------------------------------


def test_a_run_by_hand() -> None:
    """b, c and d make 1 output row at a time: of q 1 row is held, of p 3, of y 3 and 3 that come.

    Weights 8·(6·4 + 6·9 + 6·6) bit; y 6·4·4 elements, p 3·4·6 and q 1·4·6 of 4 bit; sums most of d,
    2 rows of 4·6 of 8 + 4 + ⌈log₂ 6⌉ bit. z lives throughout, r from d on: 48·8 + 192·4 bit.
    """
    content = example()
    assert findings(content) == []
    rows = {row["name"]: row for row in content["layers"]}
    need = 8 * (24 + 54 + 36) + 4 * (96 + 72 + 24) + max(48 * 14, 48 * (12 + 4), 48 * 15)
    fused = [rows[name] for name in "bcd"]
    assert [row["sram_bits"] for row in fused] == [need] * 3
    live = 48 * content["tensor_bits"]["z"]
    assert [row["resident_bits"] for row in rows.values()] == [
        *(live, live),
        *[live + 192 * 4] * 3,
        *(live + 192 * 4, 0),
    ]
    nothing = {"weights": 0, "ifmap": 0, "output": 0, "psum": 0, "residual": 0}
    assert rows["b"]["dram_bits"] == nothing | {"weights": 24 * 8, "ifmap": 128 * 4}
    assert rows["c"]["dram_bits"] == nothing | {"weights": 54 * 8}
    assert rows["d"]["dram_bits"] == nothing | {"weights": 36 * 8, "residual": 192 * 4}
    assert [row["bound_by"] for row in fused] == ["compute"] * 3  # 288 cycles, 2192 bit


def test_an_older_file_does_not_say_how_many_columns_a_tile_has() -> None:
    content = example()
    for row in content["layers"]:
        if row["name"] in "bcd":
            del row["tile"]["q"]
    del content[DIGEST]
    assert findings(content) == []
    kept = written(Design.from_dict(content, "older.json").to_dict())
    assert kept["layers"] == content["layers"]


@pytest.mark.parametrize("made", [random_banded_chain, random_fused_design])
def test_any_fused_layers_hold(made: Callable[[int], Design]) -> None:
    seen: Counter[int] = Counter()
    for seed in range(60):
        design = made(seed)
        assert findings(written(design.to_dict())) == [], seed
        seen[max(len(run.layers) for run in design.fused_runs)] += 1
    assert seen[2] > 10
    assert seen[3] > 5
    assert seen[4] > 3


@pytest.mark.parametrize("seed", range(10))
def test_evaluations_hold(seed: int) -> None:
    assert findings(written(as_evaluation(random_banded_chain(seed)).to_dict())) == []


@pytest.mark.slow
def test_runs_are_those_of_the_definition() -> None:
    """Of every set of tensors of random chains: whether it is bands of runs, and of which."""
    told: Counter[bool] = Counter()
    for seed in range(40):
        rng = random.Random(seed)
        network = (
            random_chain(rng, 5, broken=True) if seed % 2 else random_banded_chain(seed).network
        )
        read = read_network(Entry("network", written(asdict(network)), Ledger()))
        for most in (2, 3, 5):
            inner = {name for run in fused_runs(network, most) for name in run.inner}
            assert may_be_bands(read, most) == inner
        for _ in range(30):
            bands = [name for name in network.tensors if rng.random() < 0.5]
            places = {name: Entry(name, "band", Ledger()) for name in bands}
            right, found = runs_of(network, bands), check_runs(read, places, None)
            told[right is None] += 1
            if right is None or found is None:
                assert right is found
                continue
            assert [run.layers for run in found] == [run.layers for run in right]
    assert min(told.values()) > 100


def two_layers(first: dict[str, Any], second: dict[str, Any]) -> Network:
    """Of 2 × 2 elements of 2 channels each, but for what is given."""
    shape = {"K": 2, "C": 2, "P": 2, "Q": 2, "H": 2, "W": 2}
    layers = (
        Layer(**{"name": "a", "input": "x", "output": "y", **shape, **first}),
        Layer(**{"name": "b", "input": "y", "output": "z", **shape, **second}),
    )
    return Network(name="two", layers=layers, tensors={"x": 8, "y": 8, "z": 8})


ODD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "appended elements after a pooling": ({"appended": 2}, {}),
    "a part that is written": ({"parts": {"y": 8}}, {}),
    "a part that is read": ({}, {"parts": {"y": 8}}),
    "another shape": ({}, {"H": 1, "W": 4, "P": 1, "Q": 4}),
    "weights that are a tensor": ({}, {"input": "x", "weight_tensor": "y", "K": 4, "Q": 1}),
    "a movement": ({}, {"moves": True}),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_no_band(case: str) -> None:
    for network, right in ((two_layers({}, {}), {"y"}), (two_layers(*ODD[case]), set())):
        read = read_network(Entry("network", written(asdict(network)), Ledger()))
        assert may_be_bands(read, 4) == right
        assert (runs_of(network, ["y"]) is not None) == bool(right)


# --- nothing can be altered ---------------------------------------------------------------------


def unsealed(content: Any) -> Any:
    """Without the digest, so that the arithmetic alone tells."""
    del content[DIGEST]
    return content


FREE = (
    r"solver\.(seconds|programmes)",
    r"proof\.\w+",  # nothing is proven
    r"problem\.choices\.(rows|cols|(pe_)?(weight|activation)_bits)\.\d+",
    r"problem\.choices\.fused_layers",  # more or fewer may be fused than are
    r"problem\.technology\.\w+\.(r2|calibrated.*|bank_bits)",
    r"problem\.network\.layers\.\d+\.(stride|(input_)?dilation|appended)(\.\d)?",
    r"problem\.network\.layers\.0\.[NGKCPQHW]",  # of the movement, only products
    r"layers\.1\.tile\.k",  # a half, doubled, takes as much
)


def is_free(_content: Any, path: Path_) -> bool:
    """Whether a number may be altered, the figures being right as they were."""
    return any(matches(pattern, path) for pattern in FREE)


@pytest.mark.slow
def test_no_number_of_a_design_can_be_altered() -> None:
    assert unnoticed(unsealed(example()), is_free) == []


@pytest.mark.slow
def test_no_number_of_fused_layers_can_be_altered() -> None:
    design = random_banded_chain(0)
    content = unsealed(written(design.to_dict()))
    fused = {n for run in design.fused_runs for n in run.layers}
    assert unnoticed(content, not_of(fused)) == []


def not_of(layers: set[int]) -> Callable[[Any, Path_], bool]:
    """Whether a number is not one of the rows of these layers."""
    return lambda _, path: path[0] != "layers" or path[1] not in layers


def test_no_number_of_an_evaluation_can_be_altered() -> None:
    content = unsealed(evaluation())
    told = ("layers", "tensor_bits", "metrics")
    found = unnoticed(content, lambda _, path: path[0] not in told or is_free(_, path))
    assert found == ["metrics.noise"]  # which may be of a table that is not kept


@pytest.mark.parametrize("made", [example, evaluation])
def test_no_place_can_be_altered(made: Callable[[], Any]) -> None:
    content = unsealed(made())
    assert {*content["on_chip"].values()} == {"chip", "dram", "band"}
    for name, place in content["on_chip"].items():
        for other in {"chip", "dram", "band"} - {place}:
            assert findings(put(content, ("on_chip", name), other)), (name, other)


# --- faults, each told in one line --------------------------------------------------------------

NONE = "expected chip or dram: it is not written and read row by row by two layers in turn"


def fuse(content: Any, *names: str) -> None:
    """Make these the bands."""
    for name, place in content["on_chip"].items():
        if name in names or place == "band":
            content["on_chip"][name] = "band" if name in names else "dram"


FAULTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an input": (lambda d: fuse(d, "p", "q", "x"), f"on_chip.x: found 'band', {NONE}"),
    "a result": (lambda d: fuse(d, "p", "q", "t"), f"on_chip.t: found 'band', {NONE}"),
    "what only moves": (lambda d: fuse(d, "z"), f"on_chip.z: found 'band', {NONE}"),
    "what is read in another shape": (lambda d: fuse(d, "s"), f"on_chip.s: found 'band', {NONE}"),
    "what a later layer reads": (
        lambda d: fuse(d, "p"),
        "on_chip.p: found 'band', expected chip or dram: 'd', which reads it, is not fused, "
        "'b' to 'c' are",
    ),
    "too many layers": (
        lambda d: d["problem"]["choices"].update(fused_layers=2),
        "on_chip.p: found 'band', expected at most 2 layers fused, not 3, 'b' to 'd'",
    ),
    "a longer run than told": (
        lambda d: fuse(d, "y", "p", "q"),
        "layers[1] ('a').sram_bits: found ",
    ),
    "a band where none may be": (
        lambda d: [d["problem"]["choices"].update(on_chip="tensors", fused_layers=None)],
        "on_chip.p: found 'band', expected one of chip, dram",
    ),
    "a limit where none is fused": (
        lambda d: d["problem"]["choices"].update(on_chip="tensors"),
        "problem.choices.fused_layers: found 4, expected no entry where no tensor is a band",
    ),
    "no limit": (
        lambda d: d["problem"]["choices"].pop("fused_layers"),
        "problem.choices.fused_layers: found None, expected an entry: it is missing",
    ),
    "a limit of one layer": (
        lambda d: d["problem"]["choices"].update(fused_layers=1),
        "problem.choices.fused_layers: found 1, expected a whole number from 2 to 100",
    ),
    "another place than pinned": (
        lambda d: d["problem"]["choices"].update(places={"r": "band"}),
        "on_chip.r: found 'chip', expected 'band'",
    ),
    "a pin to what is no band": (
        lambda d: d["problem"]["choices"].update(places={"s": "band"}),
        "problem.choices.places.s: found 'band', expected a tensor between two of at most 4 layers",
    ),
    "a pin to a band beside tensors": (
        lambda d: d["problem"]["choices"].update(
            on_chip="tensors", fused_layers=None, places={"p": "band"}
        ),
        "problem.choices.places.p: found 'band', expected one of chip, dram",
    ),
    "one bit too little room": (
        lambda d: d["hardware"].update(sram_bits=d["hardware"]["sram_bits"] - 1),
        "expected at most the SRAM's",
    ),
    "another order": (
        lambda d: d["layers"][2].update(order="kcp"),
        "layers[2] ('b').order: found 'kcp', expected 'pkc'",
    ),
    "more rows at a time": (
        lambda d: d["layers"][3]["tile"].update(p=2),
        "layers[3] ('c').tile.p: found 2, expected 1",
    ),
    "a band that is written": (
        lambda d: d["layers"][2]["dram_bits"].update(output=768),
        "layers[2] ('b').dram_bits.output: found 768, expected 0",
    ),
    "its own roof": (
        lambda d: d["layers"][3].update(
            bound_by={"compute": "memory", "memory": "compute"}[d["layers"][3]["bound_by"]]
        ),
        "layers[3] ('c').bound_by: found ",
    ),
    "its own SRAM": (
        lambda d: d["layers"][3].update(sram_bits=d["layers"][3]["sram_bits"] - 1),
        "layers[3] ('c').sram_bits: found ",
    ),
    "less that is resident during one of its layers": (
        lambda d: d["layers"][2].update(resident_bits=d["layers"][2]["resident_bits"] - 768),
        "layers[2] ('b').resident_bits: found ",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults(case: str) -> None:
    alter, expected = FAULTS[case]
    content = unsealed(example())
    alter(content)
    found = findings(content)
    assert any(expected in line for line in found), found
    assert all(len(line.splitlines()) == 1 for line in found)


def test_pins_that_are_kept_hold() -> None:
    content = unsealed(example())
    content["problem"]["choices"]["places"] = {"y": "dram", "q": "band", "z": "chip"}
    assert findings(content) == []


def test_anything_in_place_of_an_entry_is_told_not_raised() -> None:
    content = example()
    paths: list[Path_] = [("on_chip", "p"), ("layers", 3, "tile"), ("layers", 3, "order")]
    paths += [("layers", 2, key) for key in ("weight_bits", "sram_bits", "bound_by", "latency_s")]
    paths += [("problem", "choices", key) for key in ("on_chip", "places", "fused_layers")]
    for path in paths:
        for strange in (None, True, [], {}, "", "x\n\x1b[0m", -1, 0, 1e300, [[]], {"a": 1}):
            if strange != at(content, path):
                report = check_content(put(content, path, strange), "given.json")
                assert report.findings
                assert all(str(x).isprintable() for x in report.findings)
