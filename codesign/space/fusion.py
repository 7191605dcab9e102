"""What a fused run, or one layer of it, holds and moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from codesign.arrays import Floats, Ints
from codesign.costs.fusion import FusedRun
from codesign.specs.network import Layer, Network

Bits = TypeVar("Bits", int, Ints)


class Moved(NamedTuple):
    """A tensor that a layer writes, or reads beside its operands.

    Attributes
    ----------
    variable : int or None
        Width variable; None: a result of the network, stored at the given width.
    elements : int
    tensor : int or None
        Which of `WidthSpace.placed` it is; None: it is always in DRAM.
    """

    variable: int | None
    elements: int
    tensor: int | None


@dataclass(frozen=True)
class RunLayer:
    """One layer of a fused run.

    Attributes
    ----------
    layer : int
    geometry : int
    weight_elements : int
        Held, and fetched once.
    ifmap_elements, input_elements : int
        Of the run's input, of the first layer: fetched, and held, unless it is resident; else 0.
    band_elements : int
        Held of the band that it reads; 0 of the first layer.
    psum_elements, accumulation_bits : int
        Held of partial sums, each of so many bits more than both operands have together.
    source : int or None
        Placed tensor that it reads: the band or, if it may be resident, the run's input.
    moved : tuple of Moved
        Its output and residuals, as far as they are not held anyway.
    moved_number : tuple of int
        And which of these each is: 0 is the output.
    added_elements : int
        Of what it reads, added from there by layers of the run.
    """

    layer: int
    geometry: int
    weight_elements: int
    ifmap_elements: int
    input_elements: int
    band_elements: int
    psum_elements: int
    accumulation_bits: int
    source: int | None
    moved: tuple[Moved, ...]
    moved_number: tuple[int, ...]
    added_elements: int

    def held_bits(self, bw: Bits, ba: Bits, resident: bool = False) -> Bits:
        """SRAM bits of weights and input at widths, partial sums left out."""
        read = self.band_elements + (0 if resident else self.input_elements)
        return self.weight_elements * bw + read * ba

    def psum_bits(self, bw: Bits, ba: Bits) -> Bits:
        """SRAM bits of partial sums."""
        return self.psum_elements * (bw + ba + self.accumulation_bits)

    def fetched_bits(self, bw: Bits, ba: Bits, resident: bool = False) -> Bits:
        """DRAM bits of weights and input."""
        return self.weight_elements * bw + (0 if resident else self.ifmap_elements) * ba


class LeastRunBits(NamedTuple):
    """SRAM bits that fused runs take at least; inf where one has no widths.

    Attributes
    ----------
    weight_bits : floats, shape (layers,)
        The fewest bits of each layer's weights.
    held : floats, shape (runs,)
        Weights and bands.
    inputs : floats, shape (runs,)
        Their inputs, as rows or resident.
    psums : floats, shape (runs,)
    """

    weight_bits: Floats
    held: Floats
    inputs: Floats
    psums: Floats

    @property
    def total(self) -> Floats:
        """(runs,)"""
        return self.held + self.inputs + self.psums


def layers_of_run(
    network: Network,
    geometry_of: Sequence[int],
    read: Sequence[int | None],
    moved_by: Callable[[Layer], Sequence[Moved]],
    run: FusedRun,
) -> tuple[RunLayer, ...]:
    """The layers of a fused run.

    Parameters
    ----------
    geometry_of : sequence of int
        Of each layer of the network.
    read : sequence of int or None
        Placed tensor that each reads.
    moved_by : callable
        A layer's output, then each residual.
    """
    found = []
    for n, i in enumerate(run.layers):
        layer = network.layers[i]
        names = layer.output, *layer.residuals
        number = [k for k, name in enumerate(names) if name in run.moved[n]]
        every = moved_by(layer)
        found.append(
            RunLayer(
                layer=i,
                geometry=geometry_of[i],
                weight_elements=layer.weights,
                ifmap_elements=0 if n else layer.ifmap,
                input_elements=0 if n else run.input_elements,
                band_elements=run.band_elements[n - 1] if n else 0,
                psum_elements=run.psum_elements[n],
                accumulation_bits=layer.accumulation_bits,
                source=read[i],
                moved=tuple(every[k] for k in number),
                moved_number=tuple(number),
                added_elements=_added_in(network, run, layer.input),
            )
        )
    return tuple(found)


def _added_in(network: Network, run: FusedRun, tensor: str) -> int:
    """Elements of a tensor whose rows a run holds anyway that its layers add."""
    return sum(
        network.touched(network.layers[i], tensor)
        for i, moved in zip(run.layers, run.moved, strict=True)
        for name in network.layers[i].residuals
        if name == tensor and name not in moved
    )
