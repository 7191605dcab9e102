"""Four guesses of what a bitwidth costs, each as a table of sensitivities that `codesign` takes.

``uniform``  4^(−b) for every tensor: nothing is looked at.
``weights``  the measured relative squared error of each weight tensor; 4^(−b) for activations.
``loss``     each tensor quantised alone: what the mean cross-entropy of the training images gains;
             nothing where it falls, which no table can say.
``outputs``  each tensor quantised alone: the mean divergence of the class probabilities from those
             in floating point, on training images. It needs no labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from quantised import WIDTHS, QuantisedNet
from training import Images, weights_of

from codesign import Network
from codesign.quality import weight_sensitivity

PROXIES = ("uniform", "weights", "loss", "outputs")
Table = dict[str, dict[int, float]]


def sources(network: Network) -> tuple[str, ...]:
    """Every tensor with a width of its own, as `codesign` names it."""
    weights = (f"weight:{name}" for name in network.weight_layers)
    return (*weights, *(f"tensor:{name}" for name in network.inner_tensors))


def tables(net: QuantisedNet, network: Network, calibration: Images) -> dict[str, Table]:
    """The table of each proxy for a trained network."""
    arrays = weights_of(net.net)
    return {
        "uniform": {source: {bits: 4.0**-bits for bits in WIDTHS} for source in sources(network)},
        "weights": weight_sensitivity(network, arrays, WIDTHS),
        **_perturbed(net, sources(network), calibration),
    }


def _perturbed(net: QuantisedNet, names: tuple[str, ...], calibration: Images) -> dict[str, Table]:
    """``loss`` and ``outputs``: each tensor alone, at each width."""
    floating = net.logits(calibration.values, {})
    whole = net.outcome(calibration, {}, floating).loss.mean()
    found: dict[str, Table] = {"loss": {}, "outputs": {}}
    for name in names:
        alone = {bits: net.outcome(calibration, {name: bits}, floating) for bits in WIDTHS}
        found["loss"][name] = {
            bits: max(0.0, float(outcome.loss.mean() - whole)) for bits, outcome in alone.items()
        }
        found["outputs"][name] = {
            bits: max(0.0, float(outcome.divergence.mean())) for bits, outcome in alone.items()
        }
    return found


def noise(table: Table, widths: Mapping[str, int]) -> float:
    """``Σ_t e_t(b_t)``: what a proxy says of an assignment."""
    return math.fsum(table[source][bits] for source, bits in widths.items())


def budget(table: Table, level: float) -> float:
    """Noise of ``level`` bits everywhere; between whole numbers its logarithm is interpolated."""
    below = math.floor(level)
    share = level - below
    least = noise(table, dict.fromkeys(table, below))
    if not share:
        return least
    return least ** (1 - share) * noise(table, dict.fromkeys(table, below + 1)) ** share
