"""Fused layers for the check: an example with all that may be beside them, and random chains."""

from __future__ import annotations

import random

from fused_designs import fused_design, some_bands

from codesign import Choices, Design, Layer, Network, Problem
from codesign.costs.fusion import fused_runs

# b, c and d may be fused: they add the run's input (y), a tensor between two of them (p), one from
# outside (v). z lives over them all, r after them.
BANDED = Network(
    name="banded",
    layers=(
        Layer(name="m", K=3, C=3, H=8, W=4, P=4, Q=4, input="u", output="z", moves=True),
        Layer(name="a", K=4, C=2, P=8, Q=4, H=8, W=4, R=3, S=3, input="x", output="y"),
        Layer(name="b", K=6, C=4, P=8, Q=4, H=8, W=4, input="y", output="p"),
        Layer(name="c", G=6, K=1, C=1, P=8, Q=4, H=8, W=4, R=3, S=3, input="p", output="q"),
        Layer(
            name="d",
            K=6,
            C=6,
            P=8,
            Q=4,
            H=8,
            W=4,
            input="q",
            output="r",
            residuals=("y", "p", "v"),
        ),
        Layer(
            name="e",
            K=3,
            C=6,
            P=4,
            Q=4,
            H=8,
            W=4,
            R=3,
            S=3,
            stride=(2, 1),
            input="r",
            output="s",
            residuals=("z",),
        ),
        Layer(name="f", K=5, C=48, input="s", output="t"),
    ),
    tensors={"u": 96, "z": 48, "x": 64, "y": 128, "p": 192, "q": 192, "v": 192, "r": 192}
    | {"s": 48, "t": 5},
)


def banded_design() -> Design:
    """`BANDED` at 8 × 4 bit on 2 × 2 PEs: b, c and d fused, z and r resident."""
    choices = Choices(rows=(2,), cols=(2,), weight_bits=(8,), activation_bits=(4,), on_chip="bands")
    return fused_design(Problem(network=BANDED, choices=choices), ["p", "q"], ["z", "r"])


def random_banded_chain(seed: int) -> Design:
    """Some layers of a random chain fused, in which most may be."""
    rng = random.Random(f"chain {seed}")
    most, network = rng.choice((2, 3, 4, 7)), random_chain(rng)
    while not fused_runs(network, most):
        network = random_chain(rng)
    choices = Choices(
        rows=(rng.choice((1, 2, 4)),),
        cols=(rng.choice((1, 2, 4)),),
        weight_bits=(2, 4, 8),
        activation_bits=(3, 8),
        pe_weight_bits=(rng.choice((2, 4, 8)),),
        pe_activation_bits=(rng.choice((3, 8)),),
        precision="multi-pass",
        on_chip="bands",
        fused_layers=most,
    )
    rate = 10 ** rng.uniform(8.5, 11)
    problem = Problem(network=network, choices=choices, dram_bits_per_s=rate)
    bands, share = some_bands(rng, network, most), rng.random()
    on_chip = [x for x in network.lifetimes if x not in bands and rng.random() < share]
    widths = {x: rng.choice(problem.allowed_bits(x)) for x in problem.noise_sources}
    return fused_design(problem, bands, on_chip, widths, rng.choice((0, 0, 999)))


def random_chain(rng: random.Random) -> Network:
    """Convolutions one after the other, which add what they can of what was written before."""
    images, rows, columns = rng.choice((1, 1, 2)), rng.randint(2, 9), rng.randint(2, 5)
    channels, layers = rng.randint(1, 4), list[Layer]()
    shapes = {"t0": (channels, rows, columns)}
    for n in range(rng.randint(3, 7)):
        kernel, stride, dilation = rng.choice((1, 1, 3, 5)), rng.choice((1, 1, 1, 2)), 1
        if kernel == 3:
            dilation = rng.choice((1, 1, 2))
        spread = rng.choice((1, 1, 1, 1, 2))
        made = (rows * spread - 1) // stride + 1, (columns * spread - 1) // stride + 1
        groups = channels if rng.random() < 0.3 else 1
        outputs = 1 if groups > 1 else rng.choice((channels, channels, rng.randint(1, 4)))
        shape = groups * outputs, *made
        same = [name for name, other in shapes.items() if other == shape]
        layers.append(
            Layer(
                name=f"l{n}",
                N=images,
                G=groups,
                K=outputs,
                C=channels // groups,
                H=rows,
                W=columns,
                P=made[0],
                Q=made[1],
                R=kernel,
                S=kernel,
                stride=stride,
                dilation=dilation,
                input_dilation=spread,
                input=f"t{n}",
                output=f"t{n + 1}",
                residuals=tuple(name for name in same if rng.random() < 0.4),
            )
        )
        shapes[f"t{n + 1}"] = shape
        channels, rows, columns = shape
    sizes = {name: images * c * h * w for name, (c, h, w) in shapes.items()}
    return Network(name="chain", layers=tuple(layers), tensors=sizes)
