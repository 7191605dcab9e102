"""Random small networks with much to fuse, on accelerators whose SRAM holds some of it."""

from __future__ import annotations

import random
from dataclasses import replace

from enumerated_fusion import FusedEnumeration
from random_machines import accelerator_like
from residency_questions import Question, random_question

from codesign import Accelerator, Layer, Network
from codesign.problem.places import PLACES


def _chain(rng: random.Random) -> Network:
    """Convolutions, each of the one before: strides, kernels, groups, pooling, skips, movement."""
    images = rng.choice((1, 1, 2))
    rows, columns, channels = rng.randint(2, 9), rng.randint(1, 3), rng.choice((1, 2, 4))
    stored = {"in": (channels, rows, columns)}
    layers = []
    for i in range(rng.randint(3, 6)):
        source = f"t{i - 1}" if i else "in"
        channels, rows, columns = stored[source]
        groups = channels if rng.random() < 0.25 else 1
        stride = rng.choice((1, 1, 1, 2)) if rows > 2 else 1
        zeros = 2 if rng.random() < 0.1 else 1
        kernel, dilation = rng.choice((1, 1, 3, 3, 2)), rng.choice((1, 1, 1, 2))
        P, Q = -(-rows * zeros // stride), -(-columns // 1)
        K = 1 if groups > 1 else rng.choice((1, 2, 3, 4))
        shape = groups * K, P, Q
        same = [name for name, other in stored.items() if other == shape]
        residuals = tuple(rng.sample(same, 1)) if same and rng.random() < 0.7 else ()
        fewer = [name for name in stored if stored[name][1:] != shape[1:] and name != source]
        if fewer and rng.random() < 0.1:
            name = rng.choice(fewer)
            small = images * stored[name][0] * stored[name][1] * stored[name][2]
            residuals += (name,) if small <= images * groups * K * P * Q else ()
        layer = Layer(
            name=f"l{i}",
            N=images,
            G=groups,
            K=K,
            C=channels // groups,
            P=P,
            Q=Q,
            R=kernel,
            S=1,
            H=rows,
            W=columns,
            stride=(stride, 1),
            dilation=(dilation, 1),
            input_dilation=(zeros, 1),
            input=source,
            output=f"t{i}",
            residuals=residuals,
        )
        if rng.random() < 0.06 and groups == kernel == stride == zeros == dilation == 1:
            layer = replace(layer, moves=True, stride=1, dilation=1, input_dilation=1)
        if rng.random() < 0.1 and P > 1:
            shape = groups * K, -(-P // 2), Q
        layers.append(layer)
        stored[f"t{i}"] = shape
    if all(layer.moves for layer in layers):
        layers[0] = replace(layers[0], moves=False)
    tensors = {name: images * c * p * q for name, (c, p, q) in stored.items()}
    return Network(name="chain", layers=tuple(layers), tensors=tensors)


def _some(rng: random.Random, every: FusedEnumeration, block: range) -> list[list[str]]:
    """Tensors that may be resident beside a run: none, some of them, and others."""
    inner = {every.network.layers[i].output for i in block[:-1]}
    left = [name for name in every.lives if name not in inner]
    return [[], *([name for name in left if rng.random() < 0.5] for _ in range(2))]


def fusion_question(seed: int, machine: str = "") -> Question:
    """A chain with skips, some places given; every fifth is any network.

    ``machine``: on a machine of a kind, as `accelerator_like`.
    """
    rng = random.Random(f"fusion {seed}" + f" {machine}" * bool(machine))
    network = random_question(seed).network if seed % 5 == 0 else _chain(rng)
    on = Accelerator(
        name="random",
        rows=rng.choice((1, 2, 4)),
        cols=rng.choice((1, 2, 4)),
        engine=rng.choice((9, 4, 1)),
        pe_weight_bits=rng.choice((2, 4, 8)),
        pe_activation_bits=rng.choice((3, 4, 8)),
        precision="multi-pass",
        psum_bits=rng.choice((None, None, 16)),
        clock_hz=rng.choice((1e9, 10 ** rng.uniform(7, 9))),
        dram_bits_per_s=rng.choice((None, 1e9, 1e10, 10 ** rng.uniform(8.5, 10.5))),
    )
    if machine:
        on = accelerator_like(rng, on, machine)
    sources = [f"weight:{name}" for name in network.weight_layers]
    sources += [f"tensor:{name}" for name in network.tensors]
    widths = {source: rng.randint(1, 8) for source in sources}
    every = FusedEnumeration(network, on, widths)
    places = {}
    if rng.random() < 0.4:
        places = {name: rng.choice(PLACES) for name in every.lives if rng.random() < 0.25}
    question = Question(network, on, widths, places, 0)
    stairs = question.given.modes[0].stairs
    needs = [stairs(i, False, False)[0][0] for i in range(len(network.layers))]
    sizes = [count * widths[f"tensor:{name}"] for name, count in network.tensors.items()]
    sram_bits = max(needs) * rng.choice((0.8, 1, 1, 1.5)) + max(sizes) * rng.uniform(0, 3)
    tight = [
        every.needed(block, residents)
        for block in every.runs(4)
        for residents in _some(rng, every, block)
    ]
    if tight and rng.random() < 0.5:  # to the bit what some run takes beside some tensors
        sram_bits = rng.choice(tight) - rng.choice((0, 0, 1))
    return question._replace(sram_bits=max(1, int(sram_bits)))


def wide_question(seed: int) -> Question:
    """Pairs of layers whose second adds up to three of the tensors that pairs before it made."""
    rng = random.Random(f"wide {seed}")
    size, channels, layers = rng.randint(2, 6), rng.choice((4, 8)), []
    pairs = rng.choice((4, 4, 5))
    for i in range(pairs):
        before = ["in", *(f"t{n}" for n in range(i))]
        residuals = tuple(rng.sample(before, min(len(before), rng.randint(1, 3))))
        shape = {"K": channels, "C": channels, "P": size, "H": size}
        source = rng.choice(before[-2:])
        layers += [
            Layer(name=f"a{i}", input=source, output=f"s{i}", **shape),
            Layer(name=f"b{i}", input=f"s{i}", output=f"t{i}", residuals=residuals, **shape),
        ]
    tensors = dict.fromkeys(("in", *(layer.output for layer in layers)), channels * size)
    network = Network(name="wide", layers=tuple(layers), tensors=tensors)
    widths = {f"weight:{layer.name}": rng.randint(1, 4) for layer in layers}
    widths |= {f"tensor:{name}": rng.randint(1, 8) for name in tensors}
    array = {"rows": 2, "cols": 4, "engine": 9, "pe_weight_bits": 8, "pe_activation_bits": 8}
    rate = 10 ** rng.uniform(9, 11)
    on = Accelerator(name="given", clock_hz=1e9, dram_bits_per_s=rate, **array)
    question = Question(network, on, widths, {}, 0)
    stairs = question.given.modes[0].stairs
    needs = [stairs(i, False, False)[0][0] for i in range(len(layers))]
    room = channels * size * rng.choice((6, 12, 18))
    return question._replace(sram_bits=int(max(needs)) + room)
