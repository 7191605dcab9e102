"""Better weights of roofs and prices of SRAM for the fused runs of one option, step by step.

What `run_prices` chooses suits each run by itself. Here the bound of a whole option is raised: by
subgradient steps of Polyak's length towards a value a little above the best bound known, halved
where one gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from codesign.arrays import Bools, Floats
from codesign.search.bounds.batch import Batch, RunPrices
from codesign.search.bounds.lagrangian import Dual, DualBound

ROUNDS = 12
MULTIPLIERS = 6  # of the limits, tried in a round
AIM_ABOVE = 0.005  # relative; of the best bound known, where a step aims
LEAST_GAIN = 1e-5  # relative; of a step worth its length

Bound = Callable[[Batch, Floats, int], DualBound]


def raise_bound(
    dual: Dual, bound: Bound, single: Batch, found: DualBound, target: float
) -> tuple[Batch, DualBound]:
    """Raise the bound of a batch of one option until it is above the target, or no more is gained.

    Parameters
    ----------
    bound : callable
        Bounds a batch, from some multipliers, with so many rounds.
    found : DualBound
        What is known.

    Returns
    -------
    batch : Batch
        With the prices of the best bound.
    found : DualBound
        And with the best assignment met.
    """
    relaxation = dual.relaxation.of(single)
    best, step = (single, found), 1.0
    tried = best
    for _ in range(ROUNDS):
        value, least = float(tried[1].value[0]), float(best[1].value[0])
        if not np.isfinite(value) or value >= target:
            break
        coefficients = dual.coefficients(tried[1].multipliers)
        known = relaxation.run_slopes(tried[0], coefficients)
        if known is None:
            break
        aim = min(target, least + AIM_ABOVE * abs(least))
        prices = _moved(*known, step * (aim - value))
        if prices is None:
            break
        batch = single.at_prices(prices)
        tried = batch, bound(batch, tried[1].multipliers, MULTIPLIERS)
        if float(tried[1].value[0]) > least + LEAST_GAIN * abs(least):
            tried = best = batch, _with_best_assignment(tried[1], best[1])
        else:
            step, tried = step / 2, best
    return best


def _moved(prices: RunPrices, share: Floats, price: Floats, gain: float) -> RunPrices | None:
    """Prices from which a bound is expected to be higher by a gain; None where none is.

    ``share`` and ``price`` are what it gains by each. They are measured so that a price counts for
    all of the SRAM.
    """
    scale = float(prices.sram_bits[0]) or 1.0
    share = np.where(_at_end(prices.share[0], share, 1.0), 0.0, share)
    price = np.where(_at_end(prices.price[0], price, np.inf), 0.0, price / scale)
    steepness = float(share @ share + price @ price)
    if steepness == 0:
        return None
    length = gain / steepness
    return replace(
        prices,
        share=np.clip(prices.share + length * share, 0.0, 1.0),
        price=np.maximum(prices.price + length * price / scale, 0.0),
    )


def _at_end(value: Floats, slope: Floats, most: float) -> Bools:
    """Where a value cannot move along its slope."""
    return ((value <= 0) & (slope < 0)) | ((value >= most) & (slope > 0))


def _with_best_assignment(found: DualBound, other: DualBound) -> DualBound:
    """A bound with the better of two assignments."""
    if found.incumbent[0] <= other.incumbent[0]:
        return found
    return replace(
        found,
        incumbent=other.incumbent,
        variable_width=other.variable_width,
        weight=other.weight,
        on_chip=other.on_chip,
    )
