"""Bands: fused runs of consecutive layers, and what of the tensors between them is on chip.

The layers of a run are worked off together, one output row of the last at a time. Of each tensor
between two of them, the SRAM holds the rows that are in flight. How many follows backwards from
that one row: a layer that makes so many rows reads so many of its input, as a kernel covers them.

A tensor may be a band if a layer with weights writes all of it, row by row as it is stored; the
next one, with weights too, reads all of it as its input; and whoever else reads it adds it, within
the run, row by row. Rows of a tensor are there when they are added if all layers from the one that
reads it as its input to the one that adds it keep step with it, without strides or inserted zeros.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from codesign.checking.cost_model import rows_in
from codesign.checking.entries import Entry
from codesign.checking.network import Layer, Network

LEAST_FUSED, MOST_FUSED = 2, 100  # layers, of which a limit on those of a run may be
NO_BAND = "chip or dram: it is not written and read row by row by two layers in turn"


@dataclass(frozen=True)
class FusedRun:
    """Layers that are fused.

    Attributes
    ----------
    layers : range
        Their numbers.
    rows_held : tuple of int
        Of the input of each.
    """

    layers: range
    rows_held: tuple[int, ...]

    @staticmethod
    def of(network: Network, numbers: range) -> FusedRun:
        """With the rows that one output row of the last layer takes."""
        held = [1]
        for n in reversed(numbers):
            held.append(rows_in(network.layers[n], held[-1], anywhere=True))
        return FusedRun(numbers, tuple(held[:0:-1]))


def band_until(network: Network, number: int) -> int | None:
    """The last layer that reads what a layer writes, if that may be a band; else None."""
    if number + 1 >= len(network.layers):
        return None
    writer, reader = network.layers[number : number + 2]
    name = writer.output
    whole = writer.outputs == network.tensors[name] and not writer.appended
    whole = whole and not any(name in dict(x.parts) for x in (writer, reader))
    taken = (writer.N, writer.P, writer.Q) == (reader.N, reader.H, reader.W)
    if not (whole and taken and reader.input == name):
        return None
    if not (writer.uses_weights and reader.uses_weights) or name in network.cache:
        return None
    last = number + 1
    for n, layer in enumerate(network.layers):
        if name not in layer.reads:
            continue
        operand = name in (layer.input, layer.weight_tensor) and n != number + 1
        if operand or (name in layer.residuals and not adds_rows(network, number + 1, n)):
            return None
        last = n
    return last


def adds_rows(network: Network, first: int, last: int) -> bool:
    """Whether fused layers keep step, so that the last adds the input of the first row by row."""
    between = network.layers[first : last + 1]
    head, adder = between[0], between[-1]
    same_rows = (head.N, head.H, head.W) == (adder.N, adder.P, adder.Q)
    whole = head.input not in {**dict(head.parts), **dict(adder.parts)}
    steps = {(x.stride[0], x.input_dilation[0], x.input_repetition[0]) for x in between}
    return same_rows and whole and steps == {(1, 1, 1)}


def check_runs(
    network: Network, places: Mapping[str, Entry], most: int | None
) -> tuple[FusedRun, ...] | None:
    """The runs that bands make; None, with what is wrong noted, where no runs make them.

    Parameters
    ----------
    places : mapping of str to Entry
        Of each band.
    most : int or None
        Layers of a run; None: any.
    """
    sound, writers = True, {layer.output: n for n, layer in enumerate(network.layers)}
    for name, place in places.items():
        until = band_until(network, writers[name]) if name in writers else None
        sound &= place.ledger.holds(place.where, until is not None, place.value, NO_BAND)
    if not sound:
        return None
    found = [FusedRun.of(network, numbers) for numbers in _series(network, places)]
    for run in found:
        fused = network.layers[run.layers.start : run.layers.stop]
        span = f"{fused[0].name!r} to {fused[-1].name!r}"
        for n, layer in zip(run.layers, fused[:-1], strict=False):
            last, place = band_until(network, n), places[layer.output]
            assert last is not None
            expected = f"chip or dram: {network.layers[last].name!r}, which reads it, is not fused"
            inside = last in run.layers
            sound &= place.ledger.holds(place.where, inside, place.value, f"{expected}, {span} are")
        if most is not None:
            place = places[fused[0].output]
            expected = f"at most {most} layers fused, not {len(fused)}, {span}"
            place.ledger.holds(place.where, len(fused) <= most, place.value, expected)
    return tuple(found) if sound else None


def _series(network: Network, bands: Collection[str]) -> Iterator[range]:
    """Layers that bands tie together, the longest series of each."""
    breaks = [n for n, layer in enumerate(network.layers) if layer.output not in bands]
    for before, last in pairwise([-1, *breaks]):
        if last - before > 1:
            yield range(before + 1, last + 1)


def possible_runs(network: Network, most: int) -> tuple[range, ...]:
    """Layers that may be fused, at most so many, by their numbers."""
    reach = [band_until(network, n) for n in range(len(network.layers))] if most > 1 else []
    found: list[range] = []
    for first in range(len(reach)):
        until = first + 1
        for last in range(first + 1, min(first + most, len(reach))):
            reaches = reach[last - 1]
            if reaches is None:
                break
            until = max(until, reaches)
            if until <= last:
                found.append(range(first, last + 1))
    return tuple(found)


def may_be_bands(network: Network, most: int) -> frozenset[str]:
    """Tensors that are bands in some run of at most so many layers."""
    runs = possible_runs(network, most)
    return frozenset(network.layers[n].output for run in runs for n in run[:-1])


def run_need(
    network: Network,
    run: FusedRun,
    weight_bits: Mapping[int, int],
    psum_bits: Mapping[int, int],
    tensor_bits: Mapping[str, int],
    resident: Collection[str],
) -> int:
    """SRAM bits of a run beside what is resident.

    All weights; the rows held of each tensor between two layers; twice those of the input, or all
    of it if that is less, unless it is resident; an output row of partial sums, twice where there
    are more, of the layer where that is most.

    Parameters
    ----------
    weight_bits, psum_bits : mappings of int to int
        By the number of the layer.
    """
    need = most = 0
    for n in run.layers:
        layer = network.layers[n]
        need += layer.weights * weight_bits[n]
        most = max(most, psum_elements(layer) * psum_bits[n])
        if n != run.layers[0] or layer.input not in resident:
            need += input_elements(network, run, n) * tensor_bits[layer.input]
    return need + most


def psum_elements(layer: Layer) -> int:
    """Partial sums of a layer of a run: of an output row, twice where it has more."""
    return min(layer.N * layer.P, 2) * layer.Q * layer.G * layer.K


def input_elements(network: Network, run: FusedRun, number: int) -> int:
    """Elements that are held of the input of a layer of a run, those of the run's own doubled."""
    layer, rows = network.layers[number], run.rows_held[number - run.layers[0]]
    if number == run.layers[0]:
        rows = min(2 * rows, layer.N * layer.H)
    return rows * layer.G * layer.C * layer.W


def moves_nothing(network: Network, run: FusedRun, number: int, name: str) -> bool:
    """Whether a tensor that a layer of a run writes or adds is there anyway.

    One between two layers is, and so are rows of the input that are added in step.
    """
    fused = network.layers[run.layers.start : run.layers.stop]
    if name in [x.output for x in fused[:-1]]:
        return True
    return name == fused[0].input and adds_rows(network, run.layers.start, number)
