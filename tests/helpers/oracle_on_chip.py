"""Plain enumeration of the tensors that stay on chip, for `oracle`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

from oracle_machine import ceil_div
from oracle_widths import tensor_bits

from codesign.problem.problem import Problem
from codesign.specs.network import Layer, Network

Residents = frozenset[str]  # the tensors that stay on chip


def read_by(layer: Layer) -> list[str]:
    """Every tensor a layer reads, one that it reads in two ways twice."""
    operands = [layer.input, *layer.residuals]
    return operands if layer.weight_tensor is None else [*operands, layer.weight_tensor]


def lifetimes(network: Network) -> dict[str, range]:
    """The layers from the first that writes a tensor to the last that reads it.

    Inputs of the network, which no layer writes, its results, which none reads, and its cache,
    which has to outlast the run in DRAM, are not there.
    """
    found = {}
    for name in network.tensors:
        writers = [i for i, layer in enumerate(network.layers) if layer.output == name]
        readers = [i for i, layer in enumerate(network.layers) if name in read_by(layer)]
        if writers and readers and name not in network.cache:
            found[name] = range(min(writers), max(readers) + 1)
    return found


def may_stay(problem: Problem) -> list[str]:
    """Tensors that are free to stay on chip or not."""
    if problem.choices.on_chip == "none":
        return []
    return [name for name in lifetimes(problem.network) if name not in problem.choices.places]


def must_stay(problem: Problem) -> list[str]:
    """Tensors whose given place is on chip."""
    return [name for name, place in problem.choices.places.items() if place == "chip"]


def all_residents(problem: Problem, bands: Collection[str] = ()) -> list[Residents]:
    """Every set of tensors that may stay on chip together, were the SRAM large enough.

    Those of which only bands are held, if any, are not among them.
    """
    free = [name for name in may_stay(problem) if name not in bands]
    given = must_stay(problem)
    sizes = range(len(free) + 1)
    return [Residents([*given, *some]) for size in sizes for some in combinations(free, size)]


def live_bits(
    problem: Problem,
    widths: Mapping[str, int],
    residents: Collection[str],
    runs: Iterable[range] = (),
) -> list[int]:
    """SRAM bits of the resident tensors during each layer; those of fused runs take place at once.

    ``runs`` are the fused layers, by their numbers.
    """
    alive = lifetimes(problem.network)
    bits = {
        name: problem.network.tensors[name] * tensor_bits(problem, widths, name)
        for name in residents
    }
    at_once = [range(i, i + 1) for i in range(len(problem.network.layers))]
    for run in runs:
        at_once[run.start : run.stop] = [run] * len(run)
    return [
        sum(bits[name] for name in residents if any(i in alive[name] for i in together))
        for together in at_once
    ]


def movement_cycles(problem: Problem, layer: Layer, rows: int) -> int:
    """Cycles of a layer that only moves data; none where every tensor goes to DRAM and back."""
    if problem.choices.on_chip == "none":
        return 0

    def elements(name: str) -> int:
        return layer.parts[name] if name in layer.parts else problem.network.tensors[name]

    read, written = sum(map(elements, read_by(layer))), elements(layer.output)
    return ceil_div(max(read, written), rows * problem.technology.engine)
