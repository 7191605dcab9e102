"""Random networks quantised by Brevitas and exported by it, with what it says of their widths.

Run as a program, for Brevitas warns of much: ``python -W ignore brevitas_networks.py FOLDER SEED``.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any


def written(folder: Path, seed: int) -> None:
    """Write ``qonnx.onnx`` and, if nothing in it is binary, ``qcdq.onnx``; widths and weights."""
    import numpy as np
    import torch
    from brevitas.export import export_onnx_qcdq, export_qonnx

    draw = random.Random(seed)
    torch.manual_seed(seed)
    binary = draw.random() < 0.4
    layers, widths, multiplying = drawn(draw, binary)
    network = torch.nn.Sequential(*layers).eval()
    image = torch.randn(1, 3, 8, 8)
    network(image)
    export_qonnx(network, args=image, export_path=str(folder / "qonnx.onnx"), dynamo=False)
    if not binary:
        export_onnx_qcdq(network, args=image, export_path=str(folder / "qcdq.onnx"), dynamo=False)
    weights = [layer.quant_weight().value.detach().numpy() for layer in multiplying]
    np.savez(folder / "weights.npz", *weights)
    (folder / "widths.json").write_text(json.dumps(widths))


def drawn(draw: random.Random, binary: bool) -> tuple[list[Any], list[list[int]], list[Any]]:
    """Layers in order; the width of each weight and of each tensor read; those that multiply."""
    import brevitas.nn as qnn
    from brevitas.quant import Int8WeightPerChannelFloat, Int8WeightPerTensorFloat
    from brevitas.quant.binary import (
        SignedBinaryActPerTensorConst,
        SignedBinaryWeightPerTensorConst,
    )
    from torch import nn

    integers = (Int8WeightPerTensorFloat, Int8WeightPerChannelFloat)
    bits = [draw.randint(2, 8)]
    layers: list[Any] = [qnn.QuantIdentity(bit_width=bits[0], return_quant_tensor=True)]
    weight_bits, multiplying, channels = [], [], 3

    def add(kind: Any, *sizes: int, **how: Any) -> None:
        one_bit = binary and draw.random() < 0.5
        width = 1 if one_bit else draw.randint(2, 8)
        how["weight_quant"] = SignedBinaryWeightPerTensorConst if one_bit else draw.choice(integers)
        how |= {} if one_bit else {"weight_bit_width": width}
        layers.append(kind(*sizes, bias=False, **how))
        multiplying.append(layers[-1])
        weight_bits.append(width)

    for _ in range(draw.randint(1, 3)):
        depthwise = channels > 3 and draw.random() < 0.3
        wider = channels if depthwise else draw.choice((4, 6))
        groups = channels if depthwise else 1
        add(qnn.QuantConv2d, channels, wider, 3, padding=1, groups=groups)
        channels = wider
        if binary and draw.random() < 0.4:
            layers.append(qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst))
            bits.append(1)
            continue
        act = draw.choice((qnn.QuantReLU, qnn.QuantIdentity))
        bits.append(draw.randint(2, 8))
        layers.append(act(bit_width=bits[-1], return_quant_tensor=True))
    layers += [nn.MaxPool2d(2), nn.Flatten()]
    add(qnn.QuantLinear, channels * 16, 5)
    return layers, [weight_bits, bits], multiplying


if __name__ == "__main__":
    written(Path(sys.argv[1]), int(sys.argv[2]))
