"""What widths chosen under a proxy gain over one width everywhere, promised and measured.

*Same budget*: latency, accuracy and divergence beside those of the ``q``-bit design, where the
budget is the proxy's noise of ``q`` bits everywhere. *Equal quality*: the latency at which the
strategy is measured as good as the ``q``-bit design, read off its curve over all budgets. The curve
is a monotone regression, not the best of the points, which would favour whoever has many.

All is over the three networks of an architecture together: mean latency, and each image judged by
the network that has not seen it. Intervals are bootstrap percentiles over the images, resampled
within each network; the networks and designs stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from designs import US_PER_S, Chosen
from sklearn.isotonic import isotonic_regression

RESAMPLES = 1000
SEED = 31
INTERVAL = (2.5, 97.5)  # percentiles: 95 %
LEAST_DIVERGENCE = 1e-12  # nats, in place of zero where logarithms are taken
POINTS = 100  # percentage points


@dataclass(frozen=True)
class Curve:
    """A strategy on the networks of an architecture.

    Attributes
    ----------
    levels : floats, shape (levels,)
    latency_us : floats, shape (levels,)
        Mean over the networks.
    accuracy, divergence : floats, shape (1 + resamples, levels)
        Mean over the images; the first row is the sample itself.
    """

    levels: np.ndarray
    latency_us: np.ndarray
    accuracy: np.ndarray
    divergence: np.ndarray

    def at(self, level: float) -> int:
        """Index of a level."""
        return int(np.flatnonzero(self.levels == level)[0])

    def goodness(self, measure: str) -> np.ndarray:
        """(1 + resamples, levels): what is better the higher, and about linear in latency."""
        if measure == "accuracy":
            return self.accuracy
        return -np.log(np.maximum(self.divergence, LEAST_DIVERGENCE))


def gains(chosen: list[Chosen], resamples: int = RESAMPLES) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables ``same budget`` and ``equal quality``."""
    same, equal = [], []
    for architecture in dict.fromkeys(x.architecture for x in chosen):
        mine = [x for x in chosen if x.architecture == architecture]
        counts = _resampled(mine, resamples)
        curves = {
            key: _curve([x for x in mine if (x.strategy, x.proxy) == key], counts)
            for key in dict.fromkeys((x.strategy, x.proxy) for x in mine)
        }
        baseline = curves.pop(("one width", ""))
        for (strategy, proxy), curve in curves.items():
            where = {"architecture": architecture, "strategy": strategy, "proxy": proxy}
            for level in baseline.levels:
                if level in curve.levels:
                    same.append(where | _same_budget(baseline, curve, level))
                for measure in ("accuracy", "divergence"):
                    equal.append(where | _equal_quality(baseline, curve, level, measure))
    return pd.DataFrame(same), pd.DataFrame(equal)


def _resampled(chosen: list[Chosen], resamples: int) -> dict[int, np.ndarray]:
    """Per network (1 + resamples, images): how often each image is counted."""
    rng = np.random.default_rng(SEED)
    sizes = {x.fold: len(x.correct) for x in chosen}
    return {
        fold: np.concatenate(
            [np.ones((1, size)), rng.multinomial(size, np.full(size, 1 / size), size=resamples)]
        )
        for fold, size in sizes.items()
    }


def _curve(chosen: list[Chosen], counts: dict[int, np.ndarray]) -> Curve:
    levels = sorted({x.level for x in chosen})
    images = sum(each.shape[1] for each in counts.values())
    rows = {
        "correct": np.zeros((len(next(iter(counts.values()))), len(levels))),
        "divergence": np.zeros((len(next(iter(counts.values()))), len(levels))),
    }
    latency_us = np.zeros(len(levels))
    for x in chosen:
        column = levels.index(x.level)
        latency_us[column] += US_PER_S * x.design.metrics["latency_s"] / len(counts)
        for name, values in rows.items():
            values[:, column] += counts[x.fold] @ getattr(x, name) / images
    return Curve(np.array(levels), latency_us, rows["correct"], rows["divergence"])


def _same_budget(baseline: Curve, curve: Curve, level: float) -> dict[str, float]:
    one, other = baseline.at(level), curve.at(level)
    better = POINTS * (curve.accuracy[:, other] - baseline.accuracy[:, one])
    ratio = np.exp(baseline.goodness("divergence")[:, one] - curve.goodness("divergence")[:, other])
    return {
        "level_bits": level,
        "one_width_latency_us": baseline.latency_us[one],
        "latency_us": curve.latency_us[other],
        "latency_saved": 1 - curve.latency_us[other] / baseline.latency_us[one],
        **_interval("accuracy_gained_points", better),
        **_interval("divergence_ratio", ratio),
    }


def _equal_quality(
    baseline: Curve, curve: Curve, level: float, measure: str
) -> dict[str, float | str]:
    one = baseline.at(level)
    wanted = baseline.goodness(measure)[:, one]
    found = np.array(
        [
            reached_at(curve.latency_us, goodness, target)
            for goodness, target in zip(curve.goodness(measure), wanted, strict=True)
        ]
    )
    saved = 1 - found / baseline.latency_us[one]
    return {
        "measure": measure,
        "level_bits": level,
        "one_width_latency_us": baseline.latency_us[one],
        **_interval("latency_saved", saved),
        "resamples_reached": float(np.isfinite(found[1:]).mean()),
    }


def reached_at(latency_us: np.ndarray, goodness: np.ndarray, wanted: float) -> float:
    """Least latency at which a monotone fit of ``goodness`` is ``wanted``; inf where it never is.

    Between points it is interpolated. Where even the fastest point is better, the latency is that
    of the fastest: a bound.
    """
    order = np.argsort(latency_us, kind="stable")
    x, y = latency_us[order], isotonic_regression(goodness[order])
    good = np.flatnonzero(y >= wanted)
    if not len(good):
        return np.inf
    first = int(good[0])
    if first == 0:
        return float(x[0])
    share = (wanted - y[first - 1]) / (y[first] - y[first - 1])
    return float(x[first - 1] + share * (x[first] - x[first - 1]))


def _interval(name: str, values: np.ndarray) -> dict[str, float]:
    """The sample's value and its interval; nan where it is not finite."""
    low, high = np.percentile(values[1:], INTERVAL, method="nearest")
    given = {name: values[0], f"{name}_low": low, f"{name}_high": high}
    return {key: float(value) if np.isfinite(value) else np.nan for key, value in given.items()}
