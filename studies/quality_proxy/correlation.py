"""Rank correlations of proxies with what was measured, and how sure they are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from assignments import Measured
from proxies import PROXIES
from scipy.stats import rankdata

MEASURES = ("accuracy_drop", "loss_increase", "divergence")
PREDICTORS = (*PROXIES, "few_bits")  # the last: nothing but how few bits there are in all
RESAMPLES = 2000
SPLITS = 50
SEED = 9
INTERVAL = (2.5, 97.5)  # percentiles: 95 %


def correlations(measured: list[Measured], resamples: int = RESAMPLES) -> pd.DataFrame:
    """Spearman's coefficient per network, and per architecture the mean of its networks.

    The intervals are bootstrap percentiles over the assignments, the same resampled assignments in
    all networks of an architecture and for all predictors; so ``beyond_uniform``, a coefficient
    less that of ``uniform``, is a paired difference.
    """
    rows = []
    groups: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for part in measured:
        first = part.frame.iloc[0]
        groups.setdefault((first["architecture"], first["population"]), []).append(part.frame)
    for (architecture, population), frames in groups.items():
        chosen = _resampled(len(frames[0]), resamples)
        for measure in MEASURES:
            found = np.array([_coefficients(frame, measure, chosen) for frame in frames])
            labels = [*(str(frame["fold"].iloc[0]) for frame in frames), "mean"]
            for fold, values in zip(labels, [*found, found.mean(axis=0)], strict=True):
                where = {"architecture": architecture, "fold": fold, "population": population}
                where |= {"measure": measure, "assignments": len(frames[0])}
                rows += [where | row for row in _rows(values)]
    return pd.DataFrame(rows)


def _resampled(count: int, resamples: int) -> np.ndarray:
    """(1 + resamples, count) indices; the first row is the sample itself."""
    drawn = np.random.default_rng(SEED).integers(count, size=(resamples, count))
    return np.concatenate([np.arange(count)[None], drawn])


def _coefficients(frame: pd.DataFrame, measure: str, chosen: np.ndarray) -> np.ndarray:
    """(predictors, 1 + resamples) coefficients of Spearman."""
    truth = _standardised_ranks(frame[measure].to_numpy()[chosen])
    given = {name: frame[name].to_numpy() for name in PROXIES}
    given["few_bits"] = -frame["mean_bits"].to_numpy()
    return np.array(
        [(_standardised_ranks(given[name][chosen]) * truth).mean(axis=1) for name in PREDICTORS]
    )


def _standardised_ranks(values: np.ndarray) -> np.ndarray:
    ranks = rankdata(values, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    spread = ranks.std(axis=1, keepdims=True)
    return ranks / np.where(spread > 0, spread, np.inf)


def _rows(values: np.ndarray) -> list[dict[str, object]]:
    beyond = values - values[PREDICTORS.index("uniform")]
    return [
        {
            "predictor": name,
            "spearman": own[0],
            **dict(zip(("low", "high"), np.percentile(own[1:], INTERVAL), strict=True)),
            "beyond_uniform": more[0],
            **dict(
                zip(("beyond_low", "beyond_high"), np.percentile(more[1:], INTERVAL), strict=True)
            ),
        }
        for name, own, more in zip(PREDICTORS, values, beyond, strict=True)
    ]


def ceilings(measured: list[Measured]) -> pd.DataFrame:
    """How well a perfect proxy could rank drops that are measured on so few images.

    The drops on two random halves of the images correlate by ``r`` (mean of 50 splits); on all of
    them the reliability is ``2r/(1 + r)`` (Spearman and Brown), and no predictor that does not know
    the images is expected to correlate by more than its square root.
    """
    rows = []
    for part in measured:
        halves = np.mean([_between_halves(part.correct, seed) for seed in range(SPLITS)])
        reliability = max(0.0, 2 * halves / (1 + halves))
        where = part.frame.iloc[0][["architecture", "fold", "population"]].to_dict()
        rows.append(where | {"reliability": reliability, "ceiling": np.sqrt(reliability)})
    return pd.DataFrame(rows)


def _between_halves(correct: np.ndarray, seed: int) -> float:
    order = np.random.default_rng(seed).permutation(correct.shape[1])
    halves = np.array_split(order, 2)
    ranks = [_standardised_ranks(correct[:, half].mean(axis=1)[None])[0] for half in halves]
    return float((ranks[0] * ranks[1]).mean())
