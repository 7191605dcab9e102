"""Widths of results of every kind: among those offered, shared as asked; what they decide alone.

A design has them on hardware, an assignment has them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from codesign.checking.cost_model import bops
from codesign.checking.entries import Entry
from codesign.checking.findings import Unreadable
from codesign.checking.network import Layer, Network
from codesign.checking.width_problem import MOST_BITS, WidthProblem, most_kept


def check_tensor_bits(entry: Entry, problem: WidthProblem) -> dict[str, int]:
    """Compare the width of each tensor with those that it may take; returns them."""
    network, given = problem.network, entry.table()
    entry.known_keys(network.tensors)
    widths = {name: entry[name].whole(1, MOST_BITS) for name in network.tensors}
    for name, bits in widths.items():
        allowed: tuple[int, ...] = (problem.choices.output_bits,)
        if name not in network.results:
            allowed = problem.allowed(f"tensor:{name}")
        entry.ledger.holds(given[name].where, bits in allowed, bits, f"one of {allowed}")
    return widths


def read_rows(rows: Entry, network: Network) -> list[tuple[Layer, Entry]]:
    """Every layer with its row."""
    entries = rows.items()
    if [entry["name"].text() for entry in entries] != [layer.name for layer in network.layers]:
        rows.fault("one row for each layer of the network, in its order")
    return list(zip(network.layers, entries, strict=True))


def check_operand_bits(row: Entry, layer: Layer, tensor_bits: Mapping[str, int]) -> int:
    """Width of the weight operand, that of its tensor if it is one; 0 where there is none."""
    given = row["weight_bits"]
    if layer.moves:
        row.ledger.same(given.where, given.value, None)
        return 0
    bw = given.whole(1, 1024)
    if layer.weight_tensor is not None:
        row.ledger.same(given.where, bw, tensor_bits[layer.weight_tensor])
    return bw


def check_shared_weights(rows: Entry, network: Network, operand_bits: Sequence[int]) -> None:
    """Compare the width of weights in each layer that uses another's with that of the owner."""
    of = {x.name: bits for x, bits in zip(network.layers, operand_bits, strict=True)}
    for layer, entry in read_rows(rows, network):
        if layer.weights_of is not None:
            given = entry["weight_bits"]
            entry.ledger.same(given.where, given.value, of[layer.weights_of])


def weight_sources(network: Network, operand_bits: Sequence[int]) -> dict[str, int]:
    """Widths of weights by source, from those of all layers' weight operands."""
    found: dict[str, int] = {}
    for layer, bits in zip(network.layers, operand_bits, strict=True):
        if layer.uses_weights:  # of several with the same ones, the first
            found.setdefault(str(layer.weight_source), bits)
    return found


def width_metrics(
    network: Network,
    operand_bits: Sequence[int],
    tensor_bits: Mapping[str, int],
    noise_of: Callable[[str, int], Fraction],
) -> dict[str, Fraction]:
    """The metrics that widths decide alone: noise, model size and bit operations."""
    weights = weight_sources(network, operand_bits)
    widths = {f"tensor:{name}": tensor_bits[name] for name in network.inner} | weights
    rows = list(zip(network.layers, operand_bits, strict=True))
    sizes = {layer.weight_source: layer.weights for layer in network.layers if layer.uses_weights}
    return {
        "noise": sum((noise_of(*each) for each in widths.items()), Fraction(0)),
        "model_bits": Fraction(sum(sizes[source] * bits for source, bits in weights.items())),
        "bops": sum((bops(x, bits, tensor_bits[x.input]) for x, bits in rows), Fraction(0)),
    }


def check_weight_bits(
    rows: Entry, problem: WidthProblem, operand_bits: Sequence[int], tensor_bits: dict[str, int]
) -> None:
    """Compare the widths of weights with those that they may take, and what shares one with it."""
    weight_bits = weight_sources(problem.network, operand_bits)
    for source, bits in weight_bits.items():
        allowed = problem.allowed(source)
        rows.ledger.holds(f"{rows.where} ({source!r})", bits in allowed, bits, f"one of {allowed}")
    widths = {f"tensor:{name}": bits for name, bits in tensor_bits.items()} | weight_bits
    for first, *others in problem.classes:
        for other in others:
            where = f"{rows.where} ({other!r})"
            rows.ledger.same(where, widths[other], widths[first])
    if any(widths[source] not in problem.allowed(source) for source in problem.network.sources):
        raise Unreadable


def check_metrics(
    entry: Entry,
    expected: Mapping[str, Fraction],
    problem: WidthProblem,
    hardware_terms: Mapping[str, Sequence[Fraction]] | None = None,
) -> dict[str, Fraction]:
    """Compare the totals with what they should be, and with the budgets; returns them as rounded.

    Parameters
    ----------
    hardware_terms : mapping of str to sequence of Fraction
        Of metrics such as the area, as `Ledger.close` takes them.
    """
    entry.known_keys(expected)
    right = {}
    for name, value in expected.items():
        figure = entry[name].figure()
        terms = (hardware_terms or {}).get(name, ())
        close = entry.ledger.close(f"{entry.where}.{name}", figure, value, terms)
        right[name] = figure if close else value  # budgets are kept by figures, as rounded
    for name, limit in problem.budgets.items():
        budget = f"at most the budget of {float(limit)!r}"
        kept = name in right and right[name] <= most_kept(limit)
        entry.ledger.holds(f"{entry.where}.{name}", kept, right.get(name), budget)
    return right
