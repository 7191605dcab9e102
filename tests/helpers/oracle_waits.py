"""When the stages of a tiny pipeline may start, and what waits meanwhile, in whole numbers.

A read of a tensor holds the reader's start back; in between the tensor waits. Every set of FIFOs
that may be is looked at. Within one, what waits is linear in the starts, and starts are bound by
differences alone, so (L♮-convexity, Murota 2003, Discrete Convex Analysis) starts are best where no
set of stages is better moved together; how the least of what waits falls as stages may take longer
is followed from corner to corner in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, product
from math import lcm
from typing import NamedTuple

from codesign.specs.network import Network


class Read(NamedTuple):
    """A tensor on its way.

    Attributes
    ----------
    after : int
        Intervals from its first element to the start of the reader, at least.
    held : int
        Images of it that wait beside what comes before the start.
    stored : bool
        It waits in DRAM, which holds any number of images.
    """

    writer: int | None
    reader: int
    tensor: str
    elements: Fraction
    residual: bool
    held: int
    after: int
    stored: bool = False


class Corner(NamedTuple):
    """What waits at least, bits, where the last output comes so many intervals after the input.

    Attributes
    ----------
    depth, bits : Fraction
    fifos : tuple of int
        Numbers of the reads that wait.
    starts : tuple of Fraction
    """

    depth: Fraction
    bits: Fraction
    fifos: tuple[int, ...]
    starts: tuple[Fraction, ...]


def network_reads(network: Network) -> list[Read]:
    """Every read of a network: of a tensor that several layers have written by now, of each."""
    found = []
    for i, layer in enumerate(network.layers):
        names = [layer.input, layer.weight_tensor, *layer.residuals]
        for tensor in dict.fromkeys(name for name in names if name is not None):
            operand = layer.moves or tensor in (layer.input, layer.weight_tensor)
            touched = layer.parts.get(tensor, network.tensors[tensor])
            by = [w for w in range(i) if network.layers[w].output == tensor]
            sizes = {w: network.layers[w].parts.get(tensor, network.tensors[tensor]) for w in by}
            every = sum(sizes.values())
            after = int(tensor == layer.weight_tensor)  # all of it is needed at once
            held = 2 if layer.moves else -int(after and tensor != layer.input)
            for w in by or [None]:
                share = Fraction(1) if w is None else Fraction(sizes[w], every)
                found.append(Read(w, i, tensor, touched * share, not operand, held, after))
    return found


class _Grid:
    """Reads in whole steps of intervals: ``δ = u_reader − u_writer − offset ≥ 0``."""

    def __init__(
        self, reads: Sequence[Read], lags: Sequence[Fraction], bits: Mapping[str, int]
    ) -> None:
        self.reads, self.stages = reads, len(lags)
        self.step = lcm(*(x.denominator for x in lags))
        self.unit = lcm(*(x.elements.denominator for x in reads))
        self.lags = [int(x * self.step) for x in lags]
        self.ends = [(x.writer, x.reader) for x in reads]
        self.least = [self._lag(x.writer) + x.after * self.step for x in reads]
        self.offsets = [
            self._lag(x.writer) - x.held * self.step - (self._lag(x.reader) if x.residual else 0)
            for x in reads
        ]
        self.stored = [i for i, x in enumerate(reads) if x.stored]
        self.rates = [
            0 if x.stored else int(x.elements * self.unit) * bits[x.tensor] for x in reads
        ]

    def _lag(self, stage: int | None) -> int:
        return 0 if stage is None else self.lags[stage]

    def earliest(self, most: Sequence[int | None]) -> list[int] | None:
        """The earliest starts at which no read waits longer than so many steps; None: none are."""
        starts = [0] * self.stages
        for _ in range(2 * self.stages * self.stages + 2):
            before = list(starts)
            for i, (writer, reader) in enumerate(self.ends):
                written = 0 if writer is None else starts[writer]
                starts[reader] = max(starts[reader], written + self.least[i])
                longest = most[i]
                if longest is not None:
                    bound = starts[reader] - self.offsets[i] - longest
                    if writer is None and bound > 0:
                        return None
                    if writer is not None:
                        starts[writer] = max(starts[writer], bound)
            if starts == before:
                return starts
        return None  # they push each other on and on

    def wait(self, read: int, starts: Sequence[int]) -> int:
        """Steps that a tensor waits."""
        return self.apart(read, starts) - self.offsets[read]

    def apart(self, read: int, starts: Sequence[int]) -> int:
        """Steps from the start of the writer, or the input, to that of the reader."""
        writer, reader = self.ends[read]
        return starts[reader] - (0 if writer is None else starts[writer])

    def depth(self, starts: Sequence[int]) -> int:
        """Steps from the input to the last output."""
        return max(start + lag for start, lag in zip(starts, self.lags, strict=True))

    def corner(self, starts: Sequence[int], fifos: Sequence[int]) -> Corner:
        """The same in intervals and bits."""
        bits = sum(self.rates[i] * self.wait(i, starts) for i in fifos)
        return Corner(
            Fraction(self.depth(starts), self.step),
            Fraction(bits, self.step * self.unit),
            tuple(i for i in fifos if self.wait(i, starts) and i not in self.stored),
            tuple(Fraction(x, self.step) for x in starts),
        )


def corners(
    network_reads: Sequence[Read], lags: Sequence[Fraction], bits: Mapping[str, int]
) -> list[list[Corner]]:
    """Of every set of FIFOs the corners of the least that waits, ever later and ever less of it."""
    grid = _Grid(network_reads, lags, bits)
    every = range(len(network_reads))
    first = grid.earliest([None] * len(every))
    assert first is not None, "no starts are early enough"
    must = [i for i in every if grid.least[i] > grid.offsets[i] or i in grid.stored]
    may = [i for i in every if i not in must]
    short = (i for i in every if i not in grid.stored)
    if all(grid.wait(i, first) == grid.least[i] - grid.offsets[i] for i in short):
        return [[grid.corner(first, must)]]  # nothing waits longer than it has to
    found = []
    for count in range(len(may) + 1):
        for more in combinations(may, count):
            fifos = sorted([*must, *more])
            starts = grid.earliest([None if i in fifos else 0 for i in every])
            if starts is not None:
                found.append([grid.corner(x, fifos) for x in _path(grid, starts, fifos)])
    return found


def _path(grid: _Grid, starts: list[int], fifos: Sequence[int]) -> Iterator[list[int]]:
    """Starts at every corner, from the least depth on."""
    starts, shallow = _best(grid, starts, fifos), grid.depth(starts)
    yield starts
    while True:
        rate, moved, steps = min(_moves(grid, starts, fifos, None), default=(0, (), 0))
        if rate >= 0:
            return
        starts = [x + steps * (i in moved) for i, x in enumerate(starts)]
        assert grid.depth(starts) > shallow
        yield starts


def _best(grid: _Grid, starts: list[int], fifos: Sequence[int]) -> list[int]:
    """Starts where least waits, no later in all than the ones given."""
    most = grid.depth(starts)
    while True:
        rate, moved, steps = min(_moves(grid, starts, fifos, most), default=(0, (), 0))
        if rate >= 0:
            return starts
        starts = [x + steps * (i in moved) for i, x in enumerate(starts)]


def _moves(
    grid: _Grid, starts: Sequence[int], fifos: Sequence[int], most: int | None
) -> Iterator[tuple[int, tuple[int, ...], int]]:
    """What waits more per step, where some stages start later (or earlier), and by how many steps.

    Parameters
    ----------
    most : int or None
        Depth that they keep to.
    """
    stages = range(grid.stages)
    sets = [x for n in range(1, grid.stages + 1) for x in combinations(stages, n)]
    for moved, way in product(sets, (1, -1)):
        room = [starts[i] for i in moved]
        if way == 1:
            room = [] if most is None else [most - starts[i] - grid.lags[i] for i in moved]
        rate = 0
        for i, (writer, reader) in enumerate(grid.ends):
            change = way * ((reader in moved) - (writer in moved))
            if i in fifos:
                rate += grid.rates[i] * change
                if change < 0:
                    room.append(grid.apart(i, starts) - grid.least[i])
            elif change:
                room.append(0)
        if rate < 0 and min(room) > 0:
            yield rate, moved, way * min(room)


def blocks(
    network_reads: Sequence[Read],
    lags: Sequence[Fraction],
    bits: Mapping[str, int],
    block_bits: int,
) -> list[Corner]:
    """The same where FIFOs are of whole blocks: ``bits`` of a corner are its block RAMs."""
    grid, every = _Grid(network_reads, lags, bits), range(len(network_reads))
    first = grid.earliest([None] * len(every))
    assert first is not None, "no starts are early enough"
    shortest = [grid.least[i] - grid.offsets[i] for i in every]
    longest = sum(grid.lags) + grid.step * (2 + sum(x.after for x in network_reads))
    ranges = []
    for i in every:
        waits = max(shortest[i], longest)
        if all(grid.wait(j, first) == shortest[j] for j in every):
            waits = shortest[i]  # nothing waits longer than it has to
        least, most = (_blocks(grid, i, x, block_bits) for x in (shortest[i], waits))
        ranges.append(range(least, most + 1))
    found: dict[int, Corner] = {}
    for counts in product(*ranges):
        size = sum(counts)
        held = [count * block_bits * grid.step * grid.unit for count in counts]
        most = zip(held, grid.rates, strict=True)
        starts = grid.earliest([x // rate if rate else None for x, rate in most])
        if starts is not None:
            corner = grid.corner(starts, every)._replace(bits=Fraction(size))
            found[size] = min(corner, found.get(size, corner))
    kept: list[Corner] = []
    for _, corner in sorted(found.items()):
        if not kept or corner.depth < kept[-1].depth:
            kept.append(corner)
    return kept


def _blocks(grid: _Grid, read: int, wait: int, block_bits: int) -> int:
    """Block RAMs of a FIFO; fractions of steps make no difference to those counted."""
    return -(-wait * grid.rates[read] // (block_bits * grid.step * grid.unit))
