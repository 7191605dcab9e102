"""Files that a user has in one folder: what is written by hand, with or without a fault, and what
may befall a file.

`tests/test_fuzz_sessions.py` gives them to the command line.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from fuzzing import as_toml
from hypothesis import strategies as st
from sound_files import PES, SRAMS

NAMES = {  # of the files of each kind
    "network": ("net.toml", "other.toml"),
    "technology": ("tech.toml",),
    "memory": ("mem.toml",),
    "accelerator": ("chip.toml",),
    "pe areas": ("pe.csv",),
    "sram areas": ("sram.csv",),
    "times": ("times.csv",),
    "losses": ("losses.csv",),
    "study": ("grid.toml", "more.toml"),
    "design": ("design.json", "second.json"),
    "evaluation": ("evaluation.json",),
    "assignment": ("assignment.json",),
    "certificate": ("proof.json", "second_proof.json"),
    "front": ("front.csv",),
    "table": ("table.csv",),
    "store": ("store.sqlite",),
}
EVERY = tuple(name for names in NAMES.values() for name in names)
BY_HAND = tuple(NAMES)[: [*NAMES].index("design")]
TABLES = ("pe areas", "sram areas", "times", "losses")
BITS = (4, 8)
TIMES = ("seconds", "solver_s")
MISSING = object()

# Where a fault may be in a file of each kind, and what stands there then.
FAULTS: dict[str, list[tuple[tuple[Any, ...], Any]]] = {
    "network": [
        (("layers", 0, "K"), 0),
        (("layers", 0, "C"), -1),
        (("layers", 0, "P"), 1.5),
        (("layers", 0, "input"), "nowhere"),
        (("layers", 0, "R"), "3"),
        (("layers", 0, "name"), MISSING),
        (("layers",), []),
        (("tensors", "t0"), 10**6),
        (("tensors", "t1"), MISSING),
        (("tensors", "odd"), 3),
    ],
    "technology": [
        (("engine",), 0),
        (("sram",), "triple-port"),
        (("pe_area_um2", "slope"), float("nan")),
        (("pe_area_um2", "quadratic"), 1.0),
        (("sram_fits",), MISSING),
    ],
    "memory": [
        (("bus_width_bits",), 0),
        (("bus_width_bits",), 6.5),
        (("transfer_rate_gt_per_s",), float("inf")),
        (("transfer_rate_gt_per_s",), MISSING),
    ],
    "accelerator": [
        (("rows",), 0),
        (("cols",), 65537),
        (("pe_weight_bits",), 33),
        (("clock_hz",), -1e8),
        (("technology",), "no such"),
        (("precision",), "double"),
    ],
    "study": [
        (("grid", "networks"), MISSING),
        (("grid", "networks"), "no_such.toml"),
        (("grid", "networks"), "../net.toml"),
        (("grid", "max_area_mm2"), []),
        (("grid", "max_area_mm2"), -1.0),
        (("grid", "bits"), "4,33"),
        (("grid", "colour"), 1),
    ],
    "pe areas": [((1, 0), "-4"), ((2, 4), "nan"), ((0, 0), "bits"), ((3, 4), "")],
    "sram areas": [((1, 0), "0"), ((2, 1), "-inf"), ((0, 1), "area"), ((1, 1), "much")],
    "times": [((1, 1), "33"), ((1, 3), "-1"), ((0, 3), "latency_ms"), ((2, 2), "4.5")],
    "losses": [((1, 1), "0"), ((1, 2), "nan"), ((0, 2), "noise"), ((2, 0), "conv1")],
}
ANYWHERE = [(("name",), 3), (("colour",), "red")]  # of every description


# --- written by hand -----------------------------------------------------------------------------


def written(data: Any, kind: str, faulty: bool) -> bytes:
    """A file of a kind, as it should be or with one fault."""
    content = MAKERS[kind](data)
    if faulty:
        known = FAULTS[kind] + ([] if kind in TABLES else ANYWHERE)
        place, value = known[data.draw(st.integers(0, len(known) - 1), "fault")]
        _put(content, place, value)
    if kind not in TABLES:
        return as_toml(content).encode()
    rows = io.StringIO(newline="")
    csv.writer(rows, lineterminator="\n").writerows(content)
    return rows.getvalue().encode()


def _put(content: Any, place: Sequence[Any], value: Any) -> None:
    for key in place[:-1]:
        content = content[key]
    if value is MISSING:
        del content[place[-1]]
    else:
        content[place[-1]] = value


def network(data: Any) -> dict[str, Any]:
    """A chain of one to three convolutions."""
    side = data.draw(st.integers(1, 3), "side")
    channels = data.draw(st.lists(st.sampled_from([1, 2, 4]), min_size=2, max_size=4), "channels")
    kernel = data.draw(st.sampled_from([1, 3]), "kernel")
    square = dict.fromkeys("PQHW", side) | dict.fromkeys("RS", kernel)
    layers = [
        {"name": f"l{n}", "input": f"t{n}", "output": f"t{n + 1}", "C": c, "K": k, **square}
        for n, (c, k) in enumerate(pairwise(channels))
    ]
    tensors = {f"t{n}": c * side * side for n, c in enumerate(channels)}
    return {"name": "chain", "layers": layers, "tensors": tensors}


def _technology(data: Any) -> dict[str, Any]:
    slope = data.draw(st.sampled_from([1.0, 1.5]), "slope")
    fits = {"single-port": {"slope": 3.0, "intercept": 3000.0}}
    areas = {"slope": slope, "intercept": 150.0}
    return {"name": "own", "sram": "single-port", "pe_area_um2": areas, "sram_fits": fits}


def _memory(data: Any) -> dict[str, Any]:
    rate = data.draw(st.sampled_from([0.5, 2.0]), "rate")
    return {"name": "own", "transfer_rate_gt_per_s": rate, "bus_width_bits": 16}


def _accelerator(data: Any) -> dict[str, Any]:
    chip = {"name": "chip", "rows": data.draw(st.integers(1, 4), "rows"), "cols": 2, "engine": 9}
    chip |= {"pe_weight_bits": 8, "pe_activation_bits": 8, "clock_hz": 1e8, "sram_bits": 100_000}
    known = {"dram_bits_per_s": 1e9, "technology": "tsmc28"}
    return chip | (known if data.draw(st.booleans(), "known") else {})


def _study(data: Any) -> dict[str, Any]:
    networks = data.draw(st.sampled_from([["net.toml"], ["net.toml", "other.toml"]]), "networks")
    areas = data.draw(st.sampled_from([[0.02], [0.0001, 0.01], [0.01, 0.02]]), "areas")
    grid = {"networks": networks, "max_area_mm2": areas, "rows": "1,2", "cols": "1", "bits": "4,8"}
    return {"name": data.draw(st.sampled_from(["first", "second"]), "name"), "grid": grid}


def _rows(text: str) -> list[list[str]]:
    return [line.split(",") for line in text.splitlines()]


def _times(_: Any) -> list[list[Any]]:
    heading = ["layer", "weight_bits", "activation_bits", "latency_s"]
    return [heading, *([f"l{n}", w, a, w * a / 1e6] for n in range(3) for w in BITS for a in BITS)]


def _losses(_: Any) -> list[list[Any]]:
    sources = [f"weight:l{n}" for n in range(3)] + [f"tensor:t{n}" for n in range(3)]
    return [["tensor", "bits", "loss"], *([x, b, 4.0**-b] for x in sources for b in BITS)]


MAKERS = {
    "network": network,
    "technology": _technology,
    "memory": _memory,
    "accelerator": _accelerator,
    "study": _study,
    "pe areas": lambda _: _rows(PES),
    "sram areas": lambda _: _rows(SRAMS),
    "times": _times,
    "losses": _losses,
}


# --- altered -------------------------------------------------------------------------------------

PLACES = st.integers(0, 2**16)  # whatever the length, which seconds taken change
NUMBER = re.compile(rb"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def renumbered(data: Any, content: bytes) -> bytes:
    """A file in which one number, wherever it stands, is another."""
    found = [*NUMBER.finditer(content)]
    if not found:
        return content
    match = found[data.draw(PLACES, "which") % len(found)]
    try:
        number = json.loads(match[0])
    except ValueError:  # 007
        number = 1
    if number == float("inf"):  # digits of a digest
        number = 1
    others = [number + 1, 2 * number + 1, number * 1.5 + 0.25]
    other = repr(data.draw(st.sampled_from(others), "other")).encode()
    return content[: match.start()] + other + content[match.end() :]


def cut(data: Any, content: bytes) -> bytes:
    """A file that ends too early, but not before it begins."""
    return content[: 1 + data.draw(PLACES, "length") % max(1, len(content) - 2)]


# --- known ---------------------------------------------------------------------------------------


def meaning(content: bytes) -> Any:
    """A file's content, but of a result without the seconds it took; what tells it from others."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return content
    return content if not isinstance(found, dict) else canonical(untimed(found))


def canonical(content: Any) -> str:
    """JSON that is the same for equal content."""
    return json.dumps(content, sort_keys=True)


def untimed(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a result without the seconds it took."""
    found = copy.copy(content)
    found.pop("seconds", None)
    if isinstance(found.get("solver"), dict):
        found["solver"] = {k: x for k, x in found["solver"].items() if k not in TIMES}
    return found


def form(content: bytes) -> str:
    """The format that a file says it is of; empty where it says nothing."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    return str(found.get("format", "")) if isinstance(found, dict) else ""


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file in a folder and what is in it; None for folders."""
    paths = sorted(folder.rglob("*"))
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in paths
    }
