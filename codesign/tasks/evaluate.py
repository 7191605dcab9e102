"""Evaluate a network on a given accelerator."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from codesign.costs.layers import LayerDesign, best_tiled_layer, ideal_layer, moving_layer
from codesign.costs.residency import Residents, residents
from codesign.costs.tiling import check_tiles
from codesign.costs.totals import totals
from codesign.errors import SpecError
from codesign.problem.places import DEFAULT_ON_CHIP, PLACES, OnChip, Place
from codesign.problem.problem import check_places
from codesign.quality import SensitivityTable, check_table, noise_by
from codesign.results.consistency import names_on_chip, places_of
from codesign.results.evaluation import ROOFLINES, Evaluation, Roofline, Widths
from codesign.space.given_hardware import GivenHardware
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer, Network
from codesign.specs.schema import nearest
from codesign.units import BITS_PER_KBIT, distinct_texts


def evaluate(
    network: Network,
    accelerator: Accelerator,
    widths: Widths | None = None,
    *,
    roofline: Roofline = "tiled",
    output_bits: int | None = None,
    sensitivity: SensitivityTable | None = None,
    on_chip: OnChip | None = None,
    places: Mapping[str, Place] | None = None,
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
    on_chip : "tensors" or "none", optional
        Tensors: of all sets of tensors that fit the SRAM beside tiles, the one stays on chip with
        which the latency is least, then the DRAM traffic; that alone without a DRAM bandwidth.
        None: every tensor goes to DRAM and back, as on the ideal roofline. Default: on tiles that
        of `Choices`.
    places : mapping of str to "chip" or "dram", optional
        Tensors whose place is given.

    Raises
    ------
    SpecError
        Widths are missing, unknown or wider than the PEs take; no SRAM is given or no tile fits; an
        unknown roofline or place, or a sensitivity that lacks a width.
    """
    if roofline not in ROOFLINES:
        raise SpecError(f"roofline must be one of {', '.join(ROOFLINES)}, got {roofline!r}")
    if roofline == "tiled" and accelerator.sram_bits is None:
        raise SpecError(
            f"accelerator {accelerator.name!r}: no SRAM capacity is given, and tiles need one; "
            "give sram_bits (--sram-kbit) or take the ideal roofline (--roofline ideal)"
        )
    stays = _stays(network, roofline, on_chip, places or {})
    given = _all_widths(network, accelerator, widths, output_bits)
    tensor_bits = {name: given[f"tensor:{name}"] for name in network.tensors}
    for layer in network.layers:
        _check_runs(layer, accelerator, given, tensor_bits)
    placed, bound = None, None
    if stays:
        placed, bound = _best_places(network, accelerator, given, tensor_bits, places or {})
    layers = _layer_designs(network, accelerator, given, tensor_bits, roofline == "tiled", placed)
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
        on_chip=placed,
        residency_bound=bound if bound is None else min(bound, _reached(metrics)),
    )


def _reached(metrics: Mapping[str, float]) -> float:
    """What the choice of residents has minimised first."""
    return metrics.get("latency_s", metrics["dram_bits"])


def _stays(
    network: Network, roofline: Roofline, on_chip: OnChip | None, places: Mapping[str, Place]
) -> bool:
    """Whether tensors may stay on chip, where what is asked for fits together."""
    if on_chip not in (None, "tensors", "none"):
        raise SpecError(f"on_chip must be 'tensors' or 'none', got {on_chip!r}")
    if roofline == "ideal" and (on_chip == "tensors" or places):
        what = "places" if on_chip != "tensors" else "on_chip 'tensors'"
        raise SpecError(
            f"{what}: the ideal roofline moves every tensor; leave it out, or take roofline 'tiled'"
        )
    default = "none" if roofline == "ideal" else DEFAULT_ON_CHIP
    stays = (on_chip or default) == "tensors"
    if places and not stays:
        raise SpecError("places are given, but on_chip is 'none'; make it 'tensors'")
    for name, place in places.items():
        if place not in PLACES:
            raise SpecError(f"place of {name!r}: must be 'chip' or 'dram', got {place!r}")
    check_places(network, places)
    return stays


def _best_places(
    network: Network,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
    places: Mapping[str, Place],
) -> tuple[dict[str, Place], float | None]:
    """Where every tensor is at best, and where that is not proven, its bound."""
    assert accelerator.sram_bits is not None
    weight_bits = [None if x.moves else given[x.weight_source] for x in network.layers]
    hardware = GivenHardware(network, accelerator, weight_bits, tensor_bits)
    found = hardware.residency(accelerator.sram_bits, places)
    if found is None:
        # Nothing beyond what must stay is one of the choices, so it does not fit either.
        given_places = places_of(network, names_on_chip(places))
        _layer_designs(network, accelerator, given, tensor_bits, True, given_places)
        raise AssertionError("a choice of residents that fits was not found")
    return places_of(network, found.on_chip), None if found.proven else found.bound


def _layer_designs(
    network: Network,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
    tiled: bool,
    placed: Mapping[str, Place] | None,
) -> tuple[LayerDesign, ...]:
    """Every layer's figures at the widths given, some tensors on chip."""
    on_chip: list[Residents | None] = [None] * len(network.layers)
    if placed is not None:
        on_chip = [*residents(network, tensor_bits, names_on_chip(placed))]
    rows = []
    for layer, resident in zip(network.layers, on_chip, strict=True):
        on = network, layer, accelerator
        if layer.moves:
            _check_held(layer, accelerator, resident)
            rows.append(moving_layer(*on, tensor_bits, tiled, resident))
            continue
        weight_bits = given[layer.weight_source]
        if not tiled:
            rows.append(ideal_layer(*on, weight_bits, tensor_bits))
            continue
        check_tiles(layer, accelerator.rows, accelerator.cols, accelerator.engine)
        rows.append(best_tiled_layer(*on, weight_bits, tensor_bits, resident))
    return tuple(rows)


def _check_held(layer: Layer, accelerator: Accelerator, resident: Residents | None) -> None:
    """Refuse more resident tensors than the SRAM holds; a layer that only moves has no tiles."""
    sram_bits = accelerator.sram_bits
    if resident is not None and sram_bits is not None and resident.bits > sram_bits:
        held, (needed,) = distinct_texts(sram_bits, [resident.bits], BITS_PER_KBIT)
        raise SpecError(
            f"accelerator {accelerator.name!r}: its SRAM of {held} kbit does not hold what stays "
            f"on chip during layer {layer.name!r}, {needed} kbit"
        )


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


def _check_runs(
    layer: Layer,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
) -> None:
    """Refuse operands that are too wide for the PEs."""
    if layer.moves or accelerator.precision != "fixed":
        return
    widths = given[layer.weight_source], tensor_bits[layer.input]
    pe = accelerator.pe_weight_bits, accelerator.pe_activation_bits
    if widths[0] > pe[0] or widths[1] > pe[1]:
        raise SpecError(
            f"layer {layer.name!r}: operands of {widths[0]} × {widths[1]} bit do not run on PEs "
            f"of {pe[0]} × {pe[1]} bit; narrow them, or make the precision multi-pass"
        )
