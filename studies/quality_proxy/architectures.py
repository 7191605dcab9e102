"""Three small networks, each described once: as a torch module to train and as a Network to solve.

A step is a MAC layer with everything fused into it: batch normalisation, bias, skip addition, ReLU,
pooling. What it stores is what the next step reads, in torch and in `codesign` alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from codesign import Layer, Network

IMAGE = "image"
SIDE = 8  # pixels
CLASSES = 10
OnTensor = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Step:
    """One MAC layer; it writes the tensor ``<name>.out``.

    Attributes
    ----------
    name : str
    into, out : int
        Channels (features of a fully connected step), groups included.
    reads : str
        Tensor read.
    kernel : int
        Side of a convolution's window, padded to keep the size; 0: fully connected.
    adds : str or None
        Tensor added before ReLU.
    pool : "max", "mean" or None
        Max: windows of 2 × 2. Mean: over the whole feature map.
    """

    name: str
    into: int
    out: int
    reads: str
    kernel: int = 3
    stride: int = 1
    groups: int = 1
    adds: str | None = None
    relu: bool = True
    pool: str | None = None

    @property
    def writes(self) -> str:
        """Name of the tensor stored."""
        return f"{self.name}.out"


def chain(*steps: dict[str, object]) -> tuple[Step, ...]:
    """Steps of which each reads the one before, unless it says otherwise."""
    names = [IMAGE, *(f"{step['name']}.out" for step in steps)]
    return tuple(
        Step(**{"reads": before, **step})
        for (before, _), step in zip(pairwise(names), steps, strict=True)
    )


PLAIN = chain(
    {"name": "conv1", "into": 1, "out": 16},
    {"name": "conv2", "into": 16, "out": 32, "pool": "max"},
    {"name": "conv3", "into": 32, "out": 32},
    {"name": "conv4", "into": 32, "out": 64, "pool": "max"},
    {"name": "conv5", "into": 64, "out": 64, "pool": "mean"},
    {"name": "fc1", "into": 64, "out": 64, "kernel": 0},
    {"name": "fc2", "into": 64, "out": CLASSES, "kernel": 0, "relu": False},
)
RESIDUAL = chain(
    {"name": "stem", "into": 1, "out": 16},
    {"name": "block1.a", "into": 16, "out": 16},
    {"name": "block1.b", "into": 16, "out": 16, "adds": "stem.out"},
    {"name": "block2.skip", "into": 16, "out": 32, "kernel": 1, "stride": 2, "relu": False},
    {"name": "block2.a", "into": 16, "out": 32, "stride": 2, "reads": "block1.b.out"},
    {"name": "block2.b", "into": 32, "out": 32, "adds": "block2.skip.out"},
    {"name": "block3.a", "into": 32, "out": 32},
    {"name": "block3.b", "into": 32, "out": 32, "adds": "block2.b.out", "pool": "mean"},
    {"name": "fc", "into": 32, "out": CLASSES, "kernel": 0, "relu": False},
)
SEPARABLE = chain(
    {"name": "stem", "into": 1, "out": 24},
    {"name": "depth1", "into": 24, "out": 24, "groups": 24},
    {"name": "point1", "into": 24, "out": 48, "kernel": 1},
    {"name": "depth2", "into": 48, "out": 48, "groups": 48, "stride": 2},
    {"name": "point2", "into": 48, "out": 64, "kernel": 1},
    {"name": "depth3", "into": 64, "out": 64, "groups": 64},
    {"name": "point3", "into": 64, "out": 64, "kernel": 1},
    {"name": "depth4", "into": 64, "out": 64, "groups": 64, "stride": 2},
    {"name": "point4", "into": 64, "out": 96, "kernel": 1, "pool": "mean"},
    {"name": "fc", "into": 96, "out": CLASSES, "kernel": 0, "relu": False},
)
ARCHITECTURES = {"plain": PLAIN, "residual": RESIDUAL, "separable": SEPARABLE}


class Net(nn.Module):
    """The steps of an architecture in torch."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        super().__init__()
        self.steps = steps
        self.macs = nn.ModuleList(_mac(step) for step in steps)
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(step.out) if step.kernel else nn.Identity() for step in steps
        )

    def forward(self, images: Tensor, on_tensor: OnTensor = lambda _, values: values) -> Tensor:
        """Logits, (images, classes).

        Parameters
        ----------
        images : Tensor, shape (images, 1, 8, 8)
        on_tensor : callable
            Gets the name and the values of each tensor as stored; the readers see what it returns.
        """
        stored = {IMAGE: on_tensor(IMAGE, images)}
        for step, mac, norm in zip(self.steps, self.macs, self.norms, strict=True):
            values = norm(mac(stored[step.reads]))
            if step.adds is not None:
                values = values + stored[step.adds]
            stored[step.writes] = on_tensor(step.writes, _finished(step, values))
        return stored[self.steps[-1].writes]


def _mac(step: Step) -> nn.Module:
    if not step.kernel:
        return nn.Linear(step.into, step.out)
    return nn.Conv2d(
        step.into, step.out, step.kernel, step.stride, step.kernel // 2, groups=step.groups
    )


def _finished(step: Step, values: Tensor) -> Tensor:
    if step.relu:
        values = torch.relu(values)
    if step.pool == "max":
        return nn.functional.max_pool2d(values, 2)
    return values.mean((2, 3)) if step.pool == "mean" else values


def network(name: str) -> Network:
    """The same architecture as `codesign` knows it, for one image."""
    side, elements = {IMAGE: SIDE}, {IMAGE: SIDE * SIDE}
    layers = []
    for step in ARCHITECTURES[name]:
        read = side[step.reads]
        out = -(-read // step.stride)
        size = {"kernel": max(step.kernel, 1), "read": read, "out": out}
        layers.append(_layer(step, **size))
        side[step.writes] = {"max": out // 2, "mean": 1, None: out}[step.pool]
        elements[step.writes] = step.out * side[step.writes] ** 2
    return Network(name=name, layers=tuple(layers), tensors=elements)


def _layer(step: Step, kernel: int, read: int, out: int) -> Layer:
    return Layer(
        name=step.name,
        input=step.reads,
        output=step.writes,
        residuals=() if step.adds is None else (step.adds,),
        G=step.groups,
        K=step.out // step.groups,
        C=step.into // step.groups,
        P=out,
        Q=out,
        R=kernel,
        S=kernel,
        H=read,
        W=read,
        stride=step.stride,
    )
