"""Evaluate a network on a given accelerator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from codesign.costs.layers import LayerDesign, best_tiled_layer, ideal_layer, moving_layer
from codesign.costs.tiling import check_tiles
from codesign.costs.totals import totals
from codesign.errors import SpecError
from codesign.quality import SensitivityTable, check_table, noise_by
from codesign.results.evaluation import ROOFLINES, Evaluation, Roofline, Widths
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer, Network
from codesign.specs.schema import nearest


def evaluate(
    network: Network,
    accelerator: Accelerator,
    widths: Widths | None = None,
    *,
    roofline: Roofline = "tiled",
    output_bits: int | None = None,
    sensitivity: SensitivityTable | None = None,
) -> Evaluation:
    """Find where each layer of a network stands on a given accelerator.

    Parameters
    ----------
    widths : int, (int, int) or mapping, optional
        One bitwidth everywhere; one for all weights and one for all activations; or each by
        ``"weight:<layer>"`` and ``"tensor:<tensor>"``, as in `Design.widths`. Default: the PE's.
    roofline : "tiled" or "ideal"
        Tiled: cycles with ragged edges, and for each layer the tiling of least DRAM traffic that
        fits the SRAM. Ideal: the paper's, every multiplier busy and each tensor moved once.
    output_bits : int, optional
        Width at which the network's results are stored; default: that of the activations, where
        one width is given.
    sensitivity : mapping, optional
        ``{"weight:<layer>" or "tensor:<tensor>": {bits: noise}}``; default ``4^(−bits)``.

    Raises
    ------
    SpecError
        Widths are missing, unknown or wider than the PEs take; no SRAM is given or no tile fits; an
        unknown roofline, or a sensitivity that lacks a width.
    """
    if roofline not in ROOFLINES:
        raise SpecError(f"roofline must be one of {', '.join(ROOFLINES)}, got {roofline!r}")
    if roofline == "tiled" and accelerator.sram_bits is None:
        raise SpecError(
            f"accelerator {accelerator.name!r}: no SRAM capacity is given, and tiles need one; "
            "give sram_bits (--sram-kbit) or take the ideal roofline (--roofline ideal)"
        )
    given = _all_widths(network, accelerator, widths, output_bits)
    tensor_bits = {name: given[f"tensor:{name}"] for name in network.tensors}
    layers = tuple(
        _layer_design(network, layer, accelerator, given, tensor_bits, roofline == "tiled")
        for layer in network.layers
    )
    noise_of = _noise_of(sensitivity, network, given)
    metrics, absent = totals(network, accelerator, tensor_bits, layers, noise_of)
    return Evaluation(
        network=network,
        accelerator=accelerator,
        roofline=roofline,
        tensor_bits=tensor_bits,
        layer_designs=layers,
        metrics=metrics,
        absent=absent,
    )


def _layer_design(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
    tiled: bool,
) -> LayerDesign:
    """A layer's figures at the widths given."""
    if layer.moves:
        return moving_layer(network, layer, accelerator, tensor_bits, tiled)
    weight_bits = given[layer.weight_source]
    _check_runs(layer, accelerator, weight_bits, tensor_bits[layer.input])
    if tiled:
        check_tiles(layer, accelerator.rows, accelerator.cols, accelerator.engine)
    price = best_tiled_layer if tiled else ideal_layer
    return price(network, layer, accelerator, weight_bits, tensor_bits)


def _noise_of(
    sensitivity: SensitivityTable | None, network: Network, given: Mapping[str, int]
) -> Callable[[str, int], float]:
    """Noise of a weight or tensor at a width, from a table that has those given."""
    results = [f"tensor:{name}" for name in network.outputs]  # their width is no choice
    needed = [(tensor, bits) for tensor, bits in given.items() if tensor not in results]
    if sensitivity is not None:
        check_table(sensitivity, needed, results)
    return noise_by(sensitivity, [tensor for tensor, _ in needed])


def _all_widths(
    network: Network, accelerator: Accelerator, widths: Widths | None, output_bits: int | None
) -> dict[str, int]:
    """The width of every weight operand and tensor, each given exactly once."""
    weights = [f"weight:{name}" for name in network.weight_layers]
    inner = [f"tensor:{name}" for name in network.inner_tensors]
    results = [f"tensor:{name}" for name in network.outputs]
    if widths is None:
        widths = accelerator.pe_weight_bits, accelerator.pe_activation_bits
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


def _check_runs(layer: Layer, accelerator: Accelerator, weight_bits: int, ifmap_bits: int) -> None:
    pe = accelerator.pe_weight_bits, accelerator.pe_activation_bits
    if accelerator.precision == "fixed" and (weight_bits > pe[0] or ifmap_bits > pe[1]):
        raise SpecError(
            f"layer {layer.name!r}: operands of {weight_bits} × {ifmap_bits} bit do not run on PEs "
            f"of {pe[0]} × {pe[1]} bit; narrow them, or make the precision multi-pass"
        )
