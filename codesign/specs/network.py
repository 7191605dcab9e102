"""A neural network as its MAC layers over named activation tensors.

Loop letters as in Timeloop and CoSA: ``N`` batch, ``G`` groups, ``K`` output channels per group,
``C`` input channels per group, ``P × Q`` output rows × columns, ``R × S`` kernel rows × columns,
``H × W`` rows × columns of the input feature map (ifmap) as stored, without padding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from fractions import Fraction
from functools import cached_property
from typing import Annotated

from pydantic import Field

from codesign.errors import SpecError
from codesign.specs.schema import Displayed, spec_dataclass

MAX_LAYER_MACS = 10**13  # keeps the figures of real layers exact in 64 bits

MAX_LAYERS = 10_000
MAX_NAME = 200  # letters

Count = Annotated[int, Field(strict=True, ge=1, le=10**9)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_NAME)]
PerAxis = Count | tuple[Count, Count]


def along(axis: int, pair: int | tuple[int, int]) -> int:
    """The vertical (0) or horizontal (1) one of what may be one number for both."""
    return pair if isinstance(pair, int) else pair[axis]


@spec_dataclass
class Layer:
    """One MAC layer: convolution, grouped or depthwise convolution, fully connected, or matmul.

    Or a layer that only moves data (``moves``): it reads ``N·G·C·H·W`` elements and writes
    ``N·G·K·P·Q``, streaming, without multiplications or weights; a pooling, say, that no MAC layer
    can absorb.

    Attributes
    ----------
    N, G, K, C, P, Q, R, S, H, W : int
        Loop bounds, see the module docstring.
    stride, dilation : int or (vertical, horizontal)
    input, output : str
        Names of the activation tensors read and written.
    residuals : tuple of str
        Tensors read element-wise beside the input (a fused skip addition).
    weight_tensor : str or None
        The activation tensor that stands in for the weights (matrix product of two activations).
    appended : int
        Constant elements stored with the output that no layer computes (a class token).
    input_dilation : int or (vertical, horizontal)
        Zeros inserted on the fly between the rows and columns of the ifmap, less one: the stride
        of a transposed convolution, which is computed as an ordinary one over ``H·input_dilation``
        rows. ``H`` and ``W`` are as stored, without those zeros.
    moves : bool
        Reads and writes only: zero MACs, no weights.
    parts : mapping of str to int
        Elements the layer touches of a tensor it does not read or write whole (one part of a
        concatenation, one slice of a split). One number: as many as it writes of a tensor of
        which it also reads a part. Of its input and its weight tensor, as many as its
        shape reads; the larger number where one tensor is both.
    """

    name: Name
    K: Count
    C: Count
    input: Name
    output: Name
    N: Count = 1
    G: Count = 1
    P: Count = 1
    Q: Count = 1
    R: Count = 1
    S: Count = 1
    H: Count = 1
    W: Count = 1
    stride: PerAxis = 1
    dilation: PerAxis = 1
    residuals: tuple[Name, ...] = ()
    weight_tensor: Name | None = None
    appended: Annotated[int, Field(strict=True, ge=0, le=10**9)] = 0
    input_dilation: PerAxis = 1
    moves: bool = False
    parts: Mapping[Name, Count] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.parts:
            if name not in (*self.reads, self.output):
                raise SpecError(f"layer {self.name!r}: parts: it does not touch tensor {name!r}")
        if self.moves:
            self._check_movement()
            return
        if self.macs > MAX_LAYER_MACS:
            raise SpecError(
                f"layer {self.name!r}: {self.macs:.3g} MACs; a layer may have at most "
                f"{MAX_LAYER_MACS:.0e}"
            )
        # Padding is at most the kernel less one on each side, else a window would see no data.
        for label, out, size, kernel, axis in (
            ("P", self.P, self.H, self.R, 0),
            ("Q", self.Q, self.W, self.S, 1),
        ):
            stride, dilation = along(axis, self.stride), along(axis, self.dilation)
            size = size * along(axis, self.input_dilation)
            reach = (kernel - 1) * dilation + 1
            if (out - 1) * stride + reach > size + 2 * (reach - 1):
                raise SpecError(
                    f"layer {self.name!r}: {label} = {out} output positions do not fit an ifmap of "
                    f"{size} with kernel {kernel}, stride {stride} and dilation {dilation}"
                )

    def _check_movement(self) -> None:
        convolves = {"R": 1, "S": 1, "stride": 1, "dilation": 1, "input_dilation": 1}
        for key, nothing in (*convolves.items(), ("weight_tensor", None)):
            if getattr(self, key) != nothing:
                raise SpecError(f"layer {self.name!r}: moves data only, so it has no {key}")

    @property
    def stride_rows(self) -> int:
        """Vertical stride."""
        return along(0, self.stride)

    @property
    def input_dilation_rows(self) -> int:
        """Rows of the zero-inserted ifmap for each one that is stored."""
        return along(0, self.input_dilation)

    @property
    def kernel_rows(self) -> int:
        """``R_eff``: rows one dilated kernel covers."""
        return (self.R - 1) * along(0, self.dilation) + 1

    @property
    def window(self) -> int:
        """``R·S``: multiplications of one kernel window."""
        return self.R * self.S

    @property
    def owns_weights(self) -> bool:
        """Whether it has weights of its own, with a width and a noise."""
        return self.weight_tensor is None and not self.moves

    @property
    def weight_source(self) -> str:
        """What gives the weight operand its width: ``weight:<layer>`` or ``tensor:<tensor>``."""
        return (
            f"weight:{self.name}" if self.weight_tensor is None else f"tensor:{self.weight_tensor}"
        )

    @property
    def weights(self) -> int:
        """``G·K·C·R·S``: elements of the weight operand; none where data only moves."""
        return 0 if self.moves else self.G * self.K * self.C * self.window

    @property
    def macs(self) -> int:
        """``N·G·K·C·R·S·P·Q``: multiply-accumulate operations; none where data only moves."""
        return self.N * self.weights * self.P * self.Q

    @property
    def ops(self) -> int:
        """``N·G·K·C·P·Q·(R·S + 1)``: the paper's operations (R·S products and one sum)."""
        if self.moves:
            return 0
        return self.N * self.G * self.K * self.C * self.P * self.Q * (self.window + 1)

    @property
    def ifmap(self) -> int:
        """``N·G·C·H·W``: elements of the input tensor."""
        return self.N * self.G * self.C * self.H * self.W

    @property
    def computed_outputs(self) -> int:
        """``N·G·K·P·Q``: outputs before a fused pooling."""
        return self.N * self.G * self.K * self.P * self.Q

    @property
    def accumulation_bits(self) -> int:
        """``⌈log2(C·R·S)⌉``: bits an exact sum of C·R·S products needs beyond one product."""
        return (self.C * self.window - 1).bit_length()

    @property
    def log2_reduction(self) -> float:
        """``log2(C·R·S)``, the accumulation term of BOPS."""
        return math.log2(self.C * self.window)

    @property
    def reads(self) -> tuple[str, ...]:
        """All activation tensors the layer reads: input, weight tensor, residuals."""
        extra = () if self.weight_tensor is None else (self.weight_tensor,)
        return (self.input, *extra, *self.residuals)


@spec_dataclass
class Network(Displayed):
    """Layers in execution order over named activation tensors.

    Attributes
    ----------
    name : str
    layers : tuple of Layer
    tensors : mapping of str to int
        Elements of each activation tensor, for the whole batch, as stored (after fused pooling).
    source : str
        Where the architecture is described.
    """

    name: Name
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_LAYERS)]
    tensors: Mapping[Name, Count]
    source: str = ""

    def __post_init__(self) -> None:
        if all(layer.moves for layer in self.layers):
            raise SpecError(
                f"network {self.name!r}: its layers only move data; at least one must multiply"
            )
        _check_names(self)
        _check_order(self)
        for layer in self.layers:
            _check_shapes(self, layer)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Tensors no layer reads: the results of the network, stored at a fixed width."""
        read = {name for layer in self.layers for name in layer.reads}
        return tuple(name for name in self.tensors if name not in read)

    @cached_property
    def inner_tensors(self) -> tuple[str, ...]:
        """Tensors some layer reads, in declared order: those whose bitwidth is a choice."""
        outputs = set(self.outputs)
        return tuple(name for name in self.tensors if name not in outputs)

    @cached_property
    def lifetimes(self) -> dict[str, tuple[int, int]]:
        """The first layer that writes each tensor, and the last that reads it, by their numbers.

        Only of tensors that some layer writes and some layer reads, in declared order: those that
        can stay on chip in between. The network's inputs and results cannot.
        """
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for i, layer in enumerate(self.layers):
            last |= dict.fromkeys(layer.reads, i)
            first.setdefault(layer.output, i)
        return {x: (first[x], last[x]) for x in self.tensors if x in first and x in last}

    @cached_property
    def noise_sources(self) -> tuple[str, ...]:
        """All that adds noise: ``weight:<layer>``, then ``tensor:<tensor>`` of all but results."""
        weights = (f"weight:{name}" for name in self.weight_layers)
        return (*weights, *(f"tensor:{name}" for name in self.inner_tensors))

    @cached_property
    def weight_layers(self) -> tuple[str, ...]:
        """Names of the layers that own weights."""
        return tuple(layer.name for layer in self.layers if layer.owns_weights)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one inference of the batch."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weights(self) -> int:
        """Weight elements, biases and normalisation parameters not counted."""
        return sum(layer.weights for layer in self.layers if layer.owns_weights)

    @cached_property
    def images(self) -> int:
        """Images of the batch: as many as divide the batch of every layer with weights."""
        return math.gcd(*(x.N for x in self.layers if x.weight_tensor is None)) or 1

    def touched(self, layer: Layer, name: str) -> int:
        """Elements of a tensor that a layer reads or writes: all, unless ``parts`` says less."""
        return layer.parts.get(name, self.tensors[name])

    def stored_factor(self, name: str, multiple: int | None) -> Fraction:
        """By how much a tensor grows in DRAM where channels are stored in multiples of a number.

        What a layer writes has its G·K channels; an input of the network has the channels of its
        first reader, G·C, or G·K where that adds it or takes it for weights.
        """
        if multiple is None:
            return Fraction(1)
        each = [(self.touched(x, name), x.G * x.K) for x in self.layers if x.output == name]
        if not each:
            reader = next(layer for layer in self.layers if name in layer.reads)
            channels = reader.C if reader.input == name else reader.K
            each = [(self.tensors[name], reader.G * channels)]
        stored = (Fraction(n * -(-count // multiple) * multiple, count) for n, count in each)
        return sum(stored, Fraction(0)) / self.tensors[name]

    def operand_factors(self, layer: Layer, multiple: int | None) -> tuple[Fraction, Fraction]:
        """The same of a layer's weight operand, and of its input."""
        weights = Fraction(1)
        if layer.weight_tensor is not None:
            weights = self.stored_factor(layer.weight_tensor, multiple)
        return weights, self.stored_factor(layer.input, multiple)

    def stored(self, layer: Layer, name: str, multiple: int | None) -> int:
        """Elements of a tensor that a layer reads from DRAM or writes to it, as they are stored."""
        return math.ceil(self.touched(layer, name) * self.stored_factor(name, multiple))

    def batched(self, images: int) -> Network:
        """The same network on ``images`` times as many images at once.

        A product of two activations has other operands for each image, so there the images are
        groups; everywhere else they share the weights.

        Raises
        ------
        SpecError
            Not a positive whole number, or a layer grows too large.
        """
        if not isinstance(images, int) or images < 1:
            raise SpecError(f"batch: {images!r} images; give a whole number of at least 1")
        if images == 1:
            return self

        def grown(layer: Layer) -> Layer:
            loop = "N" if layer.weight_tensor is None else "G"
            return replace(
                layer,
                **{loop: getattr(layer, loop) * images},
                appended=layer.appended * images,
                parts={name: elements * images for name, elements in layer.parts.items()},
            )

        return Network(
            name=self.name,
            layers=tuple(grown(layer) for layer in self.layers),
            tensors={name: elements * images for name, elements in self.tensors.items()},
            source=self.source,
        )


def _check_names(network: Network) -> None:
    seen: set[str] = set()
    used: set[str] = set()
    for layer in network.layers:
        if layer.name in seen:
            raise SpecError(f"network {network.name!r}: two layers are named {layer.name!r}")
        seen.add(layer.name)
    for layer in network.layers:
        for name in (*layer.reads, layer.output):
            if name not in network.tensors:
                raise SpecError(
                    f"network {network.name!r}, layer {layer.name!r}: tensor {name!r} is not in "
                    "[tensors]"
                )
            used.add(name)
    for name in network.tensors:
        if name not in used:
            raise SpecError(
                f"network {network.name!r}: tensor {name!r} is declared but no layer uses it"
            )


def _check_order(network: Network) -> None:
    writers: dict[str, list[Layer]] = {}
    for layer in network.layers:
        mine = writers.setdefault(layer.output, [])
        mine.append(layer)
        for other in mine[-2:-1]:  # those before it were compared when it came
            if not (layer.output in layer.parts and layer.output in other.parts):
                raise SpecError(
                    f"network {network.name!r}: layers {other.name!r} and {layer.name!r} both "
                    f"write tensor {layer.output!r}; a tensor has one writer, unless each writes "
                    "a part of it"
                )
    for name, mine in writers.items():
        written = sum(network.touched(layer, name) for layer in mine)
        if written != network.tensors[name]:
            raise SpecError(
                f"network {network.name!r}: the layers that write tensor {name!r} write {written} "
                f"of its {network.tensors[name]} elements"
            )
    left = {name: len(mine) for name, mine in writers.items()}
    for layer in network.layers:
        for name in layer.reads:
            missing = left.get(name, 0)
            if missing and (name not in layer.parts or missing == len(writers[name])):
                late = writers[name][len(writers[name]) - missing]
                raise SpecError(
                    f"network {network.name!r}, layer {layer.name!r}: reads tensor {name!r} before "
                    f"layer {late.name!r} writes it; list layers in execution order"
                )
        left[layer.output] -= 1


def _check_shapes(network: Network, layer: Layer) -> None:
    where = f"network {network.name!r}, layer {layer.name!r}"
    _check_parts(network, layer, where)
    operands = [(layer.input, layer.ifmap, "ifmap has N·G·C·H·W")]
    if layer.weight_tensor is not None:
        operands.append((layer.weight_tensor, layer.weights, "weight operand has G·K·C·R·S"))
    for name, elements, has in operands:
        if name not in layer.parts and elements != network.tensors[name]:
            raise SpecError(
                f"{where}: its {has} = {elements} elements but tensor {name!r} has "
                f"{network.tensors[name]}"
            )
    most, written = layer.computed_outputs + layer.appended, network.touched(layer, layer.output)
    if written > most:
        raise SpecError(
            f"{where}: computes {most} outputs but tensor {layer.output!r} has "
            f"{written} elements (a fused pooling can only make it smaller)"
        )
    for name in layer.residuals:
        read = network.touched(layer, name)
        if read > layer.computed_outputs:
            raise SpecError(
                f"{where}: residual {name!r} has {read} elements, more than the "
                f"{layer.computed_outputs} outputs it is added to"
            )


def _check_parts(network: Network, layer: Layer, where: str) -> None:
    for name, part in layer.parts.items():
        if part > network.tensors[name]:
            raise SpecError(
                f"{where}: parts: {part} elements of tensor {name!r}, which has "
                f"{network.tensors[name]}"
            )
        roles = ((layer.input, layer.ifmap), (layer.weight_tensor, layer.weights))
        reads = max((elements for role, elements in roles if role == name), default=part)
        if part != reads:
            raise SpecError(
                f"{where}: parts: {part} elements of tensor {name!r}, of which its shape reads "
                f"{reads}"
            )
