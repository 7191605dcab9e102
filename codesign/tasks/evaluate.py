"""Evaluate a network on a given accelerator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import overload

from codesign.costs.fusion import runs_of
from codesign.costs.given_tiling import GivenTiling, Settled, check_tiling, settle
from codesign.costs.totals import totals
from codesign.errors import SpecError
from codesign.problem.places import DEFAULT_FUSED_LAYERS, OnChip, Place
from codesign.quality import SensitivityTable, check_table, noise_by
from codesign.results.consistency import names_in_bands, names_on_chip
from codesign.results.dataflow_design import DataflowDesign
from codesign.results.evaluation import ROOFLINES, Evaluation, Roofline, Widths
from codesign.specs.accelerator import Accelerator
from codesign.specs.given_pipeline import GivenPipeline
from codesign.specs.machine import check_unfused
from codesign.specs.network import Layer, Network
from codesign.specs.suite import Suite
from codesign.tasks.evaluate_pipeline import evaluate_pipeline
from codesign.tasks.evaluate_places import best_places, layer_designs, mode_of
from codesign.tasks.given_tilings import Tiling, given_tilings
from codesign.tasks.given_widths import given_widths


@overload
def evaluate(
    network: Network | Suite,
    accelerator: Accelerator,
    widths: Widths | None = None,
    *,
    roofline: Roofline = "tiled",
    output_bits: int | None = None,
    sensitivity: SensitivityTable | None = None,
    on_chip: OnChip | None = None,
    places: Mapping[str, Place] | None = None,
    fused_layers: int = DEFAULT_FUSED_LAYERS,
    tiling: Tiling | None = None,
) -> Evaluation:
    """Where each layer stands on an accelerator."""


@overload
def evaluate(
    network: Network | Suite,
    accelerator: GivenPipeline,
    widths: Widths | None = None,
    *,
    output_bits: int | None = None,
    sensitivity: SensitivityTable | None = None,
    time_limit_s: float | None = None,
) -> DataflowDesign:
    """What each stage of a pipeline takes."""


def evaluate(
    network: Network | Suite,
    accelerator: Accelerator | GivenPipeline,
    widths: Widths | None = None,
    *,
    roofline: Roofline = "tiled",
    output_bits: int | None = None,
    sensitivity: SensitivityTable | None = None,
    on_chip: OnChip | None = None,
    places: Mapping[str, Place] | None = None,
    fused_layers: int = DEFAULT_FUSED_LAYERS,
    tiling: Tiling | None = None,
    time_limit_s: float | None = None,
) -> Evaluation | DataflowDesign:
    """Find where each layer of a network stands on a given accelerator, or as a given pipeline.

    Of a pipeline what is not given (bands, where weights are, starts) is chosen: of all that is
    left the least interval, then the least hardware, proven as by `codesign.solve`.

    Parameters
    ----------
    network : Network or Suite
        Of a suite also each member's share of every metric, see `codesign.Problem`; and of each
        the tensors that stay on chip are those that are best for it.
    accelerator : Accelerator or GivenPipeline
    widths : int, (int, int) or mapping, optional
        One bitwidth everywhere; one for all weights and one for all activations; or each by
        ``"weight:<layer>"`` and ``"tensor:<tensor>"``, as in `Design.widths`. Default: the PE's,
        or those that a pipeline tells.
    roofline : "tiled" or "ideal"
        Tiled: cycles with ragged edges, and for each layer the tiling of least DRAM traffic that
        fits the SRAM. Ideal: the paper's, every multiplier busy and each tensor moved once.
    output_bits : int, optional
        Width at which the network's results are stored; default: that of the activations, where
        one width is given; of a pipeline 8, as of `Choices`.
    sensitivity : mapping, optional
        ``{"weight:<layer>" or "tensor:<tensor>": {bits: noise}}``; default ``4^(−bits)``.
    on_chip : "bands", "tensors" or "none", optional
        Tensors: of all sets of tensors that fit the SRAM beside tiles, the one stays on chip with
        which the latency is least, then the DRAM traffic; that alone without a DRAM bandwidth.
        Bands: the same over all sets of tensors and all ways to fuse layers, see
        `codesign.costs.fusion`. None: every tensor goes to DRAM and back, as on the ideal roofline.
        Default: on tiles that of `Choices`.
    places : mapping of str to "chip", "dram" or "band", optional
        Tensors whose place is given.
    fused_layers : int, optional
        Layers of a fused run at most, from 2 on, where bands are on offer.
    tiling : Path, Design, Evaluation or mapping, optional
        Tiles and orders of loops that are given, as of a machine that exists, in place of the best:
        a file (of a design or evaluation, or a table of layers, .csv), a result, or ``{layer:
        {"tile": {"g", "k", "c", "p", "q", "images"}, "order": "kcp"}}``. Other layers have their
        best; none is fused. A tile need not keep the array as busy as the whole layer would: cycles
        are then those of its tiles, one by one.
    time_limit_s : float, optional
        Of a pipeline: for what is chosen; then the best so far is taken.

    Raises
    ------
    SpecError
        A tiling that is none of its layer or does not fit, or is given where there are no tiles.
        Widths are missing, unknown or wider than the PEs take; no SRAM is given or no tile fits; an
        unknown roofline or place, or a sensitivity that lacks a width. A pipeline lacks a stage or
        has one that its layer cannot have; or what is of one shared array is said of it.
    SolverError, KeyboardInterrupt
        Of a pipeline, as of `codesign.solve`.
    """
    if isinstance(network, Suite):
        network = network.network
    if isinstance(accelerator, GivenPipeline):
        ideal, fused = roofline != "tiled", fused_layers != DEFAULT_FUSED_LAYERS
        said = {"on_chip": on_chip, "places": places, "tiling": tiling, "roofline": ideal}
        _refuse_of_array({**said, "fused_layers": fused})
        how = widths, output_bits, sensitivity, time_limit_s
        return evaluate_pipeline(network, accelerator, *how)
    _check_roofline(accelerator, roofline)
    mode = mode_of(network, roofline, on_chip, places or {}, fused_layers)
    if tiling is not None:
        _check_takes_tiles(roofline, mode)
    if mode == "bands":
        check_unfused(accelerator)
    usual = accelerator.pe_weight_bits, accelerator.pe_activation_bits
    given = given_widths(network, usual if widths is None else widths, output_bits)
    tensor_bits = {name: given[f"tensor:{name}"] for name in network.tensors}
    for layer in network.layers:
        _check_operands(layer, accelerator, given, tensor_bits)
    on = network, accelerator, given, tensor_bits
    settled = _settled(*on, {} if tiling is None else given_tilings(network, tiling))
    placed, bound = None, None
    if mode != "none":
        most_fused = fused_layers if mode == "bands" else 1
        placed, bound = best_places(*on, places or {}, most_fused, settled)
    layers = layer_designs(*on, roofline == "tiled", placed, settled)
    noise_of = _noise_of(sensitivity, network, given)
    runs = runs_of(network, names_in_bands(placed)) or ()
    stays = names_on_chip(placed), runs
    metrics, absent = totals(network, accelerator, tensor_bits, layers, noise_of, *stays)
    return Evaluation(
        network=network,
        accelerator=accelerator,
        roofline=roofline,
        tensor_bits=tensor_bits,
        layer_designs=layers,
        metrics=metrics,
        absent=absent,
        on_chip=placed,
        given_tiles=tuple(settled),
        residency_bound=bound if bound is None else min(bound, _reached(metrics)),
    )


def _refuse_of_array(said: Mapping[str, object]) -> None:
    """Refuse what is said of one shared array where a pipeline is given."""
    for word, value in said.items():
        if value:
            raise SpecError(f"{word}: of one shared array; leave it out of a pipeline")


def _check_roofline(accelerator: Accelerator, roofline: str) -> None:
    if roofline not in ROOFLINES:
        raise SpecError(f"roofline must be one of {', '.join(ROOFLINES)}, got {roofline!r}")
    if roofline == "tiled" and accelerator.sram_bits is None:
        raise SpecError(
            f"accelerator {accelerator.name!r}: no SRAM capacity is given, and tiles need one; "
            "give sram_bits (--sram-kbit) or take the ideal roofline (--roofline ideal)"
        )


def _check_takes_tiles(roofline: str, on_chip: str) -> None:
    if roofline == "ideal":
        raise SpecError("tiling: the ideal roofline has no tiles; take roofline 'tiled'")
    if on_chip == "bands":
        raise SpecError("tiling: a fused layer has no tiles of its own; make on_chip 'tensors'")


def _settled(
    network: Network,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
    tilings: Mapping[str, GivenTiling],
) -> dict[str, Settled]:
    """What follows from each given tiling, in the network's order."""
    found = {}
    for layer in network.layers:
        if layer.name in tilings:
            check_tiling(layer, tilings[layer.name])
            on = layer, accelerator, given[layer.weight_source], tensor_bits
            found[layer.name] = settle(*on, tilings[layer.name])
    return found


def _reached(metrics: Mapping[str, float]) -> float:
    """What the choice of residents has minimised first."""
    return metrics.get("latency_s", metrics["dram_bits"])


def _noise_of(
    sensitivity: SensitivityTable | None, network: Network, given: Mapping[str, int]
) -> Callable[[str, int], float]:
    """Noise of a weight or tensor at a width, from a table that has those given."""
    results = [f"tensor:{name}" for name in network.outputs]  # their width is no choice
    needed = [(tensor, bits) for tensor, bits in given.items() if tensor not in results]
    if sensitivity is not None:
        network.check_owners(sensitivity, "sensitivity:")
        check_table(sensitivity, needed, results)
    return noise_by(sensitivity, [tensor for tensor, _ in needed])


def _check_operands(
    layer: Layer,
    accelerator: Accelerator,
    given: Mapping[str, int],
    tensor_bits: Mapping[str, int],
) -> None:
    """Refuse operands that are too wide for the PEs."""
    if layer.moves or accelerator.precision == "multi-pass":
        return
    widths = given[layer.weight_source], tensor_bits[layer.input]
    pe = accelerator.pe_weight_bits, accelerator.pe_activation_bits
    if widths[0] > pe[0] or widths[1] > pe[1]:
        raise SpecError(
            f"layer {layer.name!r}: operands of {widths[0]} × {widths[1]} bit do not run on PEs "
            f"of {pe[0]} × {pe[1]} bit; narrow them, or make the precision multi-pass"
        )
