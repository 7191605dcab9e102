"""Plain enumeration of fused runs of layers and the tensors inside them, for `oracle`.

A run is worked off an output row of its last layer at a time. Of each tensor inside it the SRAM
holds a band: as many rows as the layer that reads it needs for the rows it has to make itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from oracle_on_chip import Residents, all_residents, read_by
from oracle_tilings import reduction_bits, rows_in, vertical
from oracle_widths import layer_widths, takes_weights, tensor_bits

from codesign.problem.problem import Problem
from codesign.specs.network import Layer, Network

Runs = tuple[range, ...]  # of fused layers, by their numbers


class Places(NamedTuple):
    """Where the tensors of a design are that are not in DRAM, and the layers that are fused."""

    on_chip: Residents
    bands: Residents = Residents()
    runs: Runs = ()


# --- which layers may be fused --------------------------------------------------------------------


def inside(network: Network, run: range) -> list[str]:
    """The tensors between the layers of a run."""
    return [network.layers[i].output for i in run[:-1]]


def in_step(network: Network, first: int, last: int) -> bool:
    """Whether layer ``last`` adds row for row what ``first`` reads, neither running ahead."""
    reads, adds = network.layers[first], network.layers[last]
    for layer in network.layers[first : last + 1]:
        if vertical(layer.stride) != 1 or vertical(layer.input_dilation) != 1:
            return False
        if vertical(layer.input_repetition) != 1:
            return False
    return (reads.N, reads.H, reads.W) == (adds.N, adds.P, adds.Q)


def may_fuse(network: Network, run: range) -> bool:
    """Whether the layers of a run may be worked off together."""
    layers = [network.layers[i] for i in run]
    return all(map(takes_weights, layers)) and all(_is_band(network, run, i) for i in run[:-1])


def _is_band(network: Network, run: range, i: int) -> bool:
    """Whether what layer ``i`` of a run writes may be held in rows until the run has used it."""
    layer, following = network.layers[i], network.layers[i + 1]
    name = layer.output
    computed = layer.N * layer.G * layer.K * layer.P * layer.Q
    if layer.appended or computed != network.tensors[name] or name in network.cache:
        return False
    if (following.N, following.H, following.W) != (layer.N, layer.P, layer.Q):
        return False
    for n, other in enumerate(network.layers):
        if name in other.parts or (name in read_by(other) and n not in run):
            return False
        if other.weight_tensor == name or (other.input == name) != (n == i + 1):
            return False
        if name in other.residuals and not in_step(network, i + 1, n):
            return False
    return True


def all_runs(network: Network, most_layers: int) -> list[Runs]:
    """Every way to fuse some of the layers, none of them twice; first that without any run."""
    count = len(network.layers)

    def from_layer(first: int) -> list[Runs]:
        if first >= count:
            return [()]
        found = from_layer(first + 1)
        for last in range(first + 1, min(first + most_layers, count)):
            run = range(first, last + 1)
            if may_fuse(network, run):
                found += [(run, *rest) for rest in from_layer(last + 1)]
        return found

    return from_layer(0)


def all_places(problem: Problem) -> list[Places]:
    """Every way to place the tensors, were the SRAM large enough."""
    if problem.choices.on_chip != "bands":
        return [Places(residents) for residents in all_residents(problem)]
    given, found = problem.choices.places, []
    must = {name for name, place in given.items() if place == "band"}
    for runs in all_runs(problem.network, problem.choices.fused_layers):
        bands = frozenset(name for run in runs for name in inside(problem.network, run))
        if must <= bands and all(given.get(name, "band") == "band" for name in bands):
            found += [Places(x, bands, runs) for x in all_residents(problem, bands)]
    return found


# --- what a run costs -----------------------------------------------------------------------------


def rows_held(network: Network, run: range) -> dict[int, int]:
    """Rows of its input that each layer of a run needs for one output row of the last."""
    rows, wanted = {}, 1
    for i in reversed(run):
        wanted = rows[i] = rows_in(network.layers[i], wanted, anywhere=True)
    return rows


def row_elements(layer: Layer) -> int:
    """Elements of a row of a layer's input, all channels."""
    return layer.W * layer.G * layer.C


def run_need(
    problem: Problem, run: range, widths: Mapping[str, int], on_chip: Collection[str]
) -> int:
    """SRAM bits of a run: weights, bands, rows of its input, and the most partial sums."""
    network, rows = problem.network, rows_held(problem.network, run)
    weights, bands, sums = 0, 0, [0]
    for i in run:
        layer = network.layers[i]
        bw, ba = layer_widths(layer, widths)
        weights += layer.G * layer.K * layer.C * layer.R * layer.S * bw
        if i > run[0]:
            bands += rows[i] * row_elements(layer) * ba
        elif layer.input not in on_chip:
            bands += min(2 * rows[i], layer.N * layer.H) * row_elements(layer) * ba
        output_rows = min(2, layer.N * layer.P) * layer.Q * layer.G * layer.K
        sums.append(output_rows * (bw + ba + reduction_bits(layer)))
    return weights + bands + max(sums)


def run_traffic(
    problem: Problem, run: range, widths: Mapping[str, int], on_chip: Collection[str]
) -> list[dict[str, int]]:
    """DRAM bits of the weights, the ifmap, the output and the residuals of each layer of a run."""
    network = problem.network
    here = {*inside(network, run), *on_chip}
    head = network.layers[run[0]]

    def bits(layer: Layer, name: str) -> int:
        touched = layer.parts.get(name, network.tensors[name])
        return 0 if name in here else touched * tensor_bits(problem, widths, name)

    def added(i: int, name: str) -> int:
        layer = network.layers[i]
        whole = name not in head.parts and name not in layer.parts
        passes_by = name == head.input and whole and in_step(network, run[0], i)
        return 0 if passes_by else bits(layer, name)

    found = []
    for i in run:
        layer = network.layers[i]
        of_layer = layer.G * layer.K * layer.C * layer.R * layer.S * layer_widths(layer, widths)[0]
        found.append(
            {
                "weights": of_layer,
                "ifmap": bits(layer, layer.input) if i == run[0] else 0,
                "output": bits(layer, layer.output),
                "residual": sum(added(i, name) for name in layer.residuals),
            }
        )
    return found
