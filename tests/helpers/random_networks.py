"""Tiny random networks: every kind of layer, residuals, branches, and what only moves data."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import NamedTuple

from codesign.specs.network import Layer, Network

KERNELS = ((1, 1), (1, 1), (3, 3), (3, 3), (5, 5), (7, 7), (1, 3), (3, 1), (2, 2))


class Shape(NamedTuple):
    """Images, channels, rows and columns of a stored tensor."""

    images: int
    channels: int
    rows: int
    columns: int

    @property
    def elements(self) -> int:
        """Elements of all images."""
        return math.prod(self)


class Draft:
    """A network while layers are being added.

    ``moving``: with layers that only move data, parts of tensors and transposed convolutions;
    ``in_place``: with layers that read one part of a tensor and write another.
    """

    spread = "input_dilation"  # what lies between stored rows: zeros, or each row again

    def __init__(
        self, rng: random.Random, scale: int = 1, moving: bool = False, in_place: bool = False
    ) -> None:
        self.rng, self.scale, self.moving, self.in_place = rng, scale, moving, in_place
        self.padded, self.layers = False, list[Layer]()
        images = rng.choice((1, 1, 1, 2, 3))
        channels = scale * rng.choice((1, 2, 3, 4, 6, 8))
        rows, columns = scale * rng.randint(1, 7), scale * rng.randint(1, 6)
        self.shapes = {"in": Shape(images, channels, rows, columns)}

    def source(self) -> str:
        """The tensor the next layer reads: mostly the newest."""
        names = list(self.shapes)
        return names[-1] if self.rng.random() < 0.75 else self.rng.choice(names)

    def read(self) -> tuple[str, Shape, dict[str, int]]:
        """What the next layer reads: a tensor or, now and then, some of its channels."""
        source = self.source()
        shape = self.shapes[source]
        if not self.moving or shape.channels == 1 or self.rng.random() < 0.75:
            return source, shape, {}
        part = shape._replace(channels=self.rng.randint(1, shape.channels - 1))
        return source, part, {source: part.elements}

    def add(self, layer: Layer, computed: Shape) -> None:
        """Add a layer, perhaps with residuals and a fused pooling."""
        stored = _pooled(self.rng, computed)
        if stored == computed and layer.Q == 1 and self.rng.random() < 0.1:
            stored = computed._replace(rows=computed.rows + 1)  # a class token beside the rows
        appended = max(0, stored.elements - computed.elements)
        layer = replace(layer, residuals=self.residuals(computed), appended=appended)
        if self.moving:
            layer = self.with_partial_residual(layer)
        self.layers.append(layer)
        self.shapes[layer.output] = stored

    def with_partial_residual(self, layer: Layer) -> Layer:
        """Let it add a part of some tensor, now and then."""
        free = [name for name in self.shapes if name not in layer.reads]
        if not free or self.rng.random() < 0.8:
            return layer
        name = self.rng.choice(free)
        most = min(layer.computed_outputs, self.shapes[name].elements)
        parts = {**layer.parts, name: self.rng.randint(1, most)}
        return replace(layer, residuals=(*layer.residuals, name), parts=parts)

    def residuals(self, computed: Shape) -> tuple[str, ...]:
        """Tensors the output can be added to: mostly none, sometimes one, rarely two."""
        fitting = [t for t, shape in self.shapes.items() if shape.elements <= computed.elements]
        equal = [t for t in fitting if self.shapes[t].elements == computed.elements]
        if equal and self.rng.random() < 0.6:
            return (self.rng.choice(equal),)
        count = self.rng.choice((0, 0, 0, 0, 1, 2))
        return tuple(self.rng.sample(fitting, min(count, len(fitting))))

    def network(self) -> Network:
        """The network drafted so far."""
        tensors = {name: shape.elements for name, shape in self.shapes.items()}
        return Network(name="random", layers=tuple(self.layers), tensors=tensors)


def random_network(
    rng: random.Random,
    layers: int,
    scale: int = 1,
    moving: bool = False,
    in_place: bool = False,
    reusing: bool = False,
    padded: bool = False,
) -> Network:
    """A chain with side branches, residuals and now and then a product of two tensors.

    ``scale`` multiplies channels, rows and columns. ``moving`` adds, to about so many layers, those
    that only move data, parts of tensors, concatenations and transposed convolutions; ``in_place``
    lets most of the layers of a concatenation read what another of them has written there;
    ``reusing`` lets many layers use the weights of an earlier one; ``padded``: see `_positions`.
    """
    draft = Draft(rng, scale, moving or in_place, in_place)
    draft.padded = padded
    kinds = (convolution,) * 5 + (fully_connected, matmul, matmul)
    for number in range(layers):
        more = (movement, movement, concatenation, concatenation) if draft.moving else ()
        more += (concatenation,) * 4 if in_place else ()
        more += (reuse,) * 12 if reusing else ()
        kind = rng.choice(kinds + more)
        kind(draft, f"layer{number}", f"t{number}")
    if all(layer.moves for layer in draft.layers):
        convolution(draft, "last", "end")
    return draft.network()


def _pooled(rng: random.Random, computed: Shape) -> Shape:
    if computed.rows * computed.columns == 1 or rng.random() < 0.8:
        return computed
    if rng.random() < 0.3:
        return computed._replace(rows=1, columns=1)
    return computed._replace(rows=-(-computed.rows // 2), columns=-(-computed.columns // 2))


def convolution(draft: Draft, name: str, output: str) -> None:
    """Any convolution, of any tensor; in a draft that moves data, perhaps of a part of one."""
    rng = draft.rng
    source, shape, parts = draft.read()
    groups, K = _groups(rng, shape.channels), draft.scale * rng.choice((1, 2, 3, 4, 5, 6, 8, 12))
    K = rng.choice((1, 1, 2, 3)) if groups > 1 else K
    R, S = rng.choice(KERNELS)
    stride = rng.choice((1, 1, 2, (2, 1), 3))
    dilation = rng.choice((1, 1, 1, 2, (1, 2)))
    zeros = rng.choice((1, 1, 1, 2, 2, 3, (2, 1), (1, 2))) if draft.moving else 1
    rows, columns = shape.rows * _axis(zeros, 0), shape.columns * _axis(zeros, 1)
    P = _positions(rng, rows, R, _axis(stride, 0), _axis(dilation, 0), draft.padded)
    Q = _positions(rng, columns, S, _axis(stride, 1), _axis(dilation, 1), draft.padded)
    layer = Layer(
        name=name,
        N=shape.images,
        G=groups,
        K=K,
        C=shape.channels // groups,
        P=P,
        Q=Q,
        R=R,
        S=S,
        H=shape.rows,
        W=shape.columns,
        stride=stride,
        dilation=dilation,
        input=source,
        output=output,
        parts=parts,
        **{draft.spread: zeros},
    )
    draft.add(layer, Shape(shape.images, groups * K, P, Q))


def _moved(draft: Draft, name: str, output: str, wanted: Shape | None = None) -> Layer:
    """A layer that only moves data: to a tensor as wanted, or pooled, copied or spread."""
    rng = draft.rng
    source, shape, parts = draft.read()
    stored = wanted or rng.choice(
        (
            shape,
            shape._replace(rows=-(-shape.rows // 2), columns=-(-shape.columns // 2)),
            shape._replace(rows=2 * shape.rows),
        )
    )
    return Layer(
        name=name,
        N=shape.images,
        C=shape.channels,
        H=shape.rows,
        W=shape.columns,
        K=stored.channels,
        P=stored.rows,
        Q=stored.columns,
        input=source,
        output=output,
        moves=True,
        parts=parts,
    )


def movement(draft: Draft, name: str, output: str) -> None:
    """A layer that only moves data."""
    layer = _moved(draft, name, output)
    draft.add(layer, Shape(layer.N, layer.K, layer.P, layer.Q))


def concatenation(draft: Draft, name: str, output: str) -> None:
    """Two or three layers that each write a part of one tensor; perhaps one is read early."""
    rng = draft.rng
    kind = rng.choice((convolution, convolution, movement))
    kind(draft, f"{name}.0", output)
    first = draft.shapes.pop(output)  # not to be read whole before it is complete
    written, channels = first.elements, rng.choice((1, 2, 3))
    draft.layers[-1] = _writing_part(draft.layers[-1], first.elements)
    if rng.random() < 0.3:
        early = Shape(first.images, rng.choice((1, 2, 3)), first.rows, first.columns)
        layer = _moved(draft, f"{name}.early", f"{output}.early", early)
        read = {"C": first.channels, "H": first.rows, "W": first.columns, "N": first.images}
        layer = replace(layer, **read, input=output, parts={output: first.elements})
        layer = rng.choice((layer, replace(layer, moves=False, K=1, P=first.rows, Q=first.columns)))
        draft.add(layer, Shape(first.images, layer.K, layer.P, layer.Q))
    for member in range(1, rng.choice((2, 2, 3))):
        if draft.in_place and rng.random() < 0.8:
            layer, part = _in_place(draft, f"{name}.{member}", output, first)
        else:
            layer, part = _beside(draft, f"{name}.{member}", output, channels, first)
        draft.layers.append(_writing_part(layer, part.elements))
        written += part.elements
    draft.shapes[output] = _joined(first, written)


def _beside(
    draft: Draft, name: str, output: str, channels: int, first: Shape
) -> tuple[Layer, Shape]:
    """A layer that writes so many channels beside the first part, and what it writes."""
    part = first._replace(channels=channels)
    layer = _moved(draft, name, output, part)
    if draft.rng.random() < 0.5 and draft.shapes[layer.input].rows == part.rows == layer.H:
        layer = replace(layer, moves=False) if part.columns == layer.W else layer
    return layer, part


def _joined(first: Shape, elements: int) -> Shape:
    """The shape of a concatenation: more channels, or where they do not fit, a row of elements."""
    channels, rest = divmod(elements, first.elements // first.channels)
    if rest:
        return Shape(first.images, elements // first.images, 1, 1)
    return first._replace(channels=channels)


def _in_place(draft: Draft, name: str, output: str, first: Shape) -> tuple[Layer, Shape]:
    """A layer that writes one part of a tensor and reads another of its size; what it writes.

    What it reads there is its input, a residual, both, or its weight operand.
    """
    rng = draft.rng
    role = rng.choice(("input", "input", "input", "residual", "both", "weights"))
    if role == "weights":
        return _product_in_place(draft, name, output, first.images)
    layer = _moved(draft, name, output, first)
    if role != "residual":
        read = {"C": first.channels, "H": first.rows, "W": first.columns}
        layer = replace(layer, **read, input=output, parts={})
    if role != "input":
        layer = replace(layer, residuals=(output,))
    if (first.rows, first.columns) == (layer.H, layer.W) and rng.random() < 0.8:
        groups = rng.choice(_divisors(math.gcd(layer.C, layer.K)))
        R, S = rng.choice(KERNELS)
        loops = {"G": groups, "C": layer.C // groups, "K": layer.K // groups, "R": R, "S": S}
        layer = replace(layer, **loops, moves=False)
    return layer, first


def _product_in_place(draft: Draft, name: str, output: str, images: int) -> tuple[Layer, Shape]:
    """A product by a part of the tensor that it writes another part of."""
    rng, source = draft.rng, draft.source()
    stored = draft.shapes[source].elements
    size = rng.randint(1, max(1, min(3, math.isqrt(stored // images))))
    K, read = rng.choice((1, 2, 3)), images * size * size
    layer = Layer(
        name=name,
        G=images,
        K=K,
        C=size,
        P=size,
        H=size,
        input=source,
        output=output,
        weight_tensor=output,
        parts={} if read == stored else {source: read},
    )
    return layer, Shape(images, K * size, 1, 1)


def _writing_part(layer: Layer, elements: int) -> Layer:
    return replace(layer, parts={**layer.parts, layer.output: elements})


def _groups(rng: random.Random, channels: int) -> int:
    """1, depthwise, or something between."""
    if rng.random() < 0.55:
        return 1
    if rng.random() < 0.5:
        return channels
    return rng.choice(_divisors(channels))


def _positions(
    rng: random.Random, size: int, kernel: int, stride: int, dilation: int, padded: bool
) -> int:
    """Output positions along one axis: padding as large as the output ("same"), none, or most.

    ``padded``: also four rows and more on each side, of which windows see nothing else.
    """
    reach = (kernel - 1) * dilation + 1
    counts = [-(-size // stride)] * 3 + [(size + reach - 2) // stride + 1]
    if size >= reach:
        counts.append((size - reach) // stride + 1)
    if padded:
        counts += [(size + 2 * max(reach - 1, 4) - reach) // stride + 1] * 4
    return rng.choice(counts)


def fully_connected(draft: Draft, name: str, output: str) -> None:
    """A layer that reads all of a tensor at once."""
    rng, source = draft.rng, draft.source()
    shape = draft.shapes[source]
    C, K = shape.elements // shape.images, draft.scale * rng.choice((1, 3, 5, 8, 10))
    layer = Layer(name=name, N=shape.images, K=K, C=C, input=source, output=output)
    draft.add(layer, Shape(shape.images, K, 1, 1))


def matmul(draft: Draft, name: str, output: str) -> None:
    """A product of two tensors, heads and images as groups; a convolution where none fits."""
    rng, source = draft.rng, draft.source()
    shape = draft.shapes[source]
    rows = shape.rows * shape.columns
    fitting = []
    for heads in _divisors(shape.channels):
        slice_ = shape.images * shape.channels  # G·C
        for other, stored in draft.shapes.items():
            K, rest = divmod(stored.elements, slice_)
            if (rest == 0 or draft.moving) and 1 <= K <= 12 * draft.scale:
                fitting.append((heads, other, K))
    if not fitting:
        convolution(draft, name, output)
        return
    others = [option for option in fitting if option[1] != source]
    heads, other, K = rng.choice(others or fitting)
    operand = shape.images * shape.channels * K
    parts = {}
    if operand != draft.shapes[other].elements:  # the larger of two roles
        parts = {other: max(operand, shape.elements if other == source else 0)}
    layer = Layer(
        name=name,
        G=shape.images * heads,
        K=K,
        C=shape.channels // heads,
        P=rows,
        H=rows,
        input=source,
        output=output,
        weight_tensor=other,
        parts=parts,
    )
    draft.add(layer, Shape(shape.images, heads * K, rows, 1))


def reuse(draft: Draft, name: str, output: str) -> None:
    """A layer with the weights of an earlier one, in its shape or another; else a convolution.

    Its rows are those of what it reads, where every output position reads one or a whole kernel.
    """
    rng, source = draft.rng, draft.source()
    shape, fitting = draft.shapes[source], []
    for owner in draft.layers:
        if owner.weight_tensor is not None or owner.weights_of is not None or owner.moves:
            continue
        weights = owner.G * owner.K * owner.C * owner.R * owner.S
        if shape.channels == owner.G * owner.C:  # the same kernel, centred
            loops = {x: getattr(owner, x) for x in ("G", "K", "C", "R", "S", "dilation")}
            fitting.append((owner.name, shape, loops))
        for C, read in ((shape.channels, shape), (shape.elements // shape.images, None)):
            if weights % C == 0:
                fitting.append((owner.name, read, {"K": weights // C, "C": C}))
    if not fitting:
        convolution(draft, name, output)
        return
    owner_name, read, loops = rng.choice(fitting)
    rows, columns = (read.rows, read.columns) if read else (1, 1)
    sides = {"P": rows, "Q": columns, "H": rows, "W": columns, "N": shape.images}
    names = {"name": name, "input": source, "output": output, "weights_of": owner_name}
    layer = Layer(**names, **loops, **sides)
    draft.add(layer, Shape(shape.images, layer.G * layer.K, rows, columns))


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def _axis(pair: int | tuple[int, int], axis: int) -> int:
    return pair if isinstance(pair, int) else pair[axis]
