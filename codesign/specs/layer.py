"""One layer of a network, by its loops.

Loop letters as in Timeloop and CoSA: ``N`` batch, ``G`` groups, ``K`` output channels per group,
``C`` input channels per group, ``P × Q`` output rows × columns, ``R × S`` kernel rows × columns,
``H × W`` rows × columns of the input feature map (ifmap) as stored, without padding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import Annotated

from pydantic import Field

from codesign.errors import SpecError
from codesign.specs.schema import spec_dataclass
from codesign.specs.zeros import WindowPhases, phases, rounds

MAX_LAYER_MACS = 10**13  # keeps the figures of real layers exact in 64 bits

MAX_NAME = 200  # letters
MOST_PADDING = 4  # rows of zeros on a side that any kernel may have: more is a mistaken size
MOST_REPETITION = 256  # windows that enlarge more than that read what is stored enlarged

Count = Annotated[int, Field(strict=True, ge=1, le=10**9)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=MAX_NAME)]
PerAxis = Count | tuple[Count, Count]


def most_padding(reach: int) -> int:
    """Rows of padding that a kernel of so many dilated rows may have on each side.

    One row less than the kernel, from where on windows see no data at all, or a few if that is
    more: but where rows are repeated, what is computed, read and held does not depend on how the
    padding is shared out, so that a larger number would do no harm but to accept sizes that are
    mistaken.
    """
    return max(reach - 1, MOST_PADDING)


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
        Tensors read element-wise beside the input (a fused skip addition); of any size where data
        only move.
    weight_tensor : str or None
        The activation tensor that stands in for the weights (matrix product of two activations).
    weights_of : str or None
        The earlier layer whose weights this one multiplies with too: it owns none. They have one
        width and one noise and are stored once; every use fetches them.
    appended : int
        Constant elements stored with the output that no layer computes (a class token).
    input_dilation : int or (vertical, horizontal)
        Zeros inserted on the fly between the rows and columns of the ifmap, less one: the stride
        of a transposed convolution, which is computed as an ordinary one over ``H·input_dilation``
        rows. ``H`` and ``W`` are as stored, without those zeros.
    input_repetition : int or (vertical, horizontal)
        Times that windows see each row and column of the ifmap, one beside the other: an image
        enlarged to its nearest neighbours, of which only the original, ``H × W``, is stored and
        read. Of padding the half is taken to be above and on the left, of an odd number the
        smaller one. Not along an axis with inserted zeros.
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
    weights_of: Name | None = None
    appended: Annotated[int, Field(strict=True, ge=0, le=10**9)] = 0
    input_dilation: PerAxis = 1
    input_repetition: PerAxis = 1
    moves: bool = False
    parts: Mapping[Name, Count] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.parts:
            if name not in (*self.reads, self.output):
                raise SpecError(f"layer {self.name!r}: parts: it does not touch tensor {name!r}")
        if self.moves:
            self._check_movement()
            return
        if self.weights_of is not None and self.weight_tensor is not None:
            raise SpecError(
                f"layer {self.name!r}: its weights are those of layer {self.weights_of!r} or the "
                f"activation tensor {self.weight_tensor!r}; give weights_of or weight_tensor"
            )
        if self.macs > MAX_LAYER_MACS:
            raise SpecError(
                f"layer {self.name!r}: {self.macs:.6g} MACs; a layer may have at most "
                f"{MAX_LAYER_MACS:.0e}"
            )
        for label, out, size, kernel, axis in (
            ("P", self.P, self.H, self.R, 0),
            ("Q", self.Q, self.W, self.S, 1),
        ):
            stride, dilation = along(axis, self.stride), along(axis, self.dilation)
            size = size * self._spread(axis)
            reach = (kernel - 1) * dilation + 1
            if (out - 1) * stride + reach > size + 2 * most_padding(reach):
                raise SpecError(
                    f"layer {self.name!r}: {label} = {out} output positions do not fit an ifmap of "
                    f"{size} with kernel {kernel}, stride {stride} and dilation {dilation}, padded "
                    f"by at most {most_padding(reach)} on each side"
                )

    def _spread(self, axis: int) -> int:
        """Rows or columns that windows see for each one that is stored."""
        zeros, again = along(axis, self.input_dilation), along(axis, self.input_repetition)
        if again > MOST_REPETITION:
            raise SpecError(
                f"layer {self.name!r}: input_repetition = {again}; at most {MOST_REPETITION}, "
                "store an image that is enlarged more"
            )
        if min(zeros, again) > 1:
            raise SpecError(
                f"layer {self.name!r}: rows or columns of its input have zeros between them or are "
                "repeated; give input_dilation or input_repetition along an axis"
            )
        return zeros * again

    def _check_movement(self) -> None:
        convolves = {"R": 1, "S": 1, "stride": 1, "dilation": 1}
        convolves |= {"input_dilation": 1, "input_repetition": 1}
        none = dict.fromkeys(("weight_tensor", "weights_of"))
        for key, nothing in (*convolves.items(), *none.items()):
            if getattr(self, key) != nothing:
                raise SpecError(f"layer {self.name!r}: moves data only, so it has no {key}")

    @property
    def stride_rows(self) -> int:
        """Vertical stride."""
        return along(0, self.stride)

    @property
    def spread_rows(self) -> int:
        """Rows that windows see for each one that is stored: that with zeros, or repeated."""
        return along(0, self.input_dilation) * along(0, self.input_repetition)

    @property
    def kernel_rows(self) -> int:
        """``R_eff``: rows one dilated kernel covers."""
        return (self.R - 1) * along(0, self.dilation) + 1

    @property
    def window(self) -> int:
        """``R·S``: multiplications of one kernel window."""
        return self.R * self.S

    @property
    def uses_weights(self) -> bool:
        """Whether it multiplies with weights, its own or those of another layer."""
        return self.weight_tensor is None and not self.moves

    @property
    def owns_weights(self) -> bool:
        """Whether it has weights of its own, with a width and a noise."""
        return self.uses_weights and self.weights_of is None

    @property
    def weight_source(self) -> str:
        """What gives the weight operand its width: ``weight:<layer>`` or ``tensor:<tensor>``.

        The layer is the one that owns the weights.
        """
        if self.weight_tensor is not None:
            return f"tensor:{self.weight_tensor}"
        return f"weight:{self.weights_of or self.name}"

    @property
    def weights(self) -> int:
        """``G·K·C·R·S``: elements of the weight operand; none where data only moves."""
        return 0 if self.moves else self.G * self.K * self.C * self.window

    @property
    def macs(self) -> int:
        """``N·G·K·C·R·S·P·Q``: multiply-accumulate operations; none where data only moves."""
        return self.N * self.weights * self.P * self.Q

    @cached_property
    def phases(self) -> tuple[WindowPhases, ...]:
        """Outputs of an image by the positions of their windows that hold stored elements."""
        down, across = (
            phases(size, taps, *(along(axis, pair) for pair in self._steps))
            for axis, (size, taps) in enumerate(((self.P, self.R), (self.Q, self.S)))
        )
        return tuple(
            WindowPhases(v.alike * h.alike, v.outputs, h.outputs, v.taps * h.taps)
            for v in down
            for h in across
        )

    @property
    def phases_in_turn(self) -> tuple[int, int]:
        """Phases that rows, and columns, of outputs go through in turn."""
        down, across = (
            rounds(along(axis, self.stride), along(axis, self.input_dilation)) for axis in (0, 1)
        )
        return down, across

    @property
    def _steps(self) -> tuple[PerAxis, PerAxis, PerAxis]:
        return self.stride, self.dilation, self.input_dilation

    @property
    def stored_macs(self) -> int:
        """MACs without those of inserted zeros, see `codesign.specs.zeros`."""
        if self.moves or self.input_dilation in (1, (1, 1)):
            return self.macs
        products = sum(x.alike * x.outputs * x.window for x in self.phases)
        return self.N * self.G * self.K * self.C * products

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
