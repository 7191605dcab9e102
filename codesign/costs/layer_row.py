"""The figures of a layer on an accelerator, as results and their files have them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from codesign.specs.layer import Count, Layer, Name
from codesign.specs.machine import Mapping as ArrayMapping
from codesign.specs.schema import spec_dataclass
from codesign.specs.technology import Amount, refuse_negligible

Seconds = Annotated[Amount, Field(gt=0), AfterValidator(refuse_negligible)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Bits = Annotated[int, Field(strict=True, ge=0, le=10**30)]  # so that energies are numbers
Order = Annotated[str, Field(pattern="^(kcp|ckp|kpc|pkc|cpk|pck)$")]
Roof = Literal["compute", "memory", "sram"]


@spec_dataclass
class Tile:
    """Groups, output channels, input channels, output rows, columns and images of one tile.

    Without ``q``, as older files are, it has all output columns, and all that is stored of the
    ifmap's.
    """

    g: Count
    k: Count
    c: Count
    p: Count
    q: Count | None = None
    images: Count

    def sizes(self, layer: Layer) -> dict[str, int]:
        """Each of these, ``q`` as of a layer if it is left out."""
        every = {"g": self.g, "k": self.k, "c": self.c, "p": self.p}
        return {**every, "q": self.q or layer.Q, "images": self.images}


@spec_dataclass
class Traffic:
    """DRAM bits of one layer by what moves."""

    weights: Bits
    ifmap: Bits
    output: Bits
    psum: Bits
    residual: Bits

    @property
    def total(self) -> int:
        """All bits the layer moves."""
        return self.weights + self.ifmap + self.output + self.psum + self.residual


@spec_dataclass
class LayerDesign:
    """One layer on an accelerator.

    A layer that only moves data has neither weights nor tiles, and needs no SRAM of its own. It
    takes cycles only where tensors may stay on chip.

    Attributes
    ----------
    weight_bits : int or None
        Width of the weight operand (of the weight tensor, where that stands in); None where data
        only moves, as are ``tile`` and ``order``.
    tile : Tile or None
    order : str or None
        Tile loops, outermost first: a permutation of ``kcp``.
    cycles : int or None
    sram_bits : int or None
        What its tiling needs of the unified SRAM. This and the three above are None on the ideal
        roofline, which has no tiles.
    dram_bits : Traffic
    compute_s : float
        0 only where data only moves.
    memory_s, latency_s : float or None
        ``latency_s`` is the longer of the two, and of the other what does not overlap, see
        `codesign.costs.roofline`; None where no DRAM bandwidth is known.
    bound_by : "compute", "sram", "memory" or None
    resident_bits : int
        SRAM bits of the tensors that stay on chip while it runs, beside ``sram_bits``.
    mapping : str or None
        Its own mapping on a reconfigurable machine; None where all layers have the machine's.
    sram_s : float or None
        What the SRAM's port takes, see `codesign.costs.port`: where that is longer, it stands for
        ``compute_s`` in the latency. None where the port has no rate, or there are no tiles.
    """

    name: Name
    weight_bits: Count | None
    tile: Tile | None
    order: Order | None
    cycles: Whole | None
    sram_bits: Whole | None
    dram_bits: Traffic
    compute_s: Amount
    memory_s: Amount | None
    latency_s: Seconds | None
    bound_by: Roof | None
    resident_bits: Whole = 0
    mapping: ArrayMapping | None = None
    sram_s: Amount | None = None
