"""The declared space of hybrids: segments of layers, and the arrays that they may share.

A *segment* is a run of layers with MACs at both ends, at least one layer with MACs left out. Its
SRAM is looked at in ranges: within one, every layer has a least DRAM traffic for each pair of
widths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from codesign.arrays import Bools, Floats, Ints
from codesign.costs.compute import PEArray, cycles, fold
from codesign.costs.pipeline import reads_of
from codesign.costs.segment import SegmentChoice
from codesign.costs.stages import layer_shape
from codesign.costs.tiling import Tilings, check_tiles, operand_bits, tilings
from codesign.space.dataflow import PipelineSpace
from codesign.specs.layer import Layer
from codesign.specs.machine import Mapping as ArrayMapping

SRAM_RATIO = 1.25  # of the ends of a range of SRAM sizes


class SharedArray(NamedTuple):
    """An array on offer, whatever the widths of its PEs."""

    mapping: ArrayMapping
    rows: int
    cols: int


class Sharing(NamedTuple):
    """What layers that share an array may have: sizes of its SRAM, and its PEs.

    Attributes
    ----------
    least_sram, most_sram : float
        Bits.
    pes : tuple of (int, int, tuple of float)
        Widths of weights and activations, and what such an array takes of each metric of the
        technology's hardware.
    """

    least_sram: float
    most_sram: float
    pes: tuple[tuple[int, int, tuple[float, ...]], ...]


class LayerTilings(NamedTuple):
    """A layer on an array.

    Attributes
    ----------
    cycles : int
    tilings : Tilings
    granules : ints
        Of groups, input and output channels and pixels: what tiles are multiples of; 0: whole.
    """

    cycles: int
    tilings: Tilings
    granules: Ints


class SegmentSpace(PipelineSpace):
    """All hybrids of some segments: of other layers the stages; the arrays are not yet said.

    Parameters
    ----------
    whole : PipelineSpace
        Of the problem.
    segments : tuple of range
        One or two, the earlier one first.
    """

    def __init__(self, whole: PipelineSpace, segments: tuple[range, ...]) -> None:
        shared = ("problem", "platform", "network", "choices", "classes", "bits")
        for name in (*shared, "class_of_tensor", "weight_class", "input_class"):
            setattr(self, name, getattr(whole, name))
        self.class_noise, self.unfolded = whole.class_noise, whole.unfolded
        self.segments = segments
        self.inside = {i: n for n, x in enumerate(segments) for i in x}  # of which segment
        self.reads = reads_of(self.network, segments)
        self.options = [None if i in self.inside else x for i, x in enumerate(whole.options)]

    @property
    def shared_layers(self) -> list[int]:
        """Numbers of the segments' layers with MACs."""
        return [i for i in self.inside if not self.network.layers[i].moves]

    def other_bits(self, layer: int, least_bits: Sequence[int]) -> int:
        """Bits that a layer of a segment moves beside operands and partial sums, at least.

        Its output and residuals; of one that only moves data its input too.

        Parameters
        ----------
        least_bits : sequence of int
            Of each class.
        """
        return sum(
            count * (self.choices.output_bits if c is None else least_bits[c])
            for c, count in self.other_elements(layer)
        )

    def _moved_elements(self) -> dict[str, float]:
        """As of `PipelineSpace`; the segments' outputs, residuals and moved data among them."""
        found = super()._moved_elements()
        for i in self.inside:
            for name, count in self._beside(i):
                found[name] = found.get(name, 0.0) + count
        return found

    def other_elements(self, layer: int) -> list[tuple[int | None, int]]:
        """The same as elements, each with the class of its width; None of a result."""
        return [(self.class_of_tensor.get(name), n) for name, n in self._beside(layer)]

    def _beside(self, layer: int) -> list[tuple[str, int]]:
        """The same by tensor."""
        of, network = self.network.layers[layer], self.network
        found = [(x, network.touched(of, x)) for x in (of.output, *of.residuals)]
        return found + ([(of.input, of.ifmap)] if of.moves else [])


class HybridSpace(SegmentSpace):
    """All hybrids of some segments, each on one array.

    Attributes
    ----------
    arrays : tuple of SharedArray
        Of each segment.
    sharings : tuple of Sharing
    tiled : mapping of int to LayerTilings
        By the number of the layer.
    """

    def __init__(
        self,
        of: SegmentSpace,
        arrays: tuple[SharedArray, ...],
        sharings: tuple[Sharing, ...],
        tiled: Mapping[int, LayerTilings],
    ) -> None:
        super().__init__(of, of.segments)
        self.arrays, self.sharings, self.tiled = arrays, sharings, dict(tiled)

    @property
    def chosen_layers(self) -> list[int]:
        """As of `PipelineSpace`; those of the segments among them."""
        return sorted([*super().chosen_layers, *self.tiled])

    def segment_choices(self, options: Mapping[int, int], widths: Ints) -> list[SegmentChoice]:
        """As of `PipelineSpace`; PEs are as wide as they must be, of those on offer."""
        return [self._choice(n, options, widths) for n in range(len(self.segments))]

    def _choice(self, number: int, options: Mapping[int, int], widths: Ints) -> SegmentChoice:
        """How the layers of a segment share its array."""
        widest, segment = [0, 0], self.segments[number]
        for i in segment:
            if i not in self.tiled:
                continue
            for n, c in enumerate((self.weight_class[i], self.input_class[i])):
                assert c is not None
                widest[n] = max(widest[n], self.bits[c][int(widths[c])])
        on = self.choices.pe_weight_bits, self.choices.pe_activation_bits
        pe = [min(x for x in offered if x >= w) for offered, w in zip(on, widest, strict=True)]
        mapping, rows, cols = self.arrays[number]
        return SegmentChoice(
            span=segment,
            mapping=mapping,
            rows=rows,
            cols=cols,
            pe_weight_bits=pe[0],
            pe_activation_bits=pe[1],
            tilings=[self._tiling(i, options) for i in segment],
        )

    def _tiling(self, layer: int, options: Mapping[int, int]) -> tuple[Tilings, int] | None:
        return (self.tiled[layer].tilings, options[layer]) if layer in self.tiled else None


class SharedTables:
    """What layers cost on the arrays on offer, worked out when first asked for.

    Attributes
    ----------
    arrays : list of SharedArray
    """

    def __init__(self, space: PipelineSpace) -> None:
        self.space, choices = space, space.choices
        self.arrays = [
            SharedArray(mapping, rows, cols)
            for mapping in choices.mapping
            for rows in choices.rows
            for cols in choices.cols
            if rows == cols or not choices.square
        ]
        self._tilings: dict[object, Tilings] = {}
        self._cycles: dict[object, int] = {}
        self._granules: dict[object, Ints] = {}
        self._slowest: dict[int, int] = {}
        self._alone: dict[int, SegmentSpace] = {}
        self._needs: dict[object, tuple[float, float]] = {}

    def segments(self) -> list[range]:
        """All that a hybrid may have alone, by their first layer."""
        macs = [i for i, x in enumerate(self.space.network.layers) if not x.moves]
        every = [range(a, b + 1) for n, a in enumerate(macs) for b in macs[n:]]
        return [x for x in every if len(x) < macs[-1] - macs[0] + 1]

    def families(self, most: int) -> list[list[tuple[range, ...]]]:
        """All hybrids of one segment, and of two where so many may be.

        Those in which a layer is alone that has no stage, on an FPGA, are left out.

        Raises
        ------
        SpecError
            None is left.
        """
        found: list[list[tuple[range, ...]]] = [[(x,) for x in self.segments()]]
        if most > 1:
            macs = [i for i, x in enumerate(self.space.network.layers) if not x.moves]
            every = [range(a, b + 1) for n, a in enumerate(macs) for b in macs[n:]]
            found.append([(x, y) for x in every for y in every if x.stop <= y.start])
        alone = {*self.space.unfolded}
        kept = [[x for x in of if alone.issubset(i for span in x for i in span)] for of in found]
        if alone and not any(kept):
            raise self.space.no_stage()
        return [x for x in kept if x]

    def cycles(self, layer: int, array: SharedArray) -> int:
        """A layer's cycles."""
        key = layer_shape(self.space.network.layers[layer]), array
        if key not in self._cycles:
            of, pes = self._pes(layer, array)
            on = of, array.rows, array.cols, pes.engine, array.mapping
            self._cycles[key] = int(cycles(*on, self.space.platform.machine))
        return self._cycles[key]

    def slowest(self, layer: int) -> int:
        """A layer's cycles on the slowest array for it."""
        if layer not in self._slowest:
            self._slowest[layer] = max(self.cycles(layer, x) for x in self.arrays)
        return self._slowest[layer]

    def granules(self, layer: int, array: SharedArray) -> Ints:
        """What a layer's tiles are multiples of, as of `LayerTilings`."""
        key = layer_shape(self.space.network.layers[layer]), array
        if key not in self._granules:
            self._granules[key] = _granules(*self._pes(layer, array))
        return self._granules[key]

    def on(self, layer: int, array: SharedArray) -> LayerTilings:
        """A layer's cycles and tilings."""
        of, granules = self.space.network.layers[layer], self.granules(layer, array)
        key = layer_shape(of), array.mapping, granules.tobytes()
        if key not in self._tilings:
            of, pes = self._pes(layer, array)
            check_tiles(of, pes)
            self._tilings[key] = tilings(of, pes)
        return LayerTilings(self.cycles(layer, array), self._tilings[key], granules)

    def alone(self, layer: int) -> SegmentSpace:
        """The space of a segment of one layer."""
        if layer not in self._alone:
            self._alone[layer] = SegmentSpace(self.space, (range(layer, layer + 1),))
        return self._alone[layer]

    def _pes(self, layer: int, array: SharedArray) -> tuple[Layer, PEArray]:
        engine, machine = self.space.problem.technology.engine, self.space.platform.machine
        pes = PEArray(array.rows, array.cols, engine, array.mapping, machine.zero_skipping)
        return self.space.network.layers[layer], pes

    def operand_bits(self, layer: int) -> Ints:
        """(weights' widths, inputs' widths, 3) of weights, ifmap and partial sums."""
        space = self.space
        w_class, a_class = space.weight_class[layer], space.input_class[layer]
        assert w_class is not None
        assert a_class is not None
        w, a = (np.array(space.bits[c]) for c in (w_class, a_class))
        of = space.network.layers[layer]
        return operand_bits(w[:, None], a[None, :], of.accumulation_bits)

    def needs(self, layer: int, array: SharedArray) -> tuple[float, float]:
        """SRAM bits of the tiling of least need at the least widths, and of most at the most."""
        key = self.key(layer, array)
        if key not in self._needs:
            bits, need = self.operand_bits(layer), self.on(layer, array).tilings.need
            self._needs[key] = float((need @ bits[0, 0]).min()), float((need @ bits[-1, -1]).max())
        return self._needs[key]

    def best(
        self,
        layer: int,
        array: SharedArray,
        widths: tuple[int, int],
        most_sram: float,
        per_bit: Floats | None = None,
    ) -> int | None:
        """The tiling of least DRAM traffic that an SRAM holds, at a pair of widths; None: none.

        Parameters
        ----------
        per_bit : floats, shape (3,), optional
            What a DRAM bit of each operand costs; all the same by default.
        """
        bits, table = self.operand_bits(layer)[widths], self.on(layer, array).tilings
        need, moved = table.need @ bits, table.traffic @ bits
        spent = moved if per_bit is None else (table.traffic * per_bit) @ bits
        fits = np.flatnonzero(need <= most_sram)
        if not len(fits):
            return None
        return int(fits[np.lexsort((need[fits], moved[fits], spent[fits]))[0]])

    def key(self, layer: int, array: SharedArray) -> tuple[object, ...]:
        """What decides a layer's costs on an array, whatever the SRAM."""
        space = self.space
        widths = (space.bits[c or 0] for c in (space.weight_class[layer], space.input_class[layer]))
        granules = self.granules(layer, array).tobytes()
        return (layer_shape(space.network.layers[layer]), array.mapping, granules, *widths)


def _granules(layer: Layer, array: PEArray) -> Ints:
    folding = fold(layer, array)
    c, k = folding.tile_c, folding.tile_k
    c, k = (0 if c >= layer.C else c), (0 if k >= layer.K else k)
    return np.array([folding.side_by_side, c, k, folding.pixels, *folding.phases])


def tiles_as_well(one: Ints, other: Ints) -> bool:
    """Whether every tile on an array is legal on one of such granules (..., 6) too."""
    alone = (one[..., 0] == 1) & (other[..., 0] == 1)
    channels = alone[..., None] & _divides(one[..., 1:3], other[..., 1:3])
    same = (one[..., :3] == other[..., :3]).all(axis=-1)
    pixels = (one[..., 3] == 1) | (one[..., 3:] == other[..., 3:]).all(axis=-1)
    return bool(((channels.all(axis=-1) | same) & pixels).all())


def _divides(one: Ints, other: Ints) -> Bools:
    """Whether multiples of one granule are those of another; 0 is the whole, which is any's."""
    return np.asarray((other == 0) | ((one > 0) & (other % np.maximum(one, 1) == 0)))
