"""Networks of hundreds to thousands of layers, and what a proof takes on them."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from processes import AREA_MM2, ON_CHIP, QUALITY, Usage, run_process

from codesign.specs.network import Layer, Network
from codesign.specs.write_network import to_toml

LAYERS, QUICK_LAYERS = (200, 1000, 5000), (200, 1000)
MOST_S = {5000: 30.0}
MOST_EXPONENT = 1.1
MOST_MIB_PER_LAYER = 0.36
SIDE, CHANNELS = 28, 64


def residual_chain(layers: int) -> Network:
    """Blocks of two convolutions of one geometry, each block with a skip around it."""
    made, elements = [], CHANNELS * SIDE**2
    names = ["input", *(f"layer{n}_out" for n in range(layers))]
    for n in range(layers):
        made.append(
            Layer(
                name=f"layer{n}",
                K=CHANNELS,
                C=CHANNELS,
                P=SIDE,
                Q=SIDE,
                R=3,
                S=3,
                H=SIDE,
                W=SIDE,
                input=names[n],
                output=names[n + 1],
                residuals=(names[n - 1],) if n % 2 else (),
            )
        )
    return Network(
        name=f"residual chain of {layers} layers",
        layers=tuple(made),
        tensors=dict.fromkeys(names, elements),
    )


def measure(repeats: int, counts: tuple[int, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row for each length, and how time and memory grow: see `growth_of`."""
    runs: dict[int, list[Usage]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as folder:
        files = {count: Path(folder, f"chain{count}.toml") for count in counts}
        for count, file in files.items():
            file.write_text(to_toml(residual_chain(count)), encoding="utf-8")
        for _ in range(repeats):
            for count, file in files.items():
                asked = ["--max-area-mm2", str(AREA_MM2), "--quality", QUALITY]
                command = [sys.executable, "-m", "codesign", "solve", str(file), *asked]
                runs[count].append(run_process([*command, "--on-chip", ON_CHIP]))
    rows = [
        {
            "layers": count,
            "median_s": statistics.median(run.wall_s for run in mine),
            "worst_s": max(run.wall_s for run in mine),
            "median_cpu_s": statistics.median(run.cpu_s for run in mine),
            "limit_s": MOST_S.get(count),
            "peak_mib": max(run.peak_mib for run in mine),
        }
        for count, mine in runs.items()
    ]
    table = pd.DataFrame(rows)
    return table, growth_of(table)


def growth_of(table: pd.DataFrame) -> pd.DataFrame:
    """The exponent of processor time against layers, and memory from the first length to the last.

    Processor time, since these runs are long enough to meet other work on the machine.
    """
    layers, seconds = table["layers"].to_numpy(float), table["median_cpu_s"].to_numpy(float)
    exponent = float(np.polyfit(np.log(layers), np.log(seconds), 1)[0])
    memory = table["peak_mib"].to_numpy(float)
    per_layer = float((memory[-1] - memory[0]) / (layers[-1] - layers[0]))
    span = f"{layers[0]:.0f} to {layers[-1]:.0f} layers"
    of_time, of_memory = f"time, {span}: exponent", f"memory, {span}: MiB a layer"
    return pd.DataFrame(
        [
            {"what": of_time, "value": exponent, "limit": MOST_EXPONENT},
            {
                "what": of_memory,
                "value": per_layer,
                "limit": MOST_MIB_PER_LAYER,
            },
        ]
    )
