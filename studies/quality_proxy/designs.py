"""The least latency on a small chip: with one width everywhere, with two, and as `solve` finds it.

The chip is small enough for such small networks: 0.1 mm², 200 MHz, one 16-bit channel of LPDDR4 at
1,600 MT/s. At one width everywhere its DRAM binds between 42 and 99 % of the latency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from proxies import PROXIES, Table, budget, noise
from quantised import WIDTHS
from subjects import Subject

import codesign

AREA_MM2 = 0.1
CLOCK_HZ = 200e6
DRAM_BITS_PER_S = 1.6e9 * 16
LEVELS = tuple(np.arange(2, 6.01, 0.25).tolist())  # bits everywhere that are as noisy as allowed
US_PER_S = 1e6


@dataclass(frozen=True)
class Chosen:
    """A design for a network, tested.

    Attributes
    ----------
    architecture : str
    fold : int
    strategy : str
        ``one width``, ``two widths`` or ``solve``.
    proxy : str
        That the noise budget is in; empty for ``one width``.
    level : float
        The budget is the noise of this width everywhere.
    design : codesign.Design
    correct, divergence : arrays, shape (held-out images,)
    """

    architecture: str
    fold: int
    strategy: str
    proxy: str
    level: float
    design: codesign.Design
    correct: np.ndarray
    divergence: np.ndarray


def problem(network: codesign.Network, **given: object) -> codesign.Problem:
    """The study's question, but for the widths."""
    budgets = {"area_mm2": AREA_MM2, **given.pop("budgets", {})}
    return codesign.Problem(
        network=network,
        clock_hz=CLOCK_HZ,
        dram_bits_per_s=DRAM_BITS_PER_S,
        budgets=budgets,
        **given,
    )


def constant(network: codesign.Network, weight_bits: int, activation_bits: int) -> codesign.Design:
    """The best design with one width for all weights and one for all activations."""
    widths = {"weight_bits": (weight_bits,), "activation_bits": (activation_bits,)}
    choices = codesign.Choices(**widths, on_chip="none")
    return codesign.solve(problem(network, choices=choices))


def mixed(network: codesign.Network, table: Table, level: float) -> codesign.Design:
    """The best design whose noise by a proxy is at most that of ``level`` bits everywhere."""
    return codesign.solve(
        problem(
            network,
            choices=codesign.Choices(weight_bits=WIDTHS, activation_bits=WIDTHS, on_chip="none"),
            sensitivity=table,
            budgets={"noise": budget(table, level)},
        )
    )


def design_all(
    subjects: list[Subject], levels: tuple[float, ...], tell: Callable[[str], None]
) -> list[Chosen]:
    """Every strategy at every level for every network."""
    found = []
    for architecture in dict.fromkeys(subject.architecture for subject in subjects):
        mine = [subject for subject in subjects if subject.architecture == architecture]
        for chosen in _of_architecture(mine, levels):
            found.append(chosen)
            if len(found) % 50 == 0:
                tell(f"{len(found)} designs, now of {architecture}")
    tell(f"{len(found)} designs in all")
    return found


def _of_architecture(subjects: list[Subject], levels: tuple[float, ...]) -> Iterator[Chosen]:
    network = subjects[0].network
    widths = [bits for bits in WIDTHS if bits <= max(levels)]
    pairs = {pair: constant(network, *pair) for pair in product(widths, widths)}
    blind = {level: mixed(network, subjects[0].tables["uniform"], level) for level in levels}
    for subject in subjects:
        tested = _Tests(subject)
        for bits in widths:
            yield tested.chosen("one width", "", bits, pairs[bits, bits])
        for proxy, level in product(PROXIES, levels):
            table = subject.tables[proxy]
            yield tested.chosen("two widths", proxy, level, _best_pair(pairs, table, level))
            design = blind[level] if proxy == "uniform" else mixed(network, table, level)
            yield tested.chosen("solve", proxy, level, design)


def _best_pair(
    pairs: dict[tuple[int, int], codesign.Design], table: Table, level: float
) -> codesign.Design:
    """The fastest of the designs of two widths within the noise budget."""
    limit = budget(table, level) * (1 + 1e-9)
    within = [d for d in pairs.values() if noise(table, inner_widths(d)) <= limit]
    return min(within, key=lambda design: design.metrics["latency_s"])


def inner_widths(design: codesign.Design) -> dict[str, int]:
    """Widths of all but the network's results, which the study leaves in floating point."""
    results = {f"tensor:{name}" for name in design.network.outputs}
    return {source: bits for source, bits in design.widths.items() if source not in results}


class _Tests:
    """Tests designs of one network, each assignment of widths once."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.seen: dict[tuple[tuple[str, int], ...], tuple[np.ndarray, np.ndarray]] = {}

    def chosen(self, strategy: str, proxy: str, level: float, design: codesign.Design) -> Chosen:
        widths = inner_widths(design)
        key = tuple(sorted(widths.items()))
        if key not in self.seen:
            outcome = self.subject.outcome(widths)
            self.seen[key] = outcome.correct, outcome.divergence
        where = self.subject.architecture, self.subject.fold, strategy, proxy, float(level)
        return Chosen(*where, design, *self.seen[key])


def frame(chosen: list[Chosen], subjects: list[Subject]) -> pd.DataFrame:
    """One row per design."""
    whole = {(x.architecture, x.fold): x.whole.correct.mean() for x in subjects}
    return pd.DataFrame(
        {
            "architecture": x.architecture,
            "fold": x.fold,
            "strategy": x.strategy,
            "proxy": x.proxy,
            "level_bits": x.level,
            "latency_us": US_PER_S * x.design.metrics["latency_s"],
            "area_mm2": x.design.metrics["area_mm2"],
            "memory_bound_share": x.design.memory_bound_share,
            "rows": x.design.hardware.rows,
            "cols": x.design.hardware.cols,
            "pe_weight_bits": x.design.hardware.pe_weight_bits,
            "pe_activation_bits": x.design.hardware.pe_activation_bits,
            "model_kbit": x.design.metrics["model_bits"] / 1e3,
            "status": x.design.proof.status,
            "accuracy_drop": whole[x.architecture, x.fold] - x.correct.mean(),
            "divergence": x.divergence.mean(),
        }
        for x in chosen
    )
