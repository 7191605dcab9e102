"""Arm's compiler Vela: what it keeps in SRAM, and what it moves, of a TFLite file."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

SYSTEM = "Ethos_U85_SYS_DRAM_Mid"  # of the descriptions that Vela brings along
MACHINE = ("--accelerator-config", "ethos-u85-1024", "--config", "Arm/vela.ini")
# Weights and feature maps in DRAM, an SRAM of the processor's own for what Vela puts there.
MEMORIES = ("--system-config", SYSTEM, "--memory-mode", "Dedicated_Sram")
TOLD = ("--verbose-performance", "--verbose-schedule")
# What Vela can do beyond keeping whole feature maps, by its options that switch it off.
FEATURES = ("cascading", "chaining", "buffering", "ifm-reuse", "fwd")
PLACED = re.compile(r"^\s*\d+: Operation \w+\s+- OFM [\d, ]+ \(in (Sram|Dram)\)", re.MULTILINE)
OPERATOR = re.compile(r"^\t\d+: Operation ", re.MULTILINE)
STRIPE = re.compile(r"^\s*([IO]FM) Stripe\s+= \[\d+, (\d+), ", re.MULTILINE)
CASCADE = re.compile(r"Assigned Cascade = (\d+)")
BUFFERS = re.compile(r"Memory Used: .*\bccd=(\d+)")
BYTES_PER_KIB = 1024


@dataclass(frozen=True)
class Cascade:
    """Operators that Vela splits into stripes, worked off one after the other for each stripe.

    Attributes
    ----------
    stripes : dict of str to (int, int)
        By what each operator writes, in order: rows of a stripe of its input, and of its output.
    buffer_bytes : int
        SRAM for the rows in flight between the operators.
    """

    stripes: dict[str, tuple[int, int]]
    buffer_bytes: int


@dataclass(frozen=True)
class Compiled:
    """What Vela tells of a compiled network.

    Attributes
    ----------
    staged_bytes : dict of str to int
        By what each operator writes, in the order in which they run: SRAM taken while it runs.
    kept : frozenset of str
        Tensors it keeps in SRAM, whole or as rows in flight; empty if compiled with chains.
    cascades : tuple of Cascade
        In the order in which they run.
    peak_bytes : int
        SRAM taken at most.
    moved_bytes, weight_bytes : int
        DRAM bytes of feature maps and of weights, by its own estimate.
    macs : dict of str to int
        MACs by what each operator writes; a pooling's comparisons count as such.
    weights : int
        Weights it found in the file.
    """

    staged_bytes: dict[str, int]
    kept: frozenset[str]
    cascades: tuple[Cascade, ...]
    peak_bytes: int
    moved_bytes: int
    weight_bytes: int
    macs: dict[str, int]
    weights: int


def compiled(graph: bytes, sram_bytes: int, features: Collection[str] = ()) -> Compiled:
    """What Vela makes of a TFLite file and so much SRAM, with some of its `FEATURES`.

    Raises
    ------
    RuntimeError
        Vela fails.
    """
    options = [f"--disable-{name}" for name in FEATURES if name not in features]
    with TemporaryDirectory() as folder:
        source = Path(folder, "network.tflite")
        source.write_bytes(graph)
        sizes = ("--arena-cache-size", str(sram_bytes), "--output-dir", folder)
        words = [*MACHINE, *MEMORIES, *TOLD, *options, *sizes, str(source)]
        command = [sys.executable, "-m", "ethosu.vela", *words]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            raise RuntimeError(f"Vela ended with {run.returncode}: {run.stderr[-500:]}")
        layers = pd.read_csv(Path(folder, "network_per-layer.csv"))
        total = pd.read_csv(Path(folder, f"network_summary_{SYSTEM}.csv")).iloc[0]
    names, kept, cascades = list(layers["Name"]), set(), tuple[Cascade, ...]()
    if "chaining" not in features:  # the operators of a chain have no place of their own
        places = zip(names, PLACED.findall(run.stdout), strict=True)
        kept = {name for name, place in places if place == "Sram"}
        cascades = _cascades(dict(zip(names, OPERATOR.split(run.stdout)[1:], strict=True)))
    moved = total["dram_feature_map_read_bytes"] + total["dram_feature_map_write_bytes"]
    return Compiled(
        staged_bytes=dict(zip(names, layers["Staging Usage"].astype(int), strict=True)),
        kept=frozenset(kept),
        cascades=cascades,
        peak_bytes=round(total["sram_memory_used"] * BYTES_PER_KIB),
        moved_bytes=int(moved),
        weight_bytes=int(total["dram_weight_read_bytes"]),
        macs=dict(zip(names, layers["MAC Count"].astype(int), strict=True)),
        weights=int(total["total_original_weights"]),
    )


def _cascades(told: dict[str, str]) -> tuple[Cascade, ...]:
    """The cascades of a schedule, told by what each operator writes."""
    found: dict[str, Cascade] = {}
    for name, words in told.items():
        (number,), (buffers,) = CASCADE.findall(words), BUFFERS.findall(words)
        if number == "0":
            continue
        rows = {operand: int(count) for operand, count in STRIPE.findall(words)}
        cascade = found.setdefault(number, Cascade({}, int(buffers)))
        cascade.stripes[name] = rows["IFM"], rows["OFM"]
    return tuple(found.values())
