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
BYTES_PER_KIB = 1024


@dataclass(frozen=True)
class Compiled:
    """What Vela tells of a compiled network.

    Attributes
    ----------
    staged_bytes : dict of str to int
        By what each operator writes, in the order in which they run: SRAM taken while it runs.
    kept : frozenset of str
        Tensors it keeps in SRAM; empty unless compiled without features.
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
    names, kept = list(layers["Name"]), set()
    if not features:  # the operators of a chain have no place of their own
        places = zip(names, PLACED.findall(run.stdout), strict=True)
        kept = {name for name, place in places if place == "Sram"}
    moved = total["dram_feature_map_read_bytes"] + total["dram_feature_map_write_bytes"]
    return Compiled(
        staged_bytes=dict(zip(names, layers["Staging Usage"].astype(int), strict=True)),
        kept=frozenset(kept),
        peak_bytes=round(total["sram_memory_used"] * BYTES_PER_KIB),
        moved_bytes=int(moved),
        weight_bytes=int(total["dram_weight_read_bytes"]),
        macs=dict(zip(names, layers["MAC Count"].astype(int), strict=True)),
        weights=int(total["total_original_weights"]),
    )
