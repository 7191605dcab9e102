"""The weights that prove most: φ of `bounds` is concave, and its maximum over λ is wanted.

Of three targets or more by the ellipsoid method (Shor 1977; Yudin and Nemirovski 1976), whose
ellipsoid says how much better any other λ could be; of two by where tangents cross.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codesign.arrays import Floats
from codesign.search.dataflow.bounds import PRUNED, Dual, Relaxed, Weighted

ROUNDS, ROUNDS_EACH = 40, 40  # of weights: at most, and for each target more
ENOUGH = 1e-5  # by which another λ may be better
EASY = 0.999  # φ that no λ can bring to 1
CROSSINGS = 60  # of tangents at most
GENERATIONS, NEARLY = 12, 1e-4  # of columns, at most; φ of few so little above that of all
Evaluate = Callable[[Floats], tuple[float, Floats]]  # shares → φ and its slopes


@dataclass
class Ascent:
    """What came of a search for λ.

    Attributes
    ----------
    value : float
        The largest φ.
    weights : list of floats
        Scaled weights tried, the best last.
    choices : list of Relaxed
        Met on the way.
    objective : float
        A lower bound on the metric asked for, where all others keep their targets.
    """

    value: float
    weights: list[Floats]
    choices: list[Relaxed]
    objective: float


def ascend(
    dual: Weighted,
    targets: Mapping[str, float],
    objective: Sequence[str] = (),
    full: bool = False,
    near: float = 0.0,
) -> Ascent:
    """Find weights that prove that targets cannot all be kept, or the best there are.

    Parameters
    ----------
    targets : mapping of str to float
        Above 0, by metric.
    objective : sequence of str
        Of them, of which a lower bound is wanted: rows that are no more than one metric, each.
    full : bool
        Go on to the best, even where nothing is to be ruled out.
    near : float
        Enough, too, is what another λ may better by this part of what φ lacks of 1.
    """
    patient, count = full or bool(objective), len(targets)
    found = Ascent(-math.inf, [], [], -math.inf)

    def evaluate(shares: Floats) -> tuple[float, Floats]:
        return _evaluate(found, dual, targets, objective, shares)

    if count == 1:
        evaluate(np.ones(1))
        return found
    if count == 2:
        _bisect(evaluate, found, patient, near)
        return found
    _ellipsoid(evaluate, found, count, patient, near)
    return found


def ascend_few(
    dual: Dual,
    targets: Mapping[str, float],
    objective: Sequence[str],
    met: Callable[[Dual, Sequence[Relaxed]], None],
) -> Ascent:
    """The same, of columns that are the cheapest for some multipliers (column generation).

    Parameters
    ----------
    met : callable
        Is told the choices met, of relaxations of few columns.
    """
    known, used = Ascent(-math.inf, [], [], -math.inf), [dual.rows.index(x) for x in targets]
    scale = dual.scaled(targets)
    kept = dual.cheapest(scale / len(used))
    for _ in range(GENERATIONS):
        few = dual.only(kept)
        found = ascend(few, targets, objective, full=True)
        met(few, found.choices)
        if not found.weights:  # there is no choice at all
            return found
        weights = found.weights[-1]
        value, _ = _evaluate(known, dual, targets, objective, weights[used] / scale[used])
        if value > found.value - NEARLY:
            break
        kept |= dual.cheapest(weights)
    return known


def _evaluate(
    found: Ascent,
    dual: Weighted,
    targets: Mapping[str, float],
    objective: Sequence[str],
    shares: Floats,
) -> tuple[float, Floats]:
    """φ and its slopes; what it tells is kept."""
    scale, used = dual.scaled(targets), [dual.rows.index(name) for name in targets]
    weights = np.zeros(len(scale))
    weights[used] = shares * scale[used]
    answer = dual.solve(weights)
    found.choices.append(answer)
    if answer.value > found.value:
        found.value = answer.value
        found.weights.append(weights)
    main = [used.index(dual.rows.index(name)) for name in objective]
    mine = float(shares[main].sum()) if main else 0.0
    if mine > 0:
        others = answer.value - (shares.sum() - mine)
        found.objective = max(found.objective, float(others / mine * targets[objective[0]]))
    return answer.value, answer.metrics[used] * scale[used]


def _done(found: Ascent, most: float, patient: bool, near: float) -> bool:
    """Whether φ is the best, has proven something, or cannot any more."""
    if most - found.value < max(ENOUGH, near * (1 - found.value)):
        return True
    return not patient and (found.value > PRUNED or most < EASY)


def _bisect(evaluate: Evaluate, found: Ascent, patient: bool, near: float) -> None:
    """Of two targets: tangents from both ends, and where they cross."""
    ends = []
    for share in (0.0, 1.0):
        value, slopes = evaluate(np.array([share, 1 - share]))
        if not math.isfinite(value):  # nothing has both, as is kept; or nothing is told
            return
        ends.append((share, value, slopes[0] - slopes[1]))
    for _ in range(CROSSINGS):
        (x0, v0, g0), (x1, v1, g1) = ends
        if not (g0 > 0 > g1):
            return
        x = (v1 - v0 + g0 * x0 - g1 * x1) / (g0 - g1)
        most = v0 + g0 * (x - x0)
        if _done(found, most, patient, near) or not x0 < x < x1:
            return
        value, slopes = evaluate(np.array([x, 1 - x]))
        if not math.isfinite(value):
            return
        slope = slopes[0] - slopes[1]
        ends[0 if slope > 0 else 1] = (x, value, slope)


def _ellipsoid(evaluate: Evaluate, found: Ascent, count: int, patient: bool, near: float) -> None:
    """Of three or more: the ellipsoid method on the simplex, with deep cuts."""
    n = count - 1
    basis = np.linalg.qr(np.vstack([np.eye(n), -np.ones(n)]))[0]  # (count, n), columns sum to 0
    centre, shape = np.zeros(n), np.eye(n) * n / count
    for _ in range(ROUNDS + ROUNDS_EACH * count):
        shares = 1 / count + basis @ centre
        if (shares < 0).any():
            worst = int(shares.argmin())
            slope, depth = basis[worst], -shares[worst]
        else:
            value, slopes = evaluate(shares)
            if not math.isfinite(value):
                return
            slope = basis.T @ slopes
            depth = found.value - value
            length = math.sqrt(max(float(slope @ shape @ slope), 0.0))
            if _done(found, value + length, patient, near) or length == 0:
                return
        length = math.sqrt(max(float(slope @ shape @ slope), 0.0))
        if length <= depth or length < 1e-14:
            return
        deep = depth / length
        step = shape @ slope / length
        centre = centre + (1 + n * deep) / (n + 1) * step
        shape = (
            n
            * n
            / (n * n - 1)
            * (1 - deep * deep)
            * (shape - 2 * (1 + n * deep) / ((n + 1) * (1 + deep)) * np.outer(step, step))
        )
        shape = (shape + shape.T) / 2
