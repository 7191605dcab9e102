"""Widths that are given: one everywhere, one for weights and one for activations, or each."""

from __future__ import annotations

from collections.abc import Mapping

from codesign.errors import SpecError
from codesign.results.evaluation import Widths
from codesign.specs.network import Network
from codesign.specs.schema import nearest


def given_widths(network: Network, widths: Widths, output_bits: int | None) -> dict[str, int]:
    """The width of every weight operand and tensor, each given exactly once.

    Raises
    ------
    SpecError
        One is missing, unknown, or none.
    """
    weights = [f"weight:{name}" for name in network.weight_layers]
    inner = [f"tensor:{name}" for name in network.inner_tensors]
    results = [f"tensor:{name}" for name in network.outputs]
    if isinstance(widths, int):
        widths = widths, widths
    if isinstance(widths, Mapping):
        chosen = dict(widths)
        if output_bits is not None:
            chosen |= dict.fromkeys(results, output_bits)
    else:
        try:
            weight_bits, activation_bits = widths
        except (TypeError, ValueError):
            raise SpecError(
                "widths: give one width, (weights, activations), or one for each tensor by name; "
                f"got {widths!r}"
            ) from None
        stored = activation_bits if output_bits is None else output_bits
        chosen = dict.fromkeys(weights, weight_bits)
        chosen |= dict.fromkeys(inner, activation_bits) | dict.fromkeys(results, stored)
    known = (*weights, *inner, *results)
    network.check_owners(chosen, "widths:")
    for key, bits in chosen.items():
        if key not in known:
            raise SpecError(f"widths: unknown {key!r}{nearest(str(key), known)}")
        if not isinstance(bits, int) or not 1 <= bits <= 32:
            raise SpecError(f"widths: {key!r} must be a whole number from 1 to 32, got {bits!r}")
    for key in known:
        if key not in chosen:
            what = "output_bits" if key in results else repr(key)
            raise SpecError(f"widths: {what} is missing")
    return chosen
