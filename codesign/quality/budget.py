"""Quality budgets: from ``uniform:6`` or ``sqnr:30`` to a limit on the noise.

The noise of a network is the sum of its tensors' noises, ``Σ_t e_t(b_t)``. With ``e_t`` the
reciprocal signal-to-quantisation-noise ratio (SQNR) of tensor ``t``, the sum is the reciprocal SQNR
at the network's output in the model of Lin, Talathi and Annapureddy, "Fixed Point Quantization of
Deep Convolutional Networks", ICML 2016 (arXiv:1511.06393): a product of a weight and an activation
that are both slightly off, ``(w + δw)·(a + δa)``, is off by ``δw/w + δa/a`` of itself, so

    1/SQNR_output = Σ_t 1/SQNR_t        over all quantised weights and activations.

It assumes that the errors are independent of each other and of what they fall on and small enough
for their products to be left out, and that every layer hands signal and noise on alike: none
amplifies or attenuates noise beyond its signal, be it by its weights, its activation function or
a skip connection. A measured table (`codesign.quality.read_sensitivity`) assumes none of that of
a single tensor, only that the losses of several add up.

The default ``e_t(b) = 4^(−b)`` is such a ratio: a tensor uniformly distributed on ``[−a, a]`` has
the power ``a²/3``; ``2^b`` levels over that range leave a rounding error that is uniform on a step
of ``2a/2^b``, so its power is ``(2a/2^b)²/12 = a²/3·4^(−b)``. Each bit brings
``10·log10 4 = 6.02 dB``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from codesign.errors import SpecError
from codesign.specs.accelerator import MAX_BITS

LEAST_DB, MOST_DB = -100.0, 300.0


def noise_limit(quality: str, uniform_noise: Callable[[int], float]) -> float:
    """Most noise at a quality.

    Parameters
    ----------
    quality : str
        ``"uniform:q"``: that of the same network at ``q`` bits everywhere. ``"sqnr:DB"``: that of
        a ratio of signal to quantisation noise at the output of ``DB`` decibels,
        ``10^(−DB/10)``.
    uniform_noise : callable
        Noise of the network at one width everywhere.

    Raises
    ------
    SpecError
        Any other quality.
    """
    bits = uniform_bits(quality)
    if bits is not None:
        return uniform_noise(bits)
    return float(10.0 ** (-float(quality.partition(":")[2]) / 10))


def quality_of_members(quality: str, members: Sequence[str]) -> dict[str, str]:
    """The quality of each member of a suite; of none that has none.

    Parameters
    ----------
    quality : str
        One for all, or several with commas between them, each after the name of a member:
        ``uniform:6,vit_b_16=uniform:5``, where what has no name is for all that are not named.

    Raises
    ------
    SpecError
        No such member, or one named twice.
    """
    common, own = None, dict[str, str]()
    for part in quality.split(","):
        name, sign, its_quality = part.rpartition("=")
        if sign and name not in members:
            raise SpecError(f"quality {part!r}: no member {name!r} ({', '.join(members)})")
        if name in own or (not sign and common is not None):
            raise SpecError(f"quality {quality!r}: two for {name or 'all'}")
        uniform_bits(its_quality)
        if sign:
            own[name] = its_quality
        else:
            common = its_quality
    every = ((name, own.get(name, common)) for name in members)
    return {name: its_quality for name, its_quality in every if its_quality is not None}


def uniform_bits(quality: str) -> int | None:
    """``q`` of ``"uniform:q"``; None of ``"sqnr:DB"``, which knows no width.

    Raises
    ------
    SpecError
        Any other quality.
    """
    kind, _, amount = quality.partition(":")
    whole = amount.isdecimal() and len(amount) < 10
    if kind == "uniform" and whole and 1 <= int(amount) <= MAX_BITS:
        return int(amount)
    if kind == "sqnr" and LEAST_DB <= _number(amount) <= MOST_DB:
        return None
    raise SpecError(
        f"quality {quality!r}: write uniform:<bits>, as in uniform:6, 1 to {MAX_BITS} bits; or "
        f"sqnr:<decibels>, as in sqnr:30, {LEAST_DB:g} to {MOST_DB:g} dB"
    )


def _number(text: str) -> float:
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan
