"""Noise measured on a network's real weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from codesign.costs.widths import default_noise
from codesign.errors import SpecError
from codesign.quality.quantise import Granularity, relative_errors
from codesign.specs.network import Layer, Network


def weight_sensitivity(
    network: Network,
    weights: Mapping[str, npt.ArrayLike],
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
    weights : mapping of str to array
        Layer name to its weights, output channels first: ``G·K × C × R × S`` or any shape of as
        many elements and ``G·K`` channels. Each is asked for once, so a mapping may load them
        one at a time (`codesign.specs.onnx.read.Imported.weights`).
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


def _loaded(layer: Layer, weights: Mapping[str, npt.ArrayLike]) -> npt.NDArray[np.generic]:
    if layer.name not in weights:
        raise SpecError(f"weights of layer {layer.name!r}: missing")
    array = np.asarray(weights[layer.name])
    channels = layer.G * layer.K
    if array.size != layer.weights or array.ndim == 0 or array.shape[0] != channels:
        raise SpecError(
            f"weights of layer {layer.name!r}: an array of {' × '.join(map(str, array.shape))}, "
            f"but the layer has {channels} output channels of {layer.weights // channels} weights"
        )
    return array
