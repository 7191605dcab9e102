"""A trained network at any bitwidths: weights and activations rounded to integers times a step.

Values stay floating point but take only the values the integers would stand for. Weights have one
step per output channel, each with the clipping of least squared error. An activation tensor has one
step, with the clipping of least squared error on training images. Biases, sums within a layer and
the logits are not rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from architectures import Net
from torch import Tensor, nn
from training import Images, weights_of

from codesign.quality import quantise

WIDTHS = (2, 3, 4, 5, 6, 7, 8)
CLIPS = np.geomspace(0.05, 1.0, 60)  # tried, as shares of the largest magnitude
SAMPLED = 20_000  # values of a tensor that its clipping is fitted to


@dataclass(frozen=True)
class Outcome:
    """What a network makes of images, image by image.

    Attributes
    ----------
    correct : bools, shape (images,)
    loss : floats, shape (images,)
        Cross-entropy of the digit, nats.
    divergence : floats, shape (images,)
        Kullback-Leibler divergence of its class probabilities from those of the network in
        floating point, nats.
    """

    correct: np.ndarray
    loss: np.ndarray
    divergence: np.ndarray


class QuantisedNet:
    """A trained network whose tensors may each be given a bitwidth."""

    def __init__(self, net: Net, calibration: Images) -> None:
        self.net = net
        self.weights = {
            name: {bits: _as_tensor(quantise(array, bits).values) for bits in WIDTHS}
            for name, array in weights_of(net).items()
        }
        seen = _activations(net, calibration.values)
        self.signed = {name: bool(values.min() < 0) for name, values in seen.items()}
        self.steps = {
            name: {bits: fitted_step(values, bits) for bits in WIDTHS}
            for name, values in seen.items()
        }

    def logits(self, images: Tensor, widths: Mapping[str, int]) -> Tensor:
        """(images, classes), with the tensors in ``widths`` quantised and the others as they are.

        Parameters
        ----------
        widths : mapping of str to int
            By ``"weight:<layer>"`` and ``"tensor:<tensor>"``.
        """

        def on_tensor(name: str, values: Tensor) -> Tensor:
            bits = widths.get(f"tensor:{name}")
            return values if bits is None else self._rounded(name, values, bits)

        replaced = {
            f"macs.{index}.weight": self.weights[step.name][widths[f"weight:{step.name}"]]
            for index, step in enumerate(self.net.steps)
            if f"weight:{step.name}" in widths
        }
        with torch.no_grad():
            return torch.func.functional_call(self.net, replaced, (images, on_tensor))

    def outcome(self, images: Images, widths: Mapping[str, int], floating: Tensor) -> Outcome:
        """How the quantised network does.

        Parameters
        ----------
        floating : Tensor, shape (images, classes)
            Logits of the network in floating point.
        """
        logits = self.logits(images.values, widths)
        ours, theirs = logits.log_softmax(1), floating.log_softmax(1)
        return Outcome(
            correct=(logits.argmax(1) == images.digits).numpy(),
            loss=nn.functional.cross_entropy(logits, images.digits, reduction="none").numpy(),
            divergence=(theirs.exp() * (theirs - ours)).sum(1).numpy(),
        )

    def _rounded(self, name: str, values: Tensor, bits: int) -> Tensor:
        step, top = self.steps[name][bits], top_code(bits, self.signed[name])
        return torch.clamp(torch.round(values / step), -top, top) * step


def top_code(bits: int, signed: bool) -> int:
    """The largest integer: of ``0 … 2^b − 1``, or of the symmetric ``−n … n``."""
    return 2 ** (bits - 1) - 1 if signed else 2**bits - 1


def fitted_step(values: np.ndarray, bits: int) -> float:
    """The step of least squared error on ``values``, of 60 tried."""
    top = top_code(bits, bool(values.min() < 0))
    largest = float(np.abs(values).max())
    steps = CLIPS * (largest if largest > 0 else 1.0) / top  # a tensor of zeros: any step does
    errors = [
        np.square(np.clip(np.round(values / step), -top, top) * step - values).sum()
        for step in steps
    ]
    return float(steps[int(np.argmin(errors))])


def _activations(net: Net, images: Tensor) -> dict[str, np.ndarray]:
    """A sample of the values of every stored tensor but the logits."""
    seen: dict[str, np.ndarray] = {}
    rng = np.random.default_rng(0)

    def on_tensor(name: str, values: Tensor) -> Tensor:
        flat = values.numpy().ravel()
        seen[name] = rng.choice(flat, min(SAMPLED, flat.size), replace=False)
        return values

    with torch.no_grad():
        net(images, on_tensor)
    del seen[net.steps[-1].writes]
    return seen


def _as_tensor(values: np.ndarray) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)
