"""Random bitwidths for every tensor, and what becomes of the networks at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from proxies import PROXIES, noise, sources
from subjects import Subject

from codesign import Network

POPULATIONS = {"wide": (2, 8), "narrow": (3, 5)}  # least and most width, both included
COUNT = 300  # of each population
SEED = 713
Widths = dict[str, int]


@dataclass(frozen=True)
class Measured:
    """Assignments of one population on one network.

    Attributes
    ----------
    frame : DataFrame
        One row per assignment: what each proxy says, what was measured.
    correct : bools, shape (assignments, held-out images)
    """

    frame: pd.DataFrame
    correct: np.ndarray


def draw(network: Network, population: str, count: int = COUNT) -> list[Widths]:
    """Assignments of independent widths, all equally likely; the same for every trained network."""
    names, (least, most) = sources(network), POPULATIONS[population]
    rng = np.random.default_rng([SEED, *population.encode()])
    bits = rng.integers(least, most + 1, size=(count, len(names)))
    return [dict(zip(names, row, strict=True)) for row in bits.tolist()]


def measure(subject: Subject, population: str, count: int, tell: Callable[[str], None]) -> Measured:
    """Quantise a network at every assignment and test it on the images it has not seen."""
    drawn = draw(subject.network, population, count)
    outcomes = []
    for index, widths in enumerate(drawn, 1):
        outcomes.append(subject.outcome(widths))
        if index % 100 == 0 or index == count:
            tell(f"{subject.architecture} {subject.fold}, {population}: {index} of {count}")
    frame = pd.DataFrame(
        {
            "architecture": subject.architecture,
            "fold": subject.fold,
            "population": population,
            "assignment": range(count),
            "mean_bits": [np.mean([*widths.values()]) for widths in drawn],
            **{
                proxy: [noise(subject.tables[proxy], widths) for widths in drawn]
                for proxy in PROXIES
            },
            "accuracy_drop": [
                subject.whole.correct.mean() - outcome.correct.mean() for outcome in outcomes
            ],
            "loss_increase": [
                outcome.loss.mean() - subject.whole.loss.mean() for outcome in outcomes
            ],
            "divergence": [outcome.divergence.mean() for outcome in outcomes],
        }
    )
    return Measured(frame, np.array([outcome.correct for outcome in outcomes]))
