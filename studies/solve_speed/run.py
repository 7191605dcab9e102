"""How long a proof takes: whole processes, growth with layers, and one MILP over everything.

Writes ``speed.csv``, ``growth.csv``, ``long.csv``, ``long_growth.csv``, ``certificate.csv``,
``whole.csv``, ``speed.png``, of problems whose tensors may stay on chip ``on_chip.csv``, of least
energy beside least latency ``energy.csv``, and of suites beside their networks ``suites.csv`` into
a folder (``expected`` of this study holds a run of ours). In all but these three every tensor goes
to DRAM. Every ratio is taken between runs of one session, side by side.

    python studies/solve_speed/run.py [--out FOLDER] [--part PART ...] [--repeats 5]
        [--whole-limit-s 120] [--quick]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import certificates
import energy
import long_networks
import numpy as np
import on_chip
import pandas as pd
import suites
from matplotlib.figure import Figure
from processes import AREA_MM2, ON_CHIP, QUALITY, Usage, run_process

import codesign

PROTOTYPE_BITS = (2, 3, 4, 6, 8)  # 144 arrays × 25 PE widths = 3,600 hardware options
FIVE_BUDGETS = (  # two of which replace those of the other cases
    *("--minimize", "noise", "--quality", "none", "--max-area-mm2", "4"),
    *("--max-latency-ms", "1.2", "--max-model-mbit", "50"),
    *("--max-dram-mbit", "90", "--max-gbops", "90", "--ties", "leave"),
)


def _list(most: int) -> str:
    """``1,2,…,most``."""
    return ",".join(map(str, range(1, most + 1)))


CASES = {  # label: (network, further arguments, limit in seconds)
    "resnet18, 3,600 options": ("resnet18", ("--bits", "2,3,4,6,8"), 3.0),
    "resnet18, 7,056 options": ("resnet18", (), 8.0),
    "resnet50, 7,056 options": ("resnet50", (), None),
    "resnet152, 7,056 options": ("resnet152", (), 60.0),
    "resnet18, bits 1–16": ("resnet18", ("--bits", _list(16)), 4.0),
    "resnet50, bits 1–16": ("resnet50", ("--bits", _list(16)), 4.0),
    "resnet18, sides 1–128": ("resnet18", ("--rows", _list(128), "--cols", _list(128)), 10.0),
    "resnet18, five budgets": ("resnet18", FIVE_BUDGETS, 4.0),
}
INFEASIBLE = ("alexnet", "0.005", 1.2)  # network, mm², limit in seconds
SOLVE = [sys.executable, "-m", "codesign", "solve"]
PROGRAM = [*SOLVE, "resnet18", "--max-area-mm2", str(AREA_MM2), "--on-chip", ON_CHIP]
LIBRARIES = "import pyomo.environ, highspy, numpy"
SEARCHES = 5  # of which the median is set against one run of the whole MILP
SUBSPACES = (  # nested: (rows, cols, PE weight bits, PE activation bits)
    ((16,), (64,), (6,), (6,)),
    ((16,), (64,), (6, 8), (6,)),
    ((16,), (64,), (6, 8), (6, 8)),
    ((12, 16), (64,), (6, 8), (6, 8)),
    ((12, 16), (48, 64), (6, 8), (6, 8)),
    ((12, 16, 24), (48, 64), (6, 8), (6, 8)),
    ((8, 12, 16, 24), (48, 64), (6, 8), (6, 8)),
    ((8, 12, 16, 24), (32, 48, 64), (6, 8), (6, 8)),
)


PARTS = ("processes", "long", "certificate", "whole", "on_chip", "energy", "suites")


def main() -> None:
    """Measure the parts asked for, write their tables and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("solve_speed"))
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--whole-limit-s", type=float, default=120.0)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one repeat, 10 s for the whole, 1,000 layers, resnet18 alone on chip",
    )
    given = parser.parse_args()
    if given.quick:
        given.repeats, given.whole_limit_s = 1, 10.0
    given.out.mkdir(parents=True, exist_ok=True)
    tables: dict[str, pd.DataFrame] = {}
    for part in given.part or PARTS:
        found = measured(part, given)
        tables |= found
        for name, table in found.items():
            table.to_csv(given.out / f"{name}.csv", index=False)
            print(f"\n{name}\n{table.to_string(index=False)}", flush=True)
    if {"speed", "growth", "whole"} <= tables.keys():
        picture = draw(tables["speed"], tables["growth"], tables["whole"])
        picture.savefig(given.out / "speed.png", dpi=150)


def measured(part: str, given: argparse.Namespace) -> dict[str, pd.DataFrame]:
    """The tables of a part by the names of their files."""
    if part == "processes":
        speed = measure_processes(given.repeats)
        return {"speed": speed, "growth": measure_growth(speed)}
    if part == "long":
        counts = long_networks.QUICK_LAYERS if given.quick else long_networks.LAYERS
        return dict(
            zip(("long", "long_growth"), long_networks.measure(given.repeats, counts), strict=True)
        )
    if part == "certificate":
        return {"certificate": certificates.measure(given.repeats)}
    if part == "whole":
        return {"whole": measure_whole(given.whole_limit_s)}
    if part == "energy":
        pairs = energy.QUICK_CASES if given.quick else energy.CASES
        return {"energy": energy.measure(given.repeats, pairs)}
    if part == "suites":
        of_suites = suites.QUICK_CASES if given.quick else suites.CASES
        return {"suites": suites.measure(given.repeats, of_suites)}
    cases = on_chip.QUICK_CASES if given.quick else on_chip.CASES
    return {"on_chip": on_chip.measure(given.repeats, cases)}


def measure_processes(repeats: int) -> pd.DataFrame:
    """Medians of whole processes, the cases in turn so that noise hits all of them alike."""
    command = [sys.executable, "-m", "codesign"]
    budget = ["--max-area-mm2", str(AREA_MM2), "--quality", QUALITY, "--on-chip", ON_CHIP, "--json"]
    runs: dict[str, list[Usage]] = {label: [] for label in CASES}
    helps: list[float] = []
    starts: list[float] = []
    designs: dict[str, dict] = {}
    infeasible: list[Usage] = []
    for _ in range(repeats):
        asked = [*SOLVE, INFEASIBLE[0], "--max-area-mm2", INFEASIBLE[1], "--on-chip", ON_CHIP]
        infeasible.append(run_process(asked, codes=(3,)))
        for label, (network, further, _) in CASES.items():
            runs[label].append(run_process([*SOLVE, network, *budget, *further]))
            designs[label] = json.loads(runs[label][-1].output)
        helped, numpy = run_process([*command, "--help"]), [sys.executable, "-c", "import numpy"]
        helps.append(helped.wall_s / run_process(numpy).wall_s)
        loaded = [sys.executable, "-c", LIBRARIES]
        starts.append(run_process(PROGRAM).cpu_s / run_process(loaded).cpu_s)
    rows = []
    for label, (_, _, limit) in CASES.items():
        design = designs[label]
        rows.append(
            {
                "case": label,
                "layers": len(design["layers"]),
                "median_s": statistics.median(run.wall_s for run in runs[label]),
                "worst_s": max(run.wall_s for run in runs[label]),
                "limit_s": limit,
                "peak_mib": max(run.peak_mib for run in runs[label]),
                "latency_ms": 1e3 * design["metrics"]["latency_s"],
                "gap": design["proof"]["gap"],
                "options": design["solver"]["considered"],
                "solved": design["solver"]["solved"],
                "programmes": design["solver"]["programmes"],
            }
        )
    rows.append(
        {
            "case": f"{INFEASIBLE[0]}, {INFEASIBLE[1]} mm²: infeasible",
            "median_s": statistics.median(run.wall_s for run in infeasible),
            "worst_s": max(run.wall_s for run in infeasible),
            "limit_s": INFEASIBLE[2],
            "peak_mib": max(run.peak_mib for run in infeasible),
        }
    )
    ratio = statistics.median(helps)
    rows.append({"case": "--help / import numpy", "median_s": ratio, "limit_s": 3.0})
    ratio = statistics.median(starts)
    rows.append({"case": "CPU of resnet18 / its libraries", "median_s": ratio, "limit_s": 1.6})
    return pd.DataFrame(rows)


def measure_growth(speed: pd.DataFrame) -> pd.DataFrame:
    """Exponent of time against layers over resnet18, 50 and 152 in the default space."""
    cases = speed[speed["case"].str.endswith("7,056 options")].sort_values("layers")
    layers, seconds = cases["layers"].to_numpy(float), cases["median_s"].to_numpy(float)
    exponent = float(np.polyfit(np.log(layers), np.log(seconds), 1)[0])
    last = float(np.log(seconds[-1] / seconds[0]) / np.log(layers[-1] / layers[0]))
    return pd.DataFrame(
        [
            {"what": "least squares over three networks", "exponent": exponent, "limit": 1.3},
            {"what": "resnet18 to resnet152", "exponent": last, "limit": 1.3},
        ]
    )


def measure_whole(limit_s: float) -> pd.DataFrame:
    """One MILP over growing sub-spaces beside the default search, until it fails."""
    rows = []
    network = codesign.load_network("resnet18")
    for sides in SUBSPACES:
        choices = codesign.Choices(
            rows=sides[0],
            cols=sides[1],
            pe_weight_bits=sides[2],
            pe_activation_bits=sides[3],
            weight_bits=PROTOTYPE_BITS,
            activation_bits=PROTOTYPE_BITS,
            on_chip=ON_CHIP,
        )
        problem = codesign.Problem(
            network=network, choices=choices, quality=QUALITY, budgets={"area_mm2": AREA_MM2}
        )
        runs = [timed_solve(problem, "search", None) for _ in range(SEARCHES)]
        seconds, found = statistics.median(s for s, _ in runs), runs[-1][1]
        whole_s, whole = timed_solve(problem, "whole", limit_s)
        # All of what the search proves in its time: the optimum and both tie-breaks.
        proven = whole is not None and whole.proof.status == "optimal" and whole.proof.ties_broken
        rows.append(
            {
                "options": len(sides[0]) * len(sides[1]) * len(sides[2]) * len(sides[3]),
                "search_s": seconds,
                "whole_s": whole_s,
                "whole_proven": proven,
                "ratio": whole_s / seconds,
                "search_ms": 1e3 * found.metrics["latency_s"] if found else None,
                "whole_ms": 1e3 * whole.metrics["latency_s"] if whole else None,
                "whole_gap": whole.proof.gap if whole else None,
            }
        )
        print(rows[-1], flush=True)
        if not proven:
            break
    return pd.DataFrame(rows)


def timed_solve(
    problem: codesign.Problem, method: str, limit_s: float | None
) -> tuple[float, codesign.Design | None]:
    """Seconds of one solve in this process, and its design if there is one."""
    started = time.perf_counter()
    try:
        design = codesign.solve(problem, method=method, time_limit_s=limit_s)
    except codesign.SolverError:
        design = None
    return time.perf_counter() - started, design


def draw(speed: pd.DataFrame, growth: pd.DataFrame, whole: pd.DataFrame) -> Figure:
    """Time against layers, and both methods against the number of hardware options."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    cases = speed[speed["case"].str.endswith("7,056 options")].sort_values("layers")
    left.loglog(cases["layers"], cases["median_s"], "o-", color="black")
    for _, case in cases.iterrows():
        left.annotate(
            case["case"].split(",")[0],
            (case["layers"], case["median_s"]),
            textcoords="offset points",
            xytext=(-8, 8),
            horizontalalignment="right",
        )
    left.set_xticks(cases["layers"], [f"{layers:.0f}" for layers in cases["layers"]])
    left.set_yticks(seconds := [0.2, 0.5, 1, 2, 5, 10], [f"{s:g}" for s in seconds])
    left.set_ylim(cases["median_s"].min() / 2, cases["median_s"].max() * 2)
    left.set_xlabel("layers")
    left.set_ylabel("whole process, median (s)")
    left.set_title(f"default space, {AREA_MM2:g} mm²: exponent {growth['exponent'][0]:.2f}")
    left.margins(x=0.3)
    right.loglog(whole["options"], whole["whole_s"], "s--", color="grey", label="one MILP")
    open_ends = whole[~whole["whole_proven"]]
    right.loglog(
        open_ends["options"], open_ends["whole_s"], "x", color="black", ms=10, label="not proven"
    )
    right.loglog(whole["options"], whole["search_s"], "o-", color="black", label="search")
    right.set_xlabel("hardware options in the sub-space")
    right.set_ylabel("solve (s)")
    right.set_title("resnet18, both prove the same optimum")
    right.legend()
    right.set_xticks(whole["options"], [f"{options:.0f}" for options in whole["options"]])
    for axes in (left, right):
        axes.minorticks_off()
        axes.grid(True, alpha=0.25)
    return figure


if __name__ == "__main__":
    main()
