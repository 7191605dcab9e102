"""Plain enumeration of the widths a problem leaves open, for `oracle`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from codesign.problem.choices import Choices
from codesign.problem.problem import Problem
from codesign.specs.network import Layer, Network


def takes_weights(layer: Layer) -> bool:
    """Whether it multiplies with weights: no tensor stands in for them, and it multiplies at all.

    They may be those of an earlier layer.
    """
    return layer.weight_tensor is None and not layer.moves


def has_weights(layer: Layer) -> bool:
    """Whether it has weights of its own."""
    return takes_weights(layer) and layer.weights_of is None


def weights_key(layer: Layer) -> str:
    """``weight:<layer>`` of the layer whose weights it takes."""
    return f"weight:{layer.name if layer.weights_of is None else layer.weights_of}"


def results(network: Network) -> list[str]:
    """Tensors no layer reads."""
    read: set[str] = set()
    for layer in network.layers:
        read |= {layer.input, *layer.residuals}
        read |= set() if layer.weight_tensor is None else {layer.weight_tensor}
    return [name for name in network.tensors if name not in read]


def noise_sources(network: Network) -> list[str]:
    """``weight:<layer>`` of layers owning weights, ``tensor:<tensor>`` of all but results."""
    last = results(network)
    weights = [f"weight:{layer.name}" for layer in network.layers if has_weights(layer)]
    return weights + [f"tensor:{name}" for name in network.tensors if name not in last]


def source_widths(choices: Choices, source: str) -> tuple[int, ...]:
    """Widths a source may take by itself."""
    if source in choices.pinned:
        return (choices.pinned[source],)
    return choices.weight_bits if source.startswith("weight:") else choices.activation_bits


def alike(network: Network, choices: Choices) -> list[list[str]]:
    """Sources that must have one width: groups and ties, joined where they overlap."""
    pairs = [set(group) for group in choices.shared]
    if choices.tied:
        taking = [layer for layer in network.layers if takes_weights(layer)]
        pairs += [{weights_key(layer), f"tensor:{layer.input}"} for layer in taking]
    sources = noise_sources(network)
    sets = [{source} for source in sources]
    for pair in pairs:
        joined = [each for each in sets if each & pair]
        sets = [each for each in sets if not each & pair] + [set().union(*joined)]
    ordered = [[source for source in sources if source in each] for each in sets]
    return sorted(ordered, key=lambda each: sources.index(each[0]))


def common_widths(choices: Choices, sources: list[str]) -> list[int]:
    """Widths that all of some sources may take."""
    every = [source_widths(choices, source) for source in sources]
    return [bits for bits in every[0] if all(bits in other for other in every)]


def all_widths(problem: Problem) -> list[dict[str, int]]:
    """Every assignment of widths to weights and tensors."""
    sources, sets = noise_sources(problem.network), alike(problem.network, problem.choices)
    found = []
    for widths in product(*(common_widths(problem.choices, each) for each in sets)):
        of = {x: bits for each, bits in zip(sets, widths, strict=True) for x in each}
        found.append({source: of[source] for source in sources})
    return found


def layer_widths(layer: Layer, widths: Mapping[str, int]) -> tuple[int, int]:
    """``bw, ba`` of one layer; ``bw`` 0 where there is no weight operand."""
    ba = widths[f"tensor:{layer.input}"]
    if layer.weight_tensor is not None:
        return widths[f"tensor:{layer.weight_tensor}"], ba
    return (widths[weights_key(layer)] if takes_weights(layer) else 0), ba


def tensor_bits(problem: Problem, widths: Mapping[str, int], name: str) -> int:
    """Width at which a tensor is stored."""
    return widths.get(f"tensor:{name}", problem.choices.output_bits)


def noise_at(problem: Problem, source: str, bits: int) -> float:
    """``e_t(b)``."""
    if problem.sensitivity is None:
        return 4.0**-bits
    return problem.sensitivity[source][bits]
