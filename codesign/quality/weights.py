"""Noise measured on a network's real weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from codesign.costs.arithmetic import default_noise
from codesign.errors import SpecError
from codesign.network import Layer, Network
from codesign.quality.quantise import Granularity, relative_errors


class LayerWeights(Protocol):
    """The weights of a network's layers, each loaded when it is asked for.

    ``weights[name]()`` is the array of a layer's weights, output channels first; a mapping of
    layer names to callables is one.
    """

    def __contains__(self, name: object, /) -> bool:
        """Whether a layer's weights are known."""

    def __getitem__(self, name: str, /) -> LoadWeights:
        """What loads a layer's weights."""


class LoadWeights(Protocol):
    """Loads the weights of one layer."""

    def __call__(self) -> npt.ArrayLike:
        """The array, output channels first."""


def weight_sensitivity(
    network: Network,
    weights: LayerWeights,
    bits: Iterable[int],
    granularity: Granularity = "channel",
) -> dict[str, dict[int, float]]:
    """A table for `Problem.sensitivity`: weights as they are, activations as one assumes.

    The noise of a layer's weights is their relative squared error ``‖W − Q_b(W)‖²/‖W‖²`` after
    symmetric uniform quantisation with the clipping of least error (`codesign.quality.quantise`):
    their reciprocal SQNR. That of an activation tensor is ``4^(−b)``, the same ratio for values
    uniformly distributed over their range, for activations cannot be measured without data.

    Parameters
    ----------
    network : Network
    weights : mapping of str to callable
        Layer name to a function that returns its weights, output channels first:
        ``G·K × C × R × S`` or any shape of as many elements and ``G·K`` channels.
    bits : iterable of int
        Every width a tensor may take, and the one of a quality ``uniform:q``.
    granularity : "channel" or "tensor"
        One step for each output channel, or one for all.

    Raises
    ------
    SpecError
        Weights that are missing, of another shape than the layer's, or not finite.
    """
    widths = tuple(sorted(set(bits)))
    table = {}
    for layer in network.layers:
        if layer.owns_weights:
            array = _loaded(layer, weights)
            try:
                table[f"weight:{layer.name}"] = relative_errors(array, widths, granularity)
            except SpecError as error:
                raise SpecError(f"weights of layer {layer.name!r}: {error}") from None
    activations = {width: float(default_noise(width)) for width in widths}
    return table | {f"tensor:{name}": dict(activations) for name in network.inner_tensors}


def _loaded(layer: Layer, weights: LayerWeights) -> npt.NDArray[np.generic]:
    if layer.name not in weights:
        raise SpecError(f"weights of layer {layer.name!r}: missing")
    array = np.asarray(weights[layer.name]())
    channels = layer.G * layer.K
    if array.size != layer.weights or array.ndim == 0 or array.shape[0] != channels:
        raise SpecError(
            f"weights of layer {layer.name!r}: an array of {' × '.join(map(str, array.shape))}, "
            f"but the layer has {channels} output channels of {layer.weights // channels} weights"
        )
    return array
