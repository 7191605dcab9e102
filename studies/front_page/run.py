"""The figures and the picture of the repository's front page, measured.

Writes ``figures.csv`` (one row per figure), ``front.csv`` (the points of the picture) and
``front.png`` into a folder (``expected`` of this study holds ours), and prints the phrases in which
the front page tells them. The tests hold the front page to `phrases` of the committed figures, and
the figures to new measurements.

    python studies/front_page/run.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

import codesign

BOTH = ("window", "output")
MACHINES = {  # of MobileNetV2 in 2 mm²: memory, and what is offered beside the defaults
    "channels": ("ddr4-2400", {}),
    "pixels": ("ddr4-2400", {"mapping": BOTH}),
    "channels, HBM2": ("hbm2", {}),
    "pixels, HBM2": ("hbm2", {"mapping": BOTH}),
    "each layer its own, HBM2": ("hbm2", {"mapping": BOTH, "reconfigurable": True}),
}
COUNTED = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
COUNTED += ("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen")
COUNTED += ("eighteen", "nineteen", "twenty")


def main() -> None:
    """Measure, write and print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    front = measured_front()
    front.save(given.out / "front.csv")
    front.plot(given.out / "front.png")
    figures = {"points proven": proven_points(front.points)}
    for machine in MACHINES:
        figures |= measured_machine(machine)
    table = pd.Series(figures, name="value").rename_axis("figure")
    table.to_csv(given.out / "figures.csv", float_format="%.9g")
    print("\n".join(phrases(figures)))


def measured_front() -> codesign.Front:
    """``codesign pareto resnet18 --range area=1:16``."""
    problem = codesign.Problem(network=codesign.load_network("resnet18"), quality="uniform:6")
    return codesign.pareto(problem, ["latency", "area"], ranges={"area": (1, 16)})


def proven_points(points: pd.DataFrame) -> int:
    """How many points of a front are proven optima."""
    return int((points["status"] == "optimal").sum())


def measured_machine(machine: str) -> dict[str, float]:
    """Latency of MobileNetV2's best design, and what its depthwise layers use of the multipliers.

    That share is their MACs over multipliers times cycles, all of these layers taken together.
    """
    memory_name, choices = MACHINES[machine]
    memory = codesign.load_memory(memory_name)
    problem = codesign.Problem(
        network=codesign.load_network("mobilenetv2"),
        choices=codesign.Choices(**choices),
        quality="uniform:6",
        dram_bits_per_s=memory.bits_per_s,
        dram_energy_j_per_bit=memory.energy_j_per_bit,
        budgets={"area_mm2": 2.0},
    )
    design = codesign.solve(problem)
    if design.proof.status != "optimal":
        raise SystemExit(f"{machine}: {design.proof.status}, gap {design.proof.gap:g}")
    grouped = [layer.G > 1 for layer in problem.network.layers]
    layers = design.layers[grouped]
    chip = design.accelerator
    at_most = layers["cycles"].sum() * chip.rows * chip.cols * chip.engine
    return {
        f"latency_s, {machine}": design.metrics["latency_s"],
        f"depthwise share, {machine}": layers["macs"].sum() / at_most,
    }


def phrases(figures: Mapping[str, float]) -> list[str]:
    """What the front page says, word by word, with the figures in it."""
    points = COUNTED[int(figures["points proven"])]
    idle, busy = (100 * figures[f"depthwise share, {x}"] for x in ("channels", "pixels"))
    slow = figures["latency_s, channels, HBM2"]
    chosen, own = (
        slow / figures[f"latency_s, {x}, HBM2"] for x in ("pixels", "each layer its own")
    )
    return [
        f"{points} proven points",
        f"all that {points} proofs leave open",
        f"they use {idle:.0f} % of an array whose rows take input channels, "
        f"and {busy:.0f} % of one whose rows take output pixels",
        f"with HBM2 the network is {chosen:.1f} times as fast, and {own:.1f} times",
    ]


if __name__ == "__main__":
    main()
