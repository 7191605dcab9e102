"""What DRAM holds of tensors whose channels it stores in multiples of a number, in plain Python."""

from __future__ import annotations

from fractions import Fraction

from oracle_machine import ceil_div

from codesign.specs.network import Network


def in_dram(network: Network, multiple: int | None, name: str | None, count: int) -> int:
    """Of so many elements of a tensor; of none, as many."""
    if multiple is None or name is None:
        return count
    rows = []  # elements, channels
    for layer in network.layers:
        if layer.output == name:
            rows.append((layer.parts.get(name, network.tensors[name]), layer.G * layer.K))
    for layer in network.layers:
        if not rows and name in (layer.input, layer.weight_tensor, *layer.residuals):
            side = layer.C if layer.input == name else layer.K
            rows = [(network.tensors[name], layer.G * side)]
    here = sum(elements for elements, _ in rows)
    if here < network.tensors[name]:  # the rest of a cache was written by an earlier run
        rows.append((network.tensors[name] - here, rows[0][1]))
    padded = (Fraction(ceil_div(ch, multiple) * multiple * n, ch) for n, ch in rows)
    exact = sum(padded, Fraction(0)) * count / network.tensors[name]
    return ceil_div(exact.numerator, exact.denominator)
