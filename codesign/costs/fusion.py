"""Fused runs of layers: of the tensors between them only the rows in flight stay on chip.

Consecutive layers ``i … j`` may be worked off together, an output row of the last layer at a time
(depth-first). Of each tensor between them the SRAM holds a *band*: the rows that the next layer
reads for the rows it has to make, ``rows_in``, and so on backwards from the last. Every row is
computed once; the weights of all layers stay in the SRAM throughout and are fetched once, and so is
the run's input, through a double buffer of its rows, unless it is resident. More output rows at a
time take more SRAM and save neither cycles nor DRAM bits.

A tensor may be held as a band if one layer writes all of it as it computes it, without a fused
pooling; the next layer reads all of it, row by row as written, as its input; and any others read it
as a residual of their outputs, row by row, within the run. Both layers multiply with weights;
where two of a run share theirs, each counts.
A residual is added row by row where its rows are those of the output, and every layer from the one
that reads it as its input to the one that adds it goes on by one row at a time. Its rows are
then among those that are held anyway.

The run is one step: its latency is the larger of all its cycles and all its DRAM bits (and what of
the smaller does not overlap, see `codesign.costs.roofline`), and whatever is resident during one of
its layers is there during all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from codesign.costs.layers import LayerDesign, Roof, Tile, Traffic, cycles_on, operand_bits_on
from codesign.costs.pixel_tiles import vertical
from codesign.costs.residency import Residents
from codesign.costs.roofline import roofs
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer, Network


@dataclass(frozen=True)
class FusedRun:
    """Consecutive layers that may be fused.

    Attributes
    ----------
    first, last : int
        Layers, by their numbers.
    inner : tuple of str
        The tensors between them, in order.
    input_elements : int
        Held of the run's input, where that is in DRAM: its rows twice, or all of it if less.
    band_elements : tuple of int
        Held of each inner tensor.
    psum_elements : tuple of int
        Held of each layer's partial sums while it runs: an output row twice, or all if less.
    moved : tuple of tuples of str
        Of each layer: its output and residuals that are neither an inner tensor nor, as a
        residual, the run's input, whose rows are held anyway.
    """

    first: int
    last: int
    inner: tuple[str, ...]
    input_elements: int
    band_elements: tuple[int, ...]
    psum_elements: tuple[int, ...]
    moved: tuple[tuple[str, ...], ...]

    @property
    def layers(self) -> range:
        """Numbers of its layers."""
        return range(self.first, self.last + 1)


def fused_runs(network: Network, most_layers: int) -> tuple[FusedRun, ...]:
    """All runs of at most so many layers, in the order of their first layers."""
    last_use = [_band_until(network, i) for i in range(len(network.layers))]
    found = []
    for first in range(len(network.layers)):
        until = first + 1
        for last in range(first + 1, min(first + most_layers, len(network.layers))):
            use = last_use[last - 1]
            if use is None:
                break
            until = max(until, use)
            if until <= last:
                found.append(_run(network, first, last))
    return tuple(found)


def _band_until(network: Network, i: int) -> int | None:
    """The last layer that reads a layer's output, if that may be held as a band; else None."""
    if why_no_band(network, i) is not None:
        return None
    return network.lifetimes[network.layers[i].output][1]


def why_no_band(network: Network, i: int) -> str | None:
    """Why a layer's output may not be held as a band, whatever is fused; None where it may."""
    layer, name = network.layers[i], network.layers[i].output
    first, last = network.lifetimes.get(name, (i, i))
    if first != i or last == i:
        return "it is not a tensor that one layer writes and later layers read"
    chain = network.layers[i + 1 : last + 1]
    reader = chain[0]
    if reader.input != name:
        return f"it is not the input of layer {reader.name!r}, the next after {layer.name!r}"
    for x in (layer, reader):
        if not x.uses_weights:
            return f"layer {x.name!r}, which touches it, multiplies with no weights"
    if layer.appended or layer.computed_outputs != network.tensors[name] or name in layer.parts:
        pooled = not layer.appended and name not in layer.parts
        does = "pools what it computes into it" if pooled else "writes a part of it"
        return f"layer {layer.name!r} {does}"
    if (reader.N, reader.H, reader.W) != (layer.N, layer.P, layer.Q) or name in reader.parts:
        return f"layer {reader.name!r} does not read all of it in rows as {layer.name!r} writes"
    for n, x in enumerate(chain):
        if n and name in (x.input, x.weight_tensor):
            return f"layer {x.name!r} reads it as well, and not as a residual"
        if name in x.residuals and not _adds_rows(chain[: n + 1]):
            return f"layer {x.name!r} does not add it row by row as it is read"
    return None


def _adds_rows(layers: Sequence[Layer]) -> bool:
    """Whether the last of fused layers, if it adds the input of the first, does so row by row."""
    first, last = layers[0], layers[-1]
    if first.input in (*first.parts, *last.parts):
        return False
    in_step = all(x.stride_rows == x.spread_rows == 1 for x in layers)
    return in_step and (first.N, first.H, first.W) == (last.N, last.P, last.Q)


def _run(network: Network, first: int, last: int) -> FusedRun:
    layers = network.layers[first : last + 1]
    inner = tuple(x.output for x in layers[:-1])
    held, head = _rows_held(layers), layers[0]
    moved = []
    for n, layer in enumerate(layers):
        free = {*inner, head.input} if _adds_rows(layers[: n + 1]) else {*inner}
        names = (layer.output, *layer.residuals)
        moved.append(tuple(x for x in names if x not in free))
    return FusedRun(
        first=first,
        last=last,
        inner=inner,
        input_elements=min(2 * held[0], head.N * head.H) * head.W * head.G * head.C,
        band_elements=tuple(
            rows * x.Q * x.G * x.K for rows, x in zip(held[1:], layers, strict=False)
        ),
        psum_elements=tuple(min(2, x.N * x.P) * x.Q * x.G * x.K for x in layers),
        moved=tuple(moved),
    )


def _rows_held(layers: Sequence[Layer]) -> list[int]:
    """Rows held of the input of each of some fused layers, for one output row of the last."""
    held, made = [0] * len(layers), 1
    for n in reversed(range(len(layers))):
        held[n] = made = vertical(layers[n]).held_anywhere(made)
    return held


def run_need(
    run: FusedRun,
    network: Network,
    weight_bits: Sequence[int],
    psum_bits: Sequence[int],
    tensor_bits: Mapping[str, int],
    on_chip: Collection[str],
) -> int:
    """SRAM bits of a run, beside what is resident.

    All weights, a band of each inner tensor, rows of the input unless it is resident, and the
    partial sums of the layer that has most.

    Parameters
    ----------
    weight_bits, psum_bits : sequences of int
        Of each of its layers.
    """
    layers = network.layers[run.first : run.last + 1]
    bits = sum(x.weights * b for x, b in zip(layers, weight_bits, strict=True))
    bits += sum(n * tensor_bits[x] for x, n in zip(run.inner, run.band_elements, strict=True))
    if layers[0].input not in on_chip:
        bits += run.input_elements * tensor_bits[layers[0].input]
    return bits + max(n * b for n, b in zip(run.psum_elements, psum_bits, strict=True))


def runs_of(network: Network, bands: Collection[str]) -> tuple[FusedRun, ...] | None:
    """The runs whose inner tensors are just these; None where no runs are."""
    found, left, first = list[FusedRun](), {*bands}, 0
    while first < len(network.layers):
        last = first
        while network.layers[last].output in left and last + 1 < len(network.layers):
            left.remove(network.layers[last].output)
            last += 1
        if last > first:
            until = [_band_until(network, n) for n in range(first, last)]
            if any(use is None or use > last for use in until):
                return None
            found.append(_run(network, first, last))
        first = last + 1
    return None if left else tuple(found)


def live_during(network: Network, run: FusedRun) -> frozenset[str]:
    """Tensors that, if resident, take room while a run is worked off."""
    return frozenset(
        name
        for name, (born, dies) in network.lifetimes.items()
        if born <= run.last and dies >= run.first and name not in run.inner
    )


def fused_layers(
    network: Network,
    run: FusedRun,
    accelerator: Accelerator,
    weight_bits: Sequence[int],
    tensor_bits: Mapping[str, int],
    resident: Residents,
) -> list[LayerDesign]:
    """The layers of a run. Each has the run's need, and its own part of what the roof counts.

    Parameters
    ----------
    weight_bits : sequence of int
        Of each of its layers.
    resident : Residents
        With the bits of all that is resident at some time during the run.
    """
    layers = network.layers[run.first : run.last + 1]
    bits = [
        operand_bits_on(x, accelerator, b, tensor_bits)
        for x, b in zip(layers, weight_bits, strict=True)
    ]
    psum_bits = [int(b[-1]) for b in bits]
    need = run_need(run, network, weight_bits, psum_bits, tensor_bits, resident.names)
    mappings = accelerator.mapping if accelerator.reconfigurable else (None,)
    counts = [
        min((cycles_on(x, accelerator, b, tensor_bits, m), m) for m in mappings)
        for x, b in zip(layers, weight_bits, strict=True)
    ]
    moved = [
        _traffic(network, run, n, b, tensor_bits, resident.names) for n, b in enumerate(weight_bits)
    ]
    rate = accelerator.dram_bits_per_s
    compute_s = sum(count for count, _ in counts) / accelerator.clock_hz
    memory_s = None if rate is None else sum(x.total for x in moved) / rate
    roof: Roof | None = None
    if memory_s is not None:
        roof = "compute" if compute_s >= memory_s else "memory"
    found = []
    for x, b, (count, mapping), traffic in zip(layers, weight_bits, counts, moved, strict=True):
        compute_s, memory_s = count / accelerator.clock_hz, traffic.total / (rate or 1)
        own = roofs(compute_s, memory_s, float(accelerator.exposed))
        found.append(
            LayerDesign(
                name=x.name,
                weight_bits=b,
                tile=Tile(g=x.G, k=x.K, c=x.C, p=1, q=x.Q, images=1),
                order="pkc",
                cycles=count,
                sram_bits=need,
                dram_bits=traffic,
                compute_s=compute_s,
                memory_s=None if rate is None else memory_s,
                latency_s=None if roof is None else own[roof == "memory"],
                bound_by=roof,
                resident_bits=resident.bits,
                mapping=mapping,
            )
        )
    return found


def _traffic(
    network: Network,
    run: FusedRun,
    n: int,
    weight_bits: int,
    tensor_bits: Mapping[str, int],
    on_chip: Collection[str],
) -> Traffic:
    """DRAM bits of layer ``n`` of a run, counted from its first."""
    layer = network.layers[run.first + n]
    fetched = 0 if n or layer.input in on_chip else layer.ifmap * tensor_bits[layer.input]
    each = {
        name: 0 if name in on_chip else network.touched(layer, name) * tensor_bits[name]
        for name in run.moved[n]
    }
    return Traffic(
        weights=layer.weights * weight_bits,
        ifmap=fetched,
        output=each.get(layer.output, 0),
        psum=0,
        residual=sum(each.get(name, 0) for name in layer.residuals),
    )
