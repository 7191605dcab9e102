"""Layers whose tables have the same axes, and what their tables are made of.

Layers whose tables have the same axes are worked on as one array: a network has dozens of different
layers but few such families.

Axes: ``B`` hardware options of a batch, ``K`` kinds of a family, ``w`` widths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from codesign.arrays import Floats, Ints
from codesign.search.bounds.batch import Batch
from codesign.space.widths import WidthSpace

if TYPE_CHECKING:
    from codesign.search.bounds.fused_entries import FusedEntries


WORTH_PAIRING = 0.7  # of entries: no telling apart of more pairs
MOST_CODES = 8  # numbers for each that is looked up, up to where a list of them all is fast


class BesideRooms(NamedTuple):
    """What each entry of a family asks of rooms, and what it moves and takes beside.

    Attributes
    ----------
    which : ints, shape (pairs,)
        Of `Family.rooms_asked`.
    bits : floats, shape (pairs,)
        DRAM bits beside.
    pair : ints, shape (entries,), optional
        Of each entry. None: every one has its own.
    energy_j : floats, shape (entries,)
        Beside; inf where widths are barred.
    """

    which: Ints
    bits: Floats
    pair: Ints | None
    energy_j: Floats


@dataclass(frozen=True)
class Kind:
    """Layers with equal tables, but for the numbers in them of the same axes.

    The first axes are widths of the layer alone, minimised inside: of weights and input, where no
    variable of the scope has them. The scope's follow. Tables over axes have length 1 along those
    they do not depend on.
    """

    free: int  # axes of the layer alone
    apart: bool  # whether what its weights' width costs, the first axis, stands with its variable
    sizes: tuple[int, ...]  # of all axes
    weight_axis: int
    input_axis: int
    member: int  # of a suite
    geometry: int
    weights: float  # elements; of those that several layers use, a share
    noise: Floats  # (w,) of the weights, where no width variable has it
    barred: Floats  # (w, w): 0 or inf, of the weights' and the input's widths on free axes
    extra_j: Floats  # over the axes: energy of output and residuals, where that is known
    extra_bits: Floats  # over the axes: DRAM bits of output and residuals
    extra_port_bits: Floats  # over the axes: SRAM bits of the same, where the port counts
    held_bits: Ints  # over the axes: SRAM bits of tensors on chip; 0 alone where none is open
    variant: Ints  # over the axes: which operands are resident
    fused: FusedEntries | None  # where it may be in fused runs

    @property
    def axes(self) -> tuple[object, ...]:
        """What layers of one family have in common."""
        tables = self.extra_j, self.extra_bits, self.extra_port_bits, self.held_bits, self.variant
        shapes = tuple(x.shape for x in tables)
        fused = None if self.fused is None else self.fused.shapes
        operands = self.weight_axis, self.input_axis
        return self.free, self.apart, self.sizes, *operands, shapes, fused

    @property
    def key(self) -> tuple[object, ...]:
        """What layers of one kind have in common."""
        tables = (
            self.noise,
            self.barred,
            self.extra_j,
            self.extra_bits,
            self.extra_port_bits,
            self.held_bits,
            self.variant,
        )
        fused = None if self.fused is None else self.fused.key
        return (
            *self.axes,
            self.member,
            self.geometry,
            self.weights,
            *(x.tobytes() for x in tables),
            fused,
        )


class Family:
    """Kinds whose tables have the same axes, stacked: fields as of `Kind`, with a first axis K."""

    def __init__(self, kinds: list[Kind], space: WidthSpace, left: Ints) -> None:
        self.free, self.apart, self.sizes = kinds[0].free, kinds[0].apart, kinds[0].sizes
        self.weight_axis, self.input_axis = kinds[0].weight_axis, kinds[0].input_axis
        self.member = np.array([kind.member for kind in kinds])
        self.geometry = np.array([kind.geometry for kind in kinds])
        self.weights = np.array([kind.weights for kind in kinds], dtype=np.float64)
        self.noise = np.array([kind.noise for kind in kinds])
        self.barred = np.array([kind.barred for kind in kinds])
        self.extra_j = np.array([kind.extra_j for kind in kinds])
        self.extra_bits = np.array([kind.extra_bits for kind in kinds])
        self.extra_port_bits = np.array([kind.extra_port_bits for kind in kinds])
        self.held_bits = np.array([kind.held_bits for kind in kinds])
        self.variant = np.array([kind.variant for kind in kinds])
        self.fused = [kind.fused for kind in kinds if kind.fused is not None]
        self.bands = self.fused[0].bands if self.fused else 0
        self.left, self.every_width = left, len(space.widths)
        self.widths, self.geometries = len(left), len(space.geometries)
        self.bops = self.of_left(space.bops[self.geometry])
        self.costs = self.of_left(space.costs[:, self.geometry])

    def shared(self, by_member: Floats) -> Floats:
        """(B, K or 1, …) of the kinds' members; one where all are of one, (B, members, …)."""
        return by_member if by_member.shape[1] == 1 else by_member[:, self.member]

    def compute_s(self, batch: Batch) -> Floats:
        """View of the kinds' compute times (B, K, …) along the table's axes."""
        return self.along(batch.compute_s)

    def along(self, of_geometries: Floats) -> Floats:
        """View of tables (B, geometries, w, w), or of width 1, along the table's axes."""
        return self.spread(self.of_left(of_geometries[:, self.geometry]))

    def traffic(self, batch: Batch) -> Floats:
        """(B, K, w, w): the kinds' DRAM bits, where no tensor's place is open."""
        return self.of_kinds(batch.traffic)

    def of_kinds(self, tables: Floats) -> Floats:
        """(B, K, w, w): tables (B, U, w, w) of the kinds, where no tensor's place is open."""
        of = self.variant.reshape(-1) * self.geometries + self.geometry
        return self.of_left(tables[:, of])

    @cached_property
    def barred_or_extra_bits(self) -> Floats:
        """(1, K, …): inf where widths are barred, else DRAM bits beside those of the operands."""
        return np.asarray(self.spread(self.barred[None]) + self.extra_bits)

    def of_runs(self, name: str) -> Floats:
        """(K, …): a table of the kinds' fused entries."""
        return np.array([getattr(x, name) for x in self.fused])

    def of_left(self, pairs: Floats) -> Floats:
        """Tables (…, w, w) of all widths, or (…, 1, 1), of those that are values alone."""
        if pairs.shape[-1] == 1 or self.widths == self.every_width:
            return pairs
        return pairs[..., self.left[:, None], self.left]

    @property
    def entries(self) -> int:
        """Of its table for one option."""
        return len(self.geometry) * math.prod(self.sizes)

    @property
    def settled(self) -> bool:
        """Whether no tensor whose place is open plays a part."""
        open_ = self.held_bits.size > len(self.held_bits) or self.variant.size > len(self.variant)
        return not open_ and not self.fused

    def spread(self, pairs: Floats, of_bands: Floats | None = None) -> Floats:
        """View (B, K, bw, ba) along the table's axes; a place on top of a width changes nothing.

        ``of_bands`` (B, K, bw, bands): where the input's value stands for a fused run, and any
        width; the least by default.
        """
        shape = [*pairs.shape[:2], *(1,) * len(self.sizes)]
        if self.weight_axis == self.input_axis:
            most = max(pairs.shape[2:])
            pairs = np.broadcast_to(pairs, (*pairs.shape[:2], most, most))
            pairs = self._stretch(np.diagonal(pairs, axis1=2, axis2=3), 2, self.input_axis)
            shape[2 + self.input_axis] = pairs.shape[2]
            return pairs.reshape(shape)
        if self.bands and (pairs.shape[3] > 1 or of_bands is not None):
            if of_bands is None:
                of_bands = np.repeat(pairs.min(axis=3)[..., None], self.bands, axis=3)
            plain = self._stretch(pairs, 3, self.input_axis)
            if plain.shape[3] == 1:
                plain = np.repeat(plain, self.sizes[self.input_axis] - self.bands, axis=3)
            every = np.broadcast_shapes(plain.shape[:3], of_bands.shape[:3])
            both = (np.broadcast_to(x, (*every, x.shape[3])) for x in (plain, of_bands))
            pairs = np.concatenate([*both], axis=3)
            shape[:2] = pairs.shape[:2]
        else:
            pairs = self._stretch(pairs, 3, self.input_axis)
        pairs = self._stretch(pairs, 2, self.weight_axis)
        shape[2 + self.weight_axis], shape[2 + self.input_axis] = pairs.shape[2:]
        if self.weight_axis > self.input_axis:
            pairs = pairs.swapaxes(2, 3)
        return pairs.reshape(shape)

    def _stretch(self, pairs: Floats, axis: int, table_axis: int) -> Floats:
        """Repeat an axis of widths for each place that the table's axis has."""
        bands = self.bands if table_axis == self.input_axis else 0
        places = (self.sizes[table_axis] - bands) // self.widths
        if places == 1 or pairs.shape[axis] == 1:
            return pairs
        return np.concatenate([pairs] * places, axis=axis)

    @cached_property
    def rooms_asked(self) -> tuple[Ints, Ints, Ints]:
        """Rows of a room table and bits held, each pair once, and which each entry asks for.

        The last (K, …) has length 1 along the axes that neither depends on.
        """
        axes = len(self.sizes)

        def width_along(axis: int) -> Ints:
            shape = [1] * axes
            shape[axis] = self.sizes[axis]
            return self.left[np.arange(self.sizes[axis]) % self.widths].reshape(shape)

        geometry = self.geometry.reshape(-1, *(1,) * axes)
        bw, ba = width_along(self.weight_axis), width_along(self.input_axis)
        row = (self.variant * self.geometries + geometry) * self.every_width + bw
        rows, row_of = _numbered(row * self.every_width + ba)
        helds, held_of = np.unique(self.held_bits, return_inverse=True)
        pairs, which = _numbered(row_of * len(helds) + held_of.reshape(self.held_bits.shape))
        return rows[pairs // len(helds)], helds[pairs % len(helds)], which

    @cached_property
    def paces_asked(self) -> Ints:
        """Which geometry and pair of widths each of `rooms_asked` is of."""
        return self.rooms_asked[0] % (self.geometries * self.every_width**2)

    @cached_property
    def geometries_asked(self) -> Ints:
        """Which geometry alone."""
        return self.paces_asked // self.every_width**2

    @cached_property
    def beside_rooms(self) -> BesideRooms:
        """What entries move beside what is asked of rooms, along all axes."""
        shape = len(self.geometry), *self.sizes
        extra_j = self.extra_j + self.spread(self.barred[None])[0]
        bits, bits_of = np.unique(self.extra_bits, return_inverse=True)
        codes = self.rooms_asked[2] * len(bits) + bits_of.reshape(self.extra_bits.shape)
        pairs, pair_of = _numbered(codes)
        entry, energy = (np.broadcast_to(x, shape).ravel() for x in (pair_of, extra_j))
        which, moved = pairs // len(bits), bits[pairs % len(bits)]
        if len(pairs) > WORTH_PAIRING * len(entry):
            return BesideRooms(which[entry], moved[entry], None, energy)
        return BesideRooms(which, moved, entry, energy)

    @property
    def asked_by_entry(self) -> Ints:
        """View (K, …): which of `rooms_asked` each entry asks for, along all axes."""
        return np.broadcast_to(self.rooms_asked[2], (len(self.geometry), *self.sizes))


def _numbered(codes: Ints) -> tuple[Ints, Ints]:
    """Whole numbers from 0, each once and in order, and the place of every one among them."""
    if codes.max() > MOST_CODES * codes.size:  # few of very many: to be sorted
        found, place = np.unique(codes, return_inverse=True)
        return found, place.reshape(codes.shape)
    present = np.zeros(codes.max() + 1, dtype=bool)
    present[codes] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[codes]


def pair_marginals(family: Family, total: Floats) -> Floats:
    """(S, w, w): least of what forcing entries costs, for each weight and input width."""
    weight_axis, input_axis = 1 + family.weight_axis, 1 + family.input_axis
    others = tuple(a for a in range(1, total.ndim) if a not in (weight_axis, input_axis))
    pairs = np.asarray(total.min(axis=others))
    if weight_axis == input_axis:
        pairs = _over_places(pairs, 1, family.widths)
        diagonal = np.full((*pairs.shape, pairs.shape[1]), np.inf)
        every = np.arange(pairs.shape[1])
        diagonal[:, every, every] = pairs
        return diagonal
    first, last = (0, family.bands) if weight_axis < input_axis else (family.bands, 0)
    pairs = _over_places(pairs, 1, family.widths, first)
    pairs = _over_places(pairs, 2, family.widths, last)
    return pairs if weight_axis < input_axis else pairs.swapaxes(1, 2)


def _over_places(pairs: Floats, axis: int, widths: int, bands: int = 0) -> Floats:
    """The least over the places that stand with widths on one axis.

    ``bands``: how many values at its end stand for fused runs, at any width.
    """
    if bands:
        of_places, of_bands = np.split(pairs, [pairs.shape[axis] - bands], axis=axis)
        least = _over_places(of_places, axis, widths)
        return np.asarray(np.minimum(least, of_bands.min(axis=axis, keepdims=True)))
    shape = (*pairs.shape[:axis], -1, widths, *pairs.shape[axis + 1 :])
    return np.asarray(pairs.reshape(shape).min(axis=axis))
