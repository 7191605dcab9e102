"""Networks in which layers multiply with the weights of an earlier one."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from codesign import Layer, Network


def recurrent(steps: int, features: int = 8, **last: Any) -> Network:
    """A chain of fully connected layers ``l0``, ``l1``, … that all use the weights of ``l0``.

    ``last``: fields of the last one that differ.
    """
    layers = [
        Layer(
            **{
                "name": f"l{n}",
                "K": features,
                "C": features,
                "input": f"t{n}",
                "output": f"t{n + 1}",
                **({"weights_of": "l0"} if n else {}),
                **(last if n == steps - 1 else {}),
            }
        )
        for n in range(steps)
    ]
    outputs = layers[-1].computed_outputs
    tensors = {f"t{n}": features for n in range(steps)} | {f"t{steps}": outputs}
    return Network(name="recurrent", layers=tuple(layers), tensors=tensors)


def with_reuse(rng: random.Random, network: Network) -> Network:
    """Most layers that take as many weights as an earlier one take those of that."""
    owner: dict[int, str] = {}
    layers = []
    for layer in network.layers:
        weights = layer.G * layer.K * layer.C * layer.R * layer.S
        if layer.weight_tensor is None and not layer.moves:
            if weights in owner and rng.random() < 0.8:
                layer = replace(layer, weights_of=owner[weights])
            owner.setdefault(weights, layer.name)
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def repeated(rng: random.Random, layers: int) -> Network:
    """A chain of about so many layers, of blocks that are alike, perhaps with skips."""
    channels, size = rng.choice((1, 2, 3, 4)), rng.choice((1, 2, 3, 5))
    per_block = rng.choice((1, 2, 2, 3))
    inside = [rng.choice((1, 2, 5)) for _ in range(per_block - 1)]
    widths = [channels, *inside, channels]
    kernels = [rng.choice((1, 1, 3)) for _ in range(per_block)]
    skips, made, source = rng.random() < 0.4, [], "t"
    tensors = {"t": channels * size * size}
    for n in range(-(-layers // per_block)):
        entry = source
        for k, kernel in enumerate(kernels):
            output = f"t{n}.{k}"
            last = k == per_block - 1
            sides = {"P": size, "Q": size, "H": size, "W": size, "R": kernel, "S": kernel}
            made.append(
                Layer(
                    name=f"l{n}.{k}",
                    input=source,
                    output=output,
                    K=widths[k + 1],
                    C=widths[k],
                    residuals=(entry,) if skips and last else (),
                    **sides,
                )
            )
            tensors[output] = widths[k + 1] * size * size
            source = output
    return Network(name="repeated", layers=tuple(made), tensors=tensors)
