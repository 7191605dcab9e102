"""A design or evaluation as mappers see it: layers with loop nests, on one array."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from codesign.costs.layer_energy import energies_of
from codesign.costs.layers import LayerDesign, operand_bits_on
from codesign.errors import SpecError
from codesign.results.design import Design
from codesign.results.evaluation import Evaluation
from codesign.specs.accelerator import Accelerator
from codesign.specs.layer import Layer
from codesign.specs.network import Network

KINDS = ("weights", "ifmap", "output", "residual")  # of traffic; partial sums are of the output


class Transfer(NamedTuple):
    """A tensor that moves beside the loops of a layer, each element once.

    Attributes
    ----------
    part : str
        Its name beside the layer's.
    elements, bits : int
    kind : str
        Of `KINDS`.
    tensor : str or None
        What is read; None: outputs are written.
    """

    part: str
    elements: int
    bits: int
    kind: str
    tensor: str | None

    @property
    def written(self) -> bool:
        """Whether it goes to DRAM, rather than comes from there."""
        return self.tensor is None


@dataclass(frozen=True)
class Mapped:
    """What an export takes of a result.

    Attributes
    ----------
    result : Design or Evaluation
    tool : str
        Who it is for, in what is refused.
    """

    result: Design | Evaluation
    tool: str

    def __post_init__(self) -> None:
        chip = self.accelerator
        if any(row.tile is None for row in self.result.layer_designs if row.weight_bits):
            self._refuse("the ideal roofline has no tiles; evaluate with a size of the SRAM")
        if self.result.fused_runs:
            run = self.result.fused_runs[0]
            first = self.network.layers[run.first].name
            self._refuse(f"layers fused from {first!r} on have no loop nest of their own")
        if chip.stored_channels not in (None, 1):
            self._refuse("channels in multiples of a number are none of its tensors")
        if any(x.input_dilation not in (1, (1, 1)) for x in self.network.layers):
            self._refuse("transposed convolutions over inserted zeros are none of its layers")
        if any(x.input_repetition not in (1, (1, 1)) for x in self.network.layers):
            self._refuse(
                "windows that see an image enlarged as they read it are none of its layers"
            )

    def _refuse(self, why: str) -> None:
        raise SpecError(f"{self.tool}: {why}")

    @property
    def network(self) -> Network:
        """Its layers and tensors."""
        return self.result.network

    @property
    def accelerator(self) -> Accelerator:
        """Its array and memories."""
        return self.result.accelerator

    @property
    def layers(self) -> Iterator[tuple[Layer, LayerDesign]]:
        """Each layer with its figures."""
        return zip(self.network.layers, self.result.layer_designs, strict=True)

    @property
    def energies_j(self) -> tuple[float, float, float, float]:
        """Of an SRAM bit read and written, a DRAM bit, and a MAC at the PE's widths; 0 if unknown.

        SRAM bits are those of one bank.
        """
        chip, given = self.accelerator, energies_of(self.accelerator)
        dram = chip.dram_energy_j_per_bit or 0.0
        if given is None:
            return 0.0, 0.0, dram, 0.0
        products = chip.pe_weight_bits * chip.pe_activation_bits
        bops = products + chip.pe_weight_bits + chip.pe_activation_bits
        mac = (given.j_per_bop or 0.0) * bops + (given.j_per_mac or 0.0)
        return given.sram_read_j_per_bit or 0.0, given.sram_write_j_per_bit or 0.0, dram, mac

    def on_chip(self, tensor: str) -> bool:
        """Whether a tensor stays in the SRAM."""
        places = self.result.on_chip
        return places is not None and places[tensor] == "chip"

    def bits(self, tensor: str) -> int:
        """Width of a tensor."""
        return self.result.tensor_bits[tensor]

    def stored_output(self, layer: Layer) -> int:
        """Elements of its output that a layer writes to DRAM; 0 where they stay on chip."""
        return 0 if self.on_chip(layer.output) else self.network.touched(layer, layer.output)

    def as_computed(self, layer: Layer) -> bool:
        """Whether a layer stores, if anything, just the outputs that it computes."""
        return not layer.moves and self.stored_output(layer) in (0, layer.computed_outputs)

    def written_bits(self, layer: Layer) -> int:
        """Width at which a layer writes the outputs that it computes; 0 where it writes others."""
        stored = self.as_computed(layer) and self.stored_output(layer)
        return self.bits(layer.output) if stored else 0

    def transfers(self, layer: Layer) -> Iterator[Transfer]:
        """What moves beside the loops of a layer."""
        if layer.moves and not self.on_chip(layer.input):
            yield Transfer("reads", layer.ifmap, self.bits(layer.input), "ifmap", layer.input)
        for n, name in enumerate(layer.residuals):
            if not self.on_chip(name):
                count = self.network.touched(layer, name)
                yield Transfer(f"adds {n + 1}", count, self.bits(name), "residual", name)
        if not self.as_computed(layer) and self.stored_output(layer):
            count, bits = self.stored_output(layer), self.bits(layer.output)
            yield Transfer("stores", count, bits, "output", None)

    def widths(self, layer: Layer, row: LayerDesign) -> tuple[int, int, int]:
        """Bits of weights, ifmap and partial sums as they are fetched: 0 of what is on chip."""
        assert row.weight_bits is not None
        found = operand_bits_on(layer, self.accelerator, row.weight_bits, self.result.tensor_bits)
        weights, ifmap, psum = (int(x) for x in found)
        if layer.weight_tensor is not None and self.on_chip(layer.weight_tensor):
            weights = 0
        return weights, 0 if self.on_chip(layer.input) else ifmap, psum


@dataclass(frozen=True)
class ExportedLayer:
    """What became of a layer.

    Attributes
    ----------
    name : str
    parts : tuple of str
        What stands for it in the files of the other tool.
    ours : dict of str to int
        DRAM bits by `KINDS`.
    theirs : dict of str to int, or None
        What the other tool counts; None where it was not asked.
    differs : str or None
        Why its model cannot give ours, causes with semicolons between; None where both meet.
    """

    name: str
    parts: tuple[str, ...]
    ours: dict[str, int]
    theirs: dict[str, int] | None
    differs: str | None

    @property
    def record(self) -> dict[str, object]:
        """As JSON has it."""
        bits = {"dram_bits": self.ours, "their_dram_bits": self.theirs}
        return {"layer": self.name, "parts": [*self.parts], **bits, "differs": self.differs}


@dataclass(frozen=True)
class Exported:
    """A design in another tool's files.

    Attributes
    ----------
    texts : mapping of str to (str or bytes)
        Their content by name.
    layers : tuple of ExportedLayer
    not_filed : tuple of str
        What the tool's files have no place for, in every layer.
    """

    texts: Mapping[str, str | bytes]
    layers: tuple[ExportedLayer, ...]
    not_filed: tuple[str, ...] = ()


def kinds_of(row: LayerDesign) -> dict[str, int]:
    """DRAM bits of a layer by `KINDS`."""
    bits = row.dram_bits
    every = bits.weights, bits.ifmap, bits.output + bits.psum, bits.residual
    return dict(zip(KINDS, every, strict=True))
