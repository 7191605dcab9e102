"""What widths chosen under a proxy gain over one width everywhere, promised and measured.

*Same budget*: latency, accuracy and divergence beside those of the ``q``-bit design, where the
budget is the proxy's noise of ``q`` bits everywhere. *Equal quality*: the latency at which the
strategy is measured as good as the ``q``-bit design, read off its curve over all budgets. The curve
is a monotone regression, not the best of the points, which would favour whoever has many.

All is over the three networks of an architecture together: mean latency, and each image judged by
the network that has not seen it. Intervals are bootstrap percentiles over the images, resampled
within each network; the networks and designs stay as they are. What the networks differ by is told
by the least and the most that one of them gains.
"""

from __future__ import annotations

from collections.abc import Iterator
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
ONE_WIDTH = ("one width", "")  # strategy and proxy


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
        curves = _curves(mine, resamples)
        alone = [
            _curves([x for x in mine if x.fold == fold], 0)
            for fold in dict.fromkeys(x.fold for x in mine)
        ]
        baseline = curves[ONE_WIDTH]
        for key, curve in curves.items():
            if key == ONE_WIDTH:
                continue
            where = {"architecture": architecture, "strategy": key[0], "proxy": key[1]}
            same += [
                where | _same_budget(baseline, curve, level)
                for level in baseline.levels
                if level in curve.levels
            ]
            for measure in ("accuracy", "divergence"):
                of_each = [saved(own[ONE_WIDTH], own[key], measure)[:, 0] for own in alone]
                rows = _equal_quality(baseline, curve, measure, np.array(of_each))
                equal += [where | {"measure": measure} | row for row in rows]
    return pd.DataFrame(same), pd.DataFrame(equal)


def _curves(chosen: list[Chosen], resamples: int) -> dict[tuple[str, str], Curve]:
    """By strategy and proxy."""
    counts = _resampled(chosen, resamples)
    return {
        key: _curve([x for x in chosen if (x.strategy, x.proxy) == key], counts)
        for key in dict.fromkeys((x.strategy, x.proxy) for x in chosen)
    }


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
    baseline: Curve, curve: Curve, measure: str, of_each: np.ndarray
) -> Iterator[dict[str, float]]:
    """A row for each level of the baseline; ``of_each`` is what (networks, levels) save alone."""
    for level, whole, alone in zip(
        baseline.levels, saved(baseline, curve, measure), of_each.T, strict=True
    ):
        yield {
            "level_bits": level,
            "one_width_latency_us": baseline.latency_us[baseline.at(level)],
            **_interval("latency_saved", whole),
            "latency_saved_least_network": _finite(alone.min()),
            "latency_saved_most_network": _finite(alone.max()),
            "resamples_reached": float(np.isfinite(whole[1:]).mean()),
        }


def saved(baseline: Curve, curve: Curve, measure: str) -> np.ndarray:
    """Share of the latency saved at each level of the baseline, where the curve is as good.

    Returns
    -------
    floats, shape (levels, 1 + resamples)
        -inf where it never is.
    """
    order = np.argsort(curve.latency_us, kind="stable")
    latency_us = curve.latency_us[order]
    fits = np.array([isotonic_regression(row) for row in curve.goodness(measure)[:, order]])
    found = np.array(
        [
            [reached_at(latency_us, *pair) for pair in zip(fits, wanted, strict=True)]
            for wanted in baseline.goodness(measure).T
        ]
    )
    return np.asarray(1 - found / baseline.latency_us[:, None])


def reached_at(latency_us: np.ndarray, fit: np.ndarray, wanted: float) -> float:
    """Least latency at which a fit that rises with latency is ``wanted``; inf where it never is.

    Between points it is interpolated. Where even the fastest point is better, the latency is that
    of the fastest: a bound.
    """
    first = int(np.searchsorted(fit, wanted))
    if first == len(fit):
        return np.inf
    if first == 0:
        return float(latency_us[0])
    share = (wanted - fit[first - 1]) / (fit[first] - fit[first - 1])
    return float(latency_us[first - 1] + share * (latency_us[first] - latency_us[first - 1]))


def _interval(name: str, values: np.ndarray) -> dict[str, float]:
    """The sample's value and its interval; nan where it is not finite."""
    low, high = np.percentile(values[1:], INTERVAL, method="nearest")
    given = {name: values[0], f"{name}_low": low, f"{name}_high": high}
    return {key: _finite(value) for key, value in given.items()}


def _finite(value: float) -> float:
    """The number, or nan in place of infinity."""
    return float(value) if np.isfinite(value) else np.nan
