"""Bit allocation alone: how long a proof takes, and what it gains over uniform widths.

The budgets are what one width everywhere takes: is there an assignment of as many weight bits, bit
operations and seconds with less noise? Latencies come from a table, as they would from measurement;
here the table is the roofline of an accelerator whose PEs take wider operands in several passes.
Writes ``allocation.csv`` and the latency tables (CSV) into a folder (``expected`` of this study
holds a run of ours, without the tables).

    python studies/bit_allocation/run.py [--out FOLDER] [--repeats 5] [--quick]
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

import codesign

NETWORKS = ("resnet18", "resnet50", "mobilenetv2")
WIDTHS = (2, 3, 4, 5, 6, 7, 8)
UNIFORM = (3, 4, 5, 6, 7)
BUDGETS = (
    ("model_bits",),
    ("bops",),
    ("latency_s",),
    ("model_bits", "bops"),
    ("model_bits", "bops", "latency_s"),
)
ACCELERATOR = codesign.Accelerator(
    name="32 × 32 PEs of 2 × 2 bit, multi-pass",
    rows=32,
    cols=32,
    engine=9,
    pe_weight_bits=2,
    pe_activation_bits=2,
    precision="multi-pass",
    clock_hz=8e8,
    sram_bits=8_000_000,
    dram_bits_per_s=codesign.load_memory("ddr4-2400").bits_per_s,
)

Table = dict[str, dict[tuple[int | None, int], float]]


class Case(NamedTuple):
    """One question: budgets of a uniform width."""

    network: str
    sensitivity: str
    tied: bool
    uniform_bits: int
    budgets: tuple[str, ...]


def main() -> None:
    """Answer every question, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("bit_allocation"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="resnet18 alone, once")
    given = parser.parse_args()
    networks, repeats = (NETWORKS[:1], 1) if given.quick else (NETWORKS, given.repeats)
    given.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in networks:
        table = latency_table(codesign.load_network(name))
        write_table(table, given.out / f"{name}.csv")
        for case in cases(name):
            rows.append(answer(case, table, repeats))
            print(rows[-1], flush=True)
    found = pd.DataFrame(rows)
    found.to_csv(given.out / "allocation.csv", index=False)
    print(summary(found).to_string())


def cases(network: str) -> Iterator[Case]:
    """All questions about one network."""
    for sensitivity in ("equal", "spread"):
        for tied in (True, False):
            for uniform_bits in UNIFORM:
                for budgets in BUDGETS:
                    yield Case(network, sensitivity, tied, uniform_bits, budgets)


def latency_table(network: codesign.Network) -> Table:
    """Seconds of each layer at each pair of widths: its roofline, results as wide as its input."""
    table: Table = {layer.name: {} for layer in network.layers}
    for weight_bits in WIDTHS:
        for input_bits in WIDTHS:
            widths = weight_bits, input_bits
            evaluation = codesign.evaluate(network, ACCELERATOR, widths, on_chip="none")
            for layer, row in zip(network.layers, evaluation.layer_designs, strict=True):
                pair = None if layer.moves else weight_bits, input_bits
                table[layer.name][pair] = row.latency_s
    return table


def write_table(table: Table, path: Path) -> None:
    """The table as ``codesign assign --latency-table`` reads it."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("layer", "weight_bits", "activation_bits", "latency_s"))
        for name, row in table.items():
            writer.writerows((name, *pair, repr(latency_s)) for pair, latency_s in row.items())


def problem_of(case: Case) -> codesign.Problem:
    """The question, its budgets left aside."""
    network = codesign.load_network(case.network)
    problem = codesign.Problem(
        network=network,
        choices=codesign.Choices(weight_bits=WIDTHS, activation_bits=WIDTHS, tied=case.tied),
        objective="noise",
    )
    if case.sensitivity == "equal":
        return problem
    rng = random.Random(case.network)
    spread = {source: 10 ** rng.uniform(-1, 1) for source in problem.noise_sources}
    table = {source: {b: s * 4.0**-b for b in WIDTHS} for source, s in spread.items()}
    return replace(problem, sensitivity=table)


def uniform_metrics(problem: codesign.Problem, table: Table, bits: int) -> dict[str, float]:
    """Metrics of one width everywhere: nothing else is on offer."""
    pinned = dict.fromkeys(problem.noise_sources, bits)
    choices = replace(problem.choices, pinned=pinned)
    return dict(codesign.assign(replace(problem, choices=choices), table).metrics)


def answer(case: Case, table: Table, repeats: int) -> dict[str, object]:
    """The best assignment, and the least times of some runs."""
    problem = problem_of(case)
    uniform = uniform_metrics(problem, table, case.uniform_bits)
    problem = replace(problem, budgets={name: uniform[name] for name in case.budgets})
    runs = [codesign.assign(problem, table) for _ in range(repeats)]
    found = runs[0]
    return {
        **case._asdict(),
        "budgets": " ".join(case.budgets),
        "uniform_noise": uniform["noise"],
        **{name: found.metrics[name] for name in ("noise", "model_bits", "bops", "latency_s")},
        "noise_ratio": found.metrics["noise"] / uniform["noise"],
        "status": found.proof.status,
        "ties_broken": found.proof.ties_broken,
        "gap": found.proof.gap,
        "programmes": found.solver.programmes,
        "solver_s": min(run.solver.solver_s for run in runs),
        "seconds": min(run.solver.seconds for run in runs),
    }


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Medians and worst cases by network and kind of question, times in milliseconds."""
    ms = found.assign(solver_ms=1e3 * found["solver_s"], whole_ms=1e3 * found["seconds"])
    groups = ms.groupby(["network", "tied", "sensitivity"], sort=False)
    return groups.agg(
        solver_median_ms=("solver_ms", "median"),
        solver_worst_ms=("solver_ms", "max"),
        whole_median_ms=("whole_ms", "median"),
        whole_worst_ms=("whole_ms", "max"),
        noise_ratio_median=("noise_ratio", "median"),
        noise_ratio_best=("noise_ratio", "min"),
    ).round(3)


if __name__ == "__main__":
    main()
