"""Where the tensors of an evaluation are at best, and every layer's figures with them there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from codesign.costs.fusion import fused_layers, runs_of
from codesign.costs.given_tiling import Settled, given_tiled_layer
from codesign.costs.layers import LayerDesign, array_of, best_tiled_layer, ideal_layer, moving_layer
from codesign.costs.residency import Residents, residents
from codesign.costs.tiling import check_tiles
from codesign.errors import SpecError
from codesign.problem.places import (
    DEFAULT_FUSED_LAYERS,
    DEFAULT_ON_CHIP,
    MOST_FUSED_LAYERS,
    ON_CHIP,
    PLACES,
    OnChip,
    Place,
)
from codesign.problem.problem import check_places
from codesign.results.consistency import names_in_bands, names_on_chip, places_of
from codesign.results.evaluation import Roofline
from codesign.space.given_hardware import GivenHardware
from codesign.specs.accelerator import Accelerator
from codesign.specs.network import Layer, Network
from codesign.specs.suite import part, sources_alone
from codesign.units import BITS_PER_KBIT, distinct_texts

Places = Mapping[str, Place]


def mode_of(
    network: Network,
    roofline: Roofline,
    on_chip: OnChip | None,
    places: Places,
    most_fused: int,
) -> OnChip:
    """Where tensors may be, where what is asked for fits together.

    Raises
    ------
    SpecError
    """
    if on_chip not in (None, *ON_CHIP):
        raise SpecError(f"on_chip must be one of {', '.join(ON_CHIP)}, got {on_chip!r}")
    if roofline == "ideal" and (on_chip not in (None, "none") or places):
        what = "places" if on_chip in (None, "none") else f"on_chip {on_chip!r}"
        raise SpecError(
            f"{what}: the ideal roofline moves every tensor; leave it out, or take roofline 'tiled'"
        )
    mode: OnChip = on_chip or ("none" if roofline == "ideal" else DEFAULT_ON_CHIP)
    if places and mode == "none":
        raise SpecError("places are given, but on_chip is 'none'; make it 'tensors'")
    for name, place in places.items():
        if place not in PLACES:
            raise SpecError(f"place of {name!r}: must be one of {', '.join(PLACES)}, got {place!r}")
    if mode != "bands":
        if "band" in places.values():
            raise SpecError("a tensor's place is 'band', but on_chip is not 'bands'")
        if most_fused != DEFAULT_FUSED_LAYERS:
            raise SpecError("fused_layers is given, but on_chip is not 'bands'")
    elif not isinstance(most_fused, int) or not 2 <= most_fused <= MOST_FUSED_LAYERS:
        raise SpecError(
            f"fused_layers must be a whole number from 2 to {MOST_FUSED_LAYERS}, got {most_fused!r}"
        )
    check_places(network, places, most_fused)
    return mode


def best_places(
    network: Network,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
    places: Places,
    most_fused: int,
    settled: Mapping[str, Settled],
) -> tuple[dict[str, Place], float | None]:
    """Where every tensor is at best, and where that is not proven, its bound.

    Of a suite at best for each of its members, which have all the SRAM, one after the other.

    Parameters
    ----------
    given : mapping of str to int
        Every width.
    most_fused : int
        Layers of a fused run at most; 1: none are fused.
    settled : mapping of str to Settled
        Layers whose tiling is given.

    Raises
    ------
    SpecError
        Nothing fits.
    """
    parts = [(part(network, n), member.weight) for n, member in enumerate(network.members)]
    for n in range(len(parts)):
        given = {own: given[x] for x, own in sources_alone(network, n).items()} | {**given}
    placed, proven, least = dict[str, Place](), True, 0.0
    for mine, weight in parts or [(network, 1.0)]:
        own = {name: place for name, place in places.items() if name in mine.tensors}
        best = _best_of_one(mine, accelerator, given, tensor_bits, own, most_fused, settled)
        placed |= best.places
        proven, least = proven and best.proven, least + weight * best.bound
    return {name: placed[name] for name in network.tensors}, None if proven else least


class _Placed(NamedTuple):
    """Where tensors are, a bound on what is minimised first, and whether that is reached."""

    places: dict[str, Place]
    bound: float
    proven: bool


def _best_of_one(
    network: Network,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
    places: Places,
    most_fused: int,
    settled: Mapping[str, Settled],
) -> _Placed:
    """The same of a network by itself."""
    assert accelerator.sram_bits is not None
    weight_bits = [None if x.moves else given[x.weight_source] for x in network.layers]
    on = network, accelerator, weight_bits, tensor_bits
    hardware = GivenHardware(*on, most_fused, settled)
    found = hardware.residency(accelerator.sram_bits, places)
    if found is None:
        _refuse_bands(hardware, places)
        # Nothing beyond what must stay is one of the choices, so it does not fit either.
        given_places = places_of(network, names_on_chip(places))
        layer_designs(network, accelerator, given, tensor_bits, True, given_places, settled)
        raise AssertionError("a choice of residents that fits was not found")
    placed = places_of(network, found.on_chip, found.bands)
    return _Placed(placed, found.bound, found.proven)


def _refuse_bands(hardware: GivenHardware, places: Places) -> None:
    """Refuse bands that are given and do not fit the SRAM with anything, by what would hold them.

    What fits an SRAM fits any larger one, so the least is found by bisection.
    """
    bands = names_in_bands(places)
    if not bands:
        return
    low, high = hardware.accelerator.sram_bits or 0, hardware.ample_sram_bits
    while high - low > 1:
        middle = (low + high) // 2
        fits = hardware.residency(middle, places) is not None
        low, high = (low, middle) if fits else (middle, high)
    held, (needed,) = distinct_texts(hardware.accelerator.sram_bits or 0, [high], BITS_PER_KBIT)
    raise SpecError(
        f"accelerator {hardware.accelerator.name!r}: its SRAM of {held} kbit does not hold the "
        f"fused layers around {', '.join(map(repr, bands[:3]))}{', …' * (len(bands) > 3)} with the "
        f"places given, {needed} kbit"
    )


def layer_designs(
    network: Network,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
    tiled: bool,
    placed: Places | None,
    settled: Mapping[str, Settled],
) -> tuple[LayerDesign, ...]:
    """Every layer's figures at the widths given, some tensors on chip, some layers fused.

    Raises
    ------
    SpecError
        No tile of some layer fits, or the one given.
    """
    on_chip: list[Residents | None] = [None] * len(network.layers)
    runs = runs_of(network, names_in_bands(placed)) or ()
    if placed is not None:
        layers = [run.layers for run in runs]
        on_chip = [*residents(network, tensor_bits, names_on_chip(placed), layers)]
    rows: dict[int, LayerDesign] = {}
    for run in runs:
        weight_bits = [given[network.layers[i].weight_source] for i in run.layers]
        resident = on_chip[run.first]
        assert resident is not None
        fused = fused_layers(network, run, accelerator, weight_bits, tensor_bits, resident)
        rows |= dict(zip(run.layers, fused, strict=True))
    for i, layer in enumerate(network.layers):
        if i not in rows:
            on = network, layer, accelerator
            one = settled.get(layer.name)
            rows[i] = _layer_design(*on, given, tensor_bits, tiled, on_chip[i], one)
    return tuple(rows[i] for i in range(len(network.layers)))


def _layer_design(
    network: Network,
    layer: Layer,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
    tiled: bool,
    resident: Residents | None,
    settled: Settled | None,
) -> LayerDesign:
    """The figures of a layer that is not fused."""
    on = network, layer, accelerator
    if layer.moves:
        _check_held(layer, accelerator, resident)
        return moving_layer(*on, tensor_bits, tiled, resident)
    weight_bits = given[layer.weight_source]
    if not tiled:
        return ideal_layer(*on, weight_bits, tensor_bits)
    if settled is not None:
        return given_tiled_layer(*on, weight_bits, tensor_bits, settled, resident)
    for mapping in accelerator.mapping:
        check_tiles(layer, array_of(layer, accelerator, weight_bits, tensor_bits, mapping))
    return best_tiled_layer(*on, weight_bits, tensor_bits, resident)


def _check_held(layer: Layer, accelerator: Accelerator, resident: Residents | None) -> None:
    """Refuse more resident tensors than the SRAM holds; a layer that only moves has no tiles."""
    sram_bits = accelerator.sram_bits
    if resident is not None and sram_bits is not None and resident.bits > sram_bits:
        held, (needed,) = distinct_texts(sram_bits, [resident.bits], BITS_PER_KBIT)
        raise SpecError(
            f"accelerator {accelerator.name!r}: its SRAM of {held} kbit does not hold what stays "
            f"on chip during layer {layer.name!r}, {needed} kbit"
        )
